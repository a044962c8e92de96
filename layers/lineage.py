"""Where a feature came from: each version with load, file, row and repair, and its ancestry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)

from layers.access import AccessClass
from layers.definition import LayerDefinition
from layers.system_tables import ancestry_table, load_table, quarantine_table
from layers.tables import INFINITY

#: Versions of one feature that are told.
MOST_VERSIONS = 1_000
#: Generations that ancestry is followed.
_GENERATIONS = 20
_LOAD = (
    "load_id", "kind", "source", "checksum", "crs", "mapping", "mapping_name", "operator",
    "valid_from", "recorded_at", "full_survey", "reverts", "reverted_by", "repairs",
)  # fmt: skip
_REPORTED = (
    "format", "source_layer", "transformation", "accuracy_m", "encoding", "parts",
    "repaired_rows", "repaired_known",
)  # fmt: skip


@dataclass(frozen=True)
class LoadOrigin:
    """The load that a version came with."""

    load_id: int
    #: ``survey``, ``repair`` or ``revert``.
    kind: str
    source: str
    source_layer: str | None
    format: str | None
    checksum: str | None
    #: The survey's own reference system, and the way from it to CGCS2000.
    crs: str | None
    transformation: str | None
    #: Metres; 0 where there is no datum step.
    accuracy_m: float | None
    encoding: str | None
    operator: str
    recorded_at: datetime | None
    full_survey: bool
    mapping_name: str | None
    mapping: Mapping[str, Any]
    #: The load whose refused rows this one took in; that it took back; that took it back.
    repairs: int | None
    reverts: int | None
    reverted_by: int | None


@dataclass(frozen=True)
class RepairOrigin:
    """How a row was refused and mended before it became a version."""

    quarantine_id: int
    #: The load that refused it.
    refused_by: int
    refused_at: datetime
    rules: tuple[tuple[str, str], ...]
    attempts: int
    #: The fields and source columns that were set, with their values, and whether the geometry was.
    fixed: Mapping[str, Any]
    geometry_fixed: bool
    taken_in_at: datetime | None
    note: str | None


@dataclass(frozen=True)
class VersionOrigin:
    """One row of a feature's history."""

    version: int
    valid_from: datetime
    #: ``None`` while it is so, or while the map holds it to be so.
    valid_to: datetime | None
    recorded_from: datetime
    recorded_to: datetime | None
    load: LoadOrigin
    source_row: int
    #: The file of the source that the row stood in, where there are several.
    part: str | None
    #: Whether the geometry was mended while it was loaded; ``None`` if that is not known.
    geometry_repaired: bool | None
    repair: RepairOrigin | None
    fields: Mapping[str, Any]
    geometry_hash: str | None

    @property
    def is_held(self) -> bool:
        """Whether the map holds it to be so today."""
        return self.recorded_to is None


@dataclass(frozen=True)
class Kin:
    """A feature that another one came from, or became."""

    feature_id: int
    #: The feature that it is kin of, nearer to the one asked about.
    of: int
    #: 1 for parents and children, 2 for theirs …
    generation: int
    #: ``split``, ``merge`` or ``redraw``.
    kind: str
    #: Part of the child's area that was the parent's, 0 to 1.
    share: float | None
    valid_from: datetime
    load_id: int


@dataclass(frozen=True)
class FeatureLineage:
    """All that is known of where a feature came from."""

    feature_id: int
    key: Mapping[str, Any]
    #: In the order they were recorded.
    versions: tuple[VersionOrigin, ...]
    ancestors: tuple[Kin, ...]
    descendants: tuple[Kin, ...]

    def at(self, moment: datetime) -> "FeatureLineage":
        """Return the same of what is held to be so at a moment alone."""
        kept = tuple(
            entry
            for entry in self.versions
            if entry.is_held
            and entry.valid_from <= moment
            and (entry.valid_to is None or entry.valid_to > moment)
        )
        return FeatureLineage(self.feature_id, self.key, kept, self.ancestors, self.descendants)


def origins_query(loads: Sequence[int]) -> Select[Any]:
    """Return the statement for what is told of loads."""
    report = load_table.c.report
    return select(
        *(load_table.c[name] for name in _LOAD),
        *(report[name].astext.label(f"report_{name}") for name in _REPORTED),
    ).where(load_table.c.load_id.in_(loads))


def repairs_query(rows: Sequence[tuple[int, int]]) -> Select[Any]:
    """Return the statement for how rows were refused and mended.

    Args:
        rows: Load that took the row in, and the row's number.
    """
    row = quarantine_table.c
    return select(
        row.quarantine_id,
        row.resolved_by,
        row.source_row,
        row.load_id,
        row.created_at,
        row.rule,
        row.message,
        row.rules,
        row.attempts,
        row.fixed,
        row.fixed_geom.is_not(None).label("geometry_fixed"),
        func.nullif(row.resolved_at, INFINITY).label("taken_in_at"),
        row.note,
    ).where(tuple_(row.resolved_by, row.source_row).in_(list(rows)))


def kin_query(
    layer: LayerDefinition, feature_id: int, *, ancestors: bool, as_of: datetime | None = None
) -> Select[Any]:
    """Return the statement for a feature's ancestors, or its descendants, nearest first.

    Args:
        layer: The layer.
        feature_id: The feature.
        ancestors: Its ancestors, rather than its descendants.
        as_of: As the map held them then; ``None`` is now.
    """
    link = ancestry_table.c
    near, far = (link.child_id, link.parent_id) if ancestors else (link.parent_id, link.child_id)
    now: tuple[ColumnElement[bool], ...]
    now = (link.layer == layer.name, link.recorded_to == INFINITY)
    if as_of is not None:
        moment = literal(as_of, DateTime(timezone=True))
        now = (link.layer == layer.name, link.recorded_from <= moment, link.recorded_to > moment)
    columns = (link.kind, link.share, link.valid_from, link.load_id)
    first = (
        select(
            far.label("feature_id"),
            near.label("of"),
            literal(1, Integer).label("generation"),
            *columns,
        )
        .where(near == literal(feature_id, BigInteger), *now)
        .cte("kin", recursive=True)
    )
    further = select(far, near, first.c.generation + 1, *columns).where(
        near == first.c.feature_id,
        far != literal(feature_id, BigInteger),
        first.c.generation < _GENERATIONS,
        *now,
    )
    kin = first.union(further)
    return select(kin).order_by(literal_column("generation"), literal_column("feature_id"))


def assemble(
    layer: LayerDefinition,
    access: AccessClass,
    versions: Sequence[Mapping[Any, Any]],
    loads: Sequence[Mapping[Any, Any]],
    repairs: Sequence[Mapping[Any, Any]],
    ancestors: Sequence[Mapping[Any, Any]],
    descendants: Sequence[Mapping[Any, Any]],
) -> FeatureLineage:
    """Put a feature's lineage together from the rows of the statements above.

    Args:
        layer: The layer.
        access: What the viewer may see of it.
        versions: Of ``layers.queries.every_version``; at least one.
        loads: Of ``origins_query``.
        repairs: Of ``repairs_query``.
        ancestors: Of ``kin_query``.
        descendants: Of ``kin_query``.
    """
    origins = {row["load_id"]: row for row in loads}
    mended = {(row["resolved_by"], row["source_row"]): _repair(row) for row in repairs}
    found = tuple(
        _version(row, origins[row["load_id"]], mended, access)
        for row in versions
        if row["load_id"] in origins
    )
    last = versions[-1]
    return FeatureLineage(
        feature_id=last["feature_id"],
        key={name: last[name] for name in layer.key if name in access.fields},
        versions=found,
        ancestors=tuple(_kin(row) for row in ancestors),
        descendants=tuple(_kin(row) for row in descendants),
    )


def _version(
    row: Mapping[Any, Any],
    load: Mapping[Any, Any],
    mended: Mapping[tuple[int, int], RepairOrigin],
    access: AccessClass,
) -> VersionOrigin:
    number = row["source_row"]
    parts = _json(load["report_parts"]) or []
    return VersionOrigin(
        version=row["version"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        recorded_from=row["recorded_from"],
        recorded_to=row["recorded_to"],
        load=_load(load),
        source_row=number,
        part=next(
            (str(p["part"]) for p in parts if p["first"] <= number <= p["last"]),
            None,
        ),
        geometry_repaired=_was_repaired(load, number),
        repair=mended.get((row["load_id"], number)),
        fields={name: row[name] for name in access.fields},
        geometry_hash=row["geometry_hash"],
    )


def _was_repaired(load: Mapping[Any, Any], number: int) -> bool | None:
    runs = _json(load["report_repaired_rows"])
    if runs is None:
        return None
    if any(first <= number <= last for first, last in runs):
        return True
    return False if _json(load["report_repaired_known"]) else None


def _load(row: Mapping[Any, Any]) -> LoadOrigin:
    return LoadOrigin(
        load_id=row["load_id"],
        kind=row["kind"],
        source=row["source"],
        source_layer=row["report_source_layer"] or None,
        format=row["report_format"] or None,
        checksum=row["checksum"],
        crs=row["crs"],
        transformation=row["report_transformation"] or None,
        accuracy_m=_json(row["report_accuracy_m"]),
        encoding=row["report_encoding"] or None,
        operator=row["operator"],
        recorded_at=row["recorded_at"],
        full_survey=row["full_survey"],
        mapping_name=row["mapping_name"],
        mapping=_json(row["mapping"]) or {},
        repairs=row["repairs"],
        reverts=row["reverts"],
        reverted_by=row["reverted_by"],
    )


def _repair(row: Mapping[Any, Any]) -> RepairOrigin:
    told = _json(row["rules"]) or [{"rule": row["rule"], "message": row["message"]}]
    return RepairOrigin(
        quarantine_id=row["quarantine_id"],
        refused_by=row["load_id"],
        refused_at=row["created_at"],
        rules=tuple((entry["rule"], entry["message"]) for entry in told),
        attempts=row["attempts"],
        fixed=_json(row["fixed"]) or {},
        geometry_fixed=row["geometry_fixed"],
        taken_in_at=row["taken_in_at"],
        note=row["note"],
    )


def _kin(row: Mapping[Any, Any]) -> Kin:
    return Kin(
        feature_id=row["feature_id"],
        of=row["of"],
        generation=row["generation"],
        kind=row["kind"],
        share=row["share"],
        valid_from=row["valid_from"],
        load_id=row["load_id"],
    )


def _json(value: Any) -> Any:
    """Return JSON decoded, which one of the two drivers gives as text."""
    return orjson.loads(value) if isinstance(value, str) else value
