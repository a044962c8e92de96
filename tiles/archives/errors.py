"""What can be wrong with an archive."""

from layers.errors import OneMapError


class BadArchive(OneMapError):
    """A file is no archive of tiles, is damaged, or is none that this program can use."""
