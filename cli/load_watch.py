"""Following a load that another process runs."""

import time

from cli.load_bar import load_bar
from layers.load_desk import LoadDesk
from layers.load_records import LoadRecord

_LOOK_EVERY_S = 0.5


def follow(desk: LoadDesk, load_id: int) -> LoadRecord:
    """Show how far a load is until it ends, and return its record then.

    Raises:
        LoadNotFound: If there is none of that number.
        DatabaseUnavailable: If the database cannot be reached any more.
    """
    with load_bar() as bar:
        while not (record := desk.record(load_id)).final:
            bar.show(record)
            time.sleep(_LOOK_EVERY_S)
    return record


def outcome_text(record: LoadRecord) -> str:
    """Return how a load ended, or how it stands, in one line."""
    line = f"load {record.load_id} ({record.source} → {record.layer}): {record.status}"
    if record.status == "done":
        line += (
            f"; {record.added or 0:,} added, {record.changed or 0:,} changed, "
            f"{record.unchanged or 0:,} unchanged, {record.closed or 0:,} closed, "
            f"{record.quarantined or 0:,} in quarantine"
        )
    if record.failure and record.status != "done":
        line += f": {record.failure}"
    return line
