"""Streets and blocks of the core: a bent lattice with T-junctions, ring, riverside and radials."""

import itertools
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import shapely
import shapely.ops
from shapely import LineString

from city import gazetteer as gaz
from city.frame import CENTRE, HALF_M, RIVER_HALF_M, to_city
from city.noise import Floats, fractal, scatter
from city.shapes import spline
from city.terrain import height

#: A year index of something that is never built; epochs are 0, 1, 2.
NEVER = 9
#: Carriageway with pavements, metres, by class.
WIDTHS = {"trunk": 34.0, "primary": 28.0, "secondary": 20.0, "residential": 11.0, "country": 7.0}
RANK = {"trunk": 0, "primary": 1, "secondary": 2, "residential": 3, "country": 4}
_RIVERSIDE = 74.0
_ACROSS = (
    (-2050.0, "trunk"), (-1330.0, "primary"), (-660.0, "primary"), (-_RIVERSIDE, "secondary"),
    (_RIVERSIDE, "secondary"), (610.0, "primary"), (1240.0, "primary"), (2050.0, "trunk"),
)  # fmt: skip
_ALONG = (
    (-2000.0, "trunk"), (-1290.0, "primary"), (-600.0, "secondary"), (60.0, "primary"),
    (690.0, "primary"), (1330.0, "secondary"), (2050.0, "trunk"),
)  # fmt: skip
#: The park lake: frame position and the block kept whole around it.
LAKE_UV = (-990.0, 360.0)


@dataclass
class Line:
    """A lattice line: at ``at`` on one axis, from ``start`` to ``end`` on the other."""

    axis: str
    at: float
    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class Leaf:
    """A plot of a block, as a rectangle of the frame."""

    box: tuple[float, float, float, float]
    block: int
    year: int
    use: str


@dataclass
class Street:
    """A street between two junctions, or a road of the country around."""

    line: LineString
    kind: str
    year: int
    name: tuple[str, str]
    group: int
    nodes: tuple[int, int] = (-1, -1)


@dataclass
class Plan:
    """The built plan of the core at its largest extent."""

    leaves: list[Leaf] = field(default_factory=list)
    streets: list[Street] = field(default_factory=list)
    lines: list[LineString] = field(default_factory=list)
    blocks: list[tuple[tuple[float, float, float, float], int]] = field(default_factory=list)


def _built(u: float, v: float) -> int:
    """Return in which epoch the block around (u, v) is built; steep hills never are."""
    point = to_city(u, v)
    ground = float(height(point[0], point[1]))
    around = height(point[0] + np.array([60.0, -60, 0, 0]), point[1] + np.array([0, 0, 60.0, -60]))
    if float(np.ptp(around)) > 17 or ground > 82:
        return NEVER
    reach = np.hypot(u * 0.92, v * 0.95) + 330 * float(fractal(u, v, 900, 71, 2))
    for epoch, limit in enumerate((1290.0, 1600.0, 1960.0)):
        if reach < limit:
            return epoch
    return NEVER


def _use(u: float, v: float, block: int) -> str:
    """Return what a block is mainly for, by its place and a little chance."""
    chance = float(scatter(block, 5, 17))
    away = float(np.hypot(u, v - 150))
    if np.hypot(u - LAKE_UV[0], v - LAKE_UV[1]) < 230:
        return "park"
    if u > 620 and v > 520 and u + v > 1500:
        return "industry" if chance < 0.78 else "storage"
    if u < -1300 and v < -700:
        return "park" if chance < 0.5 else "homes"
    if 70 < u < 330 and -420 < v < 60:
        return "hotel"
    if away < 480:
        return ("shops", "offices", "government", "market", "homes")[int(chance * 4.99)]
    for limit, use in (
        (0.07, "school"),
        (0.10, "hospital"),
        (0.155, "park"),
        (0.185, "culture"),
        (0.21, "utility"),
        (0.26, "shops"),
        (0.285, "research"),
        (0.36, "old"),
    ):
        if chance < limit:
            return use
    return "homes"


def _split(
    box: tuple[float, float, float, float], target: float, seed: int, kind: str, lines: list[Line]
) -> list[tuple[float, float, float, float]]:
    """Split a rectangle across its longer side until its sides are near the target."""
    u0, v0, u1, v1 = box
    wide, tall = u1 - u0, v1 - v0
    centre = ((u0 + u1) / 2, (v0 + v1) / 2)
    kept = np.hypot(centre[0] - LAKE_UV[0], centre[1] - LAKE_UV[1]) < 120 and max(wide, tall) < 700
    if max(wide, tall) < target * 1.45 or kept:
        return [box]
    number = int(u0 * 7 + v0 * 13 + u1 * 3 + v1)
    ratio = 0.5 + 0.22 * (float(scatter(number, 1, seed)) - 0.5)
    if wide > tall:
        at = round(u0 + wide * ratio, 1)
        lines.append(Line("u", at, v0, v1, kind))
        halves = ((u0, v0, at, v1), (at, v0, u1, v1))
    else:
        at = round(v0 + tall * ratio, 1)
        lines.append(Line("v", at, u0, u1, kind))
        halves = ((u0, v0, u1, at), (u0, at, u1, v1))
    return [part for half in halves for part in _split(half, target, seed, kind, lines)]


def _plots(
    box: tuple[float, float, float, float], use: str, block: int, lines: list[Line]
) -> list[tuple[float, float, float, float]]:
    """Split a block into the plots of its use."""
    sizes = {"park": 900, "school": 260, "hospital": 260, "industry": 150, "storage": 170,
             "homes": 105, "old": 62, "government": 110, "hotel": 120}  # fmt: skip
    return _split(box, float(sizes.get(use, 80)), 40 + block % 7, "plot", lines)


def _superblocks() -> list[tuple[float, float, float, float]]:
    boxes = []
    for (u0, _), (u1, _) in itertools.pairwise(_ACROSS):
        for (v0, _), (v1, _) in itertools.pairwise(_ALONG):
            if abs(u0 + u1) > 1:
                boxes.append((u0, v0, u1, v1))
    return boxes


def make_plan(seed: int) -> Plan:
    """Lay out the core: primary lattice, blocks by recursive division, plots inside blocks."""
    plan = Plan()
    lines = [Line("u", at, _ALONG[0][0], _ALONG[-1][0], kind) for at, kind in _ACROSS]
    lines += [Line("v", at, _ACROSS[0][0], _ACROSS[-1][0], kind) for at, kind in _ALONG]
    for box in _superblocks():
        away = np.hypot((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        inner: list[Line] = []
        target = 132.0 + 0.055 * float(away)
        if box[0] + box[2] > 1300 and box[1] + box[3] > 1300:
            target = 330.0
        blocks = _split(box, target, seed, "residential", inner)
        if inner:
            inner[0].kind = "secondary"
        for block in blocks:
            u, v = (block[0] + block[2]) / 2, (block[1] + block[3]) / 2
            year, number = _built(u, v), len(plan.blocks)
            plan.blocks.append((block, year))
            if year == NEVER:
                continue
            use = _use(u, v, number)
            for plot in _plots(block, use, number, inner):
                plan.leaves.append(Leaf(plot, number, year, use))
        lines += inner
    _add_river_strips(plan, lines)
    _draw(plan, lines)
    _add_ring(plan)
    _add_radials(plan)
    return plan


def _add_river_strips(plan: Plan, lines: list[Line]) -> None:
    """Give the banks between water and riverside streets their own plots of park."""
    for side in (-1.0, 1.0):
        inner, outer = side * RIVER_HALF_M, side * _RIVERSIDE
        lines.append(Line("u", inner, _ALONG[0][0], _ALONG[-1][0], "plot"))
        for (v0, _), (v1, _) in itertools.pairwise(_ALONG):
            box = (min(inner, outer), v0, max(inner, outer), v1)
            year = _built(side * 200, (v0 + v1) / 2)
            plan.blocks.append((box, year))
            if year != NEVER:
                plan.leaves.append(Leaf(box, len(plan.blocks) - 1, year, "bank"))


def _crossings(line: Line, lines: list[Line]) -> list[float]:
    """Return where other lines meet this one, ends included."""
    met = {line.start, line.end}
    for other in lines:
        if other.axis != line.axis and other.start <= line.at <= other.end:
            if line.start <= other.at <= line.end:
                met.add(other.at)
    return sorted(met)


def _curve(line: Line, start: float, end: float) -> Floats:
    count = max(2, int((end - start) / 48) + 2)
    along = np.linspace(start, end, count)
    return to_city(line.at, along) if line.axis == "u" else to_city(along, line.at)


def _segment_year(plan: Plan, line: Line, start: float, end: float) -> int:
    """Return when a street segment is opened: with the first block beside it."""
    middle = (start + end) / 2
    u, v = (line.at, middle) if line.axis == "u" else (middle, line.at)
    years = [
        year
        for (u0, v0, u1, v1), year in plan.blocks
        if u0 - 1 <= u <= u1 + 1 and v0 - 1 <= v <= v1 + 1
    ]
    return min(years, default=NEVER)


def _name(index: int) -> tuple[str, str]:
    if index < len(gaz.STREET_NAMES):
        return gaz.STREET_NAMES[index]
    rest = index - len(gaz.STREET_NAMES)
    first = gaz.LANE_FIRST[rest % len(gaz.LANE_FIRST)]
    last = gaz.LANE_LAST[(rest // len(gaz.LANE_FIRST) + rest) % len(gaz.LANE_LAST)]
    return f"{first[0]}{last[0]}路", f"{first[1]}{last[1]} Road"


def _draw(plan: Plan, lines: list[Line]) -> None:
    """Turn lattice lines into streets between junctions and into plot borders."""
    nodes: dict[tuple[float, float], int] = {}
    order = sorted(range(len(lines)), key=lambda i: RANK.get(lines[i].kind, 9))
    for group, line in enumerate(lines[i] for i in order):
        stops = _crossings(line, lines)
        whole = [_curve(line, a, b) for a, b in itertools.pairwise(stops)]
        plan.lines += [LineString(points) for points in whole]
        if line.kind == "plot":
            continue
        ring = line.kind == "trunk"
        streets = [s for s in _stops_of_streets(line, lines) if line.start <= s <= line.end]
        for start, end in itertools.pairwise(streets):
            year = _segment_year(plan, line, start, end)
            bridge = line.axis == "v" and abs(start + end) < 1 and end < 100
            if bridge and line.kind in ("trunk", "primary", "secondary"):
                year = 0 if abs(line.at) < 1400 else 2
            if any(axis == line.axis and at == line.at and side * (start + end) > 0
                   for axis, at, side in _APPROACHES):  # fmt: skip
                year = 0
            if year == NEVER or ring:
                continue
            ends = [(line.at, s) if line.axis == "u" else (s, line.at) for s in (start, end)]
            pair = tuple(nodes.setdefault(end_, len(nodes)) for end_ in ends)
            points = [to_city(*ends[0])[None]]
            inner = [s for s in stops if start <= s <= end]
            pieces = [_curve(line, a, b)[1:] for a, b in itertools.pairwise(inner)]
            plan.streets.append(
                Street(LineString(np.vstack(points + pieces)), line.kind, year,
                       _name(group - 4), group,
                       (pair[0], pair[1]))
            )  # fmt: skip


def _stops_of_streets(line: Line, lines: list[Line]) -> list[float]:
    return _crossings(line, [other for other in lines if other.kind != "plot"])


def _add_ring(plan: Plan) -> None:
    """Add the outer ring, a rounded rectangle; it spares the hills and is opened in two parts."""
    angle = np.linspace(-np.pi, np.pi, 145)
    power = 2 / 4.5
    u = 2050 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    v = 2025 * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    points = to_city(u, v)
    ring = shapely.polygons(points)
    high = height(points[:, 0], points[:, 1]) > 96
    for street in plan.streets:
        inside = shapely.intersection(street.line, ring)
        # Streets open from the first lie inside, or lead on to a radial.
        if street.year > 0 and isinstance(inside, LineString) and inside.length > 20:
            street.line = inside
    for start in range(0, 144, 6):
        part = slice(start, start + 7)
        if not high[part].any():
            year = 1 if u[start + 3] > 0 else 2
            plan.streets.append(Street(LineString(points[part]), "trunk", year,
                                       ("外环路", "Outer Ring Road"), 9_000))  # fmt: skip


#: Radial roads: first point and way out in the frame, names, class, gate name.
_RADIALS = (
    ((-660.0, -2000.0), ((-700, -2600), (-450, -3400), (-700, -5000)),
     ("G107国道", "G107"), "trunk", "south"),
    ((1240.0, 2050.0), ((1300, 2600), (1700, 3500), (1500, 5000)),
     ("G107国道", "G107"), "trunk", "north"),
    ((2050.0, 60.0), ((2600, 20), (3400, -350), (5000, -200)),
     ("S208省道", "S208"), "primary", "east"),
    ((-2050.0, 690.0), ((-2500, 740), (-3200, 1100), (-5000, 1000)),
     ("S102省道", "S102"), "primary", "west"),
    ((1240.0, -2000.0), ((1280, -2500), (1700, -3300), (1500, -5000)),
     ("G106国道", "G106"), "trunk", "southeast"),
    ((-660.0, 2050.0), ((-690, 2600), (-1000, 3400), (-900, 5000)),
     ("官埠大道", "Guanbu Avenue"), "primary", "northwest"),
)  # fmt: skip
#: Lattice lines (axis, place, side) that lead from the old town to a radial, open from the first.
_APPROACHES = (("u", -660.0, -1), ("u", 1240.0, 1), ("v", 60.0, 1), ("v", 690.0, -1),
               ("u", 1240.0, -1), ("u", -660.0, 1))  # fmt: skip


@cache
def radials() -> tuple[tuple[LineString, tuple[str, str], str, str, LineString], ...]:
    """Return line in the window, names, class, gate and lead outside of each road out of it."""
    window = shapely.box(
        CENTRE[0] - HALF_M, CENTRE[1] - HALF_M, CENTRE[0] + HALF_M, CENTRE[1] + HALF_M
    )
    result: list[tuple[LineString, tuple[str, str], str, str, LineString]] = []
    for start, way, name, kind, gate in _RADIALS:
        # The point before the first gives the road the direction of the street it continues.
        before = (start[0] * 0.8, start[1]) if abs(start[0]) > 2000 else (start[0], start[1] * 0.8)
        control = [before, start, *way]
        places = [to_city(u, v) for u, v in control]
        curve = LineString(spline([(float(p[0]), float(p[1])) for p in places], 60.0))
        first = curve.project(shapely.Point(places[1]))
        line = shapely.intersection(shapely.ops.substring(curve, first, curve.length), window)
        parts = sorted(shapely.get_parts(line), key=lambda p: p.distance(shapely.Point(places[1])))
        edge = curve.project(shapely.Point(parts[0].coords[-1]))
        lead = shapely.ops.substring(curve, edge, edge + 1500)
        result.append((parts[0], name, kind, gate, LineString(lead.coords)))
    return tuple(result)


def gates() -> dict[str, list[tuple[float, float]]]:
    """Return how each radial goes on beyond the surveyed core: points, from its edge outwards."""
    return {
        gate: [(float(x), float(y)) for x, y in shapely.get_coordinates(lead)[::4]]
        for _, _, _, gate, lead in radials()
    }


def _add_radials(plan: Plan) -> None:
    """Add the roads that lead out of the ring to the edge of the surveyed core."""
    for number, (line, name, kind, _, _) in enumerate(radials()):
        plan.streets.append(Street(line, kind, 0, name, 10_000 + number))
