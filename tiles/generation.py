"""What the bytes of tiles depend on besides the data: the definitions, and the code that draws."""

from functools import cache
from hashlib import blake2b
from pathlib import Path

import gis
import layers
import tiles
from layers.catalogue import Catalogue


def generation(catalogue: Catalogue, database: str) -> str:
    """Return a short name that differs where the same data may give other tiles.

    Args:
        catalogue: The definitions of layers and maps.
        database: Stands for the database (``layers.tile_news.database_identity``).
    """
    digest = blake2b(digest_size=9)
    digest.update(code_digest())
    digest.update(database.encode())
    for name in sorted(catalogue.layers):
        digest.update(catalogue.layers[name].model_dump_json().encode())
    for name in sorted(catalogue.maps):
        digest.update(catalogue.maps[name].model_dump_json().encode())
    return digest.hexdigest()


@cache
def code_digest() -> bytes:
    """Return a digest of the code that draws tiles."""
    digest = blake2b(digest_size=16)
    for room in (gis, layers, tiles):
        for path in sorted(Path(str(room.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.digest()
