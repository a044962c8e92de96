"""Land parcels of the core: one gap-free coverage an epoch, with GB/T 21010-2017 classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LineString
from shapely.geometry.base import BaseGeometry as Geometry

from city.frame import CENTRE, HALF_M, RIVER_HALF_M, core_river, to_city
from city.noise import Floats, fractal, scatter, value
from city.shapes import absorb_small, areas_above, dissolve, label_coverage, polygonize, smooth
from city.streets import LAKE_UV, NEVER, RANK, WIDTHS, Plan
from city.terrain import height

#: Smallest parcel by group (TD/T 1057-2020): construction 200 m², other 400 m².
_MINIMUM = {"urban": 200.0, "rural": 400.0, "road": 60.0, "water": 200.0}
#: Use of a block → candidate classes of its plots with weights.
_CLASSES: dict[str, tuple[tuple[str, float], ...]] = {
    "shops": (("0501", 0.5), ("0503", 0.15), ("0505", 0.2), ("0701", 0.15)),
    "market": (("0502", 0.5), ("0501", 0.4), ("0506", 0.1)),
    "offices": (("0505", 0.6), ("0801", 0.2), ("0507", 0.2)),
    "government": (("0801", 0.7), ("0807", 0.15), ("0810", 0.15)),
    "hotel": (("0504", 0.7), ("0506", 0.15), ("0810", 0.15)),
    "homes": (("0701", 0.9), ("0501", 0.06), ("0809", 0.02), ("0806", 0.02)),
    "old": (("0702", 0.85), ("0501", 0.1), ("1201", 0.05)),
    "school": (("0803", 1.0),), "hospital": (("0805", 1.0),), "park": (("0810", 1.0),),
    "culture": (("0807", 0.5), ("0808", 0.5)), "utility": (("0809", 0.6), ("1005", 0.4)),
    "research": (("0804", 0.6), ("0803", 0.4)), "industry": (("0601", 0.88), ("0809", 0.12)),
    "storage": (("0604", 0.9), ("1005", 0.1)), "bank": (("0810", 1.0),),
}  # fmt: skip


@dataclass(frozen=True)
class Parcel:
    """A land parcel at one epoch: stable number, class, group and polygon (EPSG:4547)."""

    number: int
    code: str
    group: str
    geometry: Geometry
    use: str = ""


@dataclass
class Design:
    """Everything a parcel can come from: streets, water, plots, hamlets and fields."""

    plan: Plan
    plots: npt.NDArray[np.object_]
    fields: npt.NDArray[np.object_]
    field_codes: list[str]
    hamlets: list[Geometry]
    lanes: list[LineString]
    ponds: list[Geometry]
    river: Geometry
    lake: Geometry
    window: shapely.Polygon


def window() -> shapely.Polygon:
    """Return the square that the parcel survey covers (EPSG:4547)."""
    return shapely.box(
        CENTRE[0] - HALF_M, CENTRE[1] - HALF_M, CENTRE[0] + HALF_M, CENTRE[1] + HALF_M
    )


def _field_code(x: Floats, y: Floats) -> npt.NDArray[np.str_]:
    """Return the farm or forest class of rural places by slope, height and coherent noise."""
    ground = height(x, y)
    slope = np.hypot(height(x + 40, y) - height(x - 40, y), height(x, y + 40) - height(x, y - 40))
    slope = slope / 80
    kind = fractal(x, y, 900, 81, 2)
    other = fractal(x, y, 520, 82, 2)
    code = np.where(kind > -0.18, "0101", np.where(other > 0, "0103", "0102"))
    gentle = np.where(kind > 0.12, "0202", np.where(other > 0.15, "0201", "0103"))
    gentle = np.where(kind < -0.25, "0307", gentle)
    steep = np.where(other > 0.08, "0302", np.where(kind < -0.3, "0305", "0301"))
    code = np.where((slope > 0.045) | (ground > 58), gentle, code)
    code = np.where((slope > 0.11) | (ground > 78), steep, code)
    return np.asarray(code, dtype=np.str_)


def _fields(seed: int) -> tuple[npt.NDArray[np.object_], list[str]]:
    """Return the rural coverage: irregular fields, small in the flats and large on hills."""
    count = 5200
    number = np.arange(count)
    x = CENTRE[0] + (scatter(number, 1, seed) * 2 - 1) * (HALF_M + 100)
    y = CENTRE[1] + (scatter(number, 2, seed) * 2 - 1) * (HALF_M + 100)
    code = _field_code(x, y)
    hill = np.isin(code, ["0301", "0302", "0305", "0307"])
    keep = scatter(number, 3, seed) < np.where(hill, 0.16, 0.62)
    x, y, code = x[keep], y[keep], code[keep]
    cell = 15.0
    edges = np.arange(-HALF_M, HALF_M + 1, cell)
    centre = (edges[:-1] + edges[1:]) / 2
    gx, gy = np.meshgrid(CENTRE[0] + centre, CENTRE[1] + centre)
    wx = gx + 34 * fractal(gx, gy, 240, 83, 3)
    wy = gy + 34 * fractal(gx, gy, 240, 84, 3)
    tree = shapely.STRtree(np.asarray(shapely.points(x, y), object))
    nearest = tree.query_nearest(shapely.points(wx.ravel(), wy.ravel()), all_matches=False)[1]
    labels = nearest.reshape(gx.shape)
    faces, found = label_coverage(labels, CENTRE[0] + edges, CENTRE[1] + edges, 4, 1.6)
    return faces, [str(code[label]) for label in found]


def _blob(east: float, north: float, radius: float, seed: int, stretch: float = 1.0) -> Geometry:
    angle = np.linspace(0, 2 * np.pi, 22)[:-1]
    reach = radius * (1 + 0.32 * value(np.cos(angle) * 2, np.sin(angle) * 2, 1.0, seed))
    ring = np.column_stack([east + reach * np.cos(angle) * stretch,
                            north + reach * np.sin(angle) / stretch])  # fmt: skip
    return shapely.Polygon(smooth(np.vstack([ring, ring[:1]]), 2))


def _hamlets(plan: Plan, seed: int) -> tuple[list[Geometry], list[LineString]]:
    """Return village clusters in the flats around the town, and the lanes that lead to them."""
    roads = shapely.multilinestrings([s.line for s in plan.streets if s.kind != "residential"])
    shapely.prepare(roads)
    clusters: list[Geometry] = []
    lanes: list[LineString] = []
    built = shapely.union_all(
        [shapely.Polygon(_ring(box)) for box, year in plan.blocks if year != NEVER]
    ).buffer(90)
    river = LineString(core_river())
    numbers = np.arange(900)
    x = CENTRE[0] + (scatter(numbers, 1, seed + 5) * 2 - 1) * (HALF_M - 160)
    y = CENTRE[1] + (scatter(numbers, 2, seed + 5) * 2 - 1) * (HALF_M - 160)
    for number, code in enumerate(_field_code(x, y).tolist()):
        east, north = float(x[number]), float(y[number])
        spot = shapely.Point(east, north)
        if code[:2] == "03" or built.contains(spot) or river.distance(spot) < 150:
            continue
        if any(spot.distance(other) < 330 for other in clusters) or len(clusters) >= 34:
            continue
        radius = 48 + 62 * float(scatter(number, 3, seed))
        stretch = 0.75 + 0.6 * float(scatter(number, 4, seed))
        clusters.append(_blob(east, north, radius, 600 + number, stretch))
        way = shapely.shortest_line(spot, roads)
        if shapely.length(way) > 5:
            lanes.append(_wander(way, number))
    return clusters, lanes


def _wander(way: Geometry, seed: int) -> LineString:
    """Bend a straight line sideways a little; its ends stay."""
    ends = shapely.get_coordinates(way)
    length = float(np.hypot(*(ends[1] - ends[0])))
    along = np.linspace(0, 1, max(4, int(length / 40)))
    side = np.array([-(ends[1] - ends[0])[1], (ends[1] - ends[0])[0]]) / length
    shift = np.sin(np.pi * along) * fractal(along * length, np.full(len(along), seed * 31.0),
                                            220.0, 91, 2) * 0.22 * length  # fmt: skip
    return LineString(ends[0] + along[:, None] * (ends[1] - ends[0]) + shift[:, None] * side)


def _ring(box: tuple[float, float, float, float]) -> Floats:
    u0, v0, u1, v1 = box
    steps = np.linspace(0, 1, 8)[:-1]
    u = np.concatenate([u0 + (u1 - u0) * steps, np.full(7, u1), u1 - (u1 - u0) * steps,
                        np.full(7, u0), [u0]])  # fmt: skip
    v = np.concatenate([np.full(7, v0), v0 + (v1 - v0) * steps, np.full(7, v1),
                        v1 - (v1 - v0) * steps, [v0]])  # fmt: skip
    return to_city(u, v)


def _ponds(seed: int) -> list[Geometry]:
    """Return ponds in the flats, from the peaks of a noise field."""
    axis = np.arange(-HALF_M, HALF_M + 1, 12.0)
    gx, gy = np.meshgrid(CENTRE[0] + axis, CENTRE[1] + axis)
    depth = value(gx, gy, 210, seed + 9) + 0.25 * value(gx, gy, 60, seed + 10)
    depth -= np.clip((height(gx, gy) - 52) / 14, 0, 3)
    found = areas_above(depth, CENTRE[0] + axis, CENTRE[1] + axis, 0.80)
    rings = [shapely.Polygon(smooth(shapely.get_coordinates(p.exterior), 2)) for p in found]
    return [shapely.simplify(ring, 1.5) for ring in rings if ring.area > 700]


def make_design(plan: Plan, seed: int) -> Design:
    """Collect what parcels are cut from."""
    fields, codes = _fields(seed)
    hamlets, lanes = _hamlets(plan, seed)
    lake_at = to_city(*LAKE_UV)
    lake = _blob(float(lake_at[0]), float(lake_at[1]), 175, 77, 1.2)
    banks = [to_city(side * RIVER_HALF_M, np.arange(-4320.0, 4321.0, 45.0)) for side in (-1, 1)]
    river = shapely.Polygon(np.vstack([banks[0], banks[1][::-1]]))
    built = shapely.union_all([lake.buffer(30), river.buffer(12), *hamlets])
    ponds = [pond for pond in _ponds(seed) if not shapely.intersects(pond, built)]
    return Design(plan, polygonize(plan.lines), fields, codes, hamlets, lanes, ponds, river, lake,
                  window())  # fmt: skip


def _pick(use: str, number: int) -> str:
    chance, reached = float(scatter(number, 8, 23)), 0.0
    for code, weight in _CLASSES[use]:
        reached += weight
        if chance < reached:
            return code
    return _CLASSES[use][-1][0]


def _plot_state(design: Design, leaf: int, epoch: int) -> tuple[int, str]:
    """Return number and class of the parcel that a plot is part of at an epoch."""
    plot = design.plan.leaves[leaf]
    number = 100_000 + leaf
    use = plot.use
    if use == "old" and epoch == 2 and plot.block % 2 == 0:
        return 80_000 + plot.block, "0701"  # the old village is cleared and becomes one estate
    code = _pick(use, leaf if use not in ("school", "hospital", "culture") else plot.block)
    fresh = plot.year == epoch and epoch > 0 and use not in ("park", "bank", "old")
    if fresh and float(scatter(leaf, 9, 5)) < 0.42:
        code = "1201"  # granted, not yet built
    if use == "homes" and code == "0701" and plot.year == 0 and plot.block % 9 == 4 and epoch == 0:
        return 60_000 + plot.block, "0601"  # an old works, later divided into homes
    return number, code


def _sources(design: Design, epoch: int) -> Iterator[tuple[Geometry, int, str, str, str]]:
    """Yield (area, number, class, group, use) in order of precedence."""
    plan = design.plan
    built = [s for s in plan.streets if s.year <= epoch]
    for street in sorted(built, key=lambda s: (RANK[s.kind], s.group)):
        area = shapely.buffer(street.line, WIDTHS[street.kind] / 2, cap_style="flat",
                              quad_segs=3)  # fmt: skip
        outer = street.group >= 10_000
        yield area, 500_000 + street.group, "1003" if outer else "1004", "road", street.kind
    yield design.river, 700_000, "1101", "water", "river"
    yield design.lake, 700_001, "1102", "water", "lake"
    for leaf, plot in _leaf_areas(design):
        if plan.leaves[leaf].year <= epoch:
            number, code = _plot_state(design, leaf, epoch)
            yield plot, number, code, "urban", plan.leaves[leaf].use
    for number, lane in enumerate(design.lanes):
        area = shapely.buffer(lane, 2.6, cap_style="flat", quad_segs=2)
        yield area, 600_000 + number, "1006", "road", "lane"
    for number, hamlet in enumerate(design.hamlets):
        yield hamlet, 710_000 + number, "0702", "rural", "hamlet"
    for number, pond in enumerate(design.ponds):
        yield pond, 720_000 + number, "1104", "water", "pond"
    for number, face in enumerate(design.fields):
        yield face, 200_000 + number, design.field_codes[number], "rural", "field"


def _leaf_areas(design: Design) -> Iterator[tuple[int, Geometry]]:
    """Yield each plot's own face of the lattice."""
    boxes = np.array([leaf.box for leaf in design.plan.leaves])
    centre = to_city((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
    tree = shapely.STRtree(design.plots)
    leaf, face = tree.query(shapely.points(centre), predicate="within")
    for index in np.argsort(leaf, kind="stable"):
        yield int(leaf[index]), design.plots[face[index]]


def survey(design: Design, epoch: int) -> list[Parcel]:
    """Return the land parcels of an epoch: a coverage of the window without gap or overlap."""
    areas, numbers, codes, groups, uses = zip(*_sources(design, epoch), strict=True)
    outline = np.asarray(areas, object)
    lines = [design.window.exterior, *shapely.boundary(outline)]
    clipped = shapely.intersection(np.asarray(lines, object), design.window)
    faces = polygonize(clipped[~shapely.is_empty(clipped)])
    spots = shapely.point_on_surface(faces)
    which, area = shapely.STRtree(outline).query(spots, predicate="intersects")
    owner = np.full(len(faces), len(outline) - 1)
    np.minimum.at(owner, which, area)
    group_number = np.array([list(_MINIMUM).index(g) for g in groups])
    keys = np.asarray(numbers)[owner]
    minimum = np.array([_MINIMUM[g] for g in groups])[owner]
    first = dict(zip(reversed(numbers), reversed(range(len(numbers))), strict=True))
    keys = absorb_small(faces, keys, minimum, group_number[owner])
    result = []
    for key, shape in dissolve(faces, keys).items():
        source = first[key]
        parts = shapely.get_parts(shape)
        for part_number, part in enumerate(sorted(parts, key=lambda p: -p.area)):
            # A parcel cut in two keeps its number for the larger part.
            number = key if part_number == 0 else key * 100 + part_number + 10_000_000
            result.append(Parcel(number, codes[source], groups[source], part, uses[source]))
    return result
