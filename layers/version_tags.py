"""Short texts that name one recorded version of a feature, for optimistic locking."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, select

from layers.access import access_class
from layers.feature_query import FeatureQuery
from layers.queries import layer_rows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def version_tag(feature_id: int, version: int, recorded_from: datetime) -> str:
    """Return a text that is another one as soon as anything of the version is recorded anew.

    The version's number alone would not do: its end may be recorded later, with the same number.
    """
    return f"{feature_id}.{version}.{(recorded_from - _EPOCH) // _MICROSECOND:x}"


def feature_tag(query: FeatureQuery) -> Select[Any]:
    """Return the statement for what names the version of the one feature of a query.

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
    """
    access = access_class(query.layer, query.viewer)
    rows = layer_rows(query.layer, access, query.at, query.as_of, columns=())
    return (
        select(rows.c.feature_id, rows.c.version, rows.c.recorded_from)
        .where(rows.c.feature_id == query.feature_id)
        .order_by(rows.c.valid_from.desc())
        .limit(1)
    )


def read_tag(row: Mapping[Any, Any]) -> str:
    """Return the text of a row of ``feature_tag``."""
    return version_tag(row["feature_id"], row["version"], row["recorded_from"])
