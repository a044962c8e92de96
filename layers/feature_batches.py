"""Features read batch by batch through a cursor of the database, for answers of any size."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import asyncpg

from layers.feature_query import FeatureQuery
from layers.feature_selection import GeometryForm, feature_rows, selected_fields
from layers.pool import ReadingPool


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Some versions of features, in the order of their query.

    A record has ``feature_id``, ``version``, ``valid_from``, ``valid_to`` (of year 9999 while it is
    still so), ``load_id``, ``source_row``, then ``geometry`` if it was asked for (bytes of OGC WKB,
    or GeoJSON text; EPSG:4490, longitude first, with height where the layer has it; ``None`` where
    there is none), and the fields.
    """

    #: Names of the fields, in the order of the records.
    fields: tuple[str, ...]
    records: list[asyncpg.Record]


async def feature_batches(
    pool: ReadingPool,
    query: FeatureQuery,
    *,
    geometry: GeometryForm,
    size: int,
    limit: int | None,
) -> AsyncGenerator[FeatureBatch]:
    """Yield the features of a query; see ``CityReader.batches``."""
    fields = selected_fields(query)
    statement = feature_rows(query, geometry)
    if limit is not None:
        statement = statement.limit(limit)
    async with aclosing(pool.stream(statement, size)) as rows:
        async for records in rows:
            yield FeatureBatch(fields, records)
