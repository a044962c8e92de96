"""What is known of loads that have run: their reports, and what they changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Select, case, func, literal, literal_column, select

from layers.access import AccessClass
from layers.definition import LayerDefinition
from layers.geometry_changes import geometry_change
from layers.queries import recorded_rows
from layers.system_tables import load_table, quarantine_table

_REPORTED = (
    "load_id", "layer", "kind", "status", "source", "checksum", "crs", "mapping", "mapping_name",
    "operator", "valid_from", "full_survey", "started_at", "finished_at", "recorded_at",
    "data_version", "added", "changed", "unchanged", "closed", "quarantined", "failure",
    "reverts", "reverted_by", "repairs", "report",
)  # fmt: skip
#: Features in the background of a picture.
MOST_OUTLINES = 4_000
_JSON = ("mapping", "report")


def report_query(load_id: int) -> Select[Any]:
    """Return the statement for a load's record with its report and mapping."""
    reverted = load_table.alias("reverted")
    # What a load that takes another back is about is that one's date.
    about = func.coalesce(
        select(reverted.c.valid_from)
        .where(reverted.c.load_id == load_table.c.reverts)
        .scalar_subquery(),
        load_table.c.valid_from,
    )
    return select(*(load_table.c[name] for name in _REPORTED), about.label("about")).where(
        load_table.c.load_id == load_id
    )


def read_report(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of ``report_query`` as a record; what is JSON is decoded."""
    record = {name: row[name] for name in (*_REPORTED, "about")}
    for name in _JSON:
        if isinstance(record[name], str):
            record[name] = orjson.loads(record[name])
    return record


def refused_states(load_id: int) -> Select[Any]:
    """Return the statement for the number of a load's refused rows by their state today."""
    state = quarantine_table.c.state
    return (
        select(state, func.count().label("rows"))
        .where(quarantine_table.c.load_id == load_id)
        .group_by(state)
        .order_by(state)
    )


@dataclass(frozen=True)
class FeatureChange:
    """What a load did to one feature, at the survey's date."""

    feature_id: int
    #: ``added``, ``changed`` or ``closed``.
    kind: str
    key: Mapping[str, Any]
    #: Field → value before and after, of fields that differ; of an added feature all it has.
    fields: Mapping[str, tuple[Any, Any]]
    #: As ``layers.geometry_changes`` has it.
    geometry: Mapping[str, float]
    #: WKB (EPSG:4490) after the load, or before it of what was closed.
    wkb: bytes | None


def changes_query(
    layer: LayerDefinition,
    access: AccessClass,
    load: Mapping[str, Any],
    *,
    after: int = 0,
    limit: int,
) -> Select[Any]:
    """Return the statement for what a load changed, by feature id.

    Args:
        layer: The load's layer.
        access: What the viewer may see of it.
        load: The load's record, of ``read_report``.
        after: Only features with greater ids.
        limit: At most so many.
    """
    moment, about = load["recorded_at"], load["about"]
    before = recorded_rows(layer, access, moment, opened=False, valid_at=about)
    now = recorded_rows(layer, access, moment, opened=True, valid_at=about)
    both = before.outerjoin(now, before.c.feature_id == now.c.feature_id, full=True)
    number = func.coalesce(now.c.feature_id, before.c.feature_id)
    kind = case(
        (before.c.feature_id.is_(None), literal("added")),
        (now.c.feature_id.is_(None), literal("closed")),
        else_=literal("changed"),
    )
    fields = [
        rows.c[name].label(f"{side}_{name}")
        for name in access.fields
        for side, rows in (("before", before), ("after", now))
    ]
    return (
        select(
            number.label("feature_id"),
            kind.label("kind"),
            func.ST_AsBinary(before.c.geom).label("before_geom"),
            func.ST_AsBinary(now.c.geom).label("after_geom"),
            *fields,
        )
        .select_from(both)
        .where(number > after)
        .order_by(literal_column("1"))
        .limit(limit)
    )


def read_change(
    row: Mapping[Any, Any], layer: LayerDefinition, access: AccessClass
) -> FeatureChange:
    """Return a row of ``changes_query`` as a record."""
    before = {name: row[f"before_{name}"] for name in access.fields}
    after = {name: row[f"after_{name}"] for name in access.fields}
    old, new = _wkb(row["before_geom"]), _wkb(row["after_geom"])
    known = before if row["kind"] == "closed" else after
    return FeatureChange(
        feature_id=row["feature_id"],
        kind=row["kind"],
        key={name: known[name] for name in layer.key if name in known},
        fields={
            name: (before[name], after[name])
            for name in access.fields
            if before[name] != after[name] and row["kind"] != "closed"
        },
        geometry=geometry_change(old, new, layer),
        wkb=old if row["kind"] == "closed" else new,
    )


def _wkb(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
