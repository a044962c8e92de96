"""How many features a query has: exactly where that is cheap, else by the planner's estimate."""

from dataclasses import dataclass

import orjson
from sqlalchemy import select

from layers.errors import QueryTimeout
from layers.feature_query import FeatureQuery
from layers.feature_selection import feature_count, matching_rows
from layers.page_statements import PageStatements
from layers.pool import ReadingPool
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg, explain_statement
from layers.system_tables import layer_table


@dataclass(frozen=True, slots=True)
class FeatureCount:
    """A number of features."""

    number: int
    #: Whether they were counted; otherwise the number is an estimate.
    is_exact: bool


async def count_features(
    pool: ReadingPool,
    query: FeatureQuery,
    settings: LayersSettings,
    statements: PageStatements,
) -> FeatureCount:
    """Return how many features a query has.

    They are counted if they are no more than the settings' limit and counting ends within the
    settings' time.

    Raises:
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
    """
    limit = settings.count_limit
    kept = statements.count(query, limit)
    sql, values = kept or compile_for_asyncpg(feature_count(query, limit))
    floor = 0
    try:
        rows = await pool.fetch_text(sql, values, _share(query), settings.count_timeout_s)
    except QueryTimeout:
        pass
    else:
        floor = int(rows[0][0])
        if floor <= limit:
            return FeatureCount(floor, True)
    return FeatureCount(max(floor, await _estimate(pool, query)), False)


async def _estimate(pool: ReadingPool, query: FeatureQuery) -> int:
    """Return about how many features a query has.

    The planner does not know that rows end in both times together, and expects too many or too few
    current ones. How many there are is known: an estimate of the current state is set right by it.
    """
    expected = await _expected(pool, query)
    if query.at is not None or query.as_of is not None or query.layer.view is not None:
        return expected
    known = select(layer_table.c.current_count).where(layer_table.c.name == query.layer.name)
    counts = await pool.fetch(known, _share(query))
    if not counts or counts[0][0] is None:
        return expected
    whole = await _expected(pool, FeatureQuery(query.layer, query.viewer))
    return min(round(expected * int(counts[0][0]) / max(whole, 1)), int(counts[0][0]))


async def _expected(pool: ReadingPool, query: FeatureQuery) -> int:
    sql, values = compile_for_asyncpg(matching_rows(query))
    found = await pool.fetch_text(explain_statement(sql), values, _share(query))
    return int(orjson.loads(found[0][0])[0]["Plan"]["Plan Rows"])


def _share(query: FeatureQuery) -> str:
    return f"items/{query.layer.name}"
