"""Statements for the pages that are asked for most, composed once for all values.

Composing and compiling a statement takes longer than the database takes for ten features. Pages of
the current state, in the order of ids, by a box and by values of fields, come as one statement for
each combination of what is asked; only values are bound anew. Everything else
(``layers.feature_selection``) is composed for each request.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Select,
    Subquery,
    bindparam,
    case,
    func,
    null,
    select,
    true,
)

from gis.systems import CoordinateSystem
from layers.access import AccessClass, access_class
from layers.cursors import Cursor
from layers.definition import LayerDefinition
from layers.feature_order import beyond, feature_order
from layers.feature_query import BBox, FeatureQuery
from layers.feature_selection import (
    feature_count,
    is_unfiltered,
    matching,
    output_columns,
    selected_fields,
)
from layers.feature_texts import texts_at
from layers.field_values import read_value
from layers.queries import envelope, layer_rows
from layers.sql import Template, compile_lasting_template
from layers.system_tables import layer_table
from layers.tables import column_type

_SIDES = ("west", "south", "east", "north")
#: The box within the searched one, the strip of it that is searched, and the strips before that.
_INNER = tuple(f"inner_{side}" for side in _SIDES)
_STRIP = tuple(f"strip_{side}" for side in _SIDES)
_BEFORE = tuple(f"before_{side}" for side in _SIDES)
#: Degrees by which the boxes that the database keeps of geometries, in single precision, and the
#: one that it compares them with may be larger than what is in them, rounded up.
_ROUNDING = 2e-5
#: Degrees; narrower boxes are not searched in strips.
_LEAST_SIDE = 1e-3
_MOST = "most"
_CEILING = "ceiling"
_AFTER_ID, _AFTER_TIME = "after_id", "after_time"
#: Statements kept; what is asked for in more ways is composed anew.
_MOST_KEPT = 2000


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """A statement with its values.

    Its columns are those of ``feature_rows`` with GeoJSON text, and last ``matched``: how many
    features match, where that comes with the page.
    """

    sql: str
    values: list[Any]
    #: Whether one plan suits all values.
    plan_once: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    """All of a query but its values."""

    layer: str
    access: AccessClass
    fields: tuple[str, ...]
    system: CoordinateSystem
    with_geometry: bool
    has_box: bool
    equals: tuple[str, ...]
    #: ``None`` on the first page; whether the page stands before its cursor.
    backwards: bool | None
    #: What the statement is for.
    kind: str = "page"


class PageStatements:
    """The statements of one service."""

    def __init__(self) -> None:
        self._pages: dict[_Shape, tuple[LayerDefinition, Template]] = {}
        self._counts: dict[_Shape, tuple[LayerDefinition, Template]] = {}

    def page(self, query: FeatureQuery, cursor: Cursor | None) -> PreparedPage | None:
        """Return the statement of a page, with one row more to tell of a next one.

        Args:
            query: What is wanted.
            cursor: The query's cursor, read.

        Returns:
            ``None`` if it is none of those that are kept.

        Raises:
            UnknownLayer, UnknownField, InvalidValue: If the query cannot be.
        """
        if not _is_plain(query):
            return None
        shape = _shape(query, cursor)
        template = _kept(self._pages, shape, query, _page)
        values = _values(query) | {_MOST: query.limit + 1}
        if cursor is not None:
            values |= {_AFTER_ID: cursor.feature_id, _AFTER_TIME: cursor.valid_from}
        # Without a box the number of features decides whether the order of ids is walked.
        return PreparedPage(template.sql, template.values(values), query.bbox is not None)

    def places(
        self, query: FeatureQuery, cursor: Cursor | None, most_strips: int
    ) -> list[PreparedPage] | None:
        """Return statements that find where the rows of a page lie, each in a strip of its box.

        Each gives one row: ``feature_ids``, ``valid_from`` and ``places``, as long as each other,
        of one feature more than the page has to tell of a next one, or null; and ``matched``, of
        which the numbers of all strips add up. No feature is found by two of them.

        Returns:
            ``None`` if the query is none of those whose statements are kept.
        """
        if not _is_plain(query) or query.layer.view is not None:
            return None
        values = _values(query) | {_MOST: query.limit + 1}
        if cursor is not None:
            values |= {_AFTER_ID: cursor.feature_id, _AFTER_TIME: cursor.valid_from}
        if query.bbox is None:
            return [self._prepared(query, cursor, "places", values)]
        if min(_extent(query.bbox)) < _LEAST_SIDE:
            return None
        values |= zip(_INNER, _inner(query.bbox), strict=True)
        # Coarser geometry than what the index has may lie in other strips.
        exact = access_class(query.layer, query.viewer).precision_m is None
        found = []
        for strip, before in _strips(query.bbox, most_strips if exact else 1):
            own = values | dict(zip(_STRIP, strip, strict=True))
            own |= dict(zip(_BEFORE, before, strict=True)) if before is not None else {}
            kind = "places" if before is None else "further places"
            found.append(self._prepared(query, cursor, kind, own))
        return found

    def _prepared(
        self, query: FeatureQuery, cursor: Cursor | None, kind: str, values: dict[str, Any]
    ) -> PreparedPage:
        shape = replace(_shape(query, cursor), kind=kind)
        template = _kept(self._pages, shape, query, _places)
        return PreparedPage(template.sql, template.values(values), query.bbox is not None)

    def texts(self, query: FeatureQuery) -> Template:
        """Return ``texts_at`` for a query that is kept; its ``PLACES`` are to be bound."""
        shape = replace(_shape(query, None), has_box=False, equals=(), kind="texts")
        return _kept(self._pages, shape, query, lambda wanted, _: texts_at(wanted))

    def count(self, query: FeatureQuery, limit: int) -> tuple[str, list[Any]] | None:
        """Return the statement that counts to ``limit`` + 1 at most; errors as in ``page``."""
        if not _is_plain(query):
            return None
        template = _kept(self._counts, _shape(query, None), query, _count)
        return template.sql, template.values(_values(query) | {_CEILING: limit})


def _is_plain(query: FeatureQuery) -> bool:
    special = (
        query.outline, query.heights, query.at, query.as_of, query.filter, query.feature_id,
    )  # fmt: skip
    crosses = query.bbox is not None and query.bbox[0] > query.bbox[2]
    return not query.sort and not crosses and all(part is None for part in special)


def _shape(query: FeatureQuery, cursor: Cursor | None) -> _Shape:
    return _Shape(
        query.layer.name,
        access_class(query.layer, query.viewer),
        selected_fields(query),
        query.system,
        query.with_geometry,
        query.bbox is not None,
        tuple(name for name, _ in query.equals),
        None if cursor is None else cursor.backwards,
    )


def _kept(
    kept: dict[_Shape, tuple[LayerDefinition, Template]],
    shape: _Shape,
    query: FeatureQuery,
    compose: Any,
) -> Template:
    found = kept.get(shape)
    if found is not None and found[0] is query.layer:
        return found[1]
    template = compile_lasting_template(compose(_without_values(query), shape))
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[shape] = (query.layer, template)
    return template


def _values(query: FeatureQuery) -> dict[str, Any]:
    layer = query.layer
    values: dict[str, Any] = {
        _equal(number): read_value(layer.field(name), text)
        for number, (name, text) in enumerate(query.equals)
    }
    if query.bbox is not None:
        values |= zip(_SIDES, query.bbox, strict=True)
    return values


def _equal(number: int) -> str:
    return f"equal_{number}"


def _without_values(query: FeatureQuery) -> FeatureQuery:
    """Return a query with expressions for its values, each bound under a name of its own."""
    layer = query.layer
    equals = tuple(
        (name, bindparam(_equal(number), None, column_type(layer.field(name).type)))
        for number, (name, _) in enumerate(query.equals)
    )
    return replace(
        query,
        bbox=None if query.bbox is None else cast(Any, _box(_SIDES)),
        equals=cast(Any, equals),
        after=None,
    )


def _box(sides: tuple[str, ...]) -> ColumnElement[Any]:
    # Computed once a statement: a plan for all values would make the box anew for each row.
    return select(envelope([bindparam(side, None, Double()) for side in sides])).scalar_subquery()


def _extent(box: BBox) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _inner(box: BBox) -> BBox:
    west, south, east, north = box
    return west + _ROUNDING, south + _ROUNDING, east - _ROUNDING, north - _ROUNDING


def _strips(box: BBox, number: int) -> list[tuple[BBox, BBox | None]]:
    """Cut a box into strips of equal width; return each with what stands before it."""
    west, south, east, north = box
    edges = [west + (east - west) * step / number for step in range(number)] + [east]
    return [
        ((left, south, right, north), (west, south, left, north) if step else None)
        for step, (left, right) in enumerate(pairwise(edges))
    ]


def _places(query: FeatureQuery, shape: _Shape) -> ClauseElement:
    searched = replace(query, bbox=cast(Any, _box(_STRIP))) if shape.has_box else query
    rows, conditions = matching(searched, roughly=True, with_place=True)
    if shape.has_box:
        # The box of most lies within the searched one, which is told faster than how they relate.
        within = rows.c.geom.bool_op("@")(_box(_INNER))
        relates = func.ST_Intersects(rows.c.geom, _box(_SIDES))
        conditions.append(case((within, true()), else_=relates))
    if shape.kind == "further places":
        conditions.append(~rows.c.geom.bool_op("&&")(_box(_BEFORE)))
    conditions += _behind(query, rows, shape)
    matched = _known_number(query)
    if shape.has_box and shape.backwards is None:
        matched = func.count().over()
    order = feature_order(query, rows, backwards=bool(shape.backwards))
    some = (
        select(rows.c.feature_id, rows.c.valid_from, rows.c.place, matched.label("matched"))
        .where(*conditions)
        .order_by(*order)
        .limit(_most())
        .subquery("some")
    )
    # Thousands of rows of a few numbers each take longer to send and to read.
    return select(
        func.array_agg(some.c.feature_id).label("feature_ids"),
        func.array_agg(some.c.valid_from).label("valid_from"),
        func.array_agg(some.c.place).label("places"),
        func.max(some.c.matched).label("matched"),
    )


def _behind(query: FeatureQuery, rows: Subquery, shape: _Shape) -> list[ColumnElement[bool]]:
    if shape.backwards is None:
        return []
    place = (bindparam(_AFTER_ID, None, BigInteger()), bindparam(_AFTER_TIME, None, _TIME))
    cursor = Cursor(cast(Any, place[0]), cast(Any, place[1]), (), shape.backwards)
    return beyond(query, rows, cursor)


def _known_number(query: FeatureQuery) -> ColumnElement[Any]:
    if not is_unfiltered(query):
        return null()
    name = layer_table.c.name == query.layer.name
    return select(layer_table.c.current_count).where(name).scalar_subquery()


def _page(query: FeatureQuery, shape: _Shape) -> Select[Any]:
    # The rows of a view have no place.
    if shape.has_box and shape.backwards is None and query.layer.view is None:
        return _counted_page(query)
    rows, conditions = matching(query)
    conditions += _behind(query, rows, shape)
    matched = _known_number(query)
    order = feature_order(query, rows, backwards=bool(shape.backwards))
    chosen = select(*output_columns(query, rows, _form(query)), matched.label("matched"))
    return chosen.where(*conditions).order_by(*order).limit(_most())


def _counted_page(query: FeatureQuery) -> Select[Any]:
    """Return the first page of what is in a box, with the number of all there is.

    All that match are found and put into order anyway: counting them there, by what little an
    order needs, costs less than a second search. The page's rows are then fetched by their place.
    """
    rows, conditions = matching(query, with_place=True)
    order = feature_order(query, rows)
    some = (
        select(
            rows.c.place,
            func.count().over().label("matched"),
            *(key.label(f"order_{number}") for number, key in enumerate(order)),
        )
        .where(*conditions)
        .order_by(*order)
        .limit(_most())
        .subquery("some")
    )
    access = access_class(query.layer, query.viewer)
    found = layer_rows(query.layer, access, with_place=True)
    keys = [some.c[f"order_{number}"] for number in range(len(order))]
    return (
        select(*output_columns(query, found, _form(query)), some.c.matched)
        .select_from(some.join(found, found.c.place == some.c.place))
        .order_by(*keys)
    )


def _count(query: FeatureQuery, _: _Shape) -> Select[Any]:
    return feature_count(query, cast(Any, bindparam(_CEILING, None, Integer())))


def _most() -> Any:
    return bindparam(_MOST, None, Integer())


def _form(query: FeatureQuery) -> Any:
    return "geojson" if query.with_geometry else None


_TIME = DateTime(timezone=True)
