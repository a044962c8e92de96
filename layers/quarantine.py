"""Refused rows as operators work with them: find, mend, discard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import JSONB

from layers.errors import FeatureNotFound, LoadRefused
from layers.quarantine_rows import WAITING, from_wkb, json_ready, publish, tile_wkb
from layers.quarantine_view import PLACE
from layers.system_tables import load_table, quarantine_table
from layers.tables import STORAGE_SRID, TILE_SRID

STATES = (*WAITING, "resolved", "discarded")
#: In front of a source column's name in ``fixed``; without it a name is a field of the layer.
SOURCE_COLUMN = "source:"
_ROW = quarantine_table.c


@dataclass(frozen=True)
class Selection:
    """Which refused rows are meant; every condition given must hold."""

    ids: tuple[int, ...] = ()
    layer: str | None = None
    load_id: int | None = None
    rule: str | None = None
    states: tuple[str, ...] = WAITING

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on ``onemap.quarantine``."""
        found: list[ColumnElement[bool]] = [_ROW.state.in_(self.states)]
        if self.ids:
            found.append(_ROW.quarantine_id.in_(self.ids))
        if self.layer is not None:
            found.append(_ROW.layer == self.layer)
        if self.load_id is not None:
            found.append(_ROW.load_id == self.load_id)
        if self.rule is not None:
            # A rule, or all rules of a field.
            found.append(
                (_ROW.rule == self.rule) | _ROW.rule.startswith(f"{self.rule}: ", autoescape=True)
            )
        return found


@dataclass(frozen=True)
class RefusedRow:
    """A refused row."""

    quarantine_id: int
    load_id: int
    layer: str
    source_row: int
    state: str
    rule: str
    message: str
    #: Everything wrong with it: rule and message.
    rules: tuple[tuple[str, str], ...]
    #: The row's columns under the source's own names; ``None`` where they are not known.
    original: Mapping[str, Any] | None
    #: The layer's fields as far as they were understood.
    values: Mapping[str, Any]
    #: Values that take the place of the row's: by field, or ``source:`` and the source's column.
    fixed: Mapping[str, Any]
    #: EPSG:4490: the mended geometry, or else the refused one.
    wkb: bytes | None
    geometry_is_fixed: bool
    attempts: int
    resolved_by: int | None
    note: str | None
    created_at: datetime
    updated_at: datetime
    #: The source's columns that gave the geometry, where it came from columns.
    position: tuple[str, ...] = ()

    @property
    def is_mapped(self) -> bool:
        """Whether the source's own columns are known, so that the mapping can be done again."""
        return self.original is not None and self.original != self.values


def refused_rows(selection: Selection, *, limit: int | None = None) -> Select[Any]:
    """Return the statement for refused rows, in the order of their ids."""
    position = (
        select(load_table.c.report["position"])
        .where(load_table.c.load_id == _ROW.load_id)
        .scalar_subquery()
    )
    return (
        select(
            _ROW.quarantine_id,
            _ROW.load_id,
            _ROW.layer,
            _ROW.source_row,
            _ROW.state,
            _ROW.rule,
            _ROW.message,
            _ROW.rules,
            _ROW.original,
            _ROW["values"].label("row_values"),
            _ROW.fixed,
            func.ST_AsBinary(PLACE).label("wkb"),
            _ROW.fixed_geom.is_not(None).label("geometry_is_fixed"),
            _ROW.attempts,
            _ROW.resolved_by,
            _ROW.note,
            _ROW.created_at,
            _ROW.updated_at,
            position.label("position"),
        )
        .where(*selection.conditions())
        .order_by(_ROW.quarantine_id)
        .limit(limit)
    )


def counts_by_rule(selection: Selection) -> Select[Any]:
    """Return the statement for layer, load, rule, state and number of rows."""
    columns = (_ROW.layer, _ROW.load_id, _ROW.rule, _ROW.state)
    return (
        select(*columns, func.count().label("rows"))
        .where(*selection.conditions())
        .group_by(*columns)
        .order_by(_ROW.layer, _ROW.load_id, func.count().desc())
    )


def loads_with(selection: Selection) -> Select[Any]:
    """Return the statement for the loads that refused such rows: id, layer and number of rows."""
    return (
        select(_ROW.load_id, _ROW.layer, func.count().label("rows"))
        .where(*selection.conditions())
        .group_by(_ROW.load_id, _ROW.layer)
        .order_by(_ROW.load_id)
    )


def read_refused(row: Any) -> RefusedRow:
    """Return a row of ``refused_rows`` as a record."""
    told = row.rules or [{"rule": row.rule, "message": row.message}]
    return RefusedRow(
        quarantine_id=row.quarantine_id,
        load_id=row.load_id,
        layer=row.layer,
        source_row=row.source_row,
        state=row.state,
        rule=row.rule,
        message=row.message,
        rules=tuple((entry["rule"], entry["message"]) for entry in told),
        original=row.original,
        values=row.row_values,
        fixed=row.fixed or {},
        wkb=None if row.wkb is None else bytes(row.wkb),
        geometry_is_fixed=row.geometry_is_fixed,
        attempts=row.attempts,
        resolved_by=row.resolved_by,
        note=row.note,
        created_at=row.created_at,
        updated_at=row.updated_at,
        position=tuple(row.position or ()),
    )


@dataclass(frozen=True)
class Mend:
    """A repair of one refused row, before it is tried."""

    quarantine_id: int
    #: By field, or ``source:`` and the source's column; they add to what was mended before.
    fixed: Mapping[str, Any]
    #: WKB in EPSG:4490 that takes the place of the geometry.
    wkb: bytes | None = None
    note: str | None = None
    #: The mend was made of the row as it was then; if the row has changed since, it is refused.
    seen_at: datetime | None = None


def mend(connection: Connection, mends: Sequence[Mend]) -> None:
    """Keep repairs of rows that wait; all of them or none.

    Raises:
        FeatureNotFound: If there is no such row.
        LoadRefused: If a row does not wait any more, or has changed since it was looked at.
    """
    for entry in mends:
        values: dict[str, Any] = {"state": "fixed", "updated_at": func.clock_timestamp()}
        if entry.fixed:
            added = bindparam("added", json_ready(dict(entry.fixed)), JSONB)
            before = func.coalesce(_ROW.fixed, bindparam("nothing", {}, JSONB))
            values["fixed"] = before.op("||", return_type=JSONB())(added)
        if entry.wkb is not None:
            values["fixed_geom"] = from_wkb(bindparam("wkb", entry.wkb), STORAGE_SRID)
            tile: ColumnElement[Any] = bindparam("tile_wkb", tile_wkb(entry.wkb))
            values["tile_geom"] = from_wkb(tile, TILE_SRID)
        if entry.note is not None:
            values["note"] = entry.note
        wanted = [_ROW.quarantine_id == entry.quarantine_id, _ROW.state.in_(WAITING)]
        if entry.seen_at is not None:
            wanted.append(_ROW.updated_at <= entry.seen_at)
        if not connection.execute(update(quarantine_table).where(*wanted).values(values)).rowcount:
            _refuse(connection, entry.quarantine_id)
    if mends:
        publish(connection)


def discard(connection: Connection, ids: Sequence[int], note: str | None) -> None:
    """Give up rows that wait; all of them or none.

    Raises:
        FeatureNotFound: If there is no such row.
        LoadRefused: If a row does not wait any more.
    """
    values: dict[str, Any] = {
        "state": "discarded",
        "resolved_at": func.clock_timestamp(),
        "updated_at": func.clock_timestamp(),
    }
    if note is not None:
        values["note"] = note
    for number in ids:
        waiting = (_ROW.quarantine_id == number, _ROW.state.in_(WAITING))
        if not connection.execute(update(quarantine_table).where(*waiting).values(values)).rowcount:
            _refuse(connection, number)
    if ids:
        publish(connection)


def _refuse(connection: Connection, number: int) -> None:
    found = connection.execute(
        select(_ROW.state, _ROW.resolved_by).where(_ROW.quarantine_id == number)
    ).first()
    if found is None:
        raise FeatureNotFound(f"there is no refused row {number}")
    state, load_id = found
    if state == "resolved":
        raise LoadRefused(f"the refused row {number} was taken in by load {load_id} already")
    if state == "discarded":
        raise LoadRefused(f"the refused row {number} was discarded already")
    raise LoadRefused(
        f"the refused row {number} was changed by somebody since it was looked at: look again"
    )
