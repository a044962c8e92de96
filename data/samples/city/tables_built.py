"""Tables of the built city: buildings, floors, units, pipes, corridor, components, grid cells."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry as Geometry

from city import gazetteer as gaz
from city.buildings import NAMES, Building, stand
from city.frame import CENTRE
from city.land import Design, Parcel
from city.noise import scatter
from city.pipes import Node, Pipe
from city.streets import Plan
from city.table import EPOCHS, Rows, Table, table
from city.tables_land import ground, towns_of
from city.terrain import height


def _opened(plan: Plan, parcel: Parcel) -> int:
    """Return in which epoch a parcel was built on."""
    leaf = parcel.number - 100_000
    if 0 <= leaf < len(plan.leaves):
        return plan.leaves[leaf].year
    return 2 if 80_000 <= parcel.number < 100_000 else 0


def buildings_of(plan: Plan, parcels: list[Parcel], epoch: int) -> list[Building]:
    """Return the buildings that stand at an epoch."""
    found = [b for p in parcels for b in stand(p, min(_opened(plan, p), epoch))]
    middle = shapely.centroid(np.array([b.geometry for b in found], object))
    heights = height(shapely.get_x(middle), shapely.get_y(middle))
    return [replace(b, ground_m=round(float(z), 2)) for b, z in zip(found, heights, strict=True)]


def _estate(number: int) -> tuple[str, str]:
    first = gaz.LANE_FIRST[number % len(gaz.LANE_FIRST)]
    last = gaz.LANE_LAST[number // 16 % len(gaz.LANE_LAST)]
    return first[0] + last[0], first[1] + last[1]


def building_table(buildings: list[Building]) -> Table:
    """Return the building register of an epoch."""
    rows = []
    for building in buildings:
        zh, en = _estate(building.parcel)
        suffix = NAMES[building.code]
        block = int(building.key[-3:]) + 1
        area = round(building.geometry.area, 2)
        rows.append((building.geometry, {
            "FWBH": f"421202{building.key}", "ZRZH": f"F{building.key[-7:]}",
            "JZWMC": f"{zh}{suffix[0]}{block}幢", "NAME_EN": f"{en} {suffix[1]} {block}",
            "ZDDM": f"421202001001GB{building.parcel % 100_000:05d}",
            "JGRQ": f"{building.year}-{1 + block % 12:02d}-15",
            "JZWGD": building.height_m, "ZZDMJ": area,
            "SCJZMJ": round(area * (building.floors + building.below), 2),
            "ZCS": building.floors + building.below, "DSCS": building.floors,
            "DXCS": building.below, "FWJG": building.structure, "GHYT": building.use,
            "ZTS": building.floors * 4 if building.use == "10" else 0, "DMGC": building.ground_m,
            "XQMC": f"{zh}{suffix[0]}", "LOD": "LOD1",
        }))  # fmt: skip
    return table("building", rows)


def floor_tables(buildings: list[Building]) -> list[Table]:
    """Return floors and units of some tall buildings near the centre."""
    near = [b for b in buildings if b.floors >= 9 and b.use in ("10", "30")
            and b.geometry.distance(Point(CENTRE)) < 800][:16]  # fmt: skip
    floors: Rows = []
    units: Rows = []
    for building in near:
        storeys = [*range(-building.below, 0), *range(1, building.floors + 1)]
        for storey in storeys:
            base = building.ground_m + (storey - (storey > 0)) * 3.0
            shape = shapely.force_3d(building.geometry, round(base, 2))
            floors.append((shape, {
                "FWBH": f"421202{building.key}", "SXH": storey, "SJCS": storey,
                "CH": f"{storey}层" if storey > 0 else f"地下{-storey}层",
                "CG": 3.0, "LMGC": round(base, 2),
                "CJZMJ": round(shape.area, 2), "FWYT": building.use if storey > 0 else "80",
            }))  # fmt: skip
        if building.use == "10" and len(units) < 900:
            units += list(_units(building, storeys))
    return [table("building_floor", floors), table("building_unit", units)]


def _units(building: Building, storeys: list[int]) -> Iterator[tuple[Geometry, dict[str, object]]]:
    """Yield the flats of a building: each storey's plan cut in four across its length."""
    ring = shapely.get_coordinates(building.geometry)[:4]
    for storey in (s for s in storeys if s > 0):
        for index in range(4):
            a, b = index / 4, (index + 1) / 4
            shape = shapely.Polygon(np.array([
                ring[0] + (ring[1] - ring[0]) * a, ring[0] + (ring[1] - ring[0]) * b,
                ring[3] + (ring[2] - ring[3]) * b, ring[3] + (ring[2] - ring[3]) * a]))  # fmt: skip
            door, base = index // 2 + 1, building.ground_m + (storey - 1) * 3.0
            yield shapely.force_3d(shape, round(base, 2)), {
                "BDCDYH": f"421202001001GB{building.parcel % 100_000:05d}F"
                          f"{int(building.key[-3:]) + 1:04d}{storey * 10 + index:04d}",
                "FWBH": f"421202{building.key}", "DYH": f"{door}单元", "CH": f"{storey}层",
                "SXH": storey,
                "SJCS": storey, "HH": f"{door}{storey:02d}{index % 2 + 1:02d}",
                "SHBW": f"{door}-{storey}{index % 2 + 1:02d}", "FWYT": "10",
                "SCJZMJ": round(shape.area, 2), "LMGC": round(base, 2),
                "ZL": f"咸安区{_estate(building.parcel)[0]}小区{int(building.key[-3:]) + 1}幢"
                      f"{door}单元{storey}{index % 2 + 1:02d}",
            }  # fmt: skip


def _laid_on(key: str, epoch: int) -> str:
    """Return the day a pipe or its node was laid: before the survey that first found it."""
    later = int(key[-2:]) % 3
    return f"{(2005 + later, 2014, 2016 + later)[epoch]}-06-01"


_REFERENCE = {"PS": "invert"}


def node_table(nodes: list[Node]) -> Table:
    """Return pipe points, each with the project and date of the survey that first found it."""
    rows = []
    for node in nodes:
        well = round(node.ground - node.pipe + 0.3, 2) if node.fixture in ("窨井", "人孔") else None
        rows.append((Point(node.east, node.north, node.ground), {
            "Prj_No": f"XN{EPOCHS[node.year][:4]}", "Exp_No": node.key, "GXLB": node.network.minor,
            "High": node.ground, "Feature": node.feature or None,
            "Subsid": node.fixture or None, "Well_Deep": well,
            "Cover_Matl": "铸铁" if well else None, "Cover_Size": "700" if well else None,
            "Road": node.road, "Belong": node.network.owner[0], "Status": "0",
            "Mdate": _laid_on(node.key, node.year),
            "Sdate": f"{int(EPOCHS[node.year][:4]) - 1}-11-20",
        }))  # fmt: skip
    return table("pipe_node", rows)


def pipe_table(pipes: list[Pipe]) -> Table:
    """Return pipe segments; drains flow from start to end, whose invert is lower."""
    rows = []
    for pipe in pipes:
        net, start, end = pipe.start.network, pipe.start, pipe.end
        rows.append((pipe.line, {
            "S_Exp": start.key, "E_Exp": end.key, "GXLB": net.minor,
            "S_Deep": round(start.ground - start.pipe, 3), "E_Deep": round(end.ground - end.pipe,
            3),
            "S_H": start.pipe, "E_H": end.pipe, "ElevRef": _REFERENCE.get(net.major, "top"),
            "Material": net.material, "PSize": pipe.size,
            "DN": int(pipe.size[2:]) if pipe.size[:2] == "DN" else None,
            "Embed": net.embed,
            "Pressure": net.pressure or None,
            "Voltage": float(net.voltage) if net.voltage else None,
            "CabNum": net.cables or None, "TotalHole": net.holes or None,
            "UsedHole": net.holes * 2 // 3 or None, "FlowDir": "0" if net.gravity else None,
            "Belong": net.owner[0], "Road": pipe.road,
            "Mdate": _laid_on(start.key, pipe.year), "Status": "0",
        }))  # fmt: skip
    return table("pipe_line", rows)


def corridor_table(plan: Plan) -> Table:
    """Return the utility corridor under the central avenue (opened between the surveys)."""
    lines = [
        s for s in plan.streets if s.name[0] == "长安大道" and s.year <= 1 and s.kind == "primary"
    ]
    lines = lines or [s for s in plan.streets if s.kind == "primary" and s.year == 0][:6]
    rows = []
    for number, street in enumerate(lines):
        points = shapely.get_coordinates(street.line)
        top = round(min(ground(Point(p)) for p in points) - 3.0, 2)
        rows.append((shapely.buffer(street.line, 2.7, cap_style="flat", join_style="mitre"), {
            "GLBH": f"421202ZH{number + 1:04d}", "GLMC": f"{street.name[0]}综合管廊{number + 1}段",
            "NAME_EN": f"{street.name[1]} Utility Corridor, Section {number + 1}",
            "GLLX": "trunk", "DMCC": "5.4×3.2", "CSS": 2, "LDGC": top, "BotElev": round(top - 3.2,
            2),
            "CD": round(street.line.length, 1), "JCRQ": "2013-10-01", "RLGX": "JS,DL,TX,RL",
            "QSDW": "咸宁市城投公司", "Road": street.name[0], "Status": "0",
        }))  # fmt: skip
    return table("corridor", rows)


#: Component classes along streets: code, name, spacing m, side offset m, departments.
_COMPONENTS = (
    ("0118", "路灯", "Street Lamp", 38.0, 1.0, "路灯管理所"), ("0102", "污水井盖", "Sewer Cover",
    62.0, 0.12, "排水公司"),
    ("0103", "雨水井盖", "Storm Drain Cover", 62.0, -0.16, "市政管理处"), ("0113", "消火栓",
    "Hydrant", 118.0, -0.95, "消防支队"),
    ("0101", "上水井盖", "Water Cover", 92.0, 0.45, "自来水公司"), ("0305", "垃圾箱",
    "Litter Bin", 85.0, -1.05, "环卫局"),
    ("0203", "公交站亭", "Bus Shelter", 420.0, 1.05, "交通局"), ("0402", "行道树", "Street Tree",
    33.0, -1.0, "园林局"),
    ("0107", "通讯井盖", "Telecom Cover", 120.0, 0.7, "电信公司"), ("0209", "标志牌",
    "Traffic Sign", 210.0, 0.98, "交警支队"),
)  # fmt: skip


def component_table(plan: Plan, reach: float = 900.0) -> Table:
    """Return city components along the streets near the centre."""
    rows: list[tuple[Geometry, dict[str, object]]] = []
    widths = {"trunk": 34.0, "primary": 28.0, "secondary": 20.0, "residential": 11.0}
    for street in plan.streets:
        if street.year > 0 or street.line.distance(Point(CENTRE)) > reach or street.group >= 10_000:
            continue
        for code, name, english, spacing, side, owner in _COMPONENTS:
            if street.kind == "residential" and code not in ("0118", "0102"):
                continue
            away = side * (widths[street.kind] / 2 - 1.6)
            line = shapely.offset_curve(street.line, away) if away else street.line
            count = int((line.length - 24) // spacing)
            for index in range(count):
                spot = line.interpolate(14 + index * spacing + 3 * len(name))
                number = len(rows) + 1
                state = ("破损", "丢失")[number % 2] if scatter(number, 4, 51) < 0.03 else "完好"
                rows.append((spot, {
                    "ObjID": f"421202{code}{number:06d}", "ObjName": name, "NAME_EN": english,
                    "BJLB": code, "ObjPos": "A",
                    "DeptName1": "咸宁市城市管理局", "DeptName2": f"咸宁市{owner}",
                    "DeptName3": f"咸宁市{owner}", "BGID": _grid_code(spot.x, spot.y),
                    "ObjState": state, "ORDate": "2013-09-01", "CHDate": "2014-04-10",
                    "Note": street.name[0],
                }))  # fmt: skip
    return table("city_component", rows)


_CELL_M = 100.0


def _grid_code(east: float, north: float) -> str:
    col = int((east - CENTRE[0] + 3000) // _CELL_M)
    row = int((north - CENTRE[1] + 3000) // _CELL_M)
    return f"421202001{(row // 10) * 6 + col // 10 + 1:03d}{(row % 10) * 10 + col % 10 + 1:03d}"


def grid_table(design: Design) -> Table:
    """Return management cells: the city's blocks and streets cut to about 100 x 100 m."""
    rows = []
    for row in range(18, 42):
        for col in range(18, 42):
            west = CENTRE[0] - 3000 + col * _CELL_M
            south = CENTRE[1] - 3000 + row * _CELL_M
            cell = shapely.box(west, south, west + _CELL_M, south + _CELL_M)
            rows.append((cell, {
                "BGID": _grid_code(west + 50, south + 50), "MJ": 10000.0, "XZQDM": "421202",
                "WGMC": f"第{row - 17:02d}-{col - 17:02d}网格",
                "NAME_EN": f"Cell {row - 17:02d}-{col - 17:02d}",
                "JDMC": "", "ZRR": "网格员", "ORDate": "2013-06-01",
            }))  # fmt: skip
    names = towns_of(np.array([shapely.get_coordinates(c.centroid)[0] for c, _ in rows]))
    for (_, row_), name in zip(rows, names, strict=True):
        row_["JDMC"] = name[1]
    return table("grid_cell", rows)
