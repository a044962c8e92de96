"""Pages of many features that the database itself writes as GeoJSON, on two connections if it can.

First the page's rows are found, in as many strips of the searched box as there are connections, all
of which see the same state of the database. Then each connection takes some of the rows, in the
page's order, writes them, and takes the next, until all are written.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import asyncpg

from layers.cursors import Cursor
from layers.feature_query import FeatureQuery
from layers.feature_texts import PLACES, FeatureTexts
from layers.page_statements import PageStatements, PreparedPage
from layers.pool import ReadingPool
from layers.sql import Template

#: Pages of fewer features are read in columns: one statement then takes less than two steps.
_LEAST = 500
#: Features written by one statement, at most: the work of some milliseconds.
_AT_A_TIME = 500
#: Connections for one page, at most.
_CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A page as it was written."""

    texts: FeatureTexts
    #: The first and the last row (``feature_id``, ``valid_from``), or neither.
    edges: list[asyncpg.Record]
    #: Whether there are more behind it, or before it if its cursor says so.
    more: bool
    #: How many match in all, where that comes with the page.
    matched: int | None


async def written_page(
    pool: ReadingPool, statements: PageStatements, query: FeatureQuery, cursor: Cursor | None
) -> WrittenPage | None:
    """Return a page of features, written.

    Args:
        pool: Where connections are.
        statements: Statements that are kept.
        query: What is wanted.
        cursor: The query's cursor, read.

    Returns:
        ``None`` if the page is small, or none of those whose statements are kept.

    Raises:
        UnknownLayer, UnknownField, InvalidValue: If the query cannot be.
        DatabaseUnavailable, DatabaseBusy, QueryTimeout, SchemaConflict: As the pool has it.
    """
    if query.limit < _LEAST:
        return None
    whole = statements.places(query, cursor, 1)
    if whole is None:
        return None
    share = f"items/{query.layer.name}"
    once = whole[0].plan_once
    async with pool.one_state(share, _CONNECTIONS, plan_once=once) as connections:
        strips = statements.places(query, cursor, len(connections)) or whole
        backwards = cursor is not None and cursor.backwards
        found, matched = await _found(pool, connections, strips, backwards=backwards)
        rows, more = found[: query.limit], len(found) > query.limit
        if backwards:
            rows.reverse()
        places = [row["place"] for row in rows]
        parts = await _written(pool, connections, statements.texts(query), places)
    return WrittenPage(FeatureTexts(parts, len(rows)), [*rows[:1], *rows[-1:]], more, matched)


async def _found(
    pool: ReadingPool,
    connections: list[asyncpg.Connection],
    strips: list[PreparedPage],
    *,
    backwards: bool,
) -> tuple[list[asyncpg.Record], int | None]:
    """Return the rows of all strips in their order, and how many match in all if that is told."""
    found = await _together(
        pool.fetch_on(connection, strip.sql, strip.values)
        for connection, strip in zip(connections, strips, strict=False)
    )
    numbers = [rows[0]["matched"] for rows in found if rows]
    matched = None if not numbers or None in numbers else sum(numbers)
    rows = [row for part in found for row in part]
    if len(found) > 1:
        rows.sort(key=itemgetter(0), reverse=backwards)
    return rows, matched


async def _written(
    pool: ReadingPool,
    connections: list[asyncpg.Connection],
    template: Template,
    places: list[tuple[int, int]],
) -> list[bytes]:
    """Return the features at places, in their order, as texts of some each."""
    parts = [places[start : start + _AT_A_TIME] for start in range(0, len(places), _AT_A_TIME)]
    texts: list[bytes] = [b""] * len(parts)
    waiting = iter(enumerate(parts))

    async def write(connection: asyncpg.Connection) -> None:
        # One iterator for all: whoever is through takes the next part.
        for number, part in waiting:
            values = template.values({PLACES: part})
            texts[number] = (await pool.fetch_on(connection, template.sql, values))[0]["text"]

    await _together(write(connection) for connection in connections)
    return texts


async def _together(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Do all at the same time; what one raises ends the others before it is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
