"""Asking for the features that filters select, many filters at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy import func, select

from layers.access import ANONYMOUS, access_class
from layers.definition import LayerDefinition
from layers.filters import Filter, filter_condition
from layers.queries import layer_rows
from layers.sql import compile_for_asyncpg


def selected(url: str, layer: LayerDefinition, filters: Sequence[Filter]) -> list[list[int]]:
    """Return the ids of the features that each filter selects, ascending."""
    access = access_class(layer, ANONYMOUS)
    rows = layer_rows(layer, access)
    columns = dict(rows.c.items())
    conditions = [
        filter_condition(wanted, layer, access, columns, rows.c.geom) for wanted in filters
    ]
    found = [func.array_agg(rows.c.feature_id).filter(condition) for condition in conditions]
    sql, values = compile_for_asyncpg(select(*found))
    return [sorted(ids or []) for ids in fetch_row(url, sql, *values)]


def fetch_row(url: str, sql: str, *values: Any) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchrow(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(ask())
