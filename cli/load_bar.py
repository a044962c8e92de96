"""How far a load has come, as a line of the terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.load import Progress as LoadProgress
from etl.progress import Pace, pace, pace_of
from gis.late import LateModule
from layers.load_records import LoadRecord

if TYPE_CHECKING:
    from rich import console as rich_console
    from rich import progress as rich_progress
else:
    rich_console = LateModule("rich.console")
    rich_progress = LateModule("rich.progress")

#: Stage of a load → what is said of it; a stage that is not here is said as it is called.
_STAGES = {
    "opening": "opening",
    "reading": "reading",
    "checking": "reading and checking",
    "writing": "writing rows",
    "indexing": "building indexes",
    "applying": "writing versions",
    "pyramid": "renewing the pyramid",
    "done": "done",
}


class LoadBar:
    """Shows stage, rows, rows a second, and the time that is left."""

    def __init__(
        self,
        progress: "rich_progress.Progress | None",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a load that opens its source.

        Args:
            progress: Where to show it; ``None`` where nobody watches.
            clock: Seconds.
        """
        self._progress = progress
        self._clock = clock
        if progress is not None:
            self._task = progress.add_task("opening", total=None, pace="")
        self._stage = "opening"
        self._started = self._stage_started = clock()

    def tell(self, state: LoadProgress) -> None:
        """Show how far a load of this process is."""
        now = self._clock()
        if state.stage != self._stage:
            self._stage, self._stage_started = state.stage, now
        found = pace(
            state.stage,
            state.rows,
            state.total,
            self._stage_started - self._started,
            now - self._stage_started,
        )
        self._show(_STAGES.get(state.stage, state.stage), state.rows, state.total, found)

    def show(self, record: LoadRecord) -> None:
        """Show how far a load of another process is."""
        stage = record.status
        if record.status == "queued" and record.ahead:
            stage = f"queued behind {record.ahead} of its layer"
        elif record.status == "running" and record.stage is not None:
            stage = _STAGES.get(record.stage, record.stage)
        self._show(stage, record.rows, record.total, pace_of(record))

    def _show(self, stage: str, rows: int, total: int | None, found: Pace) -> None:
        if self._progress is None:
            return
        self._progress.update(
            self._task, description=stage, completed=rows, total=total, pace=pace_text(found)
        )


def pace_text(found: Pace) -> str:
    """Return rows a second and the time that is left, as far as they are known."""
    parts = []
    if found.rows_per_second is not None:
        parts.append(f"{found.rows_per_second:,.0f} rows/s")
    if found.eta_s is not None:
        minutes, seconds = divmod(round(found.eta_s), 60)
        hours, minutes = divmod(minutes, 60)
        left = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
        parts.append(f"{left} left")
    return ", ".join(parts)


@contextmanager
def load_bar() -> Iterator[LoadBar]:
    """A bar on standard error; nothing where that is no terminal."""
    # Where nobody watches it, a bar would only leave an empty line in front of an error's one.
    if not sys.stderr.isatty():
        yield LoadBar(None)
        return
    columns = (
        rich_progress.SpinnerColumn(),
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[pace]}"),
        rich_progress.TimeElapsedColumn(),
    )
    console = rich_console.Console(stderr=True)
    with rich_progress.Progress(*columns, console=console, transient=True) as progress:
        yield LoadBar(progress)
