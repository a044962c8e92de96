"""The statement by which features leave the database in columns that need no decoding."""

from typing import Any

from sqlalchemy import Select, func, literal, null, select

from layers.feature_query import FeatureQuery
from layers.feature_selection import GeometryForm, feature_rows, selected_fields
from layers.tables import INFINITY

#: The columns before the fields: integer, integer, and two times.
COPIED_COLUMNS = ("feature_id", "version", "valid_from", "valid_to")


def feature_copy(query: FeatureQuery, limit: int) -> Select[Any]:
    """Return the statement for the features of a query, in its order.

    Columns: ``COPIED_COLUMNS`` (``valid_to`` null while it is still so), the visible fields, and
    ``geometry``: OGC WKB in hexadecimal digits, in the query's system but x (east) first, whatever
    its axis order; null without geometry.

    Raises:
        UnknownLayer, UnknownField, InvalidValue: If the query cannot be.
    """
    form: GeometryForm = "wkb" if query.with_geometry else None
    rows = feature_rows(query, form).limit(limit).subquery("features")
    geometry = func.encode(rows.c.geometry, literal("hex")) if query.with_geometry else null()
    return select(
        rows.c.feature_id,
        rows.c.version,
        rows.c.valid_from,
        func.nullif(rows.c.valid_to, INFINITY).label("valid_to"),
        *(rows.c[name] for name in selected_fields(query)),
        geometry.label("geometry"),
    )
