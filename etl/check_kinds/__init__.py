"""Kinds of checks, one a file; see ``etl/check_kind.py``."""
