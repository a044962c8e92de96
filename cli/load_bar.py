"""How far a load has come, as a line of the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from etl.load import Progress as LoadProgress
from etl.progress import Pace, pace, pace_of
from layers.load_records import LoadRecord

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

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
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
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    # Where nobody watches it, a bar would only leave an empty line in front of an error's one.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield LoadBar(progress)
