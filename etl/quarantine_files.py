"""Refused rows as a file that operators edit in QGIS or a spreadsheet, and its way back."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas
import pandas
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from python_calamine import CalamineError, CalamineWorkbook
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from etl.mending import to_storage_shape, told_position
from etl.refused import AS_DELIVERED, SOURCE_GEOMETRY
from layers.errors import InvalidValue, LoadRefused
from layers.quarantine import SOURCE_COLUMN, Mend, RefusedRow

ID_COLUMN = "quarantine_id"
WKT_COLUMN = "wkt"
#: Columns of our own in front of the row's.
_OWN = (
    ID_COLUMN, "layer", "load", "row_number", "state", "rule", "message", "note", "revision",
)  # fmt: skip
#: Names that a file format keeps for itself.
_RESERVED = frozenset({*_OWN, WKT_COLUMN, "fid", "geom", "geometry", "ogc_fid"})
_DRIVERS = {
    ".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".csv": "CSV", ".xlsx": "XLSX",
}  # fmt: skip
#: Name of the layer, or the sheet, in an exported file.
_LAYER = "quarantine"
_TABLES = ("CSV", "XLSX")
_SAME_PLACE = 1e-9
_LEADING_ZERO = re.compile(r"0\d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def write_rows(rows: Sequence[RefusedRow], path: Path, driver: str | None = None) -> None:
    """Write refused rows of one layer: as they came, with what is wrong with them.

    Args:
        rows: The rows.
        path: The file; it is written anew.
        driver: ``gpkg``, ``geojson``, ``csv`` or ``xlsx``; by the file's name without one.

    Raises:
        LoadRefused: If the format is not known or the file cannot be written.
    """
    kind = _driver(path, driver)
    names: dict[str, str] = {}
    for row in rows:
        for name in _content(row):
            names.setdefault(_outside(name).casefold(), _outside(name))
    records = [_record(row, names) for row in rows]
    columns = [*_OWN, *names.values()]
    shapes = [None if row.wkb is None else shapely.from_wkb(row.wkb) for row in rows]
    frame = pandas.DataFrame(records, columns=columns)
    for name in names.values():
        frame[name] = _column(frame[name].tolist())
    try:
        path.unlink(missing_ok=True)
        if kind in _TABLES:
            frame[WKT_COLUMN] = [
                None if shape is None else shapely.to_wkt(shape, rounding_precision=-1)
                for shape in shapes
            ]
            if kind == "CSV":
                # With a mark of the byte order, by which spreadsheets know UTF-8.
                frame.to_csv(path, index=False, encoding="utf-8-sig")
            else:
                pyogrio.write_dataframe(frame, path, driver=kind, layer=_LAYER)
            return
        whole = geopandas.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4490")
        if kind == "GeoJSON":
            pyogrio.write_dataframe(whole, path, driver=kind, COORDINATE_PRECISION=11)
        else:
            pyogrio.write_dataframe(whole, path, driver=kind, layer=_LAYER, geometry_type="Unknown")
    except (OSError, DataSourceError, DataLayerError) as error:
        raise LoadRefused(f"{path}: cannot be written: {error}") from error


def read_ids(path: Path) -> list[int]:
    """Return the ids of the rows that an edited file holds.

    Raises:
        LoadRefused: If it cannot be read, or is no export of refused rows.
    """
    return [number for number, _, _ in _read(path)]


def read_mends(path: Path, rows: Mapping[int, RefusedRow]) -> list[Mend]:
    """Return what an edited export changes, row by row; rows left as they were give nothing.

    Args:
        path: The file.
        rows: The refused rows by id, as they are now.

    Raises:
        LoadRefused: If it cannot be read, or is no export of refused rows.
        InvalidValue: If a geometry or a time in it cannot be read.
    """
    found = []
    for number, record, shape in _read(path):
        row = rows.get(number)
        if row is None:
            raise LoadRefused(f"{path}: the refused row {number} does not wait for repair")
        fixed = _changes(row, record)
        wkb = None
        if shape is not None and not _same_shape(row, shape):
            wkb = bytes(shapely.to_wkb(shape))
        note = _plain(record.get("note"))
        note = None if note in (None, row.note) else str(note)
        if fixed or wkb is not None or note is not None:
            found.append(Mend(number, fixed, wkb, note, _instant(path, record)))
    return found


def _driver(path: Path, wanted: str | None) -> str:
    suffix = f".{wanted.lower()}" if wanted is not None else path.suffix.lower()
    if suffix not in _DRIVERS:
        raise LoadRefused(f"{path}: refused rows are written as gpkg, geojson, csv or xlsx")
    return _DRIVERS[suffix]


def _content(row: RefusedRow) -> dict[str, Any]:
    """Return what an operator sees of a row: its own columns, or else the layer's fields."""
    if not row.is_mapped:
        values = {name.removesuffix(AS_DELIVERED): value for name, value in row.values.items()}
        return values | {k: v for k, v in row.fixed.items() if not k.startswith(SOURCE_COLUMN)}
    own = {k: v for k, v in (row.original or {}).items() if k != SOURCE_GEOMETRY}
    for name, value in row.fixed.items():
        if name.startswith(SOURCE_COLUMN):
            own[name.removeprefix(SOURCE_COLUMN)] = value
    return own


def _outside(name: str) -> str:
    return f"src_{name}" if name.casefold() in _RESERVED else name


def _record(row: RefusedRow, names: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {
        ID_COLUMN: row.quarantine_id,
        "layer": row.layer,
        "load": row.load_id,
        "row_number": row.source_row,
        "state": row.state,
        "rule": row.rule,
        "message": row.message,
        "note": row.note,
        "revision": _revision(row.updated_at),
    }
    for name, value in _content(row).items():
        record.setdefault(names[_outside(name).casefold()], value)
    return record


def _column(values: list[Any]) -> pandas.Series:
    """Return a column that every format can hold: numbers stay numbers, all else is text."""
    present = [value for value in values if not _is_nothing(value)]
    if present and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        whole = all(isinstance(value, int) and abs(value) < 2**53 for value in present)
        cleaned = [None if _is_nothing(value) else value for value in values]
        return pandas.Series(cleaned, dtype="Int64" if whole else "Float64")
    return pandas.Series([None if _is_nothing(v) else str(v) for v in values], dtype=object)


def _read(path: Path) -> Iterable[tuple[int, dict[str, Any], BaseGeometry | None]]:
    if not path.is_file():
        raise LoadRefused(f"{path}: there is no such file")
    kind = _driver(path, None)
    records = _read_table(path, kind) if kind in _TABLES else _read_features(path)
    found = []
    for place, record in enumerate(records, 1):
        try:
            number = int(float(record[ID_COLUMN]))
        except (KeyError, TypeError, ValueError):
            raise LoadRefused(
                f"{path}: row {place} has no {ID_COLUMN}: give back a file that "
                "'onemap quarantine export' wrote"
            ) from None
        shape = record.pop("", None)
        found.append((number, record, shape))
    return found


def _read_table(path: Path, kind: str) -> list[dict[str, Any]]:
    try:
        if kind == "CSV":
            frame = pandas.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            rows = [frame.columns.tolist(), *frame.to_numpy().tolist()]
        else:
            rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    except (OSError, ValueError, CalamineError) as error:
        raise LoadRefused(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if not rows:
        return []
    head = [str(name) for name in rows[0]]
    records = [dict(zip(head, row, strict=False)) for row in rows[1:]]
    for place, record in enumerate(records, 1):
        text = record.get(WKT_COLUMN)
        if not _is_nothing(text):
            try:
                record[""] = shapely.from_wkt(str(text))
            except ShapelyError as error:
                raise InvalidValue(f"{path}: row {place}: {WKT_COLUMN}: {error}") from error
    return records


def _read_features(path: Path) -> list[dict[str, Any]]:
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        layer = _LAYER if _LAYER in names else names[0] if names else None
        frame = pyogrio.read_dataframe(path, layer=layer, datetime_as_string=True)
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise LoadRefused(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        return [dict(record) for record in frame.to_dict("records")]
    crs = None if frame.crs is None else frame.crs.to_string()
    shapes = frame.geometry.tolist()
    records = [
        dict(record) for record in frame.drop(columns=frame.geometry.name).to_dict("records")
    ]
    for record, shape in zip(records, shapes, strict=True):
        if shape is not None and not shape.is_empty:
            stored = crs is None or crs in ("EPSG:4490", "OGC:CRS84", "EPSG:4326")
            record[""] = shape if stored else to_storage_shape(shape, crs)
    return records


def _changes(row: RefusedRow, record: Mapping[str, Any]) -> dict[str, Any]:
    given = {name.casefold(): value for name, value in record.items()}
    changes: dict[str, Any] = {}
    for name, before in _content(row).items():
        outside = _outside(name).casefold()
        if outside in given and not _same(before, given[outside]):
            if row.is_mapped and name in row.position:
                raise InvalidValue(f"row {row.quarantine_id}: {told_position(name)}")
            value = _plain(given[outside])
            changes[f"{SOURCE_COLUMN}{name}" if row.is_mapped else name] = value
    return changes


def _same(before: Any, given: Any) -> bool:
    """Tell whether a value came back as it went out, whatever a spreadsheet made of its form."""
    if _is_nothing(before) or _is_nothing(given):
        return _is_nothing(before) and _is_nothing(given)
    if isinstance(before, bool):
        return str(given).strip().casefold() in (str(before).casefold(), str(int(before)))
    if isinstance(before, (int, float)):
        try:
            return math.isclose(float(given), float(before), rel_tol=1e-12, abs_tol=1e-12)
        except (TypeError, ValueError):
            return False
    text, told = str(before).strip(), str(_plain(given))
    if text == told:
        return True
    # Spreadsheets take "0101" for 101 and "29.90" for 29.9; nobody makes "07" of "7" by accident.
    number = _number(text)
    return number is not None and number == _number(told) and not _LEADING_ZERO.match(told)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """Return a cell as text; whole numbers without the ``.0`` of a spreadsheet."""
    if _is_nothing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value).strip()


def _is_nothing(value: Any) -> bool:
    if value is None or value is pandas.NA or value is pandas.NaT:
        return True
    if isinstance(value, float) and math.isnan(value):
        return True
    return isinstance(value, str) and not value.strip()


def _same_shape(row: RefusedRow, shape: BaseGeometry) -> bool:
    if row.wkb is None:
        return False
    kept = shapely.from_wkb(row.wkb)
    if kept.has_z != shape.has_z:
        kept, shape = shapely.force_2d(kept), shapely.force_2d(shape)
    return bool(
        shapely.equals_exact(shapely.normalize(kept), shapely.normalize(shape), _SAME_PLACE)
        or shapely.equals_exact(kept, shape, _SAME_PLACE)
    )


def _revision(moment: datetime) -> str:
    """Return a time as a text that no format takes for one and cuts short."""
    return f"r{(moment - _EPOCH) // _MICROSECOND}"


def _instant(path: Path, record: Mapping[str, Any]) -> datetime | None:
    value = record.get("revision")
    if _is_nothing(value):
        return None
    try:
        return _EPOCH + int(str(value).removeprefix("r")) * _MICROSECOND
    except (ValueError, OverflowError):
        raise InvalidValue(
            f"{path}: revision '{value}' is none: leave that column as it was exported"
        ) from None
