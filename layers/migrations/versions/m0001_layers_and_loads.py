"""Layers, loads and quarantine."""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_SCHEMA = "onemap"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the first system tables."""
    op.create_table(
        "layer",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("data_version", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("current_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("west", sa.Double),
        sa.Column("south", sa.Double),
        sa.Column("east", sa.Double),
        sa.Column("north", sa.Double),
        sa.Column("valid_from", _TIME),
        sa.Column("updated_at", _TIME),
        schema=_SCHEMA,
    )
    op.create_table(
        "load",
        sa.Column("load_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("checksum", sa.Text, nullable=False),
        sa.Column("crs", sa.Text, nullable=False),
        sa.Column("mapping", JSONB, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("full_survey", sa.Boolean, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.Column("recorded_at", _TIME),
        sa.Column("data_version", sa.BigInteger),
        sa.Column("added", sa.BigInteger),
        sa.Column("changed", sa.BigInteger),
        sa.Column("unchanged", sa.BigInteger),
        sa.Column("closed", sa.BigInteger),
        sa.Column("quarantined", sa.BigInteger),
        sa.Column("failure", sa.Text),
        sa.Column("report", JSONB),
        schema=_SCHEMA,
    )
    op.create_index("load_layer_idx", "load", ["layer"], schema=_SCHEMA)
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column(
            "load_id",
            sa.BigInteger,
            sa.ForeignKey("onemap.load.load_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("source_row", sa.BigInteger, nullable=False),
        sa.Column("values", JSONB, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("geom", Geometry(geometry_type=None, spatial_index=False)),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        schema=_SCHEMA,
    )
    op.create_index("quarantine_load_id_idx", "quarantine", ["load_id"], schema=_SCHEMA)
    op.create_index("quarantine_layer_idx", "quarantine", ["layer"], schema=_SCHEMA)


def downgrade() -> None:
    """Remove them."""
    for table in ("quarantine", "load", "layer"):
        op.drop_table(table, schema=_SCHEMA)
