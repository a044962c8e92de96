"""What a survey does to a layer's history: statements that compare a stage with the store.

A survey says how things were from its date D on. For each business key the version held to be so
at D, if any, is compared with what the survey says:

* the same: nothing happens;
* different: the old row is closed in record time; its part before D is recorded anew; the survey's
  row is opened from D to where the old row ended (a late survey does not touch what came later);
* none: the survey's row is opened from D until the key's next known version, or for good;
* held but missing from a full survey: it ends at D.

So what was there, and what we believed was there, both stay answerable: Snodgrass, "Developing
Time-Oriented Database Applications in SQL" (1999), chapter 10, sequenced bitemporal modifications.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    Insert,
    Integer,
    MetaData,
    Select,
    Subquery,
    Table,
    Update,
    and_,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)

from layers.definition import LayerDefinition
from layers.row_places import Place, place_of, placed_table
from layers.tables import (
    CITY_SCHEMA,
    INFINITY,
    city_table,
    content_columns,
    content_names,
    feature_id_sequence,
)

_TIME = DateTime(timezone=True)


@dataclass(frozen=True)
class Survey:
    """The facts of one load that its statements need."""

    layer: LayerDefinition
    load_id: int
    #: From when on the survey says how things were.
    valid_from: datetime
    #: The record time of everything this load changes; later than any before in the layer.
    recorded_at: datetime


@cache
def stage_table(layer: LayerDefinition) -> Table:
    """Return the temporary table that takes a survey's good rows; always the same object.

    With tables made anew, statements about them would have to be compiled anew each time.
    """
    return new_stage_table(layer)


def new_stage_table(layer: LayerDefinition) -> Table:
    """Return an object of one's own for the same table, to which an index can be added."""
    return Table(
        "onemap_stage",
        MetaData(),
        Column("source_row", BigInteger, nullable=False),
        *_uncommented(content_columns(layer)),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _uncommented(columns: list[Column[Any]]) -> list[Column[Any]]:
    # Each comment is a statement of its own, and nobody reads those of a temporary table.
    for column in columns:
        column.comment = None
    return columns


@cache
def bad_key_table(layer: LayerDefinition) -> Table:
    """Return the temporary table of the keys of refused rows: bad, but not missing."""
    keys = _uncommented([one for one in content_columns(layer) if one.name in layer.key])
    return Table(
        "onemap_bad_key", MetaData(), *keys, prefixes=["TEMPORARY"], postgresql_on_commit="DROP"
    )


@cache
def difference_table() -> Table:
    """Return the temporary table of what differs between the stage and the store."""
    return Table(
        "onemap_difference",
        MetaData(),
        #: The row of the survey; null where a full survey misses the feature.
        Column("source_row", BigInteger),
        Column("feature_id", BigInteger),
        Column("last_version", Integer),
        #: The row held to be so at the survey's date, if any.
        Column("held", Boolean, nullable=False),
        Column("held_version", Integer),
        Column("held_from", _TIME),
        Column("held_to", _TIME),
        Column("held_recorded", _TIME),
        #: Where it is, until ``close_held``.
        Column("held_place", Place()),
        #: Until when the survey's row holds.
        Column("ends", _TIME),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _same_key(left: Any, right: Any, layer: LayerDefinition) -> ColumnElement[bool]:
    return and_(*(left.c[name] == right.c[name] for name in layer.key))


def _held_at(table: Any, moment: datetime) -> ColumnElement[bool]:
    """Return the condition of rows held, as of now, to be so at ``moment``."""
    return and_(
        table.c.recorded_to == INFINITY, table.c.valid_from <= moment, table.c.valid_to > moment
    )


def _identity(layer: LayerDefinition, stage: Table) -> Any:
    """Return, for a stage row, the id and last version its key ever had."""
    past = city_table(layer).alias("past")
    return (
        select(
            func.min(past.c.feature_id).label("feature_id"),
            func.max(past.c.version).label("last_version"),
        )
        .where(_same_key(past, stage, layer))
        .lateral("identity")
    )


def _next_start(layer: LayerDefinition, stage: Table, moment: datetime) -> Any:
    """Return, for a stage row, when the key's next version known after ``moment`` begins."""
    later = city_table(layer).alias("later")
    return (
        select(func.min(later.c.valid_from))
        .where(
            _same_key(later, stage, layer),
            later.c.recorded_to == INFINITY,
            later.c.valid_from > moment,
        )
        .scalar_subquery()
    )


def _differs(stage: Any, held: Any, layer: LayerDefinition) -> ColumnElement[bool]:
    """Return whether a survey's row says anything else than the row held.

    ``tile_geom`` follows from ``geom``, whose bytes are compared: PostGIS's ``=`` would look at
    boxes only in places where bytes are what matters.
    """
    plain = [name for name in layer.field_names if name not in layer.key]
    unequal = [stage.c[name].is_distinct_from(held.c[name]) for name in plain]
    geometry = func.ST_AsBinary(stage.c.geom).is_distinct_from(func.ST_AsBinary(held.c.geom))
    return or_(*unequal, geometry)


def find_differences(survey: Survey) -> Insert:
    """Return the statement that fills the difference table from the stage."""
    layer = survey.layer
    stage, difference = stage_table(layer), difference_table()
    held = city_table(layer).alias("held")
    identity = _identity(layer, stage)
    is_held = held.c.feature_id.is_not(None)
    goes_on = func.coalesce(_next_start(layer, stage, survey.valid_from), INFINITY)
    rows = (
        select(
            stage.c.source_row,
            identity.c.feature_id,
            identity.c.last_version,
            is_held,
            held.c.version,
            held.c.valid_from,
            held.c.valid_to,
            held.c.recorded_from,
            place_of(held),
            case((is_held, held.c.valid_to), else_=goes_on),
        )
        .select_from(stage)
        .outerjoin(held, and_(_same_key(stage, held, layer), _held_at(held, survey.valid_from)))
        .join(identity, true())
        .where(or_(~is_held, _differs(stage, held, layer)))
    )
    return insert(difference).from_select([column.name for column in difference.columns], rows)


def find_missing(survey: Survey) -> Insert:
    """Return the statement that adds what a full survey does not have any more."""
    layer = survey.layer
    stage, bad = stage_table(layer), bad_key_table(layer)
    held = city_table(layer).alias("held")
    return _ending(
        held,
        _held_at(held, survey.valid_from),
        ~select(literal(1)).where(_same_key(stage, held, layer)).exists(),
        ~select(literal(1)).where(_same_key(bad, held, layer)).exists(),
    )


def find_ended(survey: Survey, feature_ids: Sequence[int]) -> Insert:
    """Return the statement that adds features which are said to end."""
    held = city_table(survey.layer).alias("held")
    return _ending(
        held, _held_at(held, survey.valid_from), held.c.feature_id.in_(list(feature_ids))
    )


def _ending(held: Any, *conditions: ColumnElement[bool]) -> Insert:
    difference, nothing = difference_table(), literal(None)
    rows = select(
        nothing,
        held.c.feature_id,
        nothing,
        literal(True),
        held.c.version,
        held.c.valid_from,
        held.c.valid_to,
        held.c.recorded_from,
        place_of(held),
        nothing,
    ).where(*conditions)
    return insert(difference).from_select([c.name for c in difference.columns], rows)


def close_held(survey: Survey) -> Update:
    """Return the statement that closes in record time what the survey contradicts."""
    city, difference = city_table(survey.layer), difference_table()
    held = placed_table(city.name, CITY_SCHEMA, "recorded_to")
    return (
        update(held)
        .values(recorded_to=literal(survey.recorded_at, _TIME))
        .where(held.c.ctid == difference.c.held_place, difference.c.held)
    )


def keep_before(survey: Survey) -> Insert:
    """Return the statement that records anew the part before the survey of what it contradicts.

    To be executed before ``close_held``: rows that were written anew are in another place.
    """
    table, difference = city_table(survey.layer), difference_table()
    held = table.alias("held")
    names = ["load_id", "source_row", *content_names(survey.layer)]
    kept = (
        select(
            held.c.feature_id,
            held.c.version,
            held.c.valid_from,
            literal(survey.valid_from, _TIME),
            literal(survey.recorded_at, _TIME),
            INFINITY,
            *(held.c[name] for name in names),
        )
        .select_from(difference)
        .join(held, place_of(held) == difference.c.held_place)
        .where(difference.c.held, difference.c.held_from < survey.valid_from)
    )
    return insert(table).from_select([*PERIOD_COLUMNS, *names], kept)


#: What says which version of which feature a row is, and when it held.
PERIOD_COLUMNS = (
    "feature_id",
    "version",
    "valid_from",
    "valid_to",
    "recorded_from",
    "recorded_to",
)


def open_surveyed(survey: Survey) -> Insert:
    """Return the statement that opens the survey's rows that differ, in Hilbert order."""
    layer = survey.layer
    table, stage, difference = city_table(layer), stage_table(layer), difference_table()
    rows = (
        select(stage, difference.c.feature_id, difference.c.last_version, difference.c.ends)
        .join(difference, difference.c.source_row == stage.c.source_row)
        .order_by(stage.c.geom)
        .subquery("rows")
    )
    return _open_rows(survey, table, rows, rows.c.ends)


def shared_values(survey: Survey) -> dict[str, ColumnElement[Any]]:
    """Return what all rows of a layer's first load have in common, as SQL literals."""
    return {
        "version": literal_column("1"),
        "valid_from": _time_literal(survey.valid_from),
        "valid_to": INFINITY,
        "recorded_from": _time_literal(survey.recorded_at),
        "recorded_to": INFINITY,
        "load_id": literal_column(str(int(survey.load_id))),
    }


def _time_literal(moment: datetime) -> ColumnElement[Any]:
    # A default holds no bound value; what stands here is made of a datetime's own digits.
    return literal_column(f"'{moment.astimezone(UTC).isoformat()}'::timestamptz", _TIME)


def _open_rows(survey: Survey, table: Table, rows: Subquery, ends: ColumnElement[Any]) -> Insert:
    # In Hilbert order both the heap and the ids given out are near each other where the
    # features are: PostGIS sorts geometry along a Hilbert curve (btree operator class).
    names = content_names(survey.layer)
    fresh = feature_id_sequence(survey.layer).next_value()
    known = "feature_id" in rows.c
    opened: Select[Any] = select(
        func.coalesce(rows.c.feature_id, fresh) if known else fresh,
        func.coalesce(rows.c.last_version, 0) + 1 if known else literal(1),
        literal(survey.valid_from, _TIME),
        ends,
        literal(survey.recorded_at, _TIME),
        INFINITY,
        literal(survey.load_id, BigInteger),
        rows.c.source_row,
        *(rows.c[name] for name in names),
    )
    columns = [*PERIOD_COLUMNS, "load_id", "source_row", *names]
    return insert(table).from_select(columns, opened)


def count_differences() -> Select[tuple[int, int, int, int]]:
    """Return the counts of a difference: added, changed, ended, and how current rows grow."""
    difference = difference_table()
    surveyed = difference.c.source_row.is_not(None)
    was_current = and_(difference.c.held, difference.c.held_to == INFINITY)
    is_current = and_(surveyed, difference.c.ends == INFINITY)
    return select(
        func.count().filter(and_(surveyed, ~difference.c.held)),
        func.count().filter(and_(surveyed, difference.c.held)),
        func.count().filter(~surveyed),
        func.coalesce(
            func.sum(case((is_current, 1), else_=0) - case((was_current, 1), else_=0)), 0
        ),
    ).select_from(difference)


def repeated_keys(rows: FromClause, key: tuple[str, ...]) -> Select[Any]:
    """Return one business key that rows hold twice."""
    columns = [rows.c[name] for name in key]
    return select(*columns).group_by(*columns).having(func.count() > 1).limit(1)
