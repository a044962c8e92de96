"""Tiles against their peers: ``python -m benchmarks.tiles`` (docs/benchmarks.md)."""
