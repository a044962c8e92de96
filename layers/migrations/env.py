"""Alembic's entry: migrations run on the connection that the store hands over."""

from alembic import context

from layers.system_tables import SYSTEM_SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="schema_version",
    version_table_schema=SYSTEM_SCHEMA,
    include_schemas=True,
)
context.run_migrations()
