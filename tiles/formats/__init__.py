"""Tile formats, one module each; every module offers a ``FORMAT`` (see ``tiles.format``)."""
