"""The whole city at small scale: administrative areas, waters, contours and main roads."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry as Geometry

from city import gazetteer as gaz
from city.noise import Floats, fractal
from city.shapes import (
    areas_above,
    dissolve,
    isolines,
    label_coverage,
    smooth,
)
from city.terrain import height, river_courses

#: The box of the whole city, EPSG:4547: west, south, east, north.
EXTENT = (452_000.0, 3_210_000.0, 597_000.0, 3_357_000.0)
_ADMIN_CELL_M = 500.0


@dataclass(frozen=True)
class Area:
    """An area with a code or kind and two names."""

    key: str
    zh: str
    en: str
    geometry: Geometry
    kind: str = ""
    parent: str = ""


@cache
def grid(cell: float) -> tuple[Floats, Floats, Floats]:
    """Return x, y (node positions) and ground height over the whole city every ``cell`` m."""
    x = np.arange(EXTENT[0], EXTENT[2] + 1, cell)
    y = np.arange(EXTENT[1], EXTENT[3] + 1, cell)
    return x, y, height(*np.meshgrid(x, y))


def county_labels(x: Floats, y: Floats) -> npt.NDArray[np.int64]:
    """Return which county (index into COUNTIES) holds each place, or -1 outside the city.

    Each county is the part of the plane nearest to it in the measure of its own box, so that
    boxes, seats and rough areas agree with the domain reference while the borders are invented.
    """
    wx = x + 6800 * fractal(x, y, 17_000, 201, 5)
    wy = y + 6800 * fractal(x, y, 17_000, 202, 5)
    scores = []
    for county in gaz.COUNTIES:
        west, south = gaz.metric(county.box[0], county.box[1])
        east, north = gaz.metric(county.box[2], county.box[3])
        seat = gaz.metric(*county.seat)
        cx, cy = 0.6 * (west + east) / 2 + 0.4 * seat[0], 0.6 * (south + north) / 2 + 0.4 * seat[1]
        # The river cuts Jiayu's own measure short.
        share = 1.6 if county.code == "421221" else 1.0
        fill = share * county.area_km2 * 1e6 / ((east - west) * (north - south))
        half = 0.5 * np.sqrt(fill / 0.72)
        scores.append(((wx - cx) / (half * (east - west))) ** 2
                      + ((wy - cy) / (half * (north - south))) ** 2)  # fmt: skip
    stacked = np.stack(scores)
    best = np.argmin(stacked, axis=0)
    low = stacked.min(axis=0)
    return np.where(low < 1.22, best, -1).astype(np.int64)


def town_labels(x: Floats, y: Floats) -> tuple[npt.NDArray[np.int64], list[tuple[str, str, str]]]:
    """Return which town holds each place (-1 outside) and code, zh and en of each town."""
    counties = county_labels(x, y)
    across = _beyond_yangtze(x, y)
    counties = np.where(across, -1, counties)
    wx = x + 1500 * fractal(x, y, 7000, 203, 4)
    wy = y + 1500 * fractal(x, y, 7000, 204, 4)
    labels = np.full(x.shape, -1, np.int64)
    names: list[tuple[str, str, str]] = []
    for number, county in enumerate(gaz.COUNTIES):
        towns = gaz.TOWNS[county.code]
        seats = [gaz.metric(lon, lat) for _, _, lon, lat in towns]
        far = np.stack([np.hypot(wx - east, wy - north) for east, north in seats])
        labels = np.where(counties == number, len(names) + np.argmin(far, axis=0), labels)
        for index, (zh, en, _, _) in enumerate(towns):
            kind = 1 if zh.endswith("街道") else 100 + index if zh.endswith("镇") else 200 + index
            kind = kind + index if kind == 1 else kind
            names.append((f"{county.code}{kind:03d}", zh, en))
    return labels, names


def _beyond_yangtze(x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    course = shapely.get_coordinates(river_courses()["R01"])
    west, _, east, north = EXTENT
    corners = [(east, course[-1][1]), (east, north + 9000), (west - 9000, north + 9000)]
    start = (west - 9000, course[0][1])
    beyond = Polygon(np.vstack([course, corners, [start]])).buffer(0)
    shapely.prepare(beyond)
    return np.asarray(shapely.contains_xy(beyond, x, y))


@cache
def towns() -> tuple[Area, ...]:
    """Return the towns of the whole city, a coverage with smooth shared borders."""
    cell = _ADMIN_CELL_M
    x = np.arange(EXTENT[0], EXTENT[2] + 1, cell)
    y = np.arange(EXTENT[1], EXTENT[3] + 1, cell)
    labels, names = town_labels(*np.meshgrid((x[:-1] + x[1:]) / 2, (y[:-1] + y[1:]) / 2))
    labels = _keep_main_part(labels)
    faces, found = label_coverage(labels, x, y, 4, 70.0)
    return tuple(
        Area(names[label][0], names[label][1], names[label][2], shape, "town", names[label][0][:6])
        for label, shape in dissolve(faces, found).items()
    )


def _keep_main_part(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give detached scraps of a label to the label beside them, and fill enclosed holes."""
    labels = labels.copy()
    for _ in range(60):
        moved = False
        seen = _components(labels)
        sizes = np.bincount(seen.ravel())
        owner: dict[int, int] = {}
        for part in np.argsort(-sizes):
            rows, cols = np.nonzero(seen == part) if sizes[part] < 400 else (None, None)
            first = int(np.flatnonzero(seen.ravel() == part)[0])
            label = int(labels.ravel()[first])
            if label not in owner:
                owner[label] = int(part)
            elif rows is not None and cols is not None:
                ring = _neighbours(labels, rows, cols, label)
                if ring is not None:
                    labels[rows, cols] = ring
                    moved = True
        if not moved:
            break
    return labels


def _neighbours(
    labels: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    cols: npt.NDArray[np.int64],
    own: int,
) -> int | None:
    height_, width = labels.shape
    near = np.concatenate([
        labels[np.clip(rows + dr, 0, height_ - 1), np.clip(cols + dc, 0, width - 1)]
        for dr, dc in ((0, 1), (0, -1), (1, 0), (-1, 0))
    ])  # fmt: skip
    near = near[near != own]
    if not len(near):
        return None
    values, counts = np.unique(near, return_counts=True)
    return int(values[np.argmax(counts)])


def _components(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of the 4-connected part that each cell is in."""
    marks = np.arange(labels.size).reshape(labels.shape)
    across, down = labels[:, 1:] == labels[:, :-1], labels[1:] == labels[:-1]
    while True:
        before = marks.copy()
        for _ in range(8):
            low = np.where(across, np.minimum(marks[:, 1:], marks[:, :-1]), marks[:, 1:])
            marks[:, 1:] = low
            low = np.where(across, np.minimum(marks[:, 1:], marks[:, :-1]), marks[:, :-1])
            marks[:, :-1] = low
            low = np.where(down, np.minimum(marks[1:], marks[:-1]), marks[1:])
            marks[1:] = low
            low = np.where(down, np.minimum(marks[1:], marks[:-1]), marks[:-1])
            marks[:-1] = low
        marks = marks.ravel()[marks]
        if bool(np.all(marks == before)):
            break
    return np.unique(marks, return_inverse=True)[1].reshape(labels.shape)


@cache
def counties() -> tuple[Area, ...]:
    """Return the six county units, unions of their towns."""
    return tuple(
        Area(county.code, county.zh, county.en,
             shapely.coverage_union_all([t.geometry for t in towns() if t.parent == county.code]),
             "county", "421200")
        for county in gaz.COUNTIES
    )  # fmt: skip


@cache
def lakes() -> tuple[Area, ...]:
    """Return lakes (noisy ovals in the plain) and reservoirs (valleys filled to a level)."""
    result = []
    for number, (key, zh, en, kind, lon, lat, a, b, turn) in enumerate(gaz.LAKES):
        cx, cy = gaz.metric(lon, lat)
        axis = np.arange(-1.35 * a, 1.36 * a, 120.0)
        gx, gy = np.meshgrid(cx + axis, cy + axis)
        angle = np.radians(turn)
        du = ((gx - cx) * np.cos(angle) + (gy - cy) * np.sin(angle)) / a
        dv = (-(gx - cx) * np.sin(angle) + (gy - cy) * np.cos(angle)) / b
        depth = 0.82 - np.hypot(du, dv) + 0.42 * fractal(gx, gy, 0.55 * b + 500, 301 + number, 4)
        result.append(_largest(key, zh, en, kind, areas_above(depth, cx + axis, cy + axis, 0.0)))
    for number, (key, zh, en, lon, lat, radius, rise) in enumerate(gaz.RESERVOIRS):
        cx, cy = gaz.metric(lon, lat)
        axis = np.arange(-1.2 * radius, 1.21 * radius, 110.0)
        gx, gy = np.meshgrid(cx + axis, cy + axis)
        ground = height(gx, gy)
        level = float(np.percentile(ground, 6)) + rise
        fade = np.clip((np.hypot(gx - cx, gy - cy) / radius - 0.72) * 4, 0, None) * 60
        found = areas_above(level - ground - fade + 2 * fractal(gx, gy, 900, 331 + number, 2),
                            cx + axis, cy + axis, 0.0)  # fmt: skip
        result.append(_largest(key, zh, en, "reservoir", found))
    return tuple(result)


def _largest(key: str, zh: str, en: str, kind: str, parts: list[Polygon]) -> Area:
    best = max(parts, key=lambda part: part.area)
    rings = [smooth(shapely.get_coordinates(ring), 2) for ring in (best.exterior, *best.interiors)]
    holes = [ring for ring in rings[1:] if Polygon(ring).area > 60_000]
    shape = shapely.simplify(Polygon(rings[0], holes), 25.0).buffer(0)
    return Area(key, zh, en, max(shapely.get_parts(shape), key=lambda p: p.area), kind)


@cache
def rivers() -> tuple[Area, ...]:
    """Return the main rivers as areas that widen downstream."""
    names = {key: (zh, en, width) for key, zh, en, width, _ in gaz.RIVERS}
    names["R03"] = ("淦河", "Gan River", 76.0)
    still = shapely.union_all([lake.geometry for lake in lakes()])
    result = []
    for key, course in river_courses().items():
        zh, en, width = names[key]
        points = smooth(shapely.get_coordinates(course), 2)
        along = np.linspace(0.55 if width < 1000 else 0.9, 1.0, len(points))
        tangent = np.gradient(points, axis=0)
        tangent /= np.hypot(*tangent.T)[:, None]
        wave = 1 + 0.16 * fractal(points[:, 0], points[:, 1], 1500, 401, 2)
        if key == "R03":
            wave, along = np.ones(len(points)), np.ones(len(points))
        half = (width / 2 * along * wave)[:, None]
        side = np.column_stack([-tangent[:, 1], tangent[:, 0]])
        banks = np.vstack([points + half * side, (points - half * side)[::-1]])
        shape: Geometry = Polygon(banks).buffer(0)
        shape = shapely.difference(shape, still)
        shape = shapely.simplify(shape, 0.5 if key == "R03" else 6.0)
        result.append(Area(key, zh, en, shape, "river"))
    return tuple(result)


def contours(interval: float, cell: float, tolerance: float) -> list[tuple[float, LineString]]:
    """Return smooth contours of the whole city inside its outline, as (height, line)."""
    x, y, ground = grid(cell)
    outline = shapely.simplify(shapely.union_all([c.geometry for c in counties()]), 200)
    shapely.prepare(outline)
    result = []
    for level in np.arange(interval, float(ground.max()), interval):
        for line in isolines(ground, x, y, float(level)):
            if line.length < 3000:
                continue
            soft = shapely.simplify(LineString(smooth(shapely.get_coordinates(line), 4)), tolerance)
            parts = shapely.get_parts(shapely.intersection(soft, outline))
            result += [(float(level), part) for part in parts if part.length > 1500]
    return result


def core_contours(
    box: tuple[float, float, float, float], interval: float
) -> list[tuple[float, LineString]]:
    """Return detailed contours inside a box, as (height, line)."""
    x = np.arange(box[0], box[2] + 1, 20.0)
    y = np.arange(box[1], box[3] + 1, 20.0)
    ground = height(*np.meshgrid(x, y))
    result = []
    for level in np.arange(interval, float(ground.max()), interval):
        for line in isolines(ground, x, y, float(level)):
            if line.length > 260:
                soft = LineString(smooth(shapely.get_coordinates(line), 3))
                result.append((float(level), shapely.simplify(soft, 1.2)))
    return result
