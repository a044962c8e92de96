"""Alembic migrations of schema ``onemap``."""
