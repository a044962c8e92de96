"""An orderly end on Ctrl-C, on SIGTERM and when the terminal closes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def orderly_end() -> Iterator[None]:
    """In the ``with`` block the first of these signals raises KeyboardInterrupt.

    Further ones are ignored, so that an impatient second Ctrl-C cannot cut short what stops the
    server and its cluster. The former handlers are back after the block.
    """
    ending = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise KeyboardInterrupt

    former = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
