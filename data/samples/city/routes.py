"""Roads of the country: least-cost ways over the relief between seats, towns and the core."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import shapely
from shapely import LineString
from shapely.geometry.base import BaseGeometry as Geometry

from city import gazetteer as gaz
from city.frame import CENTRE, HALF_M
from city.noise import fractal
from city.region import counties, grid, lakes, rivers
from city.shapes import merge_lines, smooth
from city.streets import gates


@dataclass(frozen=True)
class Road:
    """A road of the country: class, number, names and course."""

    key: str
    kind: str
    ref: str
    zh: str
    en: str
    line: LineString


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
     ((114.45, 30.02), (114.385, 29.930), (114.290, 29.905), (114.225, 29.855), (114.13, 29.775),
     (113.93, 29.755), (113.70, 29.52))),
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
        for start, end in pairwise(stops):
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
    whole = shapely.line_merge(line) if line.geom_type == "MultiLineString" else line
    parts = shapely.get_parts(whole)
    return [p for p in parts if isinstance(p, LineString) and p.length > 500]


def _county_roads(router: Router) -> list[Road]:
    result = []
    for county in gaz.COUNTIES:
        starts = [gaz.metric(*county.seat)]
        if county.code == "421202":  # its seat is the surveyed core, with streets of its own
            starts = [lead[-1] for lead in gates().values()]
        goals = [router.cell_of(*gaz.metric(lon, lat)) for _, _, lon, lat in
                 gaz.TOWNS[county.code][3 if len(starts) > 1 else 1 :]]  # fmt: skip
        parent = router.tree([router.cell_of(*start) for start in starts], goals)
        segments: set[tuple[tuple[int, int], ...]] = set()
        for goal in goals:
            nodes = router.way(parent, goal)
            segments.update(tuple(sorted(pair)) for pair in pairwise(nodes))
        exact = {router.cell_of(*start): start for start in starts}
        lines = [LineString([exact.get(a, router.place(a)), exact.get(b, router.place(b))])
                 for a, b in sorted(segments)]  # fmt: skip
        for number, line in enumerate(merge_lines(lines)):
            soft = LineString(smooth(shapely.get_coordinates(line), 5))
            ref = f"X{int(county.code[-2:]) * 10 + number % 10:03d}"
            result.append(Road(f"X{county.code[-2:]}{number:03d}", "county", ref, f"{ref}县道",
                               f"County Road {ref}", shapely.simplify(soft, 12.0)))  # fmt: skip
    return result
