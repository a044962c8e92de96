"""Pages of many features that the database itself writes as GeoJSON, on two connections if it can.

First the page's rows are found, in as many strips of the searched box as there are connections, all
of which see the same state of the database. Then each connection takes some of the rows, in the
page's order, writes them, and takes the next, until all are written.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import asyncpg

from layers.cursors import Cursor
from layers.feature_query import FeatureQuery
from layers.feature_texts import ENDS, PLACES, FeatureTexts, end_of
from layers.page_statements import PageStatements, PreparedPage
from layers.pool import ReadingPool
from layers.sql import Template

#: Pages of fewer features are read in columns: one statement then takes less than two steps.
_LEAST = 500
#: Features written by one statement, at most: the work of some milliseconds.
_AT_A_TIME = 250
#: Connections for one page, at most.
_CONNECTIONS = 2


#: A feature that was found: its id, since when it is so, and where it lies.
_Found = tuple[int, datetime, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A page as it was written."""

    texts: FeatureTexts
    #: What a cursor needs of the first and the last row (``feature_id``, ``valid_from``).
    edges: list[dict[str, Any]]
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
    lent = pool.one_state(share, _CONNECTIONS, plan_once=once, by_blocks=query.bbox is not None)
    async with lent as connections:
        strips = statements.places(query, cursor, len(connections)) or whole
        backwards = cursor is not None and cursor.backwards
        found, matched = await _found(pool, connections, strips, backwards=backwards)
        rows, more = found[: query.limit], len(found) > query.limit
        if backwards:
            rows.reverse()
        parts = await _written(pool, connections, statements.texts(query), rows)
    edges = [{"feature_id": row[0], "valid_from": row[1]} for row in (*rows[:1], *rows[-1:])]
    return WrittenPage(FeatureTexts(parts, len(rows)), edges, more, matched)


async def _found(
    pool: ReadingPool,
    connections: list[asyncpg.Connection],
    strips: list[PreparedPage],
    *,
    backwards: bool,
) -> tuple[list[_Found], int | None]:
    """Return the rows of all strips in their order, and how many match in all if that is told."""
    answers = await _together(
        pool.fetch_on(connection, strip.sql, strip.values)
        for connection, strip in zip(connections, strips, strict=False)
    )
    found = [answer[0] for answer in answers if answer[0]["places"] is not None]
    numbers = [part["matched"] for part in found]
    rows: list[_Found] = []
    for part in found:
        rows += zip(part["feature_ids"], part["valid_from"], part["places"], strict=True)
    rows.sort(key=itemgetter(0), reverse=backwards)
    return rows, None if not numbers or None in numbers else sum(numbers)


async def _written(
    pool: ReadingPool,
    connections: list[asyncpg.Connection],
    template: Template,
    rows: list[_Found],
) -> list[bytes]:
    """Return the features of rows, in their order, as texts of some each."""
    ends = {since: end_of(since) for since in {row[1] for row in rows}}
    parts = [rows[start : start + _AT_A_TIME] for start in range(0, len(rows), _AT_A_TIME)]
    texts: list[bytes] = [b""] * len(parts)
    waiting = iter(enumerate(parts))

    async def write(connection: asyncpg.Connection) -> None:
        # One iterator for all: whoever is through takes the next part.
        for number, part in waiting:
            places, since = [row[2] for row in part], [ends[row[1]] for row in part]
            values = template.values({PLACES: places, ENDS: since})
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
