"""The border between SQLAlchemy expressions and SQL text.

Statements are composed as SQLAlchemy Core expressions everywhere else; what little SQL text there
is, is made here, with every identifier quoted by the dialect and every value bound.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BindParameter, ClauseElement, func, literal, select
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.visitors import cloned_traverse

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Template:
    """A statement compiled once and run with other values each time."""

    #: SQL text with ``$n`` placeholders.
    sql: str
    #: Names of the values in the order of their placeholders.
    names: tuple[str, ...]
    #: The values compiled in, by name.
    defaults: dict[str, Any]

    def values(self, changes: dict[str, Any]) -> list[Any]:
        """Return the values to run with: those compiled in, but for ``changes`` by name."""
        return [changes[name] if name in changes else self.defaults[name] for name in self.names]


def compile_template(statement: ClauseElement) -> Template:
    """Compile a statement whose named ``bindparam`` values are given later."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    names = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
    return Template(str(compiled), names, dict(compiled.params))


def compile_lasting_template(statement: ClauseElement) -> Template:
    """Compile a statement that is planned once for all values of its named ``bindparam``s.

    All other values become part of the text, where the planner sees them: what follows from them
    is then computed once, and each run has few values to bind. They must be those of definitions.
    """
    return compile_template(cloned_traverse(statement, {}, {"bindparam": _keep_in_text}))


def _keep_in_text(bound: BindParameter[Any]) -> None:
    if bound.unique:
        bound.literal_execute = True


def compile_for_asyncpg(statement: ClauseElement) -> tuple[str, list[Any]]:
    """Return the SQL text with ``$n`` placeholders, and the values in that order."""
    template = compile_template(statement)
    return template.sql, template.values({})


def quote(identifier: str) -> str:
    """Return ``identifier`` quoted for SQL."""
    return str(_DIALECT.identifier_preparer.quote_identifier(quoted_name(identifier, True)))


def copy_statement(table: str, columns: Iterable[str], schema: str = "pg_temp") -> str:
    """Return the statement that takes binary COPY rows into ``columns`` of a table."""
    listed = ", ".join(quote(column) for column in columns)
    return f"COPY {quote(schema)}.{quote(table)} ({listed}) FROM STDIN WITH (FORMAT binary)"


def lock_statement(schema: str, table: str) -> str:
    """Return the statement that takes a table for oneself alone, readers included."""
    return f"LOCK TABLE {quote(schema)}.{quote(table)} IN ACCESS EXCLUSIVE MODE"


def drop_table_statement(schema: str, table: str) -> str:
    """Return the statement that drops a table, if it is there."""
    return f"DROP TABLE IF EXISTS {quote(schema)}.{quote(table)}"


def primary_key_statement(schema: str, table: str, index: str) -> str:
    """Return the statement that makes a unique index, of columns without nulls, the primary key."""
    name = quote(index)
    return (
        f"ALTER TABLE {quote(schema)}.{quote(table)} "
        f"ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}"
    )


def keep_still_statement(schema: str, table: str) -> str:
    """Return the statement that keeps the rows of a table where they are, but for one's own work.

    Readers and writers go on; what moves rows (VACUUM FULL, CLUSTER) and other changes wait.
    """
    return f"LOCK TABLE {quote(schema)}.{quote(table)} IN SHARE UPDATE EXCLUSIVE MODE"


def rename_statement(kind: Literal["TABLE", "INDEX"], schema: str, old: str, new: str) -> str:
    """Return the statement that gives a table or an index another name."""
    return f"ALTER {kind} {quote(schema)}.{quote(old)} RENAME TO {quote(new)}"


def no_default_statement(schema: str, table: str, columns: Iterable[str]) -> str:
    """Return the statement that takes the defaults of columns away."""
    listed = ", ".join(f"ALTER {quote(column)} DROP DEFAULT" for column in columns)
    return f"ALTER TABLE {quote(schema)}.{quote(table)} {listed}"


def plain_storage_statement(schema: str, table: str, columns: Iterable[str]) -> str:
    """Return the statement that keeps large values of columns uncompressed.

    Coordinates hardly compress, and trying costs a load more than anything it saves.
    """
    listed = ", ".join(f"ALTER {quote(column)} SET STORAGE EXTERNAL" for column in columns)
    return f"ALTER TABLE {quote(schema)}.{quote(table)} {listed}"


def analyze_statement(schema: str, table: str, columns: Iterable[str] = ()) -> str:
    """Return the statement that renews the planner's statistics of a table, or of some columns."""
    listed = ", ".join(quote(column) for column in columns)
    return f"ANALYZE {quote(schema)}.{quote(table)}" + (f" ({listed})" if listed else "")


def plan_mode_statement(*, once: bool) -> str:
    """Return the statement after which a session plans prepared statements once, or as usual."""
    return f"SET plan_cache_mode = {'force_generic_plan' if once else 'auto'}"


def local_time_limit(seconds: float) -> ClauseElement:
    """Return the statement that gives each query of the current transaction so many seconds."""
    return local_setting("statement_timeout", str(round(seconds * 1000)))


def local_setting(name: str, value: str) -> ClauseElement:
    """Return the statement that sets a setting for the rest of the current transaction."""
    return select(func.set_config(name, value, True))


def share_snapshot_statement(snapshot: str) -> str:
    """Return the statement by which a transaction sees what the one sees that gave its snapshot."""
    text = literal(snapshot).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return f"SET TRANSACTION SNAPSHOT {text}"


def explain_statement(sql: str) -> str:
    """Return the statement that gives the plan of another, as JSON, without running it."""
    return f"EXPLAIN (FORMAT JSON) {sql}"


def create_view_statement(schema: str, name: str, query: ClauseElement) -> str:
    """Return the statement that makes a view of a query whose values become part of it."""
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return f"CREATE VIEW {quote(schema)}.{quote(name)} AS {compiled}"


def drop_view_statement(schema: str, name: str) -> str:
    """Return the statement that drops a view, if it is there."""
    return f"DROP VIEW IF EXISTS {quote(schema)}.{quote(name)}"


def comment_view_statement(schema: str, name: str, comment: str) -> str:
    """Return the statement that writes a comment on a view."""
    text = literal(comment).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return f"COMMENT ON VIEW {quote(schema)}.{quote(name)} IS {text}"
