"""Tables of the framework: administrative areas, roads, waters, contours, place names."""

import numpy as np
import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry as Geometry

from city import gazetteer as gaz
from city import region
from city.frame import CENTRE
from city.land import Design
from city.noise import fractal, scatter
from city.routes import roads
from city.shapes import dissolve, label_coverage
from city.streets import Plan
from city.table import Table, table
from city.tables_land import ellipsoidal_area, town_of
from city.terrain import height

#: Village places in the core (offset from its centre, m), in the order of gazetteer.VILLAGES.
_VILLAGE_AT = (
    (-2300, 2300), (700, 2500), (2400, 2300), (2500, 900), (-2500, 900), (-2300, -900),
    (2450, -500), (1300, -1900), (-900, -2400), (600, -2600), (-1500, 1700), (2300, -2300),
    (300, 900), (900, 300), (-300, -100), (-900, 600), (400, -900), (-500, -1000),
)  # fmt: skip


def _villages() -> list[region.Area]:
    """Return the villages and communities of the core window, a coverage."""
    cell, half = 50.0, 3000.0
    edges = np.arange(-half, half + 1, cell)
    centre = (edges[:-1] + edges[1:]) / 2
    gx, gy = np.meshgrid(centre, centre)
    x, y = gx + CENTRE[0], gy + CENTRE[1]
    wx, wy = gx + 240 * fractal(x, y, 900, 601, 3), gy + 240 * fractal(x, y, 900, 602, 3)
    far = np.stack([np.hypot(wx - east, wy - north) for east, north in _VILLAGE_AT])
    labels = np.argmin(far, axis=0).astype(np.int64)
    faces, found = label_coverage(labels, edges + CENTRE[0], edges + CENTRE[1], 5, 8.0)
    result: list[region.Area] = []
    used: dict[str, int] = {}
    for label, shape in dissolve(faces, found).items():
        town = town_of(_VILLAGE_AT[label][0] + CENTRE[0], _VILLAGE_AT[label][1] + CENTRE[1])[0]
        zh, en = gaz.VILLAGES[label]
        used[town] = used.get(town, 0) + 1
        number = used[town] + (0 if zh.endswith("社区") else 200)
        result.append(region.Area(f"{town}{number:03d}", zh, en, shape, "village", town))
    return result


def admin_table() -> Table:
    """Return counties, towns and the villages of the core, one layer with levels."""
    areas = [*region.counties(), *region.towns(), *_villages()]
    return table("admin_division", [(area.geometry, {
        "XZQDM": area.key, "XZQMC": area.zh, "NAME_EN": area.en, "LEVEL": area.kind,
        "SJDM": area.parent, "MJ": round(ellipsoidal_area(area.geometry), 1),
    }) for area in areas])  # fmt: skip


#: Own classes → codes of road_class.
_ROAD_CLASS = {"expressway": "motorway", "national": "national", "provincial": "provincial",
               "county": "county", "trunk": "urban_express", "primary": "urban_main",
               "secondary": "urban_secondary", "residential": "urban_branch",
               "country": "village"}  # fmt: skip
_LANES = {"expressway": 4, "national": 4, "trunk": 6, "provincial": 2, "primary": 6,
          "secondary": 4, "county": 2, "residential": 2, "country": 1}  # fmt: skip
_WIDE = {"expressway": 26.0, "national": 15.0, "trunk": 34.0, "provincial": 12.0, "primary": 28.0,
         "secondary": 20.0, "county": 7.5, "residential": 11.0, "country": 5.2}  # fmt: skip


def road_table(plan: Plan, design: Design, epoch: int) -> Table:
    """Return the roads open at an epoch: the country's, and every street of the core."""
    rows = []
    window = design.window.buffer(-1)
    for road in roads():
        if road.kind == "expressway" and road.ref == "G56" and epoch == 0:
            continue
        line: Geometry = road.line
        if road.kind != "expressway":
            line = shapely.difference(line, window)  # inside, the core's own streets go on
        for number, part in enumerate(p for p in shapely.get_parts(line) if p.length > 60):
            rows.append(
                (part, _road(f"{road.key}{number}", road.kind, road.ref, road.zh, road.en, 0))
            )
    for number, street in enumerate(plan.streets):
        if street.year <= epoch:
            ref = street.name[1] if street.group >= 10_000 and street.name[1][1:].isdigit() else ""
            bridge = bool(shapely.crosses(street.line, design.river))
            rows.append((street.line, _road(f"C{number:05d}", street.kind, ref, *street.name,
                                            street.year, bridge)))  # fmt: skip
    for number, lane in enumerate(design.lanes):
        rows.append((lane, _road(f"V{number:05d}", "country", "", "村道", "Village Lane", 0)))
    return table("road", rows)


def _road(
    key: str, kind: str, ref: str, zh: str, en: str, year: int, bridge: bool = False
) -> dict[str, object]:
    return {"ROADID": f"421200{key}", "NAME": zh, "NAME_EN": en, "DLDJ": _ROAD_CLASS[kind],
            "LXBM": ref or None, "LANES": _LANES[kind], "WIDTH": _WIDE[kind],
            "BRIDGE": bridge, "BZ": f"{(2008, 2015, 2019)[year]}年通车"}  # fmt: skip


def water_table(design: Design) -> Table:
    """Return rivers, lakes, reservoirs and the ponds of the core."""
    rows = []
    still = region.lakes()
    for area in (*region.rivers(), *still):
        rows.append((area.geometry, _water(area.key, area.zh, area.en, area.kind, area.geometry)))
    rows.append((design.lake, _water("L90", "十六潭", "Shiliutan Lake", "lake", design.lake)))
    for number, pond in enumerate(design.ponds):
        rows.append((pond, _water(f"P{number:03d}", None, None, "pond", pond)))
    return table("water_body", rows)


def _water(
    key: str, zh: str | None, en: str | None, kind: str, shape: Geometry
) -> dict[str, object]:
    return {"SXBH": f"421200{key}", "NAME": zh, "NAME_EN": en, "SXLB": kind,
            "MJ": round(ellipsoidal_area(shape), 1)}  # fmt: skip


def contour_table(design: Design) -> Table:
    """Return contours: 100 m over the whole city, 10 m in and around the core."""
    box = design.window.bounds
    lines = [(z, line, 100) for z, line in region.contours(100.0, 400.0, 45.0)]
    fine = region.core_contours(box, 10.0)
    lines = [(z, part, i) for z, line, i in lines
             for part in shapely.get_parts(shapely.difference(line, design.window))
             if part.length > 900]  # fmt: skip
    lines += [(z, line, 10) for z, line in fine]
    return table("contour", [(shapely.force_3d(line, z), {
        "DGXBH": f"421200{number:06d}", "ELEV": z,
        "KIND": "index" if z % (interval * 5) == 0 else "intermediate",
    }) for number, (z, line, interval) in enumerate(lines)])  # fmt: skip


def place_table(design: Design) -> Table:
    """Return place names: seats, towns, villages, peaks, lakes and rivers, ranked."""
    rows: list[tuple[Geometry, dict[str, object]]] = []

    def add(east: float, north: float, zh: str, en: str, kind: str, rank: int) -> None:
        number = len(rows) + 1
        rows.append((Point(east, north), {
            "DMBM": f"421200{number:06d}", "NAME": zh, "NAME_EN": en, "KIND": kind, "RANK": rank,
            "ELEV": round(float(height(east, north)), 1),
        }))  # fmt: skip

    add(*gaz.metric(114.322, 29.841), "咸宁市", "Xianning", "city", 100)
    for county in gaz.COUNTIES:
        east, north = gaz.metric(*county.seat)
        add(east, north - (900 if county.code == "421202" else 0), county.zh,
            county.en, "county", 80)  # fmt: skip
        for zh, en, lon, lat in gaz.TOWNS[county.code]:
            add(*gaz.metric(lon, lat), zh, en, "town", 60)
    for (zh, en), (dx, dy) in zip(gaz.VILLAGES, _VILLAGE_AT, strict=True):
        add(
            CENTRE[0] + dx,
            CENTRE[1] + dy,
            zh,
            en,
            "community" if zh.endswith("社区") else "village",
            40,
        )
    for zh, en, lon, lat in gaz.PEAKS:
        add(*_summit(*gaz.metric(lon, lat)), zh, en, "peak", 50)
    add(*_summit(CENTRE[0] - 1750, CENTRE[1] - 1350, 500), "潜山", "Qianshan Hill", "peak", 45)
    for number, hamlet in enumerate(design.hamlets):
        middle, first = hamlet.centroid, gaz.LANE_FIRST[number % 16]
        last = (("湾", " Wan"), ("铺", " Pu"), ("畈", " Fan"), ("塆", " Wan"))[number // 16 % 4]
        east, zh = float(middle.x), first[0] + "家" + last[0]
        add(east, float(middle.y), zh, first[1] + "jia" + last[1], "hamlet", 20)
    return table("place_name", rows)


def _summit(east: float, north: float, reach: float = 2500.0) -> tuple[float, float]:
    """Return the highest place near a position."""
    axis = np.arange(-reach, reach + 1, reach / 25)
    gx, gy = np.meshgrid(east + axis, north + axis)
    ground = height(gx, gy)
    row, col = np.unravel_index(int(np.argmax(ground)), ground.shape)
    return float(gx[row, col]), float(gy[row, col])


def chance(number: int, salt: int) -> float:
    """Return a uniform number in [0, 1) for a row and a purpose."""
    return float(scatter(number, salt, 777))
