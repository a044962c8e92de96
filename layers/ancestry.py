"""Which features a survey's new areas were made of: splits, merges and redrawn borders.

When areas end or change their shape in the same load in which others appear or change, the new
ones came from the old ones where they lie over them. A share of an area is taken in the plane of
degrees: over one place both areas are distorted alike, so their ratio is that on the ground.
"""

from collections.abc import Sequence
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Index,
    MetaData,
    Select,
    Table,
    and_,
    case,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.schema import CreateIndex

from layers.row_places import place_of
from layers.sql import analyze_statement
from layers.system_tables import ancestry_table
from layers.tables import INFINITY, STORAGE_SRID, city_table
from layers.versioning import Survey, difference_table, stage_table

#: Part of the child or of the parent that they must have in common: less is a moved border.
_LEAST_SHARE = 0.05
_TIME = DateTime(timezone=True)


def _areas_table(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("feature_id", BigInteger, nullable=False),
        #: Of a child: it was there before, in another shape. Of a parent: it is still there.
        Column("stays", Boolean, nullable=False),
        Column("geom", Geometry(srid=STORAGE_SRID, spatial_index=False), nullable=False),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def find_parents(connection: Connection, survey: Survey) -> bool:
    """Take down which areas a load is about to end, or to give another shape.

    To be called within the load's transaction when the difference is found and nothing is closed
    yet.

    Returns:
        Whether there are any.
    """
    return survey.layer.geometry.dimension == 2 and _filled(
        connection, _parents_table(), (_changed(survey), _ended(survey))
    )


def record_ancestry(connection: Connection, survey: Survey) -> int:
    """Write down the ancestry of the areas that a load has just opened.

    To be called after ``find_parents`` has found some, and when the survey's rows are opened.

    Returns:
        How many pairs of child and parent were found.
    """
    parents, children = _parents_table(), _areas_table("onemap_child")
    if not _filled(connection, children, (_brought_in(survey), _changed_to(survey, parents))):
        return 0
    place = Index("onemap_parent_geom", parents.c.geom, postgresql_using="gist")
    connection.execute(CreateIndex(place))
    connection.execute(text(analyze_statement("pg_temp", parents.name)))
    columns = [column.name for column in ancestry_table.columns][:8]
    told = insert(ancestry_table).from_select(columns, _told(survey, parents, children))
    return int(connection.execute(told).rowcount)


def _parents_table() -> Table:
    return _areas_table("onemap_parent")


def _filled(connection: Connection, areas: Table, found: Sequence[Select[Any]]) -> bool:
    """Make a table of areas and fill it; return whether anything was found."""
    areas.create(connection)
    columns = [column.name for column in areas.columns]
    rows = [connection.execute(insert(areas).from_select(columns, one)) for one in found]
    return any(row.rowcount for row in rows)


def _changed(survey: Survey) -> Select[Any]:
    """Return the old shape of what the survey gives another one, by ``_LEAST_SHARE`` at least."""
    held, difference = city_table(survey.layer).alias("held"), difference_table()
    stage = stage_table(survey.layer)
    pair = (
        select(held.c.feature_id, held.c.geom.label("old"), stage.c.geom.label("new"))
        .select_from(difference)
        .join(stage, stage.c.source_row == difference.c.source_row)
        .join(held, place_of(held) == difference.c.held_place)
        # Joined before anything is measured: the planner, for fear of measuring, would otherwise
        # read the whole layer to look up a few rows.
        .offset(literal_column("0"))
        .subquery("pair")
    )
    old, new = pair.c.old, pair.c.new
    differing = func.ST_Area(func.ST_SymDifference(old, new))
    smaller = func.least(func.ST_Area(old), func.ST_Area(new))
    # The cheapest first: most of what changes keeps its shape, or only begins at another vertex.
    moved = case(
        (func.ST_AsBinary(old) == func.ST_AsBinary(new), False),
        (_normal(old) == _normal(new), False),
        (_plain(old) == _plain(new), False),
        else_=differing >= _LEAST_SHARE * smaller,
    )
    return select(pair.c.feature_id, literal(True), old).where(moved)


def _normal(shape: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a shape's bytes, alike for all ways to begin and to wind its outline."""
    return func.ST_AsBinary(func.ST_Normalize(shape))


def _plain(shape: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the same with positions rounded to 0.1 mm: what differs by less is no other shape."""
    return _normal(func.ST_SnapToGrid(shape, 1e-9))


def _ended(survey: Survey) -> Select[Any]:
    """Return what the survey does not have any more."""
    held, difference = city_table(survey.layer).alias("held"), difference_table()
    return (
        select(held.c.feature_id, literal(False), held.c.geom)
        .select_from(difference)
        .join(held, place_of(held) == difference.c.held_place)
        .where(difference.c.source_row.is_(None))
    )


def _brought_in(survey: Survey) -> Select[Any]:
    """Return what the survey brings in, as it was opened."""
    layer = survey.layer
    opened, difference = city_table(layer).alias("opened"), difference_table()
    stage = stage_table(layer)
    is_opened = and_(
        *(opened.c[name] == stage.c[name] for name in layer.key),
        opened.c.recorded_to == INFINITY,
        opened.c.valid_from == literal(survey.valid_from, _TIME),
        opened.c.load_id == survey.load_id,
    )
    return (
        select(opened.c.feature_id, literal(False), stage.c.geom)
        .select_from(difference)
        .join(stage, stage.c.source_row == difference.c.source_row)
        .join(opened, is_opened)
        .where(~difference.c.held)
    )


def _changed_to(survey: Survey, parents: Table) -> Select[Any]:
    """Return the new shape of what has another one."""
    difference, stage = difference_table(), stage_table(survey.layer)
    return (
        select(difference.c.feature_id, literal(True), stage.c.geom)
        .select_from(difference)
        .join(parents, and_(parents.c.feature_id == difference.c.feature_id, parents.c.stays))
        .join(stage, stage.c.source_row == difference.c.source_row)
    )


def _told(survey: Survey, parents: Table, children: Table) -> Select[Any]:
    common = func.ST_Area(func.ST_Intersection(children.c.geom, parents.c.geom))
    shares = (
        select(
            children.c.feature_id.label("child_id"),
            parents.c.feature_id.label("parent_id"),
            children.c.stays.label("child_stays"),
            parents.c.stays.label("parent_stays"),
            (common / func.nullif(func.ST_Area(children.c.geom), 0)).label("of_child"),
            (common / func.nullif(func.ST_Area(parents.c.geom), 0)).label("of_parent"),
        )
        .join(parents, children.c.geom.bool_op("&&")(parents.c.geom))
        .where(
            children.c.feature_id != parents.c.feature_id,
            func.ST_Intersects(children.c.geom, parents.c.geom),
        )
        .subquery("shares")
    )
    chosen = (
        select(
            shares,
            (
                func.count().over(partition_by=shares.c.child_id)
                + case((shares.c.child_stays, 1), else_=0)
            ).label("parents"),
            (
                func.count().over(partition_by=shares.c.parent_id)
                + case((shares.c.parent_stays, 1), else_=0)
            ).label("children"),
        )
        .where(func.greatest(shares.c.of_child, shares.c.of_parent) >= _LEAST_SHARE)
        .subquery("chosen")
    )
    kind = case(
        (and_(chosen.c.children > 1, chosen.c.parents == 1), "split"),
        (and_(chosen.c.parents > 1, chosen.c.children == 1), "merge"),
        else_="redraw",
    )
    return select(
        literal(survey.layer.name),
        chosen.c.child_id,
        chosen.c.parent_id,
        literal(survey.load_id, BigInteger),
        kind,
        chosen.c.of_child,
        literal(survey.valid_from, _TIME),
        literal(survey.recorded_at, _TIME),
    )
