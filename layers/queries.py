"""Every read of a layer is composed here: from its definition, the time and the viewer's access.

There is no second place that names a layer's table for reading.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    DateTime,
    Select,
    Subquery,
    Table,
    column,
    func,
    literal,
    select,
    union_all,
)

from gis.times import Interval
from layers.access import AccessClass
from layers.definition import LayerDefinition
from layers.errors import UnknownField
from layers.feature_query import BBox
from layers.field_values import read_value
from layers.tables import (
    INFINITY,
    STORAGE_SRID,
    SYSTEM_COLUMNS,
    city_table,
    is_closed,
    is_current,
)

#: Metres of a degree of latitude, for rounding coordinates where a policy wants it.
_METRES_A_DEGREE = 111_320.0
_TIME = DateTime(timezone=True)
#: A box as a value, or as a geometry expression whose values are bound later.
Box = BBox | ColumnElement[Any]
#: A moment as a value, or as an expression whose value is bound later.
Moment = datetime | ColumnElement[Any]


def layer_rows(
    layer: LayerDefinition,
    access: AccessClass,
    at: Moment | Interval | None = None,
    as_of: Moment | None = None,
    bbox: Box | None = None,
    columns: tuple[str, ...] | None = None,
    *,
    in_order: bool = False,
    with_place: bool = False,
) -> Subquery:
    """Return the versions of a layer's features that hold at a time.

    Args:
        layer: The layer.
        access: What the viewer may see of it.
        at: Valid time: an instant, or an interval of which any moment counts; ``None`` is now.
        as_of: Record time: what the map held then; ``None`` is what it holds now.
        bbox: Only features whose box meets this one (degrees).
        columns: The fields wanted; ``None`` is all visible ones.
        in_order: Whether the first few by feature id are wanted, whatever the time.
        with_place: Whether to add ``place``, where a row lies at this moment.

    Returns:
        A subquery with the system columns, the fields, ``geom`` and ``tile_geom``.
    """
    table = city_table(layer)
    names = columns if columns is not None else access.fields
    wanted = [
        *(table.c[name] for name in SYSTEM_COLUMNS),
        *(table.c[name] for name in names),
        *_geometry_columns(table, access),
        *([_place(table)] if with_place else []),
    ]
    near = meets(table.c.geom, bbox) if bbox is not None else []
    current = select(*wanted).where(is_current(table), *near)
    if at is None and as_of is None:
        return current.subquery(layer.name)
    if at is None:
        at = as_of
    holds = [*held(table, as_of), *valid(table, at)]
    if in_order:
        # One branch: the primary key begins with the id, and is read as far as is needed.
        return select(*wanted).where(*near, *holds).subquery(layer.name)
    # Two branches, each over the partial index made for it.
    past = select(*wanted).where(is_closed(table), *near, *holds)
    return union_all(current.where(*holds), past).subquery(layer.name)


def _place(table: Table) -> ColumnElement[Any]:
    place: ColumnClause[Any] = column("ctid")
    place.table = table
    return place.label("place")


def held_rows(layer: LayerDefinition, access: AccessClass, at: datetime | Interval) -> Subquery:
    """Return the rows of ``layer_rows`` at a time, for joins by business key.

    The index over the key has current and closed rows: read as one branch, a few keys are looked
    up in it, where two branches in union would both be read from end to end.
    """
    table = city_table(layer)
    wanted = [
        *(table.c[name] for name in (*SYSTEM_COLUMNS, *access.fields)),
        *_geometry_columns(table, access),
    ]
    rows = select(*wanted).where(*held(table, None), *valid(table, at))
    return rows.subquery(f"{layer.name}_held")


def recorded_rows(
    layer: LayerDefinition,
    access: AccessClass,
    recorded_at: datetime,
    *,
    opened: bool,
    valid_at: datetime,
) -> Subquery:
    """Return the rows that the load of a record time opened, or those that it closed.

    Args:
        layer: The layer.
        access: What the viewer may see of it.
        recorded_at: The record time of the load.
        opened: The rows that it opened; otherwise those that it closed.
        valid_at: Only rows that say something of this moment.

    Returns:
        A subquery like that of ``layer_rows``.
    """
    table = city_table(layer)
    moment = table.c.recorded_from if opened else table.c.recorded_to
    wanted = [
        *(table.c[name] for name in SYSTEM_COLUMNS),
        *(table.c[name] for name in access.fields),
        *_geometry_columns(table, access),
    ]
    return (
        select(*wanted)
        .where(moment == literal(recorded_at, _TIME), *valid(table, valid_at))
        .subquery("opened" if opened else "closed")
    )


def every_version(
    layer: LayerDefinition, access: AccessClass, feature_id: int, limit: int
) -> Select[Any]:
    """Return the statement for all rows a feature ever had, in the order they were recorded.

    Columns: the system columns and the visible fields, ``valid_to`` and ``recorded_to`` null while
    they are open, and ``geometry_hash``, equal where the geometry is.
    """
    table = city_table(layer)
    plain = [name for name in SYSTEM_COLUMNS if name not in ("valid_to", "recorded_to")]
    geometry = _geometry_columns(table, access)[0]
    return (
        select(
            *(table.c[name] for name in plain),
            func.nullif(table.c.valid_to, INFINITY).label("valid_to"),
            func.nullif(table.c.recorded_to, INFINITY).label("recorded_to"),
            func.md5(func.ST_AsBinary(geometry)).label("geometry_hash"),
            *(table.c[name] for name in access.fields),
        )
        .where(table.c.feature_id == feature_id)
        .order_by(table.c.recorded_from, table.c.valid_from)
        .limit(limit)
    )


def version_geometries(
    layer: LayerDefinition, access: AccessClass, feature_id: int, versions: Sequence[int]
) -> Select[Any]:
    """Return the statement for the geometries (``wkb``) of some versions of a feature.

    A version of which rows were recorded several times comes as often.
    """
    table = city_table(layer)
    geometry = _geometry_columns(table, access)[0]
    return (
        select(table.c.version, func.ST_AsBinary(geometry).label("wkb"))
        .where(table.c.feature_id == feature_id, table.c.version.in_(versions))
        .order_by(table.c.version)
    )


def features_with_key(
    layer: LayerDefinition, access: AccessClass, key: Sequence[str]
) -> Select[Any]:
    """Return the statement for the ids of the features that ever had a business key.

    Raises:
        UnknownField: If the viewer may not see the key.
        InvalidValue: If a part of the key cannot be read.
    """
    table = city_table(layer)
    visible_fields(layer, access, layer.key)
    conditions = [
        table.c[name] == read_value(layer.field(name), text)
        for name, text in zip(layer.key, key, strict=True)
    ]
    return select(table.c.feature_id).where(*conditions).distinct().order_by(table.c.feature_id)


def outlines(
    layer: LayerDefinition, access: AccessClass, bbox: BBox, step: float, limit: int
) -> Select[Any]:
    """Return the statement for features as a background of a picture.

    Args:
        layer: The layer.
        access: What the viewer may see of it.
        bbox: What the picture shows.
        step: Details smaller than this, in degrees, are left out.
        limit: At most so many features.

    Returns:
        ``wkb``: two-dimensional, EPSG:4490.
    """
    rows = layer_rows(layer, access, bbox=bbox)
    shape = func.ST_Simplify(func.ST_Force2D(rows.c.geom), step, True)
    wide = func.ST_XMax(rows.c.geom) - func.ST_XMin(rows.c.geom)
    high = func.ST_YMax(rows.c.geom) - func.ST_YMin(rows.c.geom)
    statement = select(func.ST_AsBinary(shape).label("wkb")).select_from(rows).limit(limit)
    if layer.geometry.dimension:
        statement = statement.where(func.greatest(wide, high) > step)
    return statement


def _geometry_columns(table: Table, access: AccessClass) -> list[ColumnElement[Any]]:
    if access.precision_m is None:
        return [table.c.geom, table.c.tile_geom]
    step = access.precision_m
    return [
        func.ST_SnapToGrid(table.c.geom, step / _METRES_A_DEGREE).label("geom"),
        func.ST_SnapToGrid(table.c.tile_geom, step).label("tile_geom"),
    ]


def held(table: Table, as_of: Moment | None) -> list[ColumnElement[bool]]:
    """Return the conditions of rows that the map holds to be so, or held at a record time."""
    if as_of is None:
        return [table.c.recorded_to == INFINITY]
    moment = _bound(as_of)
    return [table.c.recorded_from <= moment, table.c.recorded_to > moment]


def valid(table: Table, at: Moment | Interval | None) -> list[ColumnElement[bool]]:
    """Return the conditions of rows that say something of a valid time; none for ``None``."""
    if at is None:
        return []
    if not isinstance(at, Interval):
        moment = _bound(at)
        return [table.c.valid_from <= moment, table.c.valid_to > moment]
    conditions = []
    if at.end is not None:
        conditions.append(table.c.valid_from <= literal(at.end, _TIME))
    if at.start is not None:
        conditions.append(table.c.valid_to > literal(at.start, _TIME))
    return conditions


def _bound(moment: Moment) -> ColumnElement[Any]:
    return moment if isinstance(moment, ColumnElement) else literal(moment, _TIME)


def envelope(bbox: Sequence[float | ColumnElement[float]]) -> ColumnElement[Any]:
    """Return west, south, east, north (degrees) as a geometry of the storage system."""
    return func.ST_MakeEnvelope(*bbox, STORAGE_SRID)


def meets(geometry: ColumnElement[Any], bbox: Box) -> list[ColumnElement[bool]]:
    """Return the condition that the spatial index answers."""
    return [geometry.bool_op("&&")(box_geometry(bbox))]


def box_geometry(bbox: Box) -> ColumnElement[Any]:
    """Return a box as a geometry; one whose west is east of its east crosses the antimeridian."""
    if isinstance(bbox, ColumnElement):
        return bbox
    west, south, east, north = bbox
    if west <= east:
        return envelope(bbox)
    return func.ST_Collect(
        envelope((west, south, 180.0, north)), envelope((-180.0, south, east, north))
    )


def visible_fields(
    layer: LayerDefinition, access: AccessClass, wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the fields to show.

    Raises:
        UnknownField: If one is wanted that does not exist or that the viewer may not see.
    """
    if wanted is None:
        return access.fields
    for name in wanted:
        if name not in access.fields:
            raise UnknownField(f"the layer '{layer.name}' has no field '{name}'")
    return wanted
