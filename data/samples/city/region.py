"""The whole city at small scale: administrative areas, waters, contours and main roads."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Geometry, LineString, Polygon

from city import gazetteer as gaz
from city.frame import CENTRE, HALF_M
from city.noise import Floats, fractal
from city.shapes import (
    areas_above,
    dissolve,
    isolines,
    label_coverage,
    merge_lines,
    smooth,
)
from city.streets import gates
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


@dataclass(frozen=True)
class Road:
    """A road of the country: class, number, names and course."""

    key: str
    kind: str
    ref: str
    zh: str
    en: str
    line: LineString


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
        shape = Polygon(np.vstack([points + half * side, (points - half * side)[::-1]])).buffer(0)
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


class Router:
    """Least-cost ways over the relief: roads follow valleys and avoid lakes."""

    def __init__(self, cell: float = 800.0) -> None:
        self.x, self.y, ground = grid(cell)
        self.cell = cell
        gy, gx = np.gradient(ground, cell)
        gxx, gyy = np.meshgrid(self.x, self.y)
        cost = 1 + (np.hypot(gx, gy) * 22) ** 1.6 + 0.5 * fractal(gxx, gyy, 5000, 501, 3)
        water = shapely.union_all([*(a.geometry for a in lakes()), rivers()[0].geometry])
        shapely.prepare(water)
        wet = shapely.contains_xy(water, gxx, gyy)
        core = np.maximum(np.abs(gxx - CENTRE[0]), np.abs(gyy - CENTRE[1])) < HALF_M - 250
        self.cost = np.maximum(np.where(wet | core, 30.0, cost), 0.3)

    def cell_of(self, east: float, north: float) -> tuple[int, int]:
        """Return the row and column of the nearest grid node."""
        return (round((north - self.y[0]) / self.cell), round((east - self.x[0]) / self.cell))

    def tree(
        self, starts: Iterable[tuple[int, int]], ends: Iterable[tuple[int, int]]
    ) -> dict[tuple[int, int], tuple[int, int]]:
        """Return, for each grid node, the node before it on the cheapest way from a start."""
        rows, cols = self.cost.shape
        best = dict.fromkeys(starts, 0.0)
        wanted = set(ends)
        parent: dict[tuple[int, int], tuple[int, int]] = {}
        queue = [(0.0, start) for start in best]
        costs = self.cost.tolist()
        steps = [(dr, dc, (dr * dr + dc * dc) ** 0.5)
                 for dr in (-2, -1, 0, 1, 2) for dc in (-2, -1, 0, 1, 2)
                 if (abs(dr), abs(dc)) in ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1))]  # fmt: skip
        while queue:
            done, here = heapq.heappop(queue)
            if done > best[here]:
                continue
            wanted.discard(here)
            if not wanted:
                break
            for dr, dc, length in steps:
                row, col = here[0] + dr, here[1] + dc
                if not (0 <= row < rows and 0 <= col < cols):
                    continue
                total = done + length * (costs[here[0]][here[1]] + costs[row][col]) / 2
                if total < best.get((row, col), 1e18):
                    best[row, col] = total
                    parent[row, col] = here
                    heapq.heappush(queue, (total, (row, col)))
        return parent

    def way(
        self, parent: dict[tuple[int, int], tuple[int, int]], end: tuple[int, int]
    ) -> list[tuple[int, int]]:
        """Return the nodes of the way that ends there, end first."""
        nodes = [end]
        while nodes[-1] in parent:
            nodes.append(parent[nodes[-1]])
        return nodes

    def place(self, node: tuple[int, int]) -> tuple[float, float]:
        """Return the position of a grid node."""
        return float(self.x[node[1]]), float(self.y[node[0]])


#: Main roads: kind, number, names, stops (a gate of the core, or longitude and latitude).
_MAIN: tuple[tuple[str, str, str, str, tuple[str | tuple[float, float], ...]], ...] = (
    ("expressway", "G4", "京港澳高速", "Beijing–Hong Kong–Macau Expressway",
     ((114.45, 30.02), (114.385, 29.930), (114.290, 29.905), (114.225, 29.855), (114.13, 29.775), (113.93, 29.755), (113.70, 29.52))),
    ("national", "G107", "G107国道", "National Highway G107",
     ((114.42, 30.00), "north")),
    ("national", "G107", "G107国道", "National Highway G107",
     ("south", (114.20, 29.757), (113.878, 29.72), (113.69, 29.55))),
    ("national", "G106", "G106国道", "National Highway G106",
     ("southeast", (114.488, 29.607), (114.044, 29.544), (113.809, 29.249), (113.70, 29.16))),
    ("provincial", "S102", "S102省道", "Provincial Road S102",
     ("west", (113.916, 29.976), (113.62, 29.88))),
    ("provincial", "S208", "S208省道", "Provincial Road S208",
     ("east", (114.545, 29.83), (114.59, 29.72), (114.488, 29.607))),
    ("provincial", "S214", "S214省道", "Provincial Road S214",
     ((113.878, 29.72), (114.044, 29.544))),
    ("provincial", "S209", "S209省道", "Provincial Road S209",
     ((113.878, 29.72), (113.905, 29.90), (113.916, 29.976), (114.06, 30.13))),
    ("provincial", "S316", "S316省道", "Provincial Road S316",
     ((114.488, 29.607), (114.61, 29.46), (114.79, 29.52), (114.93, 29.70))),
    ("county", "X012", "X012县道", "County Road X012", ("northwest", (114.297, 29.945))),
    ("expressway", "G56", "杭瑞高速", "Hangzhou–Ruili Expressway",
     ((114.95, 29.63), (114.50, 29.63), (114.10, 29.50), (113.82, 29.27), (113.62, 29.26))),
)  # fmt: skip


def _stop(stop: str | tuple[float, float]) -> list[tuple[float, float]]:
    """Return the way out of a stop: a gate of the core, or a longitude and latitude."""
    return gates()[stop] if isinstance(stop, str) else [gaz.metric(*stop)]


@cache
def roads() -> tuple[Road, ...]:
    """Return main roads between the seats and county roads to every town."""
    router = Router()
    result: list[Road] = []
    inside = shapely.union_all([c.geometry for c in counties()])
    for number, (kind, ref, zh, en, stops) in enumerate(_MAIN):
        points: list[tuple[float, float]] = []
        for start, end in zip(stops, stops[1:], strict=False):
            away, home = _stop(start), _stop(end)[::-1]
            first, last = away[-1], home[0]
            goal = router.cell_of(*last)
            nodes = router.way(router.tree([router.cell_of(*first)], [goal]), goal)[::-1]
            points += [*away, *[router.place(node) for node in nodes[1:-1]], *home]
        soft = smooth(np.asarray(points), 10 if kind == "expressway" else 4)
        line = shapely.intersection(shapely.simplify(LineString(soft), 12.0), inside)
        for part_number, part in enumerate(_long_parts(line)):
            result.append(Road(f"M{number:02d}{part_number:02d}", kind, ref, zh, en, part))
    return tuple(result + _county_roads(router))


def _long_parts(line: Geometry) -> list[LineString]:
    parts = (
        shapely.get_parts(shapely.line_merge(line)) if line.geom_type != "LineString" else [line]
    )
    return [part for part in parts if part.length > 500]


def _county_roads(router: Router) -> list[Road]:
    result = []
    for county in gaz.COUNTIES:
        starts = [gaz.metric(*county.seat)]
        if county.code == "421202":  # its seat is the surveyed core, with streets of its own
            starts = [lead[-1] for lead in gates().values()]
        goals = [router.cell_of(*gaz.metric(lon, lat)) for _, _, lon, lat in
                 gaz.TOWNS[county.code][3 if len(starts) > 1 else 1 :]]  # fmt: skip
        parent = router.tree([router.cell_of(*start) for start in starts], goals)
        segments = set()
        for goal in goals:
            nodes = router.way(parent, goal)
            segments.update(tuple(sorted(pair)) for pair in zip(nodes, nodes[1:], strict=False))
        exact = {router.cell_of(*start): start for start in starts}
        lines = [LineString([exact.get(a, router.place(a)), exact.get(b, router.place(b))])
                 for a, b in sorted(segments)]  # fmt: skip
        for number, line in enumerate(merge_lines(lines)):
            soft = LineString(smooth(shapely.get_coordinates(line), 5))
            ref = f"X{int(county.code[-2:]) * 10 + number % 10:03d}"
            result.append(Road(f"X{county.code[-2:]}{number:03d}", "county", ref, f"{ref}县道",
                               f"County Road {ref}", shapely.simplify(soft, 12.0)))  # fmt: skip
    return result
