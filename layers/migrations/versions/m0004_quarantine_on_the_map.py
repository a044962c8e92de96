"""Refused rows are drawn on the map, have an end, and know the load that took them in."""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

revision = "0004"
down_revision = "0003"

_SCHEMA = "onemap"
_TIME = sa.DateTime(timezone=True)
_STILL_BAD = sa.text("resolved_at = 'infinity'")


def upgrade() -> None:
    """Add what the map layer over refused rows and their repair need."""
    op.add_column("load", sa.Column("repairs", sa.BigInteger), schema=_SCHEMA)
    op.create_foreign_key(
        "load_repairs_fkey",
        "load",
        "load",
        ["repairs"],
        ["load_id"],
        source_schema=_SCHEMA,
        referent_schema=_SCHEMA,
    )
    op.create_index(
        "load_repairs_idx",
        "load",
        ["repairs"],
        schema=_SCHEMA,
        postgresql_where=sa.text("repairs IS NOT NULL"),
    )
    op.add_column(
        "quarantine",
        sa.Column("resolved_at", _TIME, nullable=False, server_default="infinity"),
        schema=_SCHEMA,
    )
    op.add_column(
        "quarantine",
        sa.Column("tile_geom", Geometry(geometry_type=None, spatial_index=False)),
        schema=_SCHEMA,
    )
    op.execute(
        sa.text(
            "UPDATE onemap.quarantine SET tile_geom = ST_Transform(ST_Force2D(geom), 3857) "
            "WHERE ST_YMax(geom) < 85 AND ST_YMin(geom) > -85"
        )
    )
    op.drop_index("quarantine_load_id_idx", "quarantine", schema=_SCHEMA)
    op.create_index("quarantine_row_idx", "quarantine", ["load_id", "source_row"], schema=_SCHEMA)
    op.create_index(
        "quarantine_place_idx",
        "quarantine",
        [sa.text("coalesce(fixed_geom, geom)")],
        schema=_SCHEMA,
        postgresql_using="gist",
        postgresql_where=_STILL_BAD,
    )
    op.create_index(
        "quarantine_resolved_by_idx",
        "quarantine",
        ["resolved_by", "source_row"],
        schema=_SCHEMA,
        postgresql_where=sa.text("resolved_by IS NOT NULL"),
    )


def downgrade() -> None:
    """Remove it again."""
    for name in ("quarantine_resolved_by_idx", "quarantine_place_idx", "quarantine_row_idx"):
        op.drop_index(name, "quarantine", schema=_SCHEMA)
    op.create_index("quarantine_load_id_idx", "quarantine", ["load_id"], schema=_SCHEMA)
    op.execute(sa.text("DROP VIEW IF EXISTS city.quarantine"))
    for name in ("tile_geom", "resolved_at"):
        op.drop_column("quarantine", name, schema=_SCHEMA)
    op.drop_index("load_repairs_idx", "load", schema=_SCHEMA)
    op.drop_constraint("load_repairs_fkey", "load", schema=_SCHEMA)
    op.drop_column("load", "repairs", schema=_SCHEMA)
