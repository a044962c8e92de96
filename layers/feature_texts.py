"""Features as GeoJSON text that the database writes, for pages of many."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    String,
    Subquery,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.sql.selectable import LateralFromClause
from sqlalchemy.types import UserDefinedType

from layers.access import access_class
from layers.definition import FieldType
from layers.feature_query import FeatureQuery
from layers.feature_selection import geometry_in, selected_fields
from layers.queries import layer_rows

#: Names of the values that ``texts_at`` is run with: places, in the order wanted, and the ends of
#: the features there.
PLACES, ENDS = "places", "ends"
#: A moment with all that is known of it.
_EXACTLY = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


@dataclass(frozen=True, slots=True)
class FeatureTexts:
    """The features of a page as GeoJSON."""

    #: Features one after the other, with commas between them but none at the ends.
    parts: list[bytes]
    #: How many there are.
    number: int

    def __len__(self) -> int:
        """Return the number of features."""
        return self.number


class _Place(UserDefinedType[Any]):
    """Where a row lies: block and number in it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tid"


def texts_at(query: FeatureQuery) -> Select[Any]:
    """Return the statement that writes the current rows at some places as GeoJSON features.

    They are those of ``api.formats.geojson``: the same members in the same order, with times in UTC
    and ``null`` for numbers that JSON lacks; but for their ends (``end_of``), for features have few
    different ones. Places hold within one state of the database only.

    Args:
        query: What is wanted of the features; its box and values do not count.

    Returns:
        One row, ``text``: the features in the order of their places, with commas between them, as
        UTF-8; null if there are none.
    """
    rows = layer_rows(query.layer, access_class(query.layer, query.viewer), with_place=True)
    places = cast(bindparam(PLACES, None), ARRAY(_Place()))
    ends = cast(bindparam(ENDS, None), ARRAY(Text()))
    listed = func.unnest(places, ends).table_valued("place", "end", with_ordinality="number")
    wanted = listed.render_derived()
    source: FromClause = wanted.join(rows, rows.c.place == wanted.c.place)
    properties: ColumnElement[Any] = literal("{}")
    if selected_fields(query):
        fields = _fields(query, rows)
        source = source.join(fields, true())
        properties = func.row_to_json(fields.table_valued())
    written = (
        select(_feature(query, rows, properties, wanted.c.end).label("text"))
        .select_from(source)
        .order_by(wanted.c.number)
        .subquery("written")
    )
    # The rows of a subquery in order are put together in that order.
    joined = func.string_agg(written.c.text, literal(",", String))
    return select(func.convert_to(joined, literal("UTF8", String)).label("text"))


def end_of(since: datetime) -> str:
    """Return the end of a current feature that is so since a moment, for ``texts_at``."""
    moment = orjson.dumps(since, option=orjson.OPT_UTC_Z).decode()
    return f',"time":{{"interval":[{moment},".."]}}}}'


def _feature(
    query: FeatureQuery, rows: Subquery, properties: ColumnElement[Any], end: ColumnElement[str]
) -> ColumnElement[str]:
    geometry = geometry_in(query, rows, "geojson") if query.with_geometry else None
    shape = literal("null") if geometry is None else func.coalesce(geometry, literal("null"))
    return func.concat(
        literal('{"type":"Feature","id":'),
        rows.c.feature_id,
        literal(',"geometry":'),
        shape,
        literal(',"properties":'),
        properties,
        literal(',"version":'),
        rows.c.version,
        end,
    )


def _fields(query: FeatureQuery, rows: Subquery) -> LateralFromClause:
    """Return the fields wanted, as JSON is to have them, of each row."""
    layer = query.layer
    columns = [
        _as_json_has_it(rows.c[name], layer.field(name).type).label(name)
        for name in selected_fields(query)
    ]
    return select(*columns).correlate(rows).lateral("fields")


def _as_json_has_it(column: ColumnElement[Any], kind: FieldType) -> ColumnElement[Any]:
    if kind is FieldType.NUMBER:
        # Of what is no number and of infinity the product is no number, which is not 0.
        return case((column * 0.0 == 0.0, column))
    if kind is FieldType.DATETIME:
        return func.btrim(_quoted(column), literal('"'))
    return column


def _quoted(moment: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a moment in UTC (RFC 3339) as a JSON text, or null; six decimals or none."""
    utc = func.timezone(literal("UTC", String), moment)
    short = func.rtrim(cast(func.to_json(utc), Text), literal('"')).concat(literal('Z"'))
    is_whole = func.date_trunc(literal("second", String), utc) == utc
    exact = func.to_char(utc, literal(_EXACTLY, String))
    return case((is_whole, short), else_=literal('"').concat(exact).concat(literal('"')))
