"""Having a process stop at a point: functions of the project are wrapped from outside."""

import importlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.event import listen

from tests.faults.points import Call, Commit, Statement

Act = Callable[[], None]
#: The statement after which the load's own transaction has only to be committed.
_LAST = re.compile(r"^UPDATE onemap\.load SET .*recorded_at", re.DOTALL)


def arm(how: Call | Statement | Commit, act: Act) -> None:
    """See to it that ``act`` is called when this process reaches the point, once."""
    if isinstance(how, Call):
        _wrap(how, act)
    elif isinstance(how, Statement):
        _listen(how, act)
    else:
        _at_commit(how, act)


def _at(nth: int, act: Act) -> Act:
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            act()

    return count


def _wrap(how: Call, act: Act) -> None:
    module, _, path = how.target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original, reached = getattr(owner, name), _at(how.nth, act)

    @wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        if not how.after:
            reached()
        result = original(*arguments, **options)
        if how.after:
            reached()
        return result

    setattr(owner, name, wrapped)


def _listen(how: Statement, act: Act) -> None:
    pattern, reached = re.compile(how.holds, re.DOTALL), _at(how.nth, act)

    def look(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if pattern.search(statement.strip()):
            reached()

    listen(Engine, "after_cursor_execute" if how.after else "before_cursor_execute", look)


def _at_commit(how: Commit, act: Act) -> None:
    last: list[object] = []

    def look(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        if _LAST.search(statement.strip()):
            last.append(connection.connection.dbapi_connection)

    listen(Engine, "after_cursor_execute", look)
    original = PGDialect_psycopg2.do_commit

    def do_commit(self: Any, connection: Any) -> None:
        mine = getattr(connection, "dbapi_connection", connection) in last
        if mine and not how.after:
            act()
        original(self, connection)
        if mine and how.after:
            act()

    PGDialect_psycopg2.do_commit = do_commit  # type: ignore[method-assign]
