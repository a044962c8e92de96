"""Statements for the pages that are asked for most, composed once for all values.

Composing and compiling a statement takes longer than the database takes for ten features. Pages of
the current state, in the order of ids, by a box and by values of fields, come as one statement for
each combination of what is asked; only values are bound anew. Everything else
(``layers.feature_selection``) is composed for each request.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Select,
    bindparam,
    func,
    null,
    select,
)

from gis.systems import CoordinateSystem
from layers.access import AccessClass, access_class
from layers.cursors import Cursor
from layers.definition import LayerDefinition
from layers.feature_order import beyond, feature_order
from layers.feature_query import FeatureQuery
from layers.feature_selection import (
    feature_count,
    is_unfiltered,
    matching,
    output_columns,
    selected_fields,
)
from layers.field_values import read_value
from layers.queries import envelope, layer_rows
from layers.sql import Template, compile_lasting_template
from layers.system_tables import layer_table
from layers.tables import column_type

_SIDES = ("west", "south", "east", "north")
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
    # Computed once a statement: a plan for all values would make the box anew for each row.
    box = select(envelope([bindparam(side, None, Double()) for side in _SIDES])).scalar_subquery()
    equals = tuple(
        (name, bindparam(_equal(number), None, column_type(layer.field(name).type)))
        for number, (name, _) in enumerate(query.equals)
    )
    return replace(
        query,
        bbox=None if query.bbox is None else cast(Any, box),
        equals=cast(Any, equals),
        after=None,
    )


def _page(query: FeatureQuery, shape: _Shape) -> Select[Any]:
    # The rows of a view have no place.
    if shape.has_box and shape.backwards is None and query.layer.view is None:
        return _counted_page(query)
    rows, conditions = matching(query)
    matched: ColumnElement[Any] = null()
    if shape.backwards is not None:
        place = (bindparam(_AFTER_ID, None, BigInteger()), bindparam(_AFTER_TIME, None, _TIME))
        cursor = Cursor(cast(Any, place[0]), cast(Any, place[1]), (), shape.backwards)
        conditions += beyond(query, rows, cursor)
    if is_unfiltered(query):
        name = layer_table.c.name == query.layer.name
        matched = select(layer_table.c.current_count).where(name).scalar_subquery()
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
