"""Loads that wait, run, end and are taken back; rows that are repaired; ancestry of features."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_SCHEMA = "onemap"
_TIME = sa.DateTime(timezone=True)
_KNOWN_ONLY_ONCE_OPEN = ("checksum", "crs", "mapping", "valid_from")
_LOAD_COLUMNS = (
    ("kind", sa.Text, "survey"),
    ("request", JSONB, None),
    ("attempts", sa.Integer, "0"),
    ("queued_at", _TIME, None),
    ("mapping_name", sa.Text, None),
    ("reverts", sa.BigInteger, None),
    ("reverted_by", sa.BigInteger, None),
)
_QUARANTINE_COLUMNS = (
    ("original", JSONB, None),
    ("rules", JSONB, None),
    ("state", sa.Text, "open"),
    ("fixed", JSONB, None),
    ("resolved_by", sa.BigInteger, None),
    ("note", sa.Text, None),
)


def upgrade() -> None:
    """Add what jobs, repair and ancestry need."""
    for name in _KNOWN_ONLY_ONCE_OPEN:
        op.alter_column("load", name, nullable=True, schema=_SCHEMA)
    op.alter_column("load", "started_at", nullable=True, schema=_SCHEMA)
    _add("load", _LOAD_COLUMNS)
    op.create_foreign_key(
        "load_reverts_fkey",
        "load",
        "load",
        ["reverts"],
        ["load_id"],
        source_schema=_SCHEMA,
        referent_schema=_SCHEMA,
    )
    op.create_table(
        "load_progress",
        sa.Column(
            "load_id",
            sa.BigInteger,
            sa.ForeignKey("onemap.load.load_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger),
        sa.Column("updated_at", _TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
        schema=_SCHEMA,
    )
    _add("quarantine", _QUARANTINE_COLUMNS)
    op.add_column(
        "quarantine",
        sa.Column("fixed_geom", Geometry(geometry_type=None, spatial_index=False)),
        schema=_SCHEMA,
    )
    for name in ("created_at", "updated_at"):
        op.add_column(
            "quarantine",
            sa.Column(name, _TIME, nullable=False, server_default=sa.func.clock_timestamp()),
            schema=_SCHEMA,
        )
    op.create_table(
        "ancestry",
        sa.Column("layer", sa.Text, primary_key=True),
        sa.Column("child_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("parent_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("load_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("share", sa.Double),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("recorded_from", _TIME, nullable=False),
        sa.Column("recorded_to", _TIME, nullable=False, server_default="infinity"),
        schema=_SCHEMA,
    )
    op.create_index("ancestry_parent_idx", "ancestry", ["layer", "parent_id"], schema=_SCHEMA)


def _add(table: str, columns: tuple[tuple[str, Any, str | None], ...]) -> None:
    for name, kind, default in columns:
        op.add_column(
            table,
            sa.Column(name, kind, nullable=default is None, server_default=default),
            schema=_SCHEMA,
        )


def downgrade() -> None:
    """Remove it again; loads that never ran go with it."""
    op.drop_table("ancestry", schema=_SCHEMA)
    op.drop_table("load_progress", schema=_SCHEMA)
    for name in ("fixed_geom", "created_at", "updated_at", *(c[0] for c in _QUARANTINE_COLUMNS)):
        op.drop_column("quarantine", name, schema=_SCHEMA)
    op.drop_constraint("load_reverts_fkey", "load", schema=_SCHEMA)
    for column in _LOAD_COLUMNS:
        op.drop_column("load", column[0], schema=_SCHEMA)
    op.execute(sa.text("DELETE FROM onemap.load WHERE started_at IS NULL OR crs IS NULL"))
    for name in (*_KNOWN_ONLY_ONCE_OPEN, "started_at"):
        op.alter_column("load", name, nullable=False, schema=_SCHEMA)
