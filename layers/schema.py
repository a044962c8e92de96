"""Bring a database to the form that the catalogue and this version of the server need."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Connection,
    Index,
    PrimaryKeyConstraint,
    column,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.schema import (
    AddConstraint,
    CreateIndex,
    CreateSchema,
    CreateSequence,
    CreateTable,
)

from gis.late import LateModule
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import DatabaseUnavailable, SchemaConflict
from layers.pyramid_schema import columns_held, renew_bands, unfit_bands
from layers.pyramid_tables import PYRAMID_SCHEMA
from layers.quarantine_view import comment_of, make_view, view_comment
from layers.sql import plain_storage_statement
from layers.system_tables import SYSTEM_SCHEMA, layer_table
from layers.tables import CITY_SCHEMA, GEOMETRIES, city_table, feature_id_sequence, table_indexes

if TYPE_CHECKING:
    from alembic import command, config, migration, operations

    from layers import job_schema
else:
    # Only those who change the schema wait for these: a load looks whether it is of today.
    command = LateModule("alembic.command")
    config = LateModule("alembic.config")
    migration = LateModule("alembic.migration")
    operations = LateModule("alembic.operations")
    job_schema = LateModule("layers.job_schema")

#: Oldest PostgreSQL that the store is tested with.
MINIMUM_POSTGRESQL = 150_000
_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "schema_version"
#: Advisory lock (class, object) of the migration, so that two servers starting do not collide.
_MIGRATION_LOCK = (0x6F6E656D, 0)


def _alembic_config(connection: Connection) -> "config.Config":
    made = config.Config()
    made.set_main_option("script_location", str(_MIGRATIONS))
    made.attributes["connection"] = connection
    return made


def expected_revision() -> str:
    """Return the newest migration that this version of the server has."""
    # Each is a file ``m0001_what_it_does.py``, and follows the one before.
    return max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("m[0-9]*_*.py"))


def migrate(connection: Connection, catalogue: Catalogue) -> list[str]:
    """Create or update everything in the connection's transaction.

    Args:
        connection: An open transaction of a user who may create schemas.
        catalogue: The layers whose tables there must be.

    Returns:
        What was done, in words; empty when nothing was missing.

    Raises:
        DatabaseUnavailable: If the server is too old or has no PostGIS to install.
        SchemaConflict: If a table cannot be reconciled with its definition without loss.
    """
    _lock(connection)
    _require_postgis(connection)
    done: list[str] = []
    for schema in (SYSTEM_SCHEMA, CITY_SCHEMA, PYRAMID_SCHEMA):
        connection.execute(CreateSchema(schema, if_not_exists=True))
    before = _revision(connection)
    if before != expected_revision():
        command.upgrade(_alembic_config(connection), "head")
        done.append(f"schema {SYSTEM_SCHEMA}: {before or 'nothing'} → {expected_revision()}")
    done.extend(job_schema.renew_queue(connection))
    for layer in catalogue.layers.values():
        if layer.view is None:
            done.extend(_reconcile(connection, layer))
            done.extend(renew_bands(connection, layer))
        else:
            done.extend(make_view(connection, layer, catalogue))
    rows = [{"name": name} for name in catalogue.layer_names]
    if rows:
        connection.execute(insert(layer_table).on_conflict_do_nothing(), rows)
    return done


def _lock(connection: Connection) -> None:
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:class, :object)"),
        {"class": _MIGRATION_LOCK[0], "object": _MIGRATION_LOCK[1]},
    )


def _require_postgis(connection: Connection) -> None:
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if version < MINIMUM_POSTGRESQL:
        raise DatabaseUnavailable(
            f"the database is PostgreSQL {version // 10_000}; 15 or newer is needed"
        )
    available = connection.execute(
        text("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'")
    ).scalar()
    if not available:
        raise DatabaseUnavailable(
            "the database server has no PostGIS: install it there "
            "(Debian: apt-get install postgresql-15-postgis-3)"
        )
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION_TABLE, schema=SYSTEM_SCHEMA):
        return None
    known = table(_VERSION_TABLE, column("version_num"), schema=SYSTEM_SCHEMA)
    found = connection.execute(select(known.c.version_num)).scalar()
    return None if found is None else str(found)


def _reconcile(connection: Connection, layer: LayerDefinition) -> list[str]:
    own = city_table(layer)
    inspector = inspect(connection)
    if not inspector.has_table(layer.name, schema=CITY_SCHEMA):
        connection.execute(CreateTable(own))
        connection.execute(text(plain_storage_statement(CITY_SCHEMA, layer.name, GEOMETRIES)))
        connection.execute(CreateSequence(feature_id_sequence(layer), if_not_exists=True))
        create_indexes(connection, layer)
        return [f"layer {layer.name}: table created"]
    present = {
        str(one["name"]): one["type"].compile(connection.dialect)
        for one in inspector.get_columns(layer.name, schema=CITY_SCHEMA)
    }
    _refuse_changed_key(connection, layer)
    change = operations.Operations(migration.MigrationContext.configure(connection))
    done = []
    for one in own.columns:
        wanted = one.type.compile(connection.dialect)
        if one.name not in present:
            fresh: Column[object] = Column(one.name, one.type, comment=one.comment)
            change.add_column(layer.name, fresh, schema=CITY_SCHEMA)
            done.append(f"layer {layer.name}: column {one.name} added")
        elif present[one.name].casefold() != wanted.casefold():
            raise SchemaConflict(
                f"layer {layer.name}: column {one.name} is {present[one.name]} in the "
                f"database but {wanted} by the definition; give the field a new name instead"
            )
    return done


def _refuse_changed_key(connection: Connection, layer: LayerDefinition) -> None:
    name = f"{layer.name}_key"
    for index in inspect(connection).get_indexes(layer.name, schema=CITY_SCHEMA):
        if index["name"] == name and tuple(index["column_names"]) != layer.key:
            held = ", ".join(str(one) for one in index["column_names"])
            raise SchemaConflict(
                f"layer {layer.name}: the business key is ({held}) in the database but "
                f"({', '.join(layer.key)}) by the definition; a key cannot change"
            )


def create_indexes(connection: Connection, layer: LayerDefinition) -> None:
    """Build the primary key and the indexes of a layer's table."""
    for entry in table_indexes(layer):
        connection.execute(creation(entry))


def creation(entry: Index | PrimaryKeyConstraint) -> CreateIndex | AddConstraint:
    """Return the statement that builds an index or a primary key."""
    return CreateIndex(entry) if isinstance(entry, Index) else AddConstraint(entry)


def shortcomings(connection: Connection, catalogue: Catalogue) -> list[str]:
    """Return what ``migrate`` would have to do, in words; empty when the database is ready."""
    revision = _revision(connection)
    if revision != expected_revision():
        return [
            f"the database's schema is at {revision or 'nothing'}, "
            f"this server needs {expected_revision()}: run onemap migrate"
        ]
    tables = set(inspect(connection).get_table_names(schema=CITY_SCHEMA))
    missing = [
        name
        for name, layer in catalogue.layers.items()
        if not (name in tables if layer.view is None else _is_fresh(connection, layer, catalogue))
    ]
    if not missing:
        return unfit_bands(connection.execute(columns_held()).all(), catalogue.layers.values())
    return [f"layers without a table or view of today: {', '.join(missing)}: run onemap migrate"]


def _is_fresh(connection: Connection, layer: LayerDefinition, catalogue: Catalogue) -> bool:
    held = connection.execute(comment_of(layer)).scalar()
    return bool(held == view_comment(layer, catalogue))
