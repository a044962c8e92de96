"""The job queue's tables: PgQueuer's own, kept in schema ``onemap`` by our migrations.

The statements are the library's. Which release's they are is written on the queue's table, so that
``onemap migrate`` brings them along after the library was exchanged.
"""

from importlib.metadata import version

from pgqueuer.adapters.persistence.schema_ddl import (
    render_converge,
    render_install,
    render_uninstall,
)
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from sqlalchemy import Column, Connection, MetaData, Table, func, select
from sqlalchemy.schema import SetTableComment

from layers.system_tables import QUEUE_LOG_TABLE, QUEUE_TABLE, SYSTEM_SCHEMA

#: Every name is said, so that the library's own environment variables change nothing.
QUEUE_SETTINGS = DBSettings(
    prefix="",
    db_schema=SYSTEM_SCHEMA,
    channel=Channel("onemap_jobs"),
    function="job_changed",
    statistics_table="job_statistics",
    queue_status_type="job_status",
    queue_table=QUEUE_TABLE,
    queue_table_log=QUEUE_LOG_TABLE,
    trigger="job_changed",
    schedules_table="job_schedule",
    durability=Durability.durable,
    widen_id=True,
)
_MARK = f"PgQueuer {version('pgqueuer')}"


def create_queue(connection: Connection) -> None:
    """Create the queue's tables, in the form of the library that is installed."""
    _run(connection, render_install(QUEUE_SETTINGS, create_schema=False))
    _mark(connection)


def drop_queue(connection: Connection) -> None:
    """Drop the queue's tables."""
    _run(connection, render_uninstall(QUEUE_SETTINGS))


def renew_queue(connection: Connection) -> list[str]:
    """Bring the queue's tables to the form of the library that is installed.

    Returns:
        What was done, in words; empty when they had it.
    """
    held = connection.execute(
        select(
            func.obj_description(func.to_regclass(QUEUE_SETTINGS.qualified.queue_table), "pg_class")
        )
    ).scalar()
    if held == _MARK:
        return []
    for statement in render_converge(QUEUE_SETTINGS):
        _run(connection, statement)
    _mark(connection)
    return [f"job queue: {held or 'unknown'} → {_MARK}"]


def _run(connection: Connection, statement: str) -> None:
    # The driver looks for placeholders, which the library's statements have none of.
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _mark(connection: Connection) -> None:
    queue = Table(
        QUEUE_SETTINGS.queue_table,
        MetaData(schema=SYSTEM_SCHEMA),
        Column("id"),
        comment=_MARK,
    )
    connection.execute(SetTableComment(queue))
