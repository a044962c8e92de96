"""Requests to the WMTS, in a query string or in an address, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from api.errors import InvalidParameter
from api.ows.errors import ServiceException
from api.times import record_time, valid_instant
from tiles.style_values import Language
from tiles.tile_grids import TILE_GRIDS, TileGrid

VERSION = "1.0.0"
OPERATIONS = ("GetCapabilities", "GetTile")
PNG, MVT = "image/png", "application/vnd.mapbox-vector-tile"
#: Ending of addresses → media type.
ENDINGS: Mapping[str, str] = {"png": PNG, "mvt": MVT, "pbf": MVT}
#: Style → language of names; the first is the usual one.
STYLES: Mapping[str, Language] = {
    "default": Language.CHINESE,
    "en": Language.ENGLISH,
    "both": Language.BOTH,
}
#: Other servers' names of grids.
_OTHER_NAMES = {
    "GoogleMapsCompatible": "WebMercatorQuad",
    "c": "TianDiTu_c",
    "w": "TianDiTu_w",
}
_MOST_DIGITS = 9
_NOW = ("", "current", "default")
_TILE_PARAMETERS = (
    "layer",
    "style",
    "format",
    "tilematrixset",
    "tilematrix",
    "tilerow",
    "tilecol",
)


@dataclass(frozen=True, slots=True)
class WmtsTile:
    """A tile that is asked for."""

    layer: str
    language: Language
    media_type: str
    grid: TileGrid
    #: Number of the matrix, column, row.
    place: tuple[int, int, int]
    at: datetime | None = None
    as_of: datetime | None = None


def read_operation(parameters: Mapping[str, str]) -> str:
    """Return the operation that a query string asks for.

    Raises:
        ServiceException: If there is none of that name, or it is another service's or version's.
    """
    service = parameters.get("service", "WMTS")
    if service.upper() != "WMTS":
        raise ServiceException(
            "InvalidParameterValue", "service", f"service: '{service[:60]}' is not WMTS"
        )
    text = parameters.get("request", "")
    if not text:
        raise ServiceException(
            "MissingParameterValue", "request", f"request: say one of {', '.join(OPERATIONS)}"
        )
    for name in OPERATIONS:
        if name.lower() == text.lower():
            _check_version(parameters, name)
            return name
    raise ServiceException(
        "OperationNotSupported",
        "request",
        f"request: '{text[:60]}' is not one of {', '.join(OPERATIONS)}",
    )


def _check_version(parameters: Mapping[str, str], operation: str) -> None:
    if operation == "GetCapabilities":
        accepted = parameters.get("acceptversions")
        if accepted and VERSION not in (part.strip() for part in accepted.split(",")):
            raise ServiceException(
                "VersionNegotiationFailed", "acceptversions", f"only version {VERSION} is spoken"
            )
        return
    version = parameters.get("version", VERSION)
    if version != VERSION:
        raise ServiceException(
            "InvalidParameterValue", "version", f"version: '{version[:60]}' is not {VERSION}"
        )


def read_tile(parameters: Mapping[str, str]) -> WmtsTile:
    """Read what GetTile asks for.

    Args:
        parameters: By their names in lower case.

    Raises:
        ServiceException: If a parameter is missing or cannot be used.
    """
    for name in _TILE_PARAMETERS:
        # An empty style is the usual one.
        if name not in parameters or (not parameters[name] and name != "style"):
            raise ServiceException("MissingParameterValue", name, f"{name}: missing")
    return WmtsTile(
        parameters["layer"],
        _style(parameters["style"]),
        _format(parameters["format"]),
        _grid(parameters["tilematrixset"]),
        (
            # Some write the set's name before the number.
            _number("tilematrix", parameters["tilematrix"].rsplit(":", 1)[-1]),
            _number("tilecol", parameters["tilecol"]),
            _number("tilerow", parameters["tilerow"]),
        ),
        *_times(parameters),
    )


def _times(parameters: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    time = parameters.get("time", parameters.get("datetime", ""))
    as_of = parameters.get("asof")
    try:
        at = None if time.lower() in _NOW else valid_instant(time, name="time")
        return at, record_time(as_of) if as_of else None
    except InvalidParameter as error:
        locator = str(error).partition(":")[0]
        raise ServiceException("InvalidParameterValue", locator, str(error)) from None


def _style(text: str) -> Language:
    language = STYLES.get(text or "default")
    if language is None:
        raise ServiceException(
            "InvalidParameterValue",
            "style",
            f"style: '{text[:60]}' is not one of {', '.join(STYLES)}",
        )
    return language


def _format(text: str) -> str:
    wanted = text.lower()
    if wanted not in (PNG, MVT):
        raise ServiceException(
            "InvalidParameterValue", "format", f"format: '{text[:60]}' is not {PNG} or {MVT}"
        )
    return wanted


def _grid(text: str) -> TileGrid:
    grid = TILE_GRIDS.get(_OTHER_NAMES.get(text, text))
    if grid is None:
        raise ServiceException(
            "InvalidParameterValue",
            "tilematrixset",
            f"tilematrixset: '{text[:60]}' is not one of {', '.join(TILE_GRIDS)}",
        )
    return grid


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ServiceException(
            "InvalidParameterValue",
            name,
            f"{name}: '{text[:60]}' is no whole number from 0 upwards",
        )
    return int(text)
