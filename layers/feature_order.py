"""The order of features: by sort keys, then by id, then by time, and the pages cut from it."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Subquery,
    and_,
    asc,
    desc,
    false,
    func,
    literal,
    or_,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from layers.access import access_class
from layers.cursors import Cursor
from layers.definition import FieldType
from layers.feature_query import FeatureQuery, SortKey
from layers.queries import visible_fields
from layers.tables import column_type

_TIME = DateTime(timezone=True)
#: Longer texts are sorted by so many characters: the last ones of a page stand in an address.
_LONGEST_KEY = 200
_NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)


def sort_columns(query: FeatureQuery, rows: Subquery) -> list[ColumnElement[Any]]:
    """Return what the rows of a query are sorted by first, one column a key.

    Raises:
        UnknownField: If a field is not there for the viewer.
    """
    access = access_class(query.layer, query.viewer)
    visible_fields(query.layer, access, tuple(key.field for key in query.sort))
    return [_sorted_by(query, key, rows.c[key.field]) for key in query.sort]


def is_spatial(query: FeatureQuery) -> bool:
    """Tell whether a query is one for the spatial index.

    With it, no index must give the order: walking a whole index in its order is a plan that the
    planner takes for LIMIT, many times slower than sorting the few rows of the spatial index.
    """
    return query.bbox is not None or (query.filter is not None and query.filter.is_spatial)


def _sorted_by(query: FeatureQuery, key: SortKey, column: ColumnElement[Any]) -> Any:
    field, hidden = query.layer.field(key.field), is_spatial(query)
    if field.type is FieldType.TEXT:
        is_long = field.length is None or field.length > _LONGEST_KEY
        is_cut = hidden or (is_long and not _is_of_business_key(query, key))
        return func.left(column, _LONGEST_KEY) if is_cut else column
    return column + 0 if hidden and field.type in _NUMERIC else column


def feature_order(
    query: FeatureQuery, rows: Subquery, *, backwards: bool = False
) -> list[ColumnElement[Any]]:
    """Return the order of a query's rows; features without a value of a key come last.

    Args:
        query: The query.
        rows: Its rows.
        backwards: The whole order turned round.
    """
    order: list[ColumnElement[Any]] = []
    for key, column in zip(query.sort, sort_columns(query, rows), strict=True):
        directed = desc(column) if key.descending is not backwards else asc(column)
        if not _is_of_business_key(query, key):
            directed = directed.nulls_first() if backwards else directed.nulls_last()
        order.append(directed)
    hidden = is_spatial(query) and not query.sort
    by_id = rows.c.feature_id + 0 if hidden else rows.c.feature_id
    ids: tuple[ColumnElement[Any], ...] = (by_id, rows.c.valid_from)
    return [*order, *((desc(column) for column in ids) if backwards else ids)]


def bound_value(value: Any, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """Return a value as one to bind; what is bound later stays as it is."""
    return value if isinstance(value, ColumnElement) else literal(value, kind)


def beyond(query: FeatureQuery, rows: Subquery, cursor: Cursor) -> list[ColumnElement[bool]]:
    """Return the conditions of the rows that come behind a place, or before it if it says so."""
    first = bound_value(cursor.feature_id, BigInteger())
    place = tuple_(first, bound_value(cursor.valid_from, _TIME))
    ids = tuple_(rows.c.feature_id, rows.c.valid_from)
    behind = ids < place if cursor.backwards else ids > place
    if not query.sort:
        # Implied, and what lets an index on the id alone begin there.
        edge = rows.c.feature_id <= first if cursor.backwards else rows.c.feature_id >= first
        return [behind, edge]
    condition: ColumnElement[bool] = behind
    columns = sort_columns(query, rows)
    for key, column, value in reversed(list(zip(query.sort, columns, cursor.values, strict=True))):
        field = query.layer.field(key.field)
        bound = None if value is None else literal(value, column_type(field.type))
        here = column.is_(None) if bound is None else column == bound
        further = _further(key, column, bound, backwards=cursor.backwards)
        condition = or_(further, and_(here, condition))
    return [condition, *_edge(query, columns[0], cursor)]


def _edge(
    query: FeatureQuery, column: ColumnElement[Any], cursor: Cursor
) -> list[ColumnElement[bool]]:
    """Return what the first key alone says, from which an index on it can begin."""
    key, value = query.sort[0], cursor.values[0]
    if value is None or not _is_of_business_key(query, key):
        return []
    bound = literal(value, column_type(query.layer.field(key.field).type))
    return [column <= bound if key.descending is not cursor.backwards else column >= bound]


def _further(
    key: SortKey, column: ColumnElement[Any], bound: ColumnElement[Any] | None, *, backwards: bool
) -> ColumnElement[bool]:
    """Return the condition of the rows whose value of a key comes later than one."""
    if bound is None:
        return column.is_not(None) if backwards else false()
    later = column < bound if key.descending is not backwards else column > bound
    return later if backwards else or_(later, column.is_(None))


def _is_of_business_key(query: FeatureQuery, key: SortKey) -> bool:
    """Tell whether it is of the business key: no feature lacks it, and an index may give it."""
    return key.field in query.layer.key
