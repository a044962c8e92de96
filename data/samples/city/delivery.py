"""Writing tables as departments deliver them, the same bytes every time."""

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry as Geometry

from city.gazetteer import CITY_CRS
from city.noise import Floats
from city.table import Table

#: Date written into file headers, which must not be today's.
_STAMP = "2020-05-01"


@dataclass(frozen=True)
class Form:
    """How a layer is delivered: format, reference system, text encoding."""

    kind: str
    crs: str
    encoding: str = "UTF-8"


_SURVEY = Form("shp", "EPSG:4526", "GBK")
_OPEN = Form("geojson", "EPSG:4490")
#: The delivery of each layer; what departments really use.
FORMS: dict[str, Form] = {
    "admin_division": Form("shp", "EPSG:4490"), "water_body": Form("gpkg", CITY_CRS),
    "contour": _SURVEY, "road": Form("shp", CITY_CRS), "place_name": Form("csv", CITY_CRS),
    "land_parcel": _SURVEY, "prime_farmland": Form("gpkg", CITY_CRS), "eco_redline": _OPEN,
    "plan_zone": _SURVEY, "land_approval": Form("gpkg", CITY_CRS), "land_supply": _OPEN,
    "mining_right": _SURVEY, "exploration_right": _OPEN,
    "mineral_deposit": Form("csv", CITY_CRS), "hazard_point": Form("csv", "EPSG:4526", "GBK"),
    "threat_zone": _OPEN, "hazard_warning": _OPEN, "monitor_point": Form("csv", CITY_CRS),
    "treatment_project": Form("gpkg", CITY_CRS), "pipe_node": Form("csv", "EPSG:4526", "GBK"),
    "pipe_line": _SURVEY, "corridor": Form("gpkg", CITY_CRS), "building": _SURVEY,
    "building_floor": Form("gpkg", CITY_CRS), "building_unit": _SURVEY,
    "city_component": Form("csv", CITY_CRS), "grid_cell": _OPEN, "scenic_area": _OPEN,
    "scenic_spot": _OPEN, "poi": Form("csv", CITY_CRS), "imagery_scene": _OPEN,
    "change_patch": Form("gpkg", CITY_CRS),
}  # fmt: skip


def _project(geometry: Any, crs: str) -> Any:
    """Return geometry in another reference system (x east, y north), at survey precision."""
    digits = 9 if crs == "EPSG:4490" else 3
    if crs == CITY_CRS:
        return shapely.transform(geometry, lambda c: np.round(c, digits), include_z=True)
    change = Transformer.from_crs(CITY_CRS, crs, always_xy=True)

    def move(coordinates: Floats) -> Floats:
        x, y = change.transform(coordinates[:, 0], coordinates[:, 1])
        moved = coordinates.copy()
        moved[:, 0], moved[:, 1] = np.round(x, digits), np.round(y, digits)
        if coordinates.shape[1] == 3:
            moved[:, 2] = np.round(np.where(np.isnan(coordinates[:, 2]), 0, coordinates[:, 2]), 3)
        return moved

    return shapely.transform(geometry, move, include_z=bool(np.any(shapely.has_z(geometry))))


def _arrays(table: Table) -> tuple[list[str], list[np.ndarray[Any, Any]], list[Any]]:
    names, data, masks = [], [], []
    for name, values in table.columns.items():
        filled = [value for value in values if value is not None]
        missing = np.array([value is None for value in values])
        names.append(name)
        if filled and isinstance(filled[0], bool):
            data.append(np.array([int(bool(value)) for value in values], np.int16))
        elif filled and isinstance(filled[0], int):
            data.append(np.array([0 if value is None else value for value in values], np.int32))
        elif filled and isinstance(filled[0], float):
            data.append(np.array([np.nan if v is None else v for v in values], np.float64))
        else:
            data.append(np.array(values, object))
        masks.append(missing if missing.any() and data[-1].dtype != object else None)
    return names, data, masks


def _kind(geometry: Any) -> str:
    kinds = {shape.geom_type for shape in geometry}
    base = sorted(kinds)[0].removeprefix("Multi")
    name = base if len(kinds) == 1 and not sorted(kinds)[0].startswith("Multi") else f"Multi{base}"
    return f"{name} Z" if bool(np.any(shapely.has_z(geometry))) else name


def _ogr(table: Table, path: Path, form: Form) -> None:
    geometry = _project(table.geometry, form.crs)
    kind = _kind(geometry)
    if kind.startswith("Multi"):
        geometry = np.array([_multi(shape) for shape in geometry], object)
    names, data, masks = _arrays(table)
    options: dict[str, str] = (
        {"RESIZE": "YES", "DBF_DATE_LAST_UPDATE": _STAMP} if form.kind == "shp" else {}
    )
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{_STAMP}T00:00:00.000Z"})
    pyogrio.raw.write(
        str(path), shapely.to_wkb(geometry, flavor="iso"), data, names, field_mask=masks,
        layer=path.stem, driver="GPKG" if form.kind == "gpkg" else "ESRI Shapefile",
        geometry_type=kind, crs=form.crs,
        encoding=form.encoding if form.kind == "shp" else None, layer_options=options,
    )  # fmt: skip


def _multi(shape: Geometry) -> Geometry:
    make: dict[str, Any] = {
        "Polygon": shapely.multipolygons,
        "LineString": shapely.multilinestrings,
        "Point": shapely.multipoints,
    }
    maker = make.get(shape.geom_type)
    return maker([shape]) if maker else shape


def _shapefile(table: Table, path: Path, form: Form) -> None:
    """Write a zipped Shapefile with its .cpg and .prj; the same content gives the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        _ogr(table, Path(folder) / f"{path.stem}.shp", form)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for part in sorted(Path(folder).iterdir()):
                entry = zipfile.ZipInfo(part.name, (2020, 5, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, part.read_bytes(), compresslevel=9)


def _csv(table: Table, path: Path, form: Form) -> None:
    """Write a point table: X is the northing and Y the easting, as surveys write them."""
    geometry = _project(table.geometry, form.crs)
    tall = bool(np.any(shapely.has_z(geometry)))
    names = [*table.columns, "X", "Y", *(["Z"] if tall else [])]
    lines = [",".join(names)]
    coordinates = shapely.get_coordinates(geometry, include_z=tall)
    for index, place in enumerate(coordinates.tolist()):
        cells = [_cell(values[index]) for values in table.columns.values()]
        place_cells = [f"{place[1]:.3f}", f"{place[0]:.3f}", *(f"{z:.3f}" for z in place[2:])]
        lines.append(",".join([*cells, *place_cells]))
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(form.encoding))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f'"{text}"' if "," in text else text


def _geojson(table: Table, path: Path, form: Form) -> None:
    geometry = _project(table.geometry, form.crs)
    features = []
    for index, shape in enumerate(geometry):
        properties = {name: values[index] for name, values in table.columns.items()}
        geometry_json = json.loads(shapely.to_geojson(shape))
        features.append(json.dumps(
            {"type": "Feature", "properties": properties, "geometry": geometry_json},
            ensure_ascii=False, separators=(",", ":")))  # fmt: skip
    head = f'{{"type":"FeatureCollection","name":"{path.stem}","features":[\n'
    path.write_text(head + ",\n".join(features) + "\n]}\n", encoding="utf-8")


_WRITERS = {"shp": _shapefile, "csv": _csv, "geojson": _geojson}
_SUFFIXES = {"shp": "zip", "csv": "csv", "geojson": "geojson", "gpkg": "gpkg"}


def deliver(table: Table, when: str, folder: Path, full: bool) -> dict[str, object]:
    """Write a table into a folder and return its entry of the manifest."""
    form = FORMS[table.layer]
    year = str(date.fromisoformat(when).year)
    path = folder / f"{table.layer}_{year}.{_SUFFIXES[form.kind]}"
    path.unlink(missing_ok=True)
    if form.kind == "gpkg":
        with tempfile.TemporaryDirectory() as work:
            fresh = Path(work) / path.name
            _ogr(table, fresh, form)
            shutil.copyfile(fresh, path)
    else:
        _WRITERS[form.kind](table, path, form)
    entry: dict[str, object] = {"file": path.name, "layer": table.layer, "valid_from": when}
    if form.kind in ("csv", "geojson"):
        entry["crs"] = form.crs
    if form.encoding == "GBK" and form.kind == "csv":
        entry["encoding"] = "GBK"
    if full:
        entry["full"] = True
    return entry
