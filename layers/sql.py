"""The border between SQLAlchemy expressions and SQL text.

Statements are composed as SQLAlchemy Core expressions everywhere else; what little SQL text there
is, is made here, with every identifier quoted by the dialect and every value bound.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import UserDefinedType

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]


class Box2D(UserDefinedType[Any]):
    """PostGIS's two-dimensional box, for expressions that are never read by Python."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's SQL name."""
        return "box2d"


def compile_for_asyncpg(statement: ClauseElement) -> tuple[str, list[Any]]:
    """Return the SQL text with ``$n`` placeholders, and the values in that order."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    values = compiled.params
    order = compiled.positiontup or []  # type: ignore[attr-defined]
    return str(compiled), [values[name] for name in order]


def quote(identifier: str) -> str:
    """Return ``identifier`` quoted for SQL."""
    return str(_DIALECT.identifier_preparer.quote_identifier(quoted_name(identifier, True)))


def copy_statement(table: str, columns: Iterable[str]) -> str:
    """Return the statement that takes binary COPY rows into ``columns`` of a temporary table."""
    listed = ", ".join(quote(column) for column in columns)
    return f"COPY pg_temp.{quote(table)} ({listed}) FROM STDIN WITH (FORMAT binary)"


def analyze_statement(schema: str, table: str) -> str:
    """Return the statement that renews the planner's statistics of a table."""
    return f"ANALYZE {quote(schema)}.{quote(table)}"
