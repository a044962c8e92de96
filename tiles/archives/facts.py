"""What an archive says of itself: which tiles of which map it holds, and how old they are."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layers.feature_query import BBox
from tiles.archives.errors import BadArchive
from tiles.archives.tile_ids import DEEPEST

_Zoom = Annotated[int, Field(ge=0, le=DEEPEST)]


class BakeScope(BaseModel):
    """Which tiles are baked: those of a map that anybody may see, at one time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    map: str
    #: Lowest and deepest zoom.
    zooms: tuple[_Zoom, _Zoom]
    #: Degrees, longitude first; tiles that touch it are baked.
    bbox: BBox
    #: Valid time and record time; ``None`` is now.
    at: datetime | None = None
    as_of: datetime | None = None


class ArchiveFacts(BaseModel):
    """The part ``onemap`` of an archive's metadata."""

    model_config = ConfigDict(frozen=True)

    #: Raised when archives of former versions cannot be read any more.
    form: Literal[1] = 1
    scope: BakeScope
    #: What, besides the data, the bytes of its tiles depend on (``tiles.generation``).
    generation: str
    #: Layer → the tile version of which the archive shows every change.
    tile_versions: dict[str, int]
    #: A checksum of its directories.
    directories: str = ""


def read_facts(metadata: object) -> ArchiveFacts:
    """Return what an archive's metadata say.

    Raises:
        BadArchive: If it was not baked by this program.
    """
    if not isinstance(metadata, dict) or "onemap" not in metadata:
        raise BadArchive("it was not made by onemap bake")
    try:
        return ArchiveFacts.model_validate(metadata["onemap"])
    except ValidationError as error:
        raise BadArchive("it was made by another version of onemap bake") from error
