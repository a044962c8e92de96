"""Settings of the HTTP service, read once at a door from the environment and passed down."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from gis.systems import GAUSS_KRUGER


def _unset_if_empty(value: object) -> object:
    # What starts containers hands on a variable that is not set as an empty one.
    return None if value == "" else value


def _known_zone(code: int) -> int:
    if code not in GAUSS_KRUGER:
        raise ValueError(f"EPSG:{code} is no zone of CGCS2000: those are 4491 to 4554")
    return code


_WEB_CLIENT = Path(__file__).parent.parent / "web" / "dist"


class ApiSettings(BaseSettings):
    """Where the service listens and how it answers.

    Every setting is read from the environment variable ``ONEMAP_`` + its name.
    """

    model_config = SettingsConfigDict(env_prefix="ONEMAP_", frozen=True, extra="ignore")

    #: Address to listen on.
    host: str = "127.0.0.1"
    #: TCP port to listen on.
    port: int = Field(default=8000, ge=1, le=65535)
    #: Folder of the built web client.
    web_root: Path = _WEB_CLIENT
    #: The service's address as clients see it, such as ``https://map.example.cn``, where a proxy
    #: stands before it; without one, the address of each request is used.
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")
    #: Origins of other sites whose pages may read the service, as a JSON list; ``["*"]`` for all.
    cors_origins: tuple[str, ...] = ()
    #: Secret that those must send who write (``Authorization: Bearer …``). Without one, only
    #: programs and pages of this machine may write, and only while the service listens on loopback.
    api_token: Annotated[SecretStr | None, BeforeValidator(_unset_if_empty)] = Field(
        default=None, min_length=16
    )
    #: File of those who may edit features, one a line: ``NAME: SHA-256 OF THE TOKEN [ROLE,ROLE]``.
    #: Without one, nobody may.
    edit_tokens: Annotated[Path | None, BeforeValidator(_unset_if_empty)] = None
    #: Whether an edit must say which version of the feature it was made for (``If-Match``).
    edit_requires_match: bool = False
    #: Largest body of an edit, bytes.
    edit_max_bytes: int = Field(default=10_000_000, ge=1_000, le=1_000_000_000)
    #: Most features in one edit.
    edit_max_features: int = Field(default=1_000, ge=1, le=100_000)
    #: The map whose tiles stand for the whole dataset in OGC API Tiles.
    default_map: str = "city"
    #: Megabytes of tiles that a server process keeps in memory.
    tile_cache_mb: int = Field(default=256, ge=0, le=1_000_000)
    #: Folder where tiles are kept over restarts, shared by the server processes of this machine;
    #: without one, tiles are kept in memory only.
    tile_store: Annotated[Path | None, BeforeValidator(_unset_if_empty)] = None
    #: Megabytes of tiles that are kept there.
    tile_store_mb: int = Field(default=10_240, ge=1, le=100_000_000)
    #: Where archives of maps are served from: a folder, or the HTTP(S) address of one, with
    #: ``MAP.pmtiles`` in it; or the path or address of one archive.
    archives: Annotated[str | None, BeforeValidator(_unset_if_empty)] = None
    #: Content codings of tiles, the preferred one first; clients choose. gzip costs nothing
    #: (tiles are kept so), the others are made when they are first asked for.
    tile_codings: tuple[Literal["gzip", "br", "zstd"], ...] = ("gzip", "zstd", "br")
    #: Seconds for which a front end may use a tile without asking again. 0: it asks each time,
    #: and mostly hears that nothing changed.
    tile_max_age_s: int = Field(default=0, ge=0, le=31_536_000)
    #: EPSG codes of the city's Gauss-Kruger zones, in which features are given and taken beside
    #: CRS84, CRS84h, EPSG:4490 and EPSG:3857; as a JSON list.
    zones: tuple[Annotated[int, AfterValidator(_known_zone)], ...] = (4547, 4526)
    #: Most features that an export holds.
    export_limit: int = Field(default=1_000_000, ge=1, le=1_000_000_000)
    #: Exports that a server process writes or sends at once; one more gets 503.
    export_jobs: int = Field(default=4, ge=1, le=100)
    #: Whether every request is logged, not only those that fail.
    access_log: bool = False
