"""Statements for features: pages, counts and exports, all over ``layers.queries.layer_rows``."""

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Subquery,
    func,
    literal,
    select,
)

from layers.access import access_class
from layers.cursors import Cursor, read_cursor
from layers.feature_order import beyond, feature_order, is_spatial, sort_columns
from layers.feature_query import BBox, FeatureQuery
from layers.field_values import read_value
from layers.filters import filter_condition
from layers.queries import box_geometry, layer_rows, visible_fields
from layers.tables import STORAGE_SRID, TILE_SRID

#: How geometry is written: OGC WKB, GeoJSON text, GML 3.2 text, or not at all.
GeometryForm = Literal["wkb", "geojson", "gml"] | None
#: Of PostGIS's ``ST_AsGML``: the system's name as a URN, and lines as ``gml:LineString``.
_GML_OPTIONS = 1 | 4


def matching(
    query: FeatureQuery, *, roughly: bool = False, with_place: bool = False
) -> tuple[Subquery, list[ColumnElement[bool]]]:
    """Return the rows of a query, before paging, and the conditions on them.

    Args:
        query: The query; its box and the values that fields must have may be expressions, bound
            later.
        roughly: Whether features count whose box alone meets the query's.
        with_place: Whether the rows say where they lie.
    """
    layer = query.layer
    access = access_class(layer, query.viewer)
    in_order = not is_spatial(query)
    rows = layer_rows(
        layer,
        access,
        query.at,
        query.as_of,
        query.bbox,
        in_order=in_order,
        with_place=with_place,
    )
    conditions: list[ColumnElement[bool]] = []
    if query.bbox is not None and not roughly:
        conditions.append(func.ST_Intersects(rows.c.geom, _searched(query, query.bbox)))
    if query.heights is not None and layer.geometry.z:
        low, high = query.heights
        conditions += [func.ST_ZMax(rows.c.geom) >= low, func.ST_ZMin(rows.c.geom) <= high]
    for name, text in query.equals:
        visible_fields(layer, access, (name,))
        value = text if isinstance(text, ColumnElement) else read_value(layer.field(name), text)
        conditions.append(rows.c[name] == value)
    if query.filter is not None:
        columns = dict(rows.c.items())
        conditions.append(filter_condition(query.filter, layer, access, columns, rows.c.geom))
    if query.feature_id is not None:
        conditions.append(rows.c.feature_id == query.feature_id)
    return rows, conditions


def _searched(query: FeatureQuery, bbox: BBox) -> ColumnElement[Any]:
    if query.outline is None:
        return box_geometry(bbox)
    return func.ST_GeomFromWKB(literal(query.outline, LargeBinary), STORAGE_SRID)


def feature_page(query: FeatureQuery) -> Select[Any]:
    """Return the statement for one page of features, with one row more to tell of a next page.

    Columns: those of ``feature_rows`` with the geometry as GeoJSON text, and the values that a
    cursor needs (``cursor_values``). A page before a cursor comes in the order turned round.

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
        UnknownField: If a field is not there for this viewer.
        InvalidValue: If a value or the cursor cannot be read.
    """
    form: GeometryForm = "geojson" if query.with_geometry else None
    return _rows(query, form, with_keys=True).limit(query.limit + 1)


def feature_rows(
    query: FeatureQuery, form: GeometryForm, *, backwards: bool = False
) -> Select[Any]:
    """Return the statement for all features of a query, from its cursor on, in its order.

    Columns: ``feature_id``, ``version``, ``valid_from``, ``valid_to``, ``load_id``, ``source_row``,
    ``geometry`` (unless ``form`` is ``None``) and the visible fields. Errors as in
    ``feature_page``.

    Args:
        query: What is wanted.
        form: How geometry is written.
        backwards: The order turned round, as it also is if the query's cursor says so.
    """
    return _rows(query, form, backwards=backwards)


def output_columns(
    query: FeatureQuery, rows: Subquery, form: GeometryForm
) -> list[ColumnElement[Any]]:
    """Return the columns that ``feature_rows`` has of a query's rows."""
    geometry = geometry_in(query, rows, form)
    return [
        rows.c.feature_id,
        rows.c.version,
        rows.c.valid_from,
        rows.c.valid_to,
        rows.c.load_id,
        rows.c.source_row,
        *([] if geometry is None else [geometry.label("geometry")]),
        *(rows.c[name] for name in selected_fields(query)),
    ]


def _rows(
    query: FeatureQuery, form: GeometryForm, *, backwards: bool = False, with_keys: bool = False
) -> Select[Any]:
    rows, conditions = matching(query)
    if query.after is not None:
        cursor = read_cursor(query, query.after)
        backwards = cursor.backwards
        conditions += beyond(query, rows, cursor)
    keys = sort_columns(query, rows) if with_keys else []
    return (
        select(
            *output_columns(query, rows, form),
            *(column.label(_key_name(number)) for number, column in enumerate(keys)),
        )
        .where(*conditions)
        .order_by(*feature_order(query, rows, backwards=backwards))
    )


def place_of(query: FeatureQuery, record: Mapping[str, Any], *, backwards: bool) -> Cursor:
    """Return the place of a row of ``feature_page`` in the order of its query."""
    values = tuple(record[_key_name(number)] for number in range(len(query.sort)))
    return Cursor(record["feature_id"], record["valid_from"], values, backwards)


def _key_name(number: int) -> str:
    # With a dot: no field has such a name.
    return f"sort.{number}"


def selected_fields(query: FeatureQuery) -> tuple[str, ...]:
    """Return the fields that a query's rows have, in their order.

    Raises:
        UnknownLayer, UnknownField: If the layer or a field is not there for the viewer.
    """
    access = access_class(query.layer, query.viewer)
    return visible_fields(query.layer, access, query.fields)


def geometry_in(
    query: FeatureQuery, rows: Subquery, form: GeometryForm
) -> ColumnElement[Any] | None:
    """Return geometry in the query's system: GeoJSON or GML in its authority's order, or WKB.

    In GeoJSON areas are wound as RFC 7946 §3.1.6 wants, outer rings anticlockwise on the ground.
    """
    if form is None:
        return None
    system = query.system
    z = query.layer.geometry.z
    geometry: ColumnElement[Any] = rows.c.geom
    if system.srid == TILE_SRID and not z:
        geometry = rows.c.tile_geom
    elif system.srid != STORAGE_SRID:
        geometry = func.ST_Transform(geometry, literal(system.srid, Integer))
    if form == "wkb":
        return func.ST_AsBinary(geometry)
    if query.layer.geometry.dimension == 2:
        geometry = func.ST_ForcePolygonCCW(geometry)
    if system.north_first:
        geometry = func.ST_FlipCoordinates(geometry)
    if form == "gml":
        name = func.concat(query.layer.name, ".", rows.c.feature_id, ".", rows.c.version)
        return func.ST_AsGML(3, geometry, system.decimals, _GML_OPTIONS, "gml", name)
    return func.ST_AsGeoJSON(geometry, system.decimals, 0)


def feature_count(query: FeatureQuery, limit: int) -> Select[Any]:
    """Return the statement that counts the features of a query, walking ``limit`` + 1 at most."""
    rows, conditions = matching(query)
    capped = select(literal(1)).select_from(rows).where(*conditions).limit(limit + 1)
    return select(func.count()).select_from(capped.subquery("capped"))


def matching_rows(query: FeatureQuery) -> Select[Any]:
    """Return a statement with about as many rows as a query has, for the planner's estimate.

    The planner takes the exact relation to a box for a further one, and estimates too few.
    """
    rows, conditions = matching(query, roughly=True)
    return select(literal(1)).select_from(rows).where(*conditions)


def is_unfiltered(query: FeatureQuery) -> bool:
    """Tell whether a query asks for all of a layer's current state, whose size is kept."""
    narrowed = (query.bbox, query.heights, query.at, query.as_of, query.filter, query.feature_id)
    is_kept = query.layer.view is None
    return is_kept and not query.equals and all(part is None for part in narrowed)
