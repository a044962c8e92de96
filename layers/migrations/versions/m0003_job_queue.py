"""The job queue, and what ties loads to it."""

import sqlalchemy as sa
from alembic import op

from layers.job_schema import create_queue, drop_queue

revision = "0003"
down_revision = "0002"

_SCHEMA = "onemap"
_LOAD_COLUMNS = (
    ("job_id", sa.BigInteger),
    ("worker", sa.Text),
    ("idempotency_key", sa.Text),
    ("request_digest", sa.Text),
)


def upgrade() -> None:
    """Create the queue's tables; a load may wait in it."""
    for name, kind in _LOAD_COLUMNS:
        op.add_column("load", sa.Column(name, kind), schema=_SCHEMA)
    op.create_unique_constraint(
        "load_idempotency_key_key", "load", ["idempotency_key"], schema=_SCHEMA
    )
    op.create_index(
        "load_waiting_idx",
        "load",
        ["layer", "queued_at", "load_id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.add_column(
        "load_progress",
        sa.Column("stage_started_at", sa.DateTime(timezone=True)),
        schema=_SCHEMA,
    )
    create_queue(op.get_bind())


def downgrade() -> None:
    """Remove them; what waits is forgotten."""
    drop_queue(op.get_bind())
    op.drop_column("load_progress", "stage_started_at", schema=_SCHEMA)
    op.drop_index("load_waiting_idx", "load", schema=_SCHEMA)
    op.drop_constraint("load_idempotency_key_key", "load", schema=_SCHEMA)
    for name, _ in _LOAD_COLUMNS:
        op.drop_column("load", name, schema=_SCHEMA)
