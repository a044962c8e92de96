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
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SYSTEM_SCHEMA = "onemap"
#: Tables of the job queue, which its library makes.
QUEUE_TABLE, QUEUE_LOG_TABLE = "job", "job_log"
_NOW = func.clock_timestamp()

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
    #: Raised by every transaction that changed what tiles of the layer show.
    Column("tile_version", BigInteger, nullable=False, server_default="0"),
)

#: The tiles whose bytes a raise of a layer's tile version may have changed: 19 rows a raise, one
#: a zoom from 0 to 18. Deeper tiles differ where the tile of zoom 18 around them does.
tile_change_table = Table(
    "tile_change",
    metadata,
    Column("layer", Text, primary_key=True),
    Column("tile_version", BigInteger, primary_key=True, autoincrement=False),
    Column("zoom", SmallInteger, primary_key=True, autoincrement=False),
    #: Tiles of earlier valid times did not change.
    Column("valid_from", DateTime(timezone=True), nullable=False),
    #: Tiles of WebMercatorQuad, ``x << 24 | y``, sorted; null is all of them.
    Column("tiles", ARRAY(BigInteger)),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

#: How far the pyramid of a layer's band has come; a band without a row was never built.
pyramid_table = Table(
    "pyramid",
    metadata,
    Column("layer", Text, primary_key=True),
    #: The band's lowest zoom.
    Column("band", SmallInteger, primary_key=True, autoincrement=False),
    #: Of the definition that its rows were made by; by another they are not used.
    Column("digest", Text, nullable=False),
    #: Record time of the last load that it shows, and the layer's data version then.
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("data_version", BigInteger, nullable=False),
    #: Current rows.
    Column("row_count", BigInteger, nullable=False),
    Column("built_at", DateTime(timezone=True), nullable=False),
    #: How long the last building took.
    Column("seconds", Double, nullable=False),
)

#: One row a load: what came, from where, by whom, and what became of it.
load_table = Table(
    "load",
    metadata,
    Column("load_id", BigInteger, Identity(), primary_key=True),
    Column("layer", Text, nullable=False, index=True),
    #: ``survey``, ``repair`` (rows mended in quarantine), ``revert``, or ``transaction`` (edits by
    #: somebody at a map).
    Column("kind", Text, nullable=False, server_default="survey"),
    Column("source", Text, nullable=False),
    #: What was asked for: an ``etl.load.LoadRequest`` as JSON; enough to run the load again.
    Column("request", JSONB),
    #: SHA-256 of the source, in hexadecimal; like the next three, null until it was opened.
    Column("checksum", Text),
    Column("crs", Text),
    Column("mapping", JSONB),
    Column("mapping_name", Text),
    Column("operator", Text, nullable=False),
    Column("valid_from", DateTime(timezone=True)),
    Column("full_survey", Boolean, nullable=False),
    #: queued, running, done, failed or cancelled.
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("queued_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
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
    #: The job that carries the load through the queue; null before its layer's turn and once the
    #: load has ended.
    Column("job_id", BigInteger),
    #: Where it runs or ran last: ``host:process``.
    Column("worker", Text),
    #: What a client that may ask twice calls its request, and a digest of what it asked for.
    Column("idempotency_key", Text, unique=True),
    Column("request_digest", Text),
    #: The load that this one takes back, and the load that took this one back.
    Column("reverts", BigInteger, ForeignKey("onemap.load.load_id")),
    Column("reverted_by", BigInteger),
    #: The load some of whose refused rows this one took in after their repair.
    Column("repairs", BigInteger, ForeignKey("onemap.load.load_id")),
    Column("report", JSONB),
    Index("load_recorded_idx", "layer", "recorded_at"),
)

#: How far a load has come. Apart from ``load``, so that it can be told while the load's own
#: transaction is open.
load_progress_table = Table(
    "load_progress",
    metadata,
    Column(
        "load_id",
        BigInteger,
        ForeignKey(load_table.c.load_id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    #: ``reading``, ``checking``, ``applying`` …
    Column("stage", Text, nullable=False),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),
    Column("stage_started_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    #: Somebody wants the load to stop; it looks now and then.
    Column("cancel_requested", Boolean, nullable=False, server_default="false"),
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
    ),
    Column("layer", Text, nullable=False, index=True),
    Column("source_row", BigInteger, nullable=False),
    Column("values", JSONB, nullable=False),
    Column("rule", Text, nullable=False),
    Column("message", Text, nullable=False),
    #: EPSG:4490, with height where the row has it.
    Column("geom", Geometry(geometry_type=None, spatial_index=False)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    #: The row's columns under the source's own names, as they came.
    Column("original", JSONB(none_as_null=True)),
    #: Everything wrong with the row: a list of ``{"rule", "message"}``.
    Column("rules", JSONB(none_as_null=True)),
    #: ``open``, ``fixed`` (mended, not yet loaded), ``resolved`` (loaded since) or ``discarded``.
    Column("state", Text, nullable=False, server_default="open"),
    #: Values by field name that take the place of the row's, and a geometry that does (EPSG:4490).
    Column("fixed", JSONB(none_as_null=True)),
    Column("fixed_geom", Geometry(geometry_type=None, spatial_index=False)),
    #: The load that took the mended row in.
    Column("resolved_by", BigInteger),
    #: When it was taken in or discarded; until then it stands on the map.
    Column("resolved_at", DateTime(timezone=True), nullable=False, server_default="infinity"),
    #: EPSG:3857, two-dimensional, of the mended geometry or else of the refused one.
    Column("tile_geom", Geometry(geometry_type=None, spatial_index=False)),
    Column("note", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Index("quarantine_row_idx", "load_id", "source_row"),
)

#: Which features a feature came from, where areas were split, merged or redrawn.
ancestry_table = Table(
    "ancestry",
    metadata,
    Column("layer", Text, primary_key=True),
    Column("child_id", BigInteger, primary_key=True, autoincrement=False),
    Column("parent_id", BigInteger, primary_key=True, autoincrement=False),
    Column("load_id", BigInteger, primary_key=True, autoincrement=False),
    #: ``split``, ``merge`` or ``redraw``.
    Column("kind", Text, nullable=False),
    #: Part of the child's area that was the parent's, 0 to 1.
    Column("share", Double),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("recorded_from", DateTime(timezone=True), nullable=False),
    Column("recorded_to", DateTime(timezone=True), nullable=False, server_default="infinity"),
    Index("ancestry_parent_idx", "layer", "parent_id"),
)
