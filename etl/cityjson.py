"""City objects of CityJSON (OGC 20-072, versions 1.0 to 2.0): from solids to footprints."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from layers.errors import LoadRefused

Array = NDArray[np.float64]
Object = Mapping[str, Any]

#: How deep the surfaces lie in the boundaries of each type of geometry.
_DEPTH = {
    "MultiSurface": 0,
    "CompositeSurface": 0,
    "Solid": 1,
    "MultiSolid": 2,
    "CompositeSolid": 2,
}
_VERSIONS = ("1.0", "1.1", "2.0")
_EPSG = re.compile(r"EPSG(?::|/)[^:/]*(?::|/)(\d+)", re.IGNORECASE)
#: A surface is a wall if its normal leans less than this out of the horizontal.
_WALL = 0.02
_METRES_A_DEGREE = 111_000.0


class CityObjectError(ValueError):
    """An object cannot be used; ``rule`` names the reason."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class Header:
    """What the file says of all its objects."""

    version: str
    crs: str | None
    scale: tuple[float, float, float]
    translate: tuple[float, float, float]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Header":
        """Read the members beside the objects and vertices.

        Raises:
            LoadRefused: If it is no CityJSON of a known version, or its transform is broken.
        """
        if document.get("type") != "CityJSON":
            raise LoadRefused(f"its type is {json.dumps(document.get('type'))}, not CityJSON")
        version = str(document.get("version", ""))
        if not version.startswith(_VERSIONS):
            raise LoadRefused(
                f"its version is '{version}'; versions 1.0 to 2.0 are read: upgrade the file"
            )
        metadata = document.get("metadata") or {}
        transform = document.get("transform")
        if transform is None:
            if not version.startswith("1.0"):
                raise LoadRefused(f"has no transform, which version {version} demands")
            transform = {"scale": (1.0, 1.0, 1.0), "translate": (0.0, 0.0, 0.0)}
        system = metadata.get("referenceSystem") if isinstance(metadata, dict) else None
        return cls(
            version,
            crs_of(system),
            _three(transform, "scale"),
            _three(transform, "translate"),
        )

    def place(self, vertices: Array) -> Array:
        """Turn vertices as written, shape (n, 3), into coordinates."""
        placed: Array = vertices * np.array(self.scale) + np.array(self.translate)
        return placed


@dataclass(frozen=True)
class Body:
    """The extent of an object in plan and height."""

    #: ``None`` if the object has no surfaces.
    footprint: BaseGeometry | None
    ground: float
    top: float
    lod: float


def crs_of(system: object) -> str | None:
    """Return a code such as ``EPSG:7415`` of a reference system's address or URN.

    Raises:
        LoadRefused: If it is neither.
    """
    if system is None or system == "":
        return None
    codes = _EPSG.findall(str(system))
    if not codes:
        raise LoadRefused(f"its reference system is '{str(system)[:80]}', which is no EPSG code")
    return "EPSG:" + "+".join(codes)


def body_of(city_object: Object, vertices: Array) -> Body:
    """Find the footprint and the heights of an object.

    The footprint is that of LOD0 if there is one; else the ground surfaces of the finest model,
    projected and united; else all of its surfaces but the walls.

    Args:
        city_object: With its ``geometry``.
        vertices: Coordinates, shape (n, 3).

    Raises:
        CityObjectError: If a geometry is not formed as it should be or refers to vertices that are
            not there, or two solids claim one level of detail.
    """
    geometries = city_object.get("geometry") or []
    if not isinstance(geometries, list):
        raise CityObjectError("cityjson_form", "its geometry is not a list")
    models = [_model(geometry, vertices) for geometry in geometries if _has_surfaces(geometry)]
    if not models:
        if any(geometry.get("type") == "GeometryInstance" for geometry in geometries):
            raise CityObjectError("cityjson_template", "its geometry is a template, not its own")
        return Body(None, np.inf, -np.inf, 0.0)
    _refuse_twins(geometries)
    finest = max(models, key=lambda model: model.lod)
    plain = min(models, key=lambda model: model.lod)
    # The heights are those of the body: a footprint often lies at 0.
    ground, top = finest.heights(vertices)
    source = plain if plain.lod < 1 else finest
    return Body(source.footprint(vertices), ground, top, finest.lod)


@dataclass(frozen=True)
class _Model:
    """One geometry of an object."""

    lod: float
    #: (rings of indices, type of surface)
    surfaces: Sequence[tuple[list[list[int]], str | None]]

    def heights(self, vertices: Array) -> tuple[float, float]:
        used = sorted({index for rings, _ in self.surfaces for ring in rings for index in ring})
        heights = vertices[used, 2]
        return float(heights.min()), float(heights.max())

    def footprint(self, vertices: Array) -> BaseGeometry | None:
        grounds = [rings for rings, kind in self.surfaces if kind == "GroundSurface"]
        flat = grounds or [rings for rings, _ in self.surfaces if not _is_wall(vertices[rings[0]])]
        polygons = [
            shapely.Polygon(vertices[rings[0], :2], [vertices[ring, :2] for ring in rings[1:]])
            for rings in flat
        ]
        return united(polygons)


def united(shapes: Sequence[BaseGeometry]) -> BaseGeometry | None:
    """Unite areas; what is no area, such as a wall seen from above, falls away."""
    areas: list[Any] = [
        part
        for shape in shapes
        for part in shapely.get_parts(shapely.make_valid(shape)).tolist()
        if shapely.get_dimensions(part) == 2 and part.area > 0
    ]
    whole = shapely.union_all(areas)
    parts = [part for part in shapely.get_parts(whole).tolist() if part.geom_type == "Polygon"]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def plain(value: Any) -> str | None:
    """Write an attribute's value as text."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, default=str)


def _has_surfaces(geometry: Any) -> bool:
    if not isinstance(geometry, dict):
        raise CityObjectError("cityjson_form", "a geometry is not an object")
    return geometry.get("type") in _DEPTH


def _model(geometry: Mapping[str, Any], vertices: Array) -> _Model:
    kind = str(geometry["type"])
    depth = _DEPTH[kind]
    semantics = geometry.get("semantics") or {}
    kinds = [surface.get("type") for surface in semantics.get("surfaces") or []]
    surfaces: list[tuple[list[list[int]], str | None]] = []
    values = semantics.get("values")
    for rings, value in _surfaces(geometry.get("boundaries"), values, depth):
        checked = [_ring(ring, len(vertices)) for ring in rings]
        if not checked:
            raise CityObjectError("cityjson_form", f"a surface of its {kind} has no ring")
        named = isinstance(value, int) and 0 <= value < len(kinds)
        surfaces.append((checked, kinds[value] if named else None))
    if not surfaces:
        raise CityObjectError("cityjson_form", f"its {kind} has no surface")
    return _Model(_lod(geometry), surfaces)


def _surfaces(boundaries: Any, values: Any, depth: int) -> Iterator[tuple[list[Any], Any]]:
    """Walk down to the surfaces, and down the values of their semantics beside them."""
    if not isinstance(boundaries, list):
        raise CityObjectError("cityjson_form", "its boundaries are not nested as its type demands")
    beside = values if isinstance(values, list) else []
    for place, part in enumerate(boundaries):
        value = beside[place] if place < len(beside) else None
        if depth:
            yield from _surfaces(part, value, depth - 1)
        elif isinstance(part, list):
            yield part, value
        else:
            raise CityObjectError("cityjson_form", "a surface is not a list of rings")


def _ring(ring: Any, count: int) -> list[int]:
    if not isinstance(ring, list) or len(ring) < 3:
        raise CityObjectError("cityjson_form", "a ring has fewer than 3 vertices")
    for index in ring:
        if not isinstance(index, int) or not 0 <= index < count:
            raise CityObjectError(
                "cityjson_index", f"a ring refers to vertex {str(index)[:20]} of {count}"
            )
    return ring


def _lod(geometry: Mapping[str, Any]) -> float:
    try:
        return float(geometry.get("lod", 0))
    except (TypeError, ValueError):
        raise CityObjectError(
            "cityjson_form", f"its level of detail is '{geometry.get('lod')}'"
        ) from None


def _refuse_twins(geometries: Sequence[Mapping[str, Any]]) -> None:
    """A solid and its twin of one level of detail: nobody can tell which is the building."""
    seen: set[str] = set()
    for geometry in geometries:
        if _DEPTH.get(str(geometry["type"]), 0):
            lod = str(geometry.get("lod"))
            if lod in seen:
                raise CityObjectError(
                    "cityjson_lod", f"it has several solids of level of detail {lod}"
                )
            seen.add(lod)


def _is_wall(corners: Array) -> bool:
    """Say whether a surface stands upright, by its normal (Newell's method)."""
    if np.abs(corners[:, 0]).max() <= 180 and np.abs(corners[:, 1]).max() <= 90:
        corners = corners * np.array([_METRES_A_DEGREE, _METRES_A_DEGREE, 1.0])
    corners = corners - corners.mean(axis=0)
    normal = np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)
    length = float(np.linalg.norm(normal))
    return length == 0 or abs(float(normal[2])) / length < _WALL


def _three(transform: Any, name: str) -> tuple[float, float, float]:
    values = transform.get(name) if isinstance(transform, dict) else None
    if (
        not isinstance(values, (list, tuple))
        or len(values) != 3
        or not all(isinstance(value, (int, float)) and np.isfinite(value) for value in values)
    ):
        raise LoadRefused(f"its transform has no {name} of three numbers")
    return float(values[0]), float(values[1]), float(values[2])
