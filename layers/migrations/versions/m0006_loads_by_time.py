"""Loads of a layer by their record time, which every edit asks for."""

from alembic import op

revision = "0006"
down_revision = "0005"

_INDEX = "load_recorded_idx"


def upgrade() -> None:
    """Add the index."""
    op.create_index(_INDEX, "load", ["layer", "recorded_at"], schema="onemap")


def downgrade() -> None:
    """Remove it again."""
    op.drop_index(_INDEX, "load", schema="onemap")
