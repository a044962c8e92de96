"""Where rows are in their table: PostgreSQL finds a row by its place without an index.

A row's place is good for as long as nobody writes the row anew: within a transaction that alone
writes the table.
"""

from typing import Any

from sqlalchemy import ColumnElement, TableClause, column, literal_column, table
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy.types import UserDefinedType


class Place(UserDefinedType[str]):
    """``tid``."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name."""
        return "tid"


def place_of(rows: NamedFromClause) -> ColumnElement[str]:
    """Return the place of the rows of a table under another name, which needs no quoting."""
    return literal_column(f"{rows.name}.ctid", Place())


def placed_table(name: str, schema: str, *columns: str) -> TableClause:
    """Return a table with ``ctid`` and some of its columns."""
    return table(name, column("ctid", Place()), *map(column, columns), schema=schema)
