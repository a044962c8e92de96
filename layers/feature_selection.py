"""Statements for features: pages, counts and exports, all over ``layers.queries.layer_rows``."""

from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Subquery,
    asc,
    desc,
    func,
    literal,
    select,
    tuple_,
)

from layers.access import access_class
from layers.definition import LayerDefinition
from layers.feature_query import FeatureQuery, read_cursor
from layers.field_values import read_value
from layers.filters import filter_condition
from layers.queries import box_geometry, layer_rows, visible_fields

_TIME = DateTime(timezone=True)
#: Decimals of degrees in GeoJSON: a tenth of a millimetre (survey precision).
COORDINATE_DECIMALS = 9
#: How geometry is written: OGC WKB, GeoJSON text, or not at all.
GeometryForm = Literal["wkb", "geojson"] | None


def _matching(query: FeatureQuery) -> tuple[Subquery, list[ColumnElement[bool]]]:
    """Return the rows of a query, before paging, and the conditions on them."""
    layer = query.layer
    access = access_class(layer, query.viewer)
    rows = layer_rows(layer, access, query.at, query.as_of, query.bbox)
    conditions: list[ColumnElement[bool]] = []
    if query.bbox is not None:
        conditions.append(func.ST_Intersects(rows.c.geom, box_geometry(query.bbox)))
    for name, text in query.equals:
        visible_fields(layer, access, (name,))
        conditions.append(rows.c[name] == read_value(layer.field(name), text))
    if query.filter is not None:
        columns = dict(rows.c.items())
        conditions.append(filter_condition(query.filter, layer, access, columns, rows.c.geom))
    if query.feature_id is not None:
        conditions.append(rows.c.feature_id == query.feature_id)
    return rows, conditions


def feature_page(query: FeatureQuery) -> Select[Any]:
    """Return the statement for one page of features, with one row more to tell of a next page.

    Columns: those of ``feature_rows`` with the geometry as GeoJSON text.

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
        UnknownField: If a field is not there for this viewer.
        InvalidValue: If a value or the cursor cannot be read.
    """
    return feature_rows(query, "geojson").limit(query.limit + 1)


def feature_rows(query: FeatureQuery, form: GeometryForm) -> Select[Any]:
    """Return the statement for all features of a query, from its cursor on, in its order.

    Columns: ``feature_id``, ``version``, ``valid_from``, ``valid_to``, ``load_id``, ``source_row``,
    ``geometry`` (unless ``form`` is ``None``) and the visible fields. Errors as in
    ``feature_page``.
    """
    rows, conditions = _matching(query)
    if query.after is not None:
        cursor = read_cursor(query.after)
        place = tuple_(literal(cursor.feature_id), literal(cursor.valid_from, _TIME))
        conditions.append(tuple_(rows.c.feature_id, rows.c.valid_from) > place)
        # Implied by the line above, and what lets an index on the id alone begin there.
        conditions.append(rows.c.feature_id >= cursor.feature_id)
    fields = selected_fields(query)
    geometry = _geometry(query.layer, rows, form)
    return (
        select(
            rows.c.feature_id,
            rows.c.version,
            rows.c.valid_from,
            rows.c.valid_to,
            rows.c.load_id,
            rows.c.source_row,
            *([] if geometry is None else [geometry.label("geometry")]),
            *(rows.c[name] for name in fields),
        )
        .where(*conditions)
        .order_by(*_order(query, rows))
    )


def selected_fields(query: FeatureQuery) -> tuple[str, ...]:
    """Return the fields that a query's rows have, in their order.

    Raises:
        UnknownLayer, UnknownField: If the layer or a field is not there for the viewer.
    """
    access = access_class(query.layer, query.viewer)
    return visible_fields(query.layer, access, query.fields)


def _order(query: FeatureQuery, rows: Subquery) -> list[ColumnElement[Any]]:
    access = access_class(query.layer, query.viewer)
    visible_fields(query.layer, access, tuple(key.field for key in query.sort))
    columns = [(rows.c[key.field], key.descending) for key in query.sort]
    keys = [(desc(column) if down else asc(column)).nulls_last() for column, down in columns]
    # With a box, "+ 0" keeps the planner from walking the whole id index in order (a plan that
    # it takes for LIMIT, 7 times slower) instead of the few rows of the spatial index.
    by_id = rows.c.feature_id + 0 if query.bbox is not None else rows.c.feature_id
    return [*keys, by_id, rows.c.valid_from]


def _geometry(
    layer: LayerDefinition, rows: Subquery, form: GeometryForm
) -> ColumnElement[Any] | None:
    if form is None:
        return None
    return _geojson(layer, rows) if form == "geojson" else func.ST_AsBinary(rows.c.geom)


def _geojson(layer: LayerDefinition, rows: Subquery) -> ColumnElement[Any]:
    """Return GeoJSON text; areas wound as RFC 7946 §3.1.6 wants, outer rings anticlockwise."""
    area = layer.geometry.dimension == 2
    geometry = func.ST_ForcePolygonCCW(rows.c.geom) if area else rows.c.geom
    return func.ST_AsGeoJSON(geometry, COORDINATE_DECIMALS, 0)


def feature_count(query: FeatureQuery, limit: int) -> Select[Any]:
    """Return the statement that counts the features of a query, walking ``limit`` + 1 at most."""
    rows, conditions = _matching(query)
    capped = select(literal(1)).select_from(rows).where(*conditions).limit(limit + 1)
    return select(func.count()).select_from(capped.subquery("capped"))


def is_unfiltered(query: FeatureQuery) -> bool:
    """Tell whether a query asks for all of a layer's current state, whose size is kept."""
    narrowed = (query.bbox, query.at, query.as_of, query.filter, query.feature_id)
    return not query.equals and all(part is None for part in narrowed)
