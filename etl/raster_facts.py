"""What a raster says of itself, and whether it can be believed: footprint, statistics, checks."""

import datetime
import hashlib
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from etl.reader import RowProblem
from gis.late import LateModule
from layers.errors import LoadRefused

if TYPE_CHECKING:
    import rasterio
    from rasterio import errors, features, windows
else:
    rasterio = LateModule("rasterio")
    errors = LateModule("rasterio.errors")
    features = LateModule("rasterio.features")
    windows = LateModule("rasterio.windows")

#: Only these may open a file: others read further files, which a name in it chooses.
_DRIVERS = {
    ".tif": "GTiff",
    ".tiff": "GTiff",
    ".hgt": "SRTMHGT",
    ".img": "HFA",
    ".asc": "AAIGrid",
}
SUFFIXES = frozenset(_DRIVERS)
#: Masks and statistics are taken from at most so many pixels a side.
_SIDE = 512
#: Blocks that are read in full resolution to see whether the file is whole.
_BLOCKS = 48
_BLOCK_BYTES = 256 << 20
#: Blocks that GDAL keeps, which by itself takes a twentieth of the machine. As a number it counts
#: bytes here, whatever the option counts elsewhere.
_CACHE_BYTES = 128 << 20
#: Parts and holes below this share of the whole are noise of the mask.
_SPECK = 0.001
_METRES_A_DEGREE = 111_320.0
#: Ground resolutions that occur, metres.
_FINEST, _COARSEST = 0.002, 20_000.0
#: Elevations that occur on land and shore, metres; buildings and trees may add to the highest.
_LOWEST, _HIGHEST = -500.0, 9_000.0
_ELEVATION_NAME = re.compile(
    r"(?<![a-z])(dem|dsm|dtm|srtm|hgt|elev\w*|高程)(?![a-z])", re.IGNORECASE
)
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
_DATE_TAGS = ("ACQUISITION_DATE", "DATE_ACQUIRED", "ACQUISITIONDATETIME", "TIFFTAG_DATETIME")
#: Pieces of file names to sensor and kind of imagery, as the layer of scenes codes them.
_SENSORS = (
    (r"gf-?1", "GF-1", "satellite"),
    (r"gf-?2", "GF-2", "satellite"),
    (r"zy-?1-?02c", "ZY-1-02C", "satellite"),
    (r"zy-?3", "ZY-3", "satellite"),
    (r"bj-?2", "BJ-2", "satellite"),
    (r"spot-?5", "SPOT-5", "satellite"),
    (r"s2[ab]|sentinel-?2", "S2", "satellite"),
    (r"lt-?0?5|landsat-?5", "L5", "satellite"),
    (r"le-?0?7|landsat-?7", "L7", "satellite"),
    (r"lc-?0?8|landsat-?8", "L8", "satellite"),
    (r"uav|无人机", "UAV", "uav"),
    (r"aerial|航摄|航片|dom", "AERIAL", "aerial"),
)


@dataclass(frozen=True)
class RasterFacts:
    """One raster."""

    #: In the raster's own CRS, x = easting or longitude; ``None`` if it has no place.
    footprint: BaseGeometry | None
    #: Authority code or WKT; ``None`` if the file declares none.
    crs: str | None
    values: Mapping[str, Any]
    problem: RowProblem | None


def facts_of(path: Path, said: CRS | None) -> RasterFacts:
    """Look at a raster; memory does not grow with it.

    Args:
        path: The file.
        said: Its CRS, where a person says it.

    Raises:
        LoadRefused: If it is no raster of a known format.
    """
    with _opened(path) as raster:
        return _facts(path, raster, said)


def _crs_text(raster: Any) -> str | None:
    """Return a dataset's CRS as an authority code, else as WKT."""
    if not raster.crs:
        return None
    code = raster.crs.to_epsg()
    return f"EPSG:{code}" if code else str(raster.crs.to_wkt())


def declared_crs(path: Path) -> str | None:
    """Return the CRS a file declares.

    Raises:
        LoadRefused: If it is no raster of a known format.
    """
    with _opened(path) as raster:
        return _crs_text(raster)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    driver = _DRIVERS.get(path.suffix.lower(), "GTiff")
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES), warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NotGeoreferencedWarning)
        try:
            raster = rasterio.open(path, driver=driver)
        except errors.RasterioIOError as error:
            raise LoadRefused(f"{path}: cannot be read as a raster: {_line(error)}") from error
        with raster:
            yield raster


def _facts(path: Path, raster: Any, said: CRS | None) -> RasterFacts:
    text = _crs_text(raster)
    crs = said if said is not None else CRS.from_user_input(text) if text else None
    is_elevation = _is_elevation(path, raster)
    values = _described(path, raster, crs, text, is_elevation=is_elevation)
    problem = _misplaced(raster, values, crs) or _unreadable(raster)
    if problem is not None:
        return RasterFacts(None, text, values, problem)
    try:
        mask, band = _decimated(raster)
    except (errors.RasterioError, MemoryError) as error:
        problem = RowProblem("raster_blocks", f"its pixels cannot be read: {_line(error)}")
        return RasterFacts(None, text, values, problem)
    values |= _statistics(mask, band)
    return RasterFacts(
        _footprint(raster, mask), text, values, _implausible(values, is_elevation=is_elevation)
    )


def _described(
    path: Path, raster: Any, crs: CRS | None, text: str | None, *, is_elevation: bool
) -> dict[str, Any]:
    sensor, kind = _sensor(path.stem)
    return {
        "scene_id": path.stem,
        "name": path.stem,
        "kind": kind,
        "sensor": sensor,
        "acquired": _acquired(path, raster),
        "gsd": _ground_resolution(raster, crs),
        "bands": str(raster.count),
        "crs": text if text is None or len(text) < 40 else raster.crs.to_dict().get("proj"),
        "file": path.name,
        "raster_kind": "elevation" if is_elevation else "image",
        "width": raster.width,
        "height": raster.height,
        "dtype": str(raster.dtypes[0]),
        "nodata": float(raster.nodata) if raster.nodata is not None else None,
        "driver": str(raster.driver),
        "checksum": _checksum(path),
    }


def _misplaced(raster: Any, values: Mapping[str, Any], crs: CRS | None) -> RowProblem | None:
    """Check the georeferencing."""
    matrix = raster.transform
    if matrix.is_identity or matrix.determinant == 0:
        what = "only control points" if raster.gcps[0] else "no georeferencing"
        return RowProblem("raster_georeference", f"the raster has {what}")
    if not all(math.isfinite(value) for value in matrix[:6]):
        return RowProblem("raster_georeference", "its georeferencing holds no numbers")
    # The angle between rows and columns: a map is never sheared.
    along, across = complex(matrix.a, matrix.d), complex(matrix.b, matrix.e)
    skew = abs((along * across.conjugate()).real) / (abs(along) * abs(across))
    if skew > 0.01:
        return RowProblem("raster_georeference", "its rows and columns do not meet at right angles")
    if max(abs(along), abs(across)) > 10 * min(abs(along), abs(across)):
        return RowProblem(
            "raster_pixel_size",
            f"its pixels measure {abs(along):g} by {abs(across):g}, which no sensor gives",
        )
    if crs is None:
        return None
    if not _FINEST <= float(values["gsd"] or 0) <= _COARSEST:
        return RowProblem(
            "raster_pixel_size",
            f"its pixels measure {values['gsd']:g} m on the ground: does it lie in {crs.name}?",
        )
    return None


def _unreadable(raster: Any) -> RowProblem | None:
    """Read blocks all over the raster in full resolution."""
    for window in _sample(raster):
        if window.width * window.height * raster.count * 8 > _BLOCK_BYTES:
            window = windows.Window(window.col_off, window.row_off, min(window.width, 4096), 1)
        try:
            raster.read(window=window)
        except errors.RasterioError as error:
            place = f"column {window.col_off}, row {window.row_off}"
            return RowProblem(
                "raster_blocks", f"the block at {place} cannot be read: {_line(error)}"
            )
    return None


def _sample(raster: Any) -> Iterator["windows.Window"]:
    height, width = raster.block_shapes[0]
    down, right = math.ceil(raster.height / height), math.ceil(raster.width / width)
    chosen = np.unique(np.linspace(0, down * right - 1, _BLOCKS).astype(np.int64))
    for number in chosen.tolist():
        row, column = divmod(number, right)
        yield windows.Window(
            column * width,
            row * height,
            min(width, raster.width - column * width),
            min(height, raster.height - row * height),
        )


def _decimated(raster: Any) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Read the mask and the first band at a scale that fits any machine."""
    shrink = max(raster.width, raster.height) / _SIDE
    shape = (
        max(round(raster.height / max(shrink, 1)), 1),
        max(round(raster.width / max(shrink, 1)), 1),
    )
    mask = raster.dataset_mask(out_shape=shape) > 0
    band = raster.read(1, out_shape=shape, masked=True).astype(np.float64)
    # A pixel may be valid in another band; the first one's own mask serves the statistics.
    known = np.isfinite(band.data)
    return mask & known, np.where(known & ~np.ma.getmaskarray(band), band.data, np.nan)


def _statistics(mask: NDArray[np.bool_], band: NDArray[np.float64]) -> dict[str, Any]:
    share = float(mask.mean())
    valid = band[mask & np.isfinite(band)]
    if not valid.size:
        return {"min": None, "max": None, "mean": None, "valid_share": share}
    return {
        "min": float(valid.min()),
        "max": float(valid.max()),
        "mean": float(valid.mean()),
        "valid_share": share,
    }


def _implausible(values: Mapping[str, Any], *, is_elevation: bool) -> RowProblem | None:
    if not values["valid_share"]:
        return RowProblem("raster_empty", "the raster has no valid pixel")
    low, high = values["min"], values["max"]
    if is_elevation and low is not None and not (_LOWEST <= low and high <= _HIGHEST):
        return RowProblem(
            "raster_elevations",
            f"its elevations run from {low:g} to {high:g} m, which are none: is its no-data value "
            "declared?",
        )
    return None


def _footprint(raster: Any, mask: NDArray[np.bool_]) -> BaseGeometry | None:
    """Outline the valid pixels; a raster that is valid throughout is its frame."""
    if not mask.any():
        return None
    if mask.all():
        corners = ((0, 0), (raster.width, 0), (raster.width, raster.height), (0, raster.height))
        return shapely.Polygon([raster.transform @ corner for corner in corners])
    scale = raster.transform.scale(raster.width / mask.shape[1], raster.height / mask.shape[0])
    pixel_map = raster.transform @ scale
    outlines = [
        shapely.geometry.shape(shape)
        for shape, value in features.shapes(mask.astype(np.uint8), mask=mask)
        if value
    ]
    speck = _SPECK * mask.size
    kept = [_without_specks(outline, speck) for outline in outlines if outline.area >= speck]
    # A mask of nothing but specks is told as it is.
    whole = shapely.union_all(kept or outlines).simplify(1.0)
    matrix = [pixel_map.a, pixel_map.b, pixel_map.d, pixel_map.e, pixel_map.c, pixel_map.f]
    return shapely.make_valid(shapely.affinity.affine_transform(whole, matrix))


def _without_specks(outline: Any, speck: float) -> shapely.Polygon:
    holes = [hole for hole in outline.interiors if shapely.Polygon(hole).area >= speck]
    return shapely.Polygon(outline.exterior, holes)


def _ground_resolution(raster: Any, crs: CRS | None) -> float | None:
    """Return the geometric mean of the pixel's sides, metres."""
    if crs is None:
        return None
    side = math.sqrt(abs(raster.transform.determinant))
    if crs.is_geographic:
        middle = raster.transform @ (raster.width / 2, raster.height / 2)
        across = math.cos(math.radians(max(min(middle[1], 89.0), -89.0)))
        return side * _METRES_A_DEGREE * math.sqrt(across)
    return side * float(crs.axis_info[0].unit_conversion_factor)


def _is_elevation(path: Path, raster: Any) -> bool:
    if raster.count != 1 or str(raster.dtypes[0]) in ("uint8", "int8"):
        return False
    return raster.driver in ("SRTMHGT",) or bool(_ELEVATION_NAME.search(path.stem))


def _acquired(path: Path, raster: Any) -> datetime.date | None:
    """Find the day of acquisition: in the name, which people chose, before the tags."""
    tags = {name.upper(): value for name, value in raster.tags().items()}
    for text in (path.stem, *(tags[name].replace(":", "-") for name in _DATE_TAGS if name in tags)):
        match = _DATE.search(text)
        if match is not None:
            try:
                return datetime.date(*(int(part) for part in match.groups()))
            except ValueError:
                continue
    return None


def _sensor(stem: str) -> tuple[str | None, str | None]:
    for pattern, sensor, kind in _SENSORS:
        if re.search(rf"(?<![a-z0-9])(?:{pattern})(?![0-9])", stem, re.IGNORECASE):
            return sensor, kind
    return None, None


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _line(error: BaseException) -> str:
    # rasterio says "Read failed", and only its cause says why.
    text = str(error.__cause__ or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
