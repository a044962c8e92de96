"""Want of room on a disk, in words."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from layers.errors import DiskFull

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def is_no_room(error: BaseException) -> bool:
    """Tell whether a disk was full, or its user may not have more of it."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


@contextmanager
def room_needed() -> Iterator[None]:
    """Turn the failure to write a temporary file, for want of room, into ``DiskFull``."""
    try:
        yield
    except OSError as error:
        if not is_no_room(error):
            raise
        raise DiskFull(
            f"no room is left for temporary files in {tempfile.gettempdir()}: "
            "make some, or set TMPDIR to a folder that has more"
        ) from error
