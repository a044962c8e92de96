"""Tables of schema ``onemap``: what the server knows about the map. Alembic keeps them."""

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

SYSTEM_SCHEMA = "onemap"

metadata = MetaData(
    schema=SYSTEM_SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
    },
)

#: One row a layer: its data version and the figures that are kept rather than counted.
layer_table = Table(
    "layer",
    metadata,
    Column("name", Text, primary_key=True),
    #: Raised by every load that changed the layer.
    Column("data_version", BigInteger, nullable=False, server_default="0"),
    Column("current_count", BigInteger, nullable=False, server_default="0"),
    #: Box of all rows ever held (EPSG:4490 degrees); it never shrinks.
    Column("west", Double),
    Column("south", Double),
    Column("east", Double),
    Column("north", Double),
    Column("valid_from", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

#: One row a load: what came, from where, by whom, and what became of it.
load_table = Table(
    "load",
    metadata,
    Column("load_id", BigInteger, Identity(), primary_key=True),
    Column("layer", Text, nullable=False, index=True),
    Column("source", Text, nullable=False),
    #: SHA-256 of the source, in hexadecimal.
    Column("checksum", Text, nullable=False),
    Column("crs", Text, nullable=False),
    Column("mapping", JSONB, nullable=False),
    Column("operator", Text, nullable=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("full_survey", Boolean, nullable=False),
    #: running, done or failed.
    Column("status", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    #: The record time of every row this load opened or closed.
    Column("recorded_at", DateTime(timezone=True)),
    Column("data_version", BigInteger),
    Column("added", BigInteger),
    Column("changed", BigInteger),
    Column("unchanged", BigInteger),
    Column("closed", BigInteger),
    Column("quarantined", BigInteger),
    Column("failure", Text),
    Column("report", JSONB),
)

#: Rows that a check refused, with all that is needed to repair them.
quarantine_table = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", BigInteger, Identity(), primary_key=True),
    Column(
        "load_id",
        BigInteger,
        ForeignKey(load_table.c.load_id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("layer", Text, nullable=False, index=True),
    Column("source_row", BigInteger, nullable=False),
    Column("values", JSONB, nullable=False),
    Column("rule", Text, nullable=False),
    Column("message", Text, nullable=False),
    #: EPSG:4490, with height where the row has it.
    Column("geom", Geometry(geometry_type=None, spatial_index=False)),
    Column("attempts", Integer, nullable=False, server_default="0"),
)
