"""What an operator gives to mend refused rows with, read and checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from etl.refused import SOURCE_GEOMETRY
from gis.crs import CrsError, resolve, to_storage
from gis.geometry import ellipsoidal_area
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import InvalidValue, LoadRefused, UnknownField
from layers.quarantine import SOURCE_COLUMN, RefusedRow

_NEAREST = 5
_PARTS: dict[int, Callable[..., BaseGeometry]] = {
    0: shapely.multipoints,
    1: shapely.multilinestrings,
    2: shapely.multipolygons,
}


def values_of(row: RefusedRow, layer: LayerDefinition, settings: Sequence[str]) -> dict[str, Any]:
    """Read ``FIELD=VALUE`` settings.

    A name is a field of the layer, else a column of the source; ``source:COLUMN`` is always the
    latter. Nothing after ``=`` empties the value.

    Raises:
        InvalidValue: If a setting has no ``=``.
        UnknownField: If there is no such field or column.
    """
    found: dict[str, Any] = {}
    columns = [name for name in row.original or {} if name != SOURCE_GEOMETRY]
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InvalidValue(f"'{setting}' sets nothing: write FIELD=VALUE")
        plain = name.removeprefix(SOURCE_COLUMN)
        if plain == name and name in layer.field_names:
            found[name] = value or None
        elif row.is_mapped and plain in row.position:
            raise InvalidValue(told_position(plain))
        elif row.is_mapped and plain in columns:
            found[f"{SOURCE_COLUMN}{plain}"] = value or None
        else:
            known = ", ".join([*layer.field_names, *(columns if row.is_mapped else [])])
            raise UnknownField(f"row {row.quarantine_id} has no '{name}'; it has {known}")
    return found


def told_position(column: str) -> str:
    """Return why a column that gave the position cannot be set."""
    return (
        f"the column '{column}' gave the row's position: mend the geometry instead "
        "(--geometry WKT, or the geometry of the exported file)"
    )


def geometry_of(wkt: str, crs: str | None) -> bytes:
    """Read a geometry that is to take the place of a row's.

    Args:
        wkt: Well-known text, easting or longitude first.
        crs: Its reference system; EPSG:4490 without one.

    Returns:
        WKB in EPSG:4490.

    Raises:
        InvalidValue: If it cannot be read or transformed.
    """
    try:
        shape = shapely.from_wkt(wkt)
    except ShapelyError as error:
        raise InvalidValue(f"the geometry is no well-known text: {error}") from error
    return bytes(shapely.to_wkb(to_storage_shape(shape, crs)))


def to_storage_shape(shape: BaseGeometry, crs: str | None) -> BaseGeometry:
    """Bring a geometry to EPSG:4490; heights stay.

    Raises:
        InvalidValue: If the reference system is unknown or the geometry lies outside the world.
    """
    points = shapely.get_coordinates(shape, include_z=shape.has_z)
    if not len(points):
        raise InvalidValue("the geometry is empty")
    if crs is not None:
        try:
            lon, lat = to_storage(resolve(crs))(points[:, 0], points[:, 1])
        except CrsError as error:
            raise InvalidValue(str(error)) from error
        points[:, 0], points[:, 1] = lon, lat
    there = (np.abs(points[:, 0]) <= 180) & (np.abs(points[:, 1]) <= 90)
    if not there.all():
        raise InvalidValue(
            "the geometry does not lie on Earth: give longitude and latitude, or say its --crs"
        )
    return shapely.set_coordinates(shape, points)


@dataclass(frozen=True)
class Rebuilt:
    """A geometry made valid at the price of what cannot be kept."""

    #: WKB in EPSG:4490.
    wkb: bytes
    #: What changed, in words.
    said: str


def rebuild(row: RefusedRow, layer: LayerDefinition) -> Rebuilt:
    """Make a row's geometry valid by force: rings are rebuilt, what has no extent is dropped.

    Loads themselves only repair what loses nothing; this is an operator's decision.

    Raises:
        LoadRefused: If there is nothing to rebuild, or nothing would be left.
    """
    if row.wkb is None:
        raise LoadRefused(
            f"row {row.quarantine_id} has no geometry to repair: give one with --geometry"
        )
    before = shapely.from_wkb(row.wkb)
    dimension = layer.geometry.dimension
    after = shapely.make_valid(before, method="structure", keep_collapsed=False)
    parts = shapely.get_parts(shapely.get_parts(after))
    parts = parts[(shapely.get_dimensions(parts) == dimension) & ~shapely.is_empty(parts)]
    if not len(parts):
        raise LoadRefused(f"row {row.quarantine_id}: nothing of its geometry would be left")
    shape = parts[0] if len(parts) == 1 else _PARTS[dimension](parts)
    said = f"{shapely.is_valid_reason(before)} → {len(parts)} part(s)"
    if dimension == 2:
        area = float(ellipsoidal_area(np.array([shape], dtype=object))[0])
        said += f", {area:,.1f} m²"
    return Rebuilt(bytes(shapely.to_wkb(shape)), said)


def what_would_pass(row: RefusedRow, layer: LayerDefinition, catalogue: Catalogue) -> list[str]:
    """Return for each rule that the row breaks what it asks for, in words."""
    return [
        f"{rule}: {_demand(rule, row.values, layer, catalogue)}"
        for rule in dict.fromkeys(rule for rule, _ in row.rules)
    ]


_GEOMETRY_DEMANDS = {
    "geometry_missing": "a geometry (--geometry WKT)",
    "geometry_coordinates": "a geometry whose coordinates are numbers (--geometry WKT)",
    "geometry_outside": "a position in the area of the survey's reference system, or "
    "retry --anywhere",
    "geometry_invalid": "a valid geometry (--geometry WKT, or --repair)",
    "geometry_parts": "a geometry of one part (--geometry WKT)",
    "duplicate_key": "another key, or discard the row",
}


def _demand(
    rule: str, values: Mapping[str, Any], layer: LayerDefinition, catalogue: Catalogue
) -> str:
    if rule == "geometry_type":
        return f"a {layer.geometry.type}"
    if rule in _GEOMETRY_DEMANDS:
        return _GEOMETRY_DEMANDS[rule]
    for check in layer.checks:
        if check.name == rule:
            return f"{check.title.zh} / {check.title.en} ({check.source})"
    name, _, kind = rule.partition(": ")
    if name not in layer.field_names:
        return "a row that the format can read (--set, --geometry)"
    field = layer.field(name)
    if kind == "codes" and field.codes is not None:
        return _codes(name, values, catalogue, field.codes)
    demands = {
        "required": "a value",
        "type": f"a value of type {field.type}",
        "length": f"at most {field.length} characters",
        "pattern": f"text of the form {field.pattern}",
        "min": f"a number from {field.min} on",
        "max": f"a number up to {field.max}",
    }
    return demands.get(kind, kind)


def _codes(name: str, values: Mapping[str, Any], catalogue: Catalogue, listed: str) -> str:
    codes = catalogue.code_list(listed)
    given = next((str(v) for key, v in values.items() if key.split(" ")[0] == name), "")
    by_name = {code.name_zh: code.code for code in codes.codes.values()}
    near = get_close_matches(given, [*codes.codes, *by_name], n=_NEAREST, cutoff=0.5)
    nearest = list(dict.fromkeys(by_name.get(entry, entry) for entry in near))
    shown = nearest or list(codes.codes)[:_NEAREST]
    told = ", ".join(f"{code} {codes.codes[code].name_zh}" for code in shown)
    return f"one of the {len(codes.codes)} codes of {codes.scheme} ({codes.edition}): {told} …"
