"""Tables of the land department: parcels, farmland, redline, plan, approvals, supplies."""

from functools import cache
from typing import Any

import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry as Geometry

from city import gazetteer as gaz
from city.land import Design, Parcel
from city.noise import scatter
from city.region import town_labels
from city.table import EPOCHS, Table, table
from city.terrain import height

#: GB/T 21010-2017 names of the classes that the samples use.
CLASS_NAMES = {
    "0101": "水田", "0102": "水浇地", "0103": "旱地", "0201": "果园", "0202": "茶园",
    "0301": "乔木林地", "0302": "竹林地", "0305": "灌木林地", "0307": "其他林地",
    "0501": "零售商业用地", "0502": "批发市场用地", "0503": "餐饮用地", "0504": "旅馆用地",
    "0505": "商务金融用地", "0506": "娱乐用地", "0507": "其他商服用地", "0601": "工业用地",
    "0604": "仓储用地", "0701": "城镇住宅用地", "0702": "农村宅基地", "0801": "机关团体用地",
    "0803": "教育用地", "0804": "科研用地", "0805": "医疗卫生用地", "0806": "社会福利用地",
    "0807": "文化设施用地", "0808": "体育用地", "0809": "公用设施用地", "0810": "公园与绿地",
    "1003": "公路用地", "1004": "城镇村道路用地", "1005": "交通服务场站用地",
    "1006": "农村道路", "1101": "河流水面", "1102": "湖泊水面", "1104": "坑塘水面",
    "1201": "空闲地",
}  # fmt: skip
_ELLIPSOID = Geod(ellps="GRS80")


@cache
def _towns() -> list[tuple[str, str, str]]:
    return town_labels(np.zeros(1), np.zeros(1))[1]


def town_of(east: float, north: float) -> tuple[str, str, str]:
    """Return code, Chinese and English name of the town at a place (EPSG:4547)."""
    label = int(town_labels(np.array([east]), np.array([north]))[0][0])
    return _towns()[max(label, 0)]


def towns_of(points: np.ndarray[Any, Any]) -> list[tuple[str, str, str]]:
    """Return code, Chinese and English name of the town at each place (n, 2)."""
    labels = town_labels(points[:, 0], points[:, 1])[0]
    return [_towns()[max(int(label), 0)] for label in labels]


def ellipsoidal_area(shape: Geometry) -> float:
    """Return the legal area of a polygon: on the CGCS2000 ellipsoid, m²."""
    coordinates = shapely.get_coordinates(shape)
    lon, lat = gaz._TO_LONLAT.transform(coordinates[:, 0], coordinates[:, 1])
    degrees = shapely.set_coordinates(shapely.from_wkb(shapely.to_wkb(shape)),
                                      np.column_stack([lon, lat]))  # fmt: skip
    return abs(float(_ELLIPSOID.geometry_area_perimeter(degrees)[0]))


def _settlement(parcel: Parcel) -> str | None:
    """Return the settlement attribute: 201 city, 203 village."""
    return "201" if parcel.group == "urban" else "203" if parcel.code == "0702" else None


def _owner(parcel: Parcel) -> str:
    if parcel.group == "urban" or parcel.code in ("1003", "1004", "1101", "1102"):
        return "20" if parcel.code in ("0701", "0501", "0601", "0505") else "10"
    return "30"


def parcel_table(parcels: list[Parcel], epoch: int) -> Table:
    """Return the parcels of an epoch with the main fields of TD/T 1057-2020."""
    spots = shapely.get_coordinates(shapely.point_on_surface([p.geometry for p in parcels]))
    places = towns_of(spots)
    rows = []
    for parcel, (code, zh, _) in zip(parcels, places, strict=True):
        village = f"{code}{201 + parcel.number % 7:03d}"
        area = round(ellipsoidal_area(parcel.geometry), 2)
        ratio = 0.06 if parcel.code == "0103" else 0.0
        rows.append((parcel.geometry, {
            "BSM": f"4212022001{parcel.number:08d}", "YSDM": "2001010100",
            "TBBH": f"{parcel.number % 1_000_000:06d}", "DLBM": parcel.code,
            "DLMC": CLASS_NAMES[parcel.code], "QSXZ": _owner(parcel),
            "QSDWDM": f"{village}0000000", "QSDWMC": zh,
            "ZLDWDM": f"{village}0000000", "ZLDWMC": zh,
            "TBMJ": area, "KCXS": ratio, "KCMJ": round(area * ratio, 2),
            "TBDLMJ": round(area - round(area * ratio, 2), 2),
            "CZCSXM": _settlement(parcel),
            "SJNF": int(EPOCHS[epoch][:4]) - 1,
        }))  # fmt: skip
    return table("land_parcel", rows)


def control_tables(design: Design, parcels: list[Parcel]) -> list[Table]:
    """Return prime farmland, ecological redline and plan zones, from the first survey."""
    paddy = [p for p in parcels if p.code in ("0101", "0102") and p.group == "rural"]
    far = shapely.union_all([s.line for s in design.plan.streets]).buffer(160)
    shapely.prepare(far)
    flat = [p for p in paddy if not shapely.intersects(far, p.geometry.centroid)]
    blocks = [b for b in shapely.get_parts(
        shapely.coverage_union_all([p.geometry for p in flat])) if b.area > 12_000]  # fmt: skip
    forest = [p.geometry for p in parcels if p.code in ("0301", "0302", "0305")]
    hills = [f for f in shapely.get_parts(shapely.coverage_union_all(forest)) if f.area > 180_000]
    waters = [p.geometry for p in parcels if p.code in ("1102",)]
    return [
        table("prime_farmland", [(_calm(block), {
            "JBNTBH": f"42120250{i + 1:05d}", "PKMC": f"{gaz.VILLAGES[i % 12][0]}基本农田{i + 1}片",
            "NAME_EN": f"{gaz.VILLAGES[i % 12][1]} Prime Farmland {i + 1}", "DLBM": "0101",
            "DLMC": "水田", "QSXZ": "30",
            "GDDB": 5 + i % 4, "GDPDJB": "1", "JBNTMJ": round(ellipsoidal_area(_calm(block)), 2),
            "ZRDWMC": gaz.VILLAGES[i % 12][0], "HDNF": 2013,
        }) for i, block in enumerate(blocks)]),
        table("eco_redline", [(_calm(shape), {
            "HXBM": f"421202ER{i + 1:03d}", "HXMC": name, "NAME_EN": en, "HXLX": kind,
            "GKJB": level, "ZDSTXT": function, "XZQDM": "421202",
            "HDSJ": "2013-12-31", "HXMJ": round(ellipsoidal_area(shape), 2),
        }) for i, (shape, name, en, kind, level, function) in enumerate(
            [(h, f"潜山水源涵养区{i + 1}", f"Qianshan Water Conservation Area {i + 1}",
              "water_source", "1", "森林生态系统") for i, h in enumerate(hills)]
            + [(w, "十六潭湿地", "Shiliutan Wetland", "biodiversity", "2",
            "湿地生态系统") for w in waters])]),
        _zones(design, parcels),
    ]  # fmt: skip


def _calm(shape: Geometry) -> Geometry:
    """Fill small holes; a protected block is drawn whole."""
    if not isinstance(shape, shapely.Polygon):
        return shape
    holes = [ring for ring in shape.interiors if shapely.Polygon(ring).area > 3000]
    return shapely.Polygon(shape.exterior, holes)


def _zones(design: Design, parcels: list[Parcel]) -> Table:
    """Return plan zones 2006-2020: allowed, conditional, restricted and forbidden."""
    town = shapely.union_all([p.geometry for p in parcels if p.group == "urban"])
    allowed = shapely.buffer(shapely.buffer(town, 160), -60)
    later = shapely.buffer(shapely.buffer(town, 700, quad_segs=4), -60)
    forest = shapely.union_all(
        [p.geometry for p in parcels if p.code[:2] == "03" or p.code in ("1101", "1102")]
    )
    shapes = {
        "010": shapely.difference(allowed, forest),
        "020": shapely.difference(shapely.difference(later, allowed), forest),
        "040": shapely.difference(forest, town),
    }
    taken = shapely.union_all(list(shapes.values()))
    shapes["030"] = shapely.difference(design.window, taken)
    names = {"010": ("允许建设区", "Construction Allowed"), "020": ("有条件建设区",
    "Construction Conditional"),
             "030": ("限制建设区", "Construction Restricted"), "040": ("禁止建设区",
             "Construction Forbidden")}  # fmt: skip
    rows = []
    for code, shape in sorted(shapes.items()):
        parts = shapely.get_parts(shapely.simplify(shapely.intersection(shape, design.window), 3.0))
        for i, part in enumerate(p for p in parts if p.geom_type == "Polygon" and p.area > 4000):
            rows.append((part, {
                "GHFQBH": f"421202{code}{i + 1:04d}", "GZQLXDM": code, "NAME": names[code][0],
                "NAME_EN": names[code][1], "GHMC": "咸宁市土地利用总体规划", "GHQSNF": 2006,
                "GHJZNF": 2020,
                "GZQMJ": round(ellipsoidal_area(part), 2),
            }))  # fmt: skip
    return table("plan_zone", rows)


def approval_tables(design: Design, surveys: list[list[Parcel]]) -> list[Table]:
    """Return approvals (batches of converted farmland) and supplies (granted plots)."""
    plan = design.plan
    batches: dict[tuple[int, int], list[Parcel]] = {}
    plots = []
    for parcel in surveys[2]:
        leaf = parcel.number - 100_000
        if 0 <= leaf < len(plan.leaves) and plan.leaves[leaf].year in (1, 2):
            batches.setdefault((plan.leaves[leaf].year, plan.leaves[leaf].block // 9), []).append(
                parcel
            )
            plots.append((parcel, plan.leaves[leaf].year))
    approvals = []
    for i, ((year, _), members) in enumerate(sorted(batches.items())):
        shape = shapely.union_all([p.geometry for p in members]).buffer(7, join_style="mitre")
        shape = shapely.simplify(shape.buffer(-5, join_style="mitre"), 0.8)
        area = round(ellipsoidal_area(shape), 2)
        when = f"{(2014, 2017)[year - 1] + i % 2}-{3 + i % 9:02d}-{5 + i % 20:02d}"
        approvals.append((shape, {
            "PZWH": f"鄂政土批〔{when[:4]}〕{101 + i}号", "DKBH": f"{i + 1:03d}",
            "XMMC": f"咸宁市{when[:4]}年度第{1 + i % 12}批次城市建设用地",
            "NAME_EN": f"Xianning Urban Construction Land {when[:4]}, Batch {1 + i % 12}",
            "PZJG": "湖北省人民政府", "PZRQ": when, "PZLX": "batch" if i % 5 else "single_site",
            "YDMJ": area, "NYDMJ": round(area * 0.82, 2), "GDMJ": round(area * 0.55, 2),
            "WLYDMJ": round(area * 0.03, 2), "ZSMJ": round(area * 0.9, 2), "XZQDM": "421202",
            "SQDW": "咸宁市国土资源局",
        }))  # fmt: skip
    supplies = []
    modes = {"07": "auction", "05": "listing", "06": "listing"}
    for i, (parcel, year) in enumerate(plots):
        if i % 3 == 1 and parcel.code != "1201":
            continue
        when = f"{(2014, 2018)[year - 1] + i % 2}-{1 + i % 12:02d}-{3 + i % 24:02d}"
        area = round(ellipsoidal_area(parcel.geometry), 2)
        mode = modes.get(parcel.code[:2], "allocation")
        supplies.append((parcel.geometry, {
            "DZJGH": f"4212{when[:4]}B{10001 + i:05d}", "XMMC": f"{when[:4]}-{i + 1:03d}号宗地",
            "NAME_EN": f"Plot {when[:4]}-{i + 1:03d}", "GYFS": mode,
            "HTBH": f"鄂XN-{when[:4]}-{i + 1:03d}",
            "SRDW": ("咸宁市城投公司", "咸宁城发置业", "香城泉都开发", "高新区管委会")[i % 4],
            "GDMJ": area, "TDYT": parcel.code if parcel.code != "1201" else "0701",
            "RJL": round(1.0 + 2.2 * float(scatter(i, 4, 9)), 2),
            "CJJG": round(area * (0.09 if mode != "allocation" else 0.0), 2), "QDRQ": when,
            "YDKGRQ": f"{int(when[:4]) + 1}{when[4:]}", "YDJGRQ": f"{int(when[:4]) + 3}{when[4:]}",
            "XZZT": ("none", "idle_1y", "idle_2y")[i % 3] if parcel.code == "1201" else "none",
            "XZQDM": "421202",
        }))  # fmt: skip
    return [table("land_approval", approvals), table("land_supply", supplies)]


def ground(shape: Geometry) -> float:
    """Return the ground height at the middle of a shape, metres."""
    middle = shape.centroid
    return round(float(height(middle.x, middle.y)), 2)
