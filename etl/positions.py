"""Positions in the columns of a table: which columns hold them, and the points they make."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from etl.angles import Axis, read_coordinate, unpack
from etl.convert import to_float
from etl.reader import CoordinateColumns, RowProblem, SourceOptions
from gis.crs import SourceCrs
from layers.errors import LoadRefused

Array = NDArray[np.float64]

_WKT = ("wkt", "geometry", "geom", "thegeom", "wktgeom")
#: Names that say the axis for sure: (east, north) pairs, as ``_plain`` leaves them.
_SURE = (
    ("lon", "lat"),
    ("lng", "lat"),
    ("long", "lat"),
    ("longitude", "latitude"),
    ("经度", "纬度"),
    ("东经", "北纬"),
    ("easting", "northing"),
    ("east", "north"),
    ("e", "n"),
    ("东坐标", "北坐标"),
    ("横坐标", "纵坐标"),
    ("横坐标y", "纵坐标x"),
    ("y横坐标", "x纵坐标"),
    ("pointx", "pointy"),
)
#: Names whose meaning depends on the CRS: Chinese surveys write X for the northing.
_DOUBTFUL = (
    ("x", "y"),
    ("x坐标", "y坐标"),
    ("坐标x", "坐标y"),
    ("xcoord", "ycoord"),
    ("coordx", "coordy"),
)
_HEIGHTS = ("z", "h", "height", "高程", "z坐标", "pointz", "elevation", "地面高程")


@dataclass(frozen=True)
class Points:
    """The positions of a batch."""

    #: WKB, x = easting or longitude; null where a row has none.
    wkb: pa.Array
    #: Rows (their place in the batch) whose position cannot be read.
    problems: dict[int, RowProblem]


@dataclass(frozen=True)
class _Axis:
    """One column of coordinates that was read."""

    values: Array
    #: What could not be read, by row.
    unreadable: dict[int, str]
    #: Which axis the text names, by row.
    named: dict[int, Axis]


def find_columns(path: Path, names: list[str], options: SourceOptions) -> CoordinateColumns:
    """Decide which columns of a table hold the position.

    Args:
        path: The file, for messages.
        names: Its columns.
        options: What the mapping says, and the CRS, on which the meaning of X depends.

    Raises:
        LoadRefused: If none is recognised, or one that the mapping names is missing.
    """
    if options.coordinates is not None:
        return _said(path, names, options.coordinates, options.crs)
    found = recognised(names, options.crs)
    if found is None:
        raise LoadRefused(
            f"{path}: no coordinate columns are recognised among {', '.join(names)}; "
            "name them in a mapping (coordinates: {x: …, y: …, order: ne or en}, or {wkt: …})"
        )
    for name in column_names(found):
        if names.count(name) > 1:
            raise LoadRefused(f"{path}: has several columns '{name}': name each its own way")
    return found


def recognised(names: list[str], crs: SourceCrs | None) -> CoordinateColumns | None:
    """Recognise the position's columns by their names; ``None`` if there are none."""
    by_name = {_plain(name): name for name in reversed(names)}
    for wkt in _WKT:
        if wkt in by_name:
            return CoordinateColumns(wkt=by_name[wkt])
    height = next((by_name[name] for name in _HEIGHTS if name in by_name), None)
    for east, north in _SURE:
        if east in by_name and north in by_name:
            return CoordinateColumns(x=by_name[east], y=by_name[north], z=height, order="en")
    for first, second in _DOUBTFUL:
        if first in by_name and second in by_name:
            order = _order(by_name[first], crs)
            return CoordinateColumns(x=by_name[first], y=by_name[second], z=height, order=order)
    return None


def column_names(columns: CoordinateColumns) -> tuple[str, ...]:
    """Return the names of the columns that hold the position."""
    return tuple(name for name in (columns.wkt, columns.x, columns.y, columns.z) if name)


def order_note(columns: CoordinateColumns) -> list[str]:
    """Return the note for the report where a column X holds northings."""
    if columns.order != "ne":
        return []
    return [f"{columns.x} is read as the northing, {columns.y} as the easting"]


def make_points(table: pa.Table, columns: CoordinateColumns, *, degrees: bool) -> Points:
    """Make the geometries of a batch.

    Args:
        table: The rows; the position's columns are text or numbers.
        columns: Which hold the position.
        degrees: Whether the CRS is geographic, so that ``1141912.5`` is packed DDDMMSS.
    """
    if columns.wkt is not None:
        texts = _column(table, columns.wkt).cast(pa.string()).to_numpy(zero_copy_only=False)
        # Coordinates that are no numbers are found by the checks; numpy need not warn.
        with np.errstate(invalid="ignore"):
            read = shapely.from_wkt(texts, on_invalid="ignore")
        return Points(pa.array(shapely.to_wkb(read), pa.binary()), {})
    first, second = _read(table, str(columns.x)), _read(table, str(columns.y))
    east, north = (second, first) if columns.order == "ne" else (first, second)
    east_name, north_name = (
        (columns.y, columns.x) if columns.order == "ne" else (columns.x, columns.y)
    )
    problems = _unreadable(east, str(east_name)) | _unreadable(north, str(north_name))
    x, y = _by_named_axis(east, north, problems)
    if degrees:
        x, y, broken = unpack(x, y)
        for row in np.flatnonzero(broken).tolist():
            problems[row] = RowProblem(
                "position", f"({x[row]:.10g}, {y[row]:.10g}) has 60 minutes or seconds or more"
            )
    missing = np.isnan(x) | np.isnan(y)
    missing[list(problems)] = True
    shapes: Any
    if columns.z is None:
        shapes = shapely.points(x, y)
    else:
        heights, _ = to_float(_column(table, columns.z))
        z = heights.to_numpy(zero_copy_only=False).astype(float)
        shapes = shapely.points(x, y, z)
    shapes[missing] = None
    return Points(pa.array(shapely.to_wkb(shapes), pa.binary()), problems)


def _read(table: pa.Table, name: str) -> _Axis:
    column = _column(table, name)
    numbers, unreadable = to_float(column)
    values = numbers.to_numpy(zero_copy_only=False).astype(float)
    if not unreadable.any():
        return _Axis(values, {}, {})
    values = values.copy()
    wrong: dict[int, str] = {}
    named: dict[int, Axis] = {}
    for row in np.flatnonzero(unreadable).tolist():
        text = str(column[row].as_py())
        reading = read_coordinate(text)
        if reading is None or not np.isfinite(reading.value):
            wrong[row] = text
            continue
        values[row] = reading.value
        if reading.axis is not None:
            named[row] = reading.axis
    return _Axis(values, wrong, named)


def _unreadable(axis: _Axis, name: str) -> dict[int, RowProblem]:
    return {
        row: RowProblem("position", f"{name} = '{text[:60]}' cannot be read as a coordinate")
        for row, text in axis.unreadable.items()
    }


def _by_named_axis(
    east: _Axis, north: _Axis, problems: dict[int, RowProblem]
) -> tuple[Array, Array]:
    """Believe the letters N and E more than the order of the columns."""
    x, y = east.values, north.values
    odd = [row for row, axis in east.named.items() if axis == "lat"]
    odd += [row for row, axis in north.named.items() if axis == "lon" and row not in odd]
    for row in odd:
        if east.named.get(row) == "lat" and north.named.get(row) == "lon":
            x[row], y[row] = y[row], x[row]
        else:
            problems[row] = RowProblem("position", "its letters name one axis twice")
    return x, y


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(table.schema.names.index(name)).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    return pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column


def _said(
    path: Path, names: list[str], said: CoordinateColumns, crs: SourceCrs | None
) -> CoordinateColumns:
    for name in column_names(said):
        if name not in names:
            raise LoadRefused(f"{path}: has no column '{name}'; it has {', '.join(names)}")
    if said.wkt is not None or said.order is not None:
        return said
    return replace(said, order=_order(str(said.x), crs))


def _order(first: str, crs: SourceCrs | None) -> Literal["en", "ne"]:
    """Say whether a column X is the northing: it is where the CRS itself calls it X."""
    is_x = _plain(first).lstrip("坐标").startswith("x")
    return "ne" if is_x and crs is not None and crs.names_north_x else "en"


def _plain(name: str) -> str:
    """Return a name without case, units in brackets, blanks and underscores."""
    return re.sub(r"[(（\[].*?[)）\]]|[\s_°]", "", name.casefold())
