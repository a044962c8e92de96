"""The pyramid of generalised geometry, and which tiles each change of the data touched."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0005"
down_revision = "0004"

_SCHEMA = "onemap"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the versions of what tiles show, their changes, and the state of the pyramids."""
    op.add_column(
        "layer",
        sa.Column("tile_version", sa.BigInteger, nullable=False, server_default="0"),
        schema=_SCHEMA,
    )
    op.execute(sa.text("UPDATE onemap.layer SET tile_version = data_version"))
    op.create_table(
        "tile_change",
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("tile_version", sa.BigInteger, nullable=False),
        sa.Column("zoom", sa.SmallInteger, nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("tiles", ARRAY(sa.BigInteger)),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("layer", "tile_version", "zoom", name="tile_change_pkey"),
        schema=_SCHEMA,
    )
    op.create_table(
        "pyramid",
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("band", sa.SmallInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("data_version", sa.BigInteger, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("built_at", _TIME, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("layer", "band", name="pyramid_pkey"),
        schema=_SCHEMA,
    )


def downgrade() -> None:
    """Remove it again, with all pyramids."""
    op.execute(sa.text("DROP SCHEMA IF EXISTS pyramid CASCADE"))
    op.drop_table("pyramid", schema=_SCHEMA)
    op.drop_table("tile_change", schema=_SCHEMA)
    op.drop_column("layer", "tile_version", schema=_SCHEMA)
