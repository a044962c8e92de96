"""A feature's history as people read it: version by version, what changed, when, and by whom.

Lineage (``layers.lineage``) has every recorded row. A row whose end was recorded later stands there
twice, with one version number; here such rows are one version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select

from layers.definition import LayerDefinition
from layers.lineage import FeatureLineage, LoadOrigin, VersionOrigin
from layers.system_tables import load_table

_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Recorder:
    """The load by which the map learned of something."""

    load_id: int
    #: ``survey``, ``repair``, ``revert`` or ``transaction``.
    kind: str
    source: str
    operator: str
    reason: str | None
    recorded_at: datetime


@dataclass(frozen=True)
class FeatureVersion:
    """One version of a feature."""

    version: int
    valid_from: datetime
    #: ``None`` while it is so.
    valid_to: datetime | None
    recorded_from: datetime
    #: When the map ceased to hold it to be so; ``None`` while it does.
    recorded_to: datetime | None
    #: ``added``, ``changed``, or ``returned`` after a time in which the feature was not there.
    change: str
    #: The version before it: the one in whose place it was recorded, or the last before it in time.
    previous: int | None
    #: Field → value before and after, of those that differ.
    fields: Mapping[str, tuple[Any, Any]]
    #: Whether the geometry differs from the version's before.
    geometry_changed: bool
    properties: Mapping[str, Any]
    #: The load and row that its content came from.
    load: LoadOrigin
    source_row: int
    #: By what the map learned of it.
    recorded_by: Recorder | None
    #: By what the map learned that the feature ended with it, if it did.
    ended_by: Recorder | None
    #: By what the map learned that it was not so.
    replaced_by: Recorder | None


def recorders_query(layer: LayerDefinition, moments: Sequence[datetime]) -> Select[Any]:
    """Return the statement for the loads that recorded something at some moments."""
    loads = load_table.c
    return select(
        loads.load_id,
        loads.kind,
        loads.source,
        loads.operator,
        loads.request["reason"].astext.label("reason"),
        loads.recorded_at,
    ).where(loads.layer == layer.name, loads.recorded_at.in_(moments))


def moments_of(lineage: FeatureLineage) -> list[datetime]:
    """Return when anything of a feature was recorded."""
    found = {row.recorded_from for row in lineage.versions}
    return sorted(found | {row.recorded_to for row in lineage.versions if row.recorded_to})


def read_history(
    lineage: FeatureLineage, loads: Iterable[Mapping[Any, Any]], as_of: datetime | None
) -> list[FeatureVersion]:
    """Return a feature's versions by their numbers, which is the order the map learned of them.

    Args:
        lineage: All rows of the feature.
        loads: Of ``recorders_query``.
        as_of: As it was told then, as if nothing had been recorded since; ``None`` is now.
    """
    recorders = {row["recorded_at"]: Recorder(**dict(row)) for row in loads}
    rows = [row for row in lineage.versions if as_of is None or row.recorded_from <= as_of]
    numbers = sorted({row.version for row in rows})
    return [_version(number, rows, recorders, as_of) for number in numbers]


def _version(
    number: int,
    rows: Sequence[VersionOrigin],
    recorders: Mapping[datetime, Recorder],
    as_of: datetime | None,
) -> FeatureVersion:
    mine = sorted((row for row in rows if row.version == number), key=lambda row: row.recorded_from)
    first, last = mine[0], mine[-1]
    before = _before(first, rows)
    over = None if last.recorded_to is None or _is_later(last.recorded_to, as_of) else True
    return FeatureVersion(
        version=number,
        valid_from=last.valid_from,
        valid_to=last.valid_to,
        recorded_from=first.recorded_from,
        recorded_to=last.recorded_to if over else None,
        change=_kind(first, before),
        previous=None if before is None else before.version,
        fields={}
        if before is None
        else {
            name: (before.fields[name], value)
            for name, value in first.fields.items()
            if before.fields[name] != value
        },
        geometry_changed=before is not None and before.geometry_hash != first.geometry_hash,
        properties=first.fields,
        load=first.load,
        source_row=first.source_row,
        recorded_by=recorders.get(first.recorded_from),
        ended_by=_ended_by(last, rows, recorders, as_of),
        replaced_by=recorders.get(last.recorded_to) if over and last.recorded_to else None,
    )


def _before(first: VersionOrigin, rows: Sequence[VersionOrigin]) -> VersionOrigin | None:
    """Return the row that the map held in a version's place, or the last one before it in time."""
    moment, end = first.recorded_from, first.valid_to or _EVER
    held = [
        row
        for row in rows
        if row.version != first.version
        and row.recorded_from < moment
        and (row.recorded_to or _EVER) >= moment
    ]
    there = [row for row in held if row.valid_from < end <= (row.valid_to or _EVER)]
    earlier = [row for row in held if row.valid_from <= first.valid_from]
    found = there or earlier
    return max(found, key=lambda row: row.valid_from) if found else None


def _kind(first: VersionOrigin, before: VersionOrigin | None) -> str:
    if before is None:
        return "added"
    return "changed" if (before.valid_to or _EVER) >= first.valid_from else "returned"


def _ended_by(
    last: VersionOrigin,
    rows: Sequence[VersionOrigin],
    recorders: Mapping[datetime, Recorder],
    as_of: datetime | None,
) -> Recorder | None:
    """Return what ended the feature with a version, unless another version follows at once."""
    if last.valid_to is None or not _is_held(last, as_of):
        return None
    if any(row.valid_from == last.valid_to and _is_held(row, as_of) for row in rows):
        return None
    return recorders.get(last.recorded_from)


def _is_held(row: VersionOrigin, as_of: datetime | None) -> bool:
    return row.recorded_to is None or _is_later(row.recorded_to, as_of)


def _is_later(moment: datetime, as_of: datetime | None) -> bool:
    return as_of is not None and moment > as_of
