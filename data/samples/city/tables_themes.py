"""Tables of minerals, geological hazards, tourism and imagery over the whole city."""

from typing import Any

import numpy as np
import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry as Geometry

from city import gazetteer as gaz
from city import region
from city.frame import CENTRE
from city.land import Design, Parcel
from city.noise import scatter
from city.shapes import smooth
from city.table import EPOCHS, Rows, Table, table
from city.tables_city import chance
from city.tables_land import ellipsoidal_area, town_of, towns_of
from city.terrain import height

#: Mineral: zh, en, code prefix, counties where it occurs, method, lithology height range m.
_MINERALS = (
    ("石灰岩", "limestone", "limestone", ("421202", "421281", "421223"), "露天开采", "03"),
    ("大理岩", "marble", "marble", ("421224", "421223"), "露天开采", "03"),
    (
        "建筑石料",
        "building stone",
        "building_stone",
        ("421202", "421221", "421281"),
        "露天开采",
        "03",
    ),
    ("煤", "coal", "coal", ("421281", "421224"), "地下开采", "01"),
    ("锑", "antimony", "antimony", ("421224", "421223"), "地下开采", "02"),
    ("金", "gold", "gold", ("421224", "421221"), "地下开采", "02"),
    ("钒", "vanadium", "vanadium", ("421223", "421224"), "地下开采", "02"),
    ("铌钽", "niobium-tantalum", "niobium_tantalum", ("421222",), "地下开采", "02"),
    ("地热水", "geothermal water", "geothermal", ("421202", "421281"), "地下开采", "04"),
)

_STAGE_NAMES = ("预查", "普查", "详查", "勘探")
_STAGES = ("reconnaissance", "prospecting", "general", "detailed")


def _spots(code: str, count: int, seed: int, low: float, high: float) -> list[tuple[float, float]]:
    """Return places inside a county whose ground height lies in a range."""
    county = next(c for c in region.counties() if c.key == code)
    shapely.prepare(county.geometry)
    west, south, east, north = county.geometry.buffer(-1500).bounds
    number = np.arange(60 + 14 * count)
    x = west + (east - west) * scatter(number, seed, 777)
    y = south + (north - south) * scatter(number, seed + 1, 777)
    ground = height(x, y)
    fine = shapely.contains_xy(county.geometry, x, y) & (ground > low) & (ground < high)
    return [(float(a), float(b)) for a, b in zip(x[fine][:count], y[fine][:count], strict=True)]


def _field(east: float, north: float, radius: float, seed: int) -> Geometry:
    """Return an irregular polygon with a few corners, as licences have."""
    corners = 5 + seed % 4
    angle = np.linspace(0, 2 * np.pi, corners + 1)[:-1] + chance(seed, 31)
    reach = np.array([radius * (0.7 + 0.55 * chance(seed * 10 + i, 32)) for i in range(corners)])
    return shapely.Polygon(np.column_stack([east + reach * np.cos(angle),
                                             north + reach * np.sin(angle)]))  # fmt: skip


def mineral_tables() -> list[Table]:
    """Return mining rights, exploration rights and deposits."""
    mines: Rows = []
    searches: Rows = []
    deposits: Rows = []
    for kind, (zh, en, mineral, codes, method, group) in enumerate(_MINERALS):
        for code in codes:
            underground = method == "地下开采"
            for east, north in _spots(code, 3, 40 + kind * 3, 55, 700):
                number = len(mines) + 1
                town = town_of(east, north)
                shape = _field(east, north, 260 + 240 * chance(number, 41), number)
                top = round(float(height(east, north)) - (20 if underground else -10))
                begin = 2009 + number % 5
                mines.append((shape, {
                    "CKXKZH": f"C{code}{begin}{1 + number % 12:02d}{7_120_000_000 + number * 7919}",
                    "KSMC": f"咸宁{town[1][:-1]}{zh}矿",
                    "NAME_EN": f"{town[2].rsplit(' ', 1)[0]} {en.title()} Mine",
                    "CKQR": f"{town[1][:-1]}矿业有限公司", "KCZKZ": mineral,
                    "KCFS": "underground" if underground else "open",
                    "SJGM": round(5 + 45 * chance(number, 42), 1), "GMDW": "万吨/年",
                    "KQMJ": round(ellipsoidal_area(shape) / 1e6, 4),
                    "YXQQ": f"{begin}-{1 + number % 12:02d}-01",
                    "YXQZ": f"{begin + 10}-{1 + number % 12:02d}-01",
                    "CSSX": top, "CSXX": top - (180 if underground else 60),
                    "DJLX": "cancel" if number % 7 == 0 else "renew" if number % 3 else "new",
                    "FZJG": "咸宁市国土资源局", "XZQDM": code,
                }))  # fmt: skip
            for east, north in _spots(code, 2, 80 + kind * 3, 60, 900):
                number = len(searches) + 1
                lon, lat = gaz.lonlat(east, north)
                west, south = np.floor(lon * 60) / 60, np.floor(lat * 60) / 60
                wide, tall = 1 + number % 3, 1 + number % 2
                corners = [(west, south), (west + wide / 60, south),
                           (west + wide / 60, south + tall / 60), (west,
                           south + tall / 60)]  # fmt: skip
                shape = shapely.Polygon([gaz.metric(*c) for c in corners])
                begin = 2011 + number % 4
                searches.append((shape, {
                    "KCXKZH": f"T42{1 + number % 5}{begin}{1 + number % 12:02d}{group}{number:06d}",
                    "XMMC": f"湖北省{town_of(east, north)[1][:-1]}{zh}矿{_STAGE_NAMES[number % 4]}",
                    "NAME_EN": f"{en.title()} Exploration {number}",
                    "TKQR": "湖北省地质局第四地质大队",
                    "KCKZ": mineral, "KCJD": _STAGES[number % 4],
                    "KCDW": "湖北省地质局第四地质大队",
                    "MJ": round(ellipsoidal_area(shape) / 1e6, 4),
                    "YXQQ": f"{begin}-07-01", "YXQZ": f"{begin + 3}-06-30", "DJLX": "new",
                    "XZQDM": code,
                }))  # fmt: skip
            for east, north in _spots(code, 3, 120 + kind * 3, 55, 800):
                number = len(deposits) + 1
                town = town_of(east, north)
                deposits.append((Point(east, north), {
                    "KCDBH": f"{code}{number:05d}", "KCDMC": f"{town[1][:-1]}{zh}矿床",
                    "NAME_EN": f"{town[2].rsplit(' ', 1)[0]} {en.title()} Deposit", "ZKZ": mineral,
                    "KCGM": ("small", "medium", "large", "occurrence")[number % 4],
                    "CYSL": round(20 + 900 * chance(number, 44), 1), "CYDW": "万吨",
                    "CLLY": ("KZ", "TD", "TM")[number % 3], "PW": round(1 + 60 * chance(number,
                    45), 1),
                    "PWDW": "%", "KCJD": _STAGES[number % 4], "XZQDM": code,
                }))  # fmt: skip
    return [table("mining_right", mines), table("exploration_right", searches),
            table("mineral_deposit", deposits)]  # fmt: skip


_TYPES = {"01": ("滑坡", "Landslide"), "02": ("崩塌", "Rockfall"), "00": ("不稳定斜坡",
"Unstable Slope"),
          "04": ("地面塌陷", "Ground Collapse"), "03": ("泥石流", "Debris Flow")}  # fmt: skip


def hazards() -> list[dict[str, Any]]:
    """Return the hazard points of the city: counts of 2010 by county, types by its rocks."""
    result = []
    for order, county in enumerate(gaz.COUNTIES):
        karst = county.code in ("421202", "421281", "421221")
        south = county.code in ("421222", "421223", "421224")
        spots = _spots(county.code, county.hazards, 200 + 3 * order, 70 if south else 26, 900)
        towns = towns_of(np.array(spots))
        for number, ((east, north), town) in enumerate(zip(spots, towns, strict=True)):
            draw = chance(number, 210 + order)
            kind = (
                "04"
                if karst and draw < 0.3
                else "02"
                if draw < 0.45
                else "00"
                if draw < 0.58
                else "01"
            )
            kind = "03" if south and draw > 0.96 else kind
            people = int(4 + 380 * chance(number, 220 + order) ** 4)
            state = "治理" if number % 9 == 4 else "活动"
            result.append({"code": f"{county.code}{kind}{number + 1:04d}", "east": east,
                           "north": north, "kind": kind, "people": people, "town": town,
                           "state": state, "number": number})  # fmt: skip
    return result


def hazard_table(points: list[dict[str, Any]], epoch: int) -> Table:
    """Return hazard points; some are treated or retired in later surveys."""
    rows = []
    tops = height(np.array([p["east"] for p in points]), np.array([p["north"] for p in points]))
    for point, top in zip(points, tops.tolist(), strict=True):
        number, zh = point["number"], _TYPES[point["kind"]][0]
        state = "active"
        if number % 9 == 4 and epoch >= 1:
            state = "treated" if epoch == 1 else "retired"
        elif number % 11 == 5 and epoch == 2:
            state = "relocated"
        people = 0 if state in ("relocated", "retired") else point["people"]
        grade = "III" if point["people"] >= 100 else "IV"
        village = gaz.VILLAGES[number % 12][0]
        rows.append((Point(point["east"], point["north"]), {
            "TYBH": point["code"], "NAME": f"{point['town'][1]}{village}{zh}{number + 1}号",
            "NAME_EN": f"{point['town'][2]} {_TYPES[point['kind']][1]} No. {number + 1}",
            "ZHLX": point["kind"], "GMDJ": ("small", "medium")[point["people"] > 90],
            "TJ": round(2000 + 180_000 * chance(number, 231) ** 2, 0),
            "WDX": ("fair", "unstable", "stable")[number % 3] if state == "active" else "stable",
            "XQDJ": grade, "WXRS": people, "WXHS": people // 4, "WXZC": round(people * 3.2, 1),
            "CUN": village, "YFYS": ("降雨", "切坡", "采矿", "岩溶")[number % 4],
            "XZ": point["town"][1],
            "XZQDM": point["town"][0], "ZT": state, "JCFF": "群测群防",
            "JCR": "村级监测员", "FSSJ": f"{2003 + number % 8}-0{5 + number % 3}-1{number % 9}",
            "ZTGC": round(top, 1),
        }))  # fmt: skip
    return table("hazard_point", rows)


def hazard_tables(points: list[dict[str, Any]]) -> list[Table]:
    """Return threat zones below slopes, monitors and treatments."""
    zones, monitors, works = [], [], []
    for index, point in enumerate(p for p in points if p["kind"] != "04" and p["number"] % 2 == 0):
        east, north = point["east"], point["north"]
        gx = float(height(east + 60, north) - height(east - 60, north))
        gy = float(height(east, north + 60) - height(east, north - 60))
        steep = max(np.hypot(gx, gy), 1e-6)
        down = -np.array([gx, gy]) / steep
        side = np.array([-down[1], down[0]])
        reach = 90 + 130 * chance(index, 241)
        across = 34 + 50 * chance(index, 242)
        base = np.array([east, north])
        ring = [base - side * across * 0.5, base - side * across + down * reach * 0.6,
                base - side * across * 1.1 + down * reach,
                base + side * across * 1.1 + down * reach,
                base + side * across + down * reach * 0.6, base + side * across * 0.5]  # fmt: skip
        shape = shapely.Polygon(smooth(np.array([*ring, ring[0]]), 1))
        zones.append((shape, {
            "WXQBH": f"{point['code']}W", "TYBH": point["code"],
            "NAME": f"{point['town'][1]}{_TYPES[point['kind']][0]}{point['number'] + 1}号威胁区",
            "NAME_EN": f"Threat Zone of {_TYPES[point['kind']][1]} No. {point['number'] + 1}",
            "ZHLX": point["kind"], "XQDJ": "III" if point["people"] >= 100 else "IV",
            "WXRS": point["people"],
            "WXHS": point["people"] // 4, "MJ": round(ellipsoidal_area(shape), 1),
        }))  # fmt: skip
    for index, point in enumerate(p for p in points if p["number"] % 5 == 1):
        kind = ("裂缝", "位移", "雨量", "倾角", "水位")[index % 5]
        unit = ("mm", "mm", "mm", "°", "m")[index % 5]
        spot = Point(point["east"] + 15, point["north"] - 12)
        monitors.append((spot, {
            "JCDBH": f"{point['code']}M{index % 9 + 1}",
            "NAME": f"{point['town'][1]}{kind}监测点{index + 1}",
            "NAME_EN": f"Monitor {index + 1}", "TYBH": point["code"],
            "JCLX": ("crack", "gnss", "rain", "tilt", "water_level")[index % 5], "DW": unit,
            "LSYZ": 5.0, "HSYZ": 10.0, "CSYZ": 20.0, "RSYZ": 40.0, "AZRQ": "2013-06-01",
            "SBZT": "online",
        }))  # fmt: skip
    for index, point in enumerate(p for p in points if p["number"] % 9 == 4):
        kind = ("工程治理", "避险搬迁", "排危除险", "专业监测")[index % 4]
        works.append((_field(point["east"], point["north"], 45, 900 + index), {
            "XMBH": f"ZL{point['code']}",
            "XMMC": f"{point['town'][1]}地质灾害{kind}项目{index + 1}",
            "NAME_EN": f"Hazard Treatment Project {index + 1}", "TYBH": point["code"],
            "ZLLX": ("engineering", "relocation", "removal", "monitoring")[index % 4],
            "TZJE": round(40 + 600 * chance(index, 251), 1), "SGDW": "湖北省地质局第四地质大队",
            "KGRQ": f"2014-{3 + index % 9:02d}-10", "YSRQ": f"2015-{3 + index % 9:02d}-20",
            "XMZT": "accepted", "BHRS": point["people"],
        }))  # fmt: skip
    return [table("threat_zone", zones), table("monitor_point", monitors),
            table("treatment_project", works)]  # fmt: skip


def warning_table() -> Table:
    """Return one day's weather-risk warning by town: orange in the southern mountains."""
    rows = []
    for index, town in enumerate(region.towns()):
        middle = town.geometry.centroid
        wet = (3_290_000 - middle.y) / 30_000 + 0.9 * chance(index, 261)
        level = "orange" if wet > 1.35 else "yellow" if wet > 0.7 else "blue" if wet > 0.3 else None
        if level is None:
            continue
        zh = {"orange": "橙色", "yellow": "黄色", "blue": "蓝色"}[level]
        rows.append((shapely.simplify(town.geometry, 150.0), {
            "YJBH": f"YJ20160701{town.key}", "YJDJ": level, "XZQDM": town.key, "YJZT": "lifted",
            "NAME": f"{town.zh}地质灾害气象风险{zh}预警",
            "NAME_EN": f"{level.title()} Geohazard Weather Warning, {town.en}",
            "FBSJ": "2016-07-01T17:00:00+08:00", "KSSJ": "2016-07-01T20:00:00+08:00",
            "JSSJ": "2016-07-02T20:00:00+08:00", "FBDW": "咸宁市国土资源局 咸宁市气象局",
        }))  # fmt: skip
    return table("hazard_warning", rows)


def tourism_tables() -> list[Table]:
    """Return scenic areas, their spots, and points of interest."""
    areas, spots = [], []
    names = ("游客中心", "观景台", "主景区", "码头", "山门")
    english = ("Visitor Centre", "Viewpoint", "Main Sight", "Pier", "Gate")
    for index, (key, zh, en, lon, lat, grade, kind) in enumerate(gaz.SCENIC):
        east, north = gaz.metric(lon, lat)
        radius = 420 if key == "S07" else 800 if key == "S06" else 900 + 700 * chance(index, 271)
        angle = np.linspace(0, 2 * np.pi, 25)[:-1]
        reach = radius * (
            1 + 0.3 * np.sin(3 * angle + index) * chance(index, 272) + 0.12 * np.cos(5 * angle)
        )
        ring = np.column_stack([east + reach * np.cos(angle), north + reach * np.sin(angle)])
        shape = shapely.Polygon(smooth(np.vstack([ring, ring[:1]]), 2))
        areas.append((shape, {
            "JQBH": f"4212{key}", "NAME": zh, "NAME_EN": en, "DJ": grade, "ZYLX": kind,
            "MJ": round(ellipsoidal_area(shape), 1), "SSCZL": int(2000 + 9000 * chance(index, 273)),
            "RCZL": int(12000 + 30000 * chance(index, 274)), "KFSJ": "08:00-17:30",
            "GLDW": f"{zh}管理处", "XZQDM": town_of(east, north)[0][:6], "KFSC": 9.5,
        }))  # fmt: skip
        for number in range(4 + index % 2):
            turn = 2 * np.pi * number / 5 + index
            spots.append((Point(east + radius * 0.45 * np.cos(turn),
            north + radius * 0.45 * np.sin(turn)), {
                "JDBH": f"4212{key}{number + 1:03d}", "JQBH": f"4212{key}", "DJ": grade,
                "RANK": 60 - 10 * number,
                "NAME": f"{zh[:6]}{names[number]}", "NAME_EN": f"{en} {english[number]}",
                "ZYLX": kind,
            }))  # fmt: skip
    return [table("scenic_area", areas), table("scenic_spot", spots)]


_POI = {"0501": ("购", "shop", "超市", "Supermarket"), "0503": ("吃", "eat", "餐馆", "Restaurant"),
        "0504": ("住", "stay", "酒店", "Hotel"), "0505": ("服务", "service", "银行", "Bank"),
        "0506": ("娱", "play", "影院", "Cinema"), "0803": ("服务", "service", "学校", "School"),
        "0805": ("医疗", "medical", "医院", "Hospital"), "0810": ("游", "visit", "公园", "Park"),
        "0801": ("服务", "service", "政务中心", "Civic Centre"), "0807": ("娱", "play", "文化馆",
        "Culture Hall"),
        "1005": ("停车", "parking", "停车场", "Car Park"), "0808": ("娱", "play", "体育馆",
        "Gymnasium"),
        "0502": ("购", "shop", "市场", "Market")}  # fmt: skip


def poi_table(parcels: list[Parcel]) -> Table:
    """Return points of interest in the core, from the use of its parcels."""
    rows: Rows = []
    for parcel in parcels:
        entry = _POI.get(parcel.code)
        if entry is None or parcel.use == "bank":
            continue
        number = parcel.number % 1000 + 1
        first = gaz.LANE_FIRST[parcel.number % 16]
        last = gaz.LANE_LAST[parcel.number // 16 % 12]
        spot = shapely.point_on_surface(parcel.geometry)
        rows.append((spot, {
            "POIID": f"421202P{parcel.number % 1_000_000:06d}",
            "NAME": f"{first[0]}{last[0]}{entry[2]}",
            "NAME_EN": f"{first[1]}{last[1]} {entry[3]}", "KIND": entry[1],
            "SUBKIND": entry[2], "RANK": int(parcel.geometry.area / 2000),
            "ADDRESS": f"咸安区温泉街道{number}号", "PHONE": f"0715-8{number * 37 % 1_000_000:06d}",
        }))  # fmt: skip
    return table("poi", rows)


_SENSORS = (("GF-1", "PMS", 2.0, "2014-03-18"), ("ZY-3", "MUX", 2.1, "2016-04-02"),
            ("GF-2", "PMS", 0.8, "2020-03-27"))  # fmt: skip


def scene_table(epoch: int) -> Table:
    """Return footprints of the images of an epoch: tilted, overlapping, covering the city."""
    sensor, instrument, gsd, date = _SENSORS[epoch]
    west, south, east, north = region.EXTENT
    cols, rows_count = ((4, 4), (3, 3), (5, 5))[epoch]
    wide, tall = (east - west) / cols, (north - south) / rows_count
    rows = []
    for row in range(rows_count):
        for col in range(cols):
            x, y = west + col * wide - 0.06 * wide, south + row * tall - 0.06 * tall
            skew = 0.14 * wide
            ring = [(x, y + 0.1 * tall), (x + 1.12 * wide - skew, y - 0.02 * tall),
                    (x + 1.12 * wide, y + 1.06 * tall), (x + skew * 0.6,
                    y + 1.2 * tall)]  # fmt: skip
            number = row * cols + col + 1
            rows.append((shapely.Polygon(ring), {
                "YXBH": f"{sensor}_{instrument}_{date.replace('-', '')}_{number:03d}",
                "NAME": f"{sensor} {date} 第{number}景",
                "NAME_EN": f"{sensor} {date} scene {number}",
                "KIND": "satellite", "SENSOR": sensor, "CXRQ": date, "GSD": gsd,
                "CLOUD": round(12 * chance(number, 280 + epoch), 1), "LEVEL": "L2A",
                "BANDS": "B,G,R,NIR", "CRS": "EPSG:4490", "PROVIDER": "湖北省遥感中心",
            }))  # fmt: skip
    return table("imagery_scene", rows)


def change_table(design: Design, surveys: list[list[Parcel]], epoch: int) -> Table:
    """Return patches where the land changed since the survey before, as images show them."""
    before = {p.number: p for p in surveys[epoch - 1]}
    tree = shapely.STRtree([p.geometry for p in surveys[epoch - 1]])
    old = surveys[epoch - 1]
    rows: Rows = []
    for parcel in surveys[epoch]:
        if parcel.number in before or parcel.code[:2] in ("10", "11") or parcel.group != "urban":
            continue
        spot = shapely.point_on_surface(parcel.geometry)
        hit = tree.query(spot, predicate="within")
        if not len(hit) or old[int(hit[0])].code == parcel.code:
            continue
        number = len(rows) + 1
        shape = shapely.simplify(shapely.buffer(parcel.geometry, -1.5), 2.0)
        if shape.geom_type != "Polygon" or shape.area < 400:
            continue
        year = EPOCHS[epoch][:4]
        legal = ("legal", "legal", "illegal", "legal", "temporary")[number % 5]
        rows.append((shape, {
            "JCBH": f"{year}421202{number:05d}", "QSXRQ": _SENSORS[epoch - 1][3],
            "HSXRQ": _SENSORS[epoch][3], "QDLBM": old[int(hit[0])].code, "HDLBM": parcel.code,
            "MJ": round(ellipsoidal_area(shape), 1), "XZ": town_of(CENTRE[0], CENTRE[1])[1],
            "ZT": ("closed", "field", "judged", "case")[number % 4], "PDJG": legal,
            "BHLX": "new_construction", "XZQDM": "421202",
            "PC": f"{year}年度卫片",
        }))  # fmt: skip
    return table("change_patch", rows)
