"""How many features a query has: exactly where that is cheap, else by the planner's estimate."""

from dataclasses import dataclass

import orjson

from layers.errors import QueryTimeout
from layers.feature_query import FeatureQuery
from layers.feature_selection import feature_count, matching_rows
from layers.page_statements import PageStatements
from layers.pool import ReadingPool
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg, explain_statement


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
    share = f"items/{query.layer.name}"
    kept = statements.count(query, limit)
    sql, values = kept or compile_for_asyncpg(feature_count(query, limit))
    floor = 0
    try:
        rows = await pool.fetch_text(sql, values, share, settings.count_timeout_s)
    except QueryTimeout:
        pass
    else:
        floor = int(rows[0][0])
        if floor <= limit:
            return FeatureCount(floor, True)
    sql, values = compile_for_asyncpg(matching_rows(query))
    plan = orjson.loads((await pool.fetch_text(explain_statement(sql), values, share))[0][0])
    return FeatureCount(max(floor, int(plan[0]["Plan"]["Plan Rows"])), False)
