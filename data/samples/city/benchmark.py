"""A city for benchmarks: GeoPackages in EPSG:4547 with the layers' own field names.

Scale 1 is 1,000,000 land parcels in a gap-free coverage, 500,000 buildings, 200,000 pipe segments
with their nodes and 5,000 hazard points, with roads, water, contours, areas and names to match.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from city import gazetteer as gaz
from city import region
from city.lattice import BLOCK, CODES, Ints, Lattice, classes, ground
from city.noise import Floats, scatter

_BAND = 40
_BUILDABLE = ("0701", "0501", "0505", "0803", "0805", "0801", "0601", "0604", "0702")
#: Pipe classes, their place across the street (share of its width), depth m, size, material.
_PIPES = (
    ("JP", 0.20, 1.1, "DN200", "球墨铸铁"), ("YS", 0.42, 1.8, "DN600", "钢筋混凝土"),
    ("WS", 0.56, 2.3, "DN400", "HDPE"), ("TR", 0.30, 1.2, "DN160", "PE100"),
    ("GD", 0.80, 0.9, "600×400", "铜"), ("XX", 0.88, 0.8, "300×200", "光纤"),
)  # fmt: skip


def _batches(columns: Iterator[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in columns:
        shapes = pa.array(shapely.to_wkb(batch.pop("geometry"), flavor="iso"), pa.binary())
        arrays = [
            shapes if field.name == "geometry" else pa.array(batch[field.name], field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _write(path: Path, layer: str, kind: str, rows: Iterator[dict[str, Any]]) -> int:
    """Stream batches of columns into a GeoPackage; return the number of rows."""
    first = next(rows)
    fields = []
    for name, values in first.items():
        kind_of = pa.string() if name != "geometry" else pa.binary()
        sample = np.asarray(values)
        if name != "geometry" and sample.dtype.kind in "if":
            kind_of = pa.float64() if sample.dtype.kind == "f" else pa.int64()
        extra = {"ARROW:extension:name": "geoarrow.wkb"} if name == "geometry" else None
        fields.append(pa.field(name, kind_of, metadata=extra))
    schema, total = pa.schema(fields), 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal total
        for batch in _chain(first, rows):
            total += len(batch["geometry"])
            yield batch

    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2020-05-01T00:00:00.000Z"})
    reader = pa.RecordBatchReader.from_batches(schema, _batches(counted(), schema))
    pyogrio.write_arrow(
        reader, str(path), layer=layer, driver="GPKG", geometry_name="geometry",
        geometry_type=kind, crs="EPSG:4547",
    )  # fmt: skip
    return total


def _chain(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from rest


def _keys(prefix: str, numbers: Ints) -> list[str]:
    return [f"{prefix}{number:010d}" for number in numbers.tolist()]


def _legal_area(shapes: Any) -> Floats:
    """Return areas reduced from the projection to the ellipsoid by the scale at each place."""
    planar = shapely.area(shapes)
    away = (shapely.get_x(shapely.centroid(shapes)) - 500_000.0) / 6_378_000.0
    return np.asarray(np.round(planar / (1 + away**2 / 2) ** 2, 2))


def _villages(number: Ints) -> list[str]:
    """Return a village for each million of parcels: numbers of six digits are unique in one."""
    return [f"421202001{201 + n // 1_000_000}0000000" for n in number.tolist()]


def _parcels(lattice: Lattice) -> Iterator[dict[str, Any]]:
    kinds = classes(lattice)[0]
    buildable = np.isin(CODES, [*_BUILDABLE, "0810"])
    for first in range(0, lattice.rows, _BAND):
        last = min(first + _BAND, lattice.rows)
        shapes = lattice.plots(first, last)
        index = kinds[first:last].ravel()
        code = CODES[index]
        number = np.arange(first * lattice.cols, last * lattice.cols)
        area = _legal_area(shapes)
        yield {
            "bsm": _keys("42120220", number), "ysdm": ["2001010100"] * len(number),
            "tbbh": [f"{n % 1_000_000:06d}" for n in number.tolist()], "dlbm": code.tolist(),
            "qsxz": np.where(buildable[index], "20", "30").tolist(),
            "qsdwdm": ["4212020012010000000"] * len(number), "qsdwmc": ["温泉街道"] * len(number),
            "zldwdm": _villages(number), "zldwmc": ["温泉街道"] * len(number),
            "tbmj": area, "kcmj": np.zeros(len(number)), "tbdlmj": area,
            "sjnf": np.full(len(number), 2019), "geometry": shapes,
        }  # fmt: skip


def _building_plots(lattice: Lattice) -> tuple[Ints, Ints]:
    """Return row and column of every plot that can carry buildings."""
    rows, cols = np.nonzero(np.isin(CODES, _BUILDABLE)[classes(lattice)[0]])
    return rows, cols


def _buildings(lattice: Lattice, wanted: int) -> Iterator[dict[str, Any]]:
    rows, cols = _building_plots(lattice)
    upto = (np.arange(len(rows) + 1) * wanted) // max(len(rows), 1)
    count = np.diff(upto)
    side = np.maximum(1, np.ceil(np.sqrt(count)).astype(np.int64))
    done = 0
    for start in range(0, len(rows), 8000):
        part = slice(start, start + 8000)
        plot = np.repeat(np.arange(start, min(start + 8000, len(rows))), count[part])
        if not len(plot):
            continue
        order = np.arange(len(plot)) + upto[start] - upto[plot]
        n = side[plot].astype(np.float64)
        s0 = 0.12 + 0.76 * ((order % side[plot]) + 0.18) / n
        t0 = 0.12 + 0.76 * ((order // side[plot]) + 0.22) / n
        chance = scatter(plot, order, lattice.seed + 8)
        s1, t1 = s0 + 0.76 * (0.42 + 0.24 * chance) / n, t0 + 0.76 * 0.46 / n
        s = np.stack([s0, s1, s1, s0, s0], 1)
        t = np.stack([t0, t0, t1, t1, t0], 1)
        shapes = shapely.polygons(np.round(lattice.inside(rows[plot], cols[plot], s, t), 3))
        floors = 1 + (chance * chance * 24).astype(np.int64)
        number = np.arange(done, done + len(plot))
        done += len(plot)
        area = np.round(shapely.area(shapes), 2)
        yield {
            "building_id": _keys("421202B", number), "zrzh": _keys("F", number),
            "jzwgd": floors * 3.0 + 0.9, "zzdmj": area, "scjzmj": area * floors, "zcs": floors,
            "dscs": floors, "dxcs": np.zeros(len(plot), np.int64),
            "fwjg": np.where(floors > 7, "3", "4").tolist(),
            "ghyt": np.where(chance < 0.8, "10", "30").tolist(), "geometry": shapes,
        }  # fmt: skip


def _strips(lattice: Lattice) -> tuple[Ints, Ints, Any]:
    """Return row, column and direction (True = along a column) of street cells, towns first."""
    town = classes(lattice)[1]
    row, col, score = [], [], []
    for along in (True, False):
        first = np.arange(0, lattice.cols if along else lattice.rows, BLOCK)
        rest = np.arange(lattice.rows if along else lattice.cols)
        a, b = (m.ravel() for m in np.meshgrid(first, rest, indexing="ij"))
        row.append(b if along else a)
        col.append(a if along else b)
        score.append(town[row[-1], col[-1]])
    order = np.argsort(-np.concatenate(score), kind="stable")
    down = np.repeat([True, False], [len(row[0]), len(row[1])])
    return np.concatenate(row)[order], np.concatenate(col)[order], down[order]


def _segments(lattice: Lattice, wanted: int) -> tuple[Floats, Ints, Ints, list[str]]:
    """Return pipes as (n, 2, 2) plan positions, their classes, end numbers and node names.

    Each street cell carries one segment of every class; where two streets cross the segments of
    both meet in a node, so that the network hangs together.
    """
    row, col, down = _strips(lattice)
    each = len(_PIPES)
    take = -(-wanted // each)
    ends, kinds, names = [], [], []
    for kind, (_, share, _, _, _) in enumerate(_PIPES):
        r, c, d = row[:take], col[:take], down[:take]
        crossing = (r % BLOCK == 0) & (c % BLOCK == 0)
        share_ = np.full(len(r), share)
        zero, one = np.zeros(len(r)), np.ones(len(r))
        start = lattice.inside(r, c, np.where(d, share_, zero)[:, None],
                               np.where(d, zero, share_)[:, None])[:, 0]  # fmt: skip
        end = lattice.inside(r, c, np.where(d, share_, one)[:, None],
                             np.where(d, one, share_)[:, None])[:, 0]  # fmt: skip
        meet = lattice.inside(r, c, share_[:, None], share_[:, None])[:, 0]
        code = 2 * (r * (lattice.cols + 1) + c) + d
        ahead = 2 * (np.where(d, r + 1, r) * (lattice.cols + 1) + np.where(d, c, c + 1)) + d
        middle = -1 - (r * (lattice.cols + 1) + c)
        ends.append(np.stack([start, np.where(crossing[:, None], meet, end)], 1))
        names.append(np.stack([code, np.where(crossing, middle, ahead)], 1))
        kinds.append(np.full(len(r), kind))
        ends.append(np.stack([meet[crossing], end[crossing]], 1))
        names.append(np.stack([middle[crossing], ahead[crossing]], 1))
        kinds.append(np.full(int(crossing.sum()), kind))
    kind_all = np.concatenate(kinds)
    both = np.concatenate(names)
    order = np.argsort(np.concatenate([np.arange(len(k)) for k in kinds]), kind="stable")[:wanted]
    pair = np.stack([kind_all[order], kind_all[order]], 1) * 10**12 + both[order]
    unique, number = np.unique(pair, return_inverse=True)
    labels = [f"{_PIPES[int((value + 10**11) // 10**12)][0]}{i + 1}"
              for i, value in enumerate(unique.tolist())]  # fmt: skip
    return np.concatenate(ends)[order], kind_all[order], number.reshape(pair.shape), labels


def _pipe_rows(
    lattice: Lattice, wanted: int
) -> tuple[Callable[[], Iterator[dict[str, Any]]], Callable[[], Iterator[dict[str, Any]]]]:
    """Return the makers of pipe lines and of their nodes."""
    plan, kind, ends, labels = _segments(lattice, wanted)
    plan = np.round(plan, 3)
    place = np.zeros((len(labels), 2))
    owner = np.zeros(len(labels), np.int64)
    place[ends.ravel()] = plan.reshape(-1, 2)
    owner[ends.ravel()] = np.repeat(kind, 2)
    high = np.round(ground(place), 3)
    depth = np.array([p[2] for p in _PIPES])[owner]
    pipe = np.round(high - depth, 3)
    code = np.array([p[0] for p in _PIPES])

    def lines() -> Iterator[dict[str, Any]]:
        for start in range(0, len(plan), 50_000):
            part = slice(start, start + 50_000)
            a, b = ends[part, 0], ends[part, 1]
            swap = pipe[a] < pipe[b]  # every pipe runs downhill from its start
            a, b = np.where(swap, b, a), np.where(swap, a, b)
            line = np.stack([np.column_stack([place[n], pipe[n]]) for n in (a, b)], 1)
            yield {
                "s_exp": [labels[i] for i in a], "e_exp": [labels[i] for i in b],
                "pipe_class": code[kind[part]].tolist(), "s_deep": depth[a], "e_deep": depth[b],
                "s_h": pipe[a], "e_h": pipe[b],
                "psize": [_PIPES[k][3] for k in kind[part]],
                "material": [_PIPES[k][4] for k in kind[part]],
                "status": ["0"] * len(a), "geometry": shapely.linestrings(line),
            }  # fmt: skip

    def nodes() -> Iterator[dict[str, Any]]:
        for start in range(0, len(labels), 50_000):
            part = slice(start, start + 50_000)
            yield {
                "exp_no": labels[part], "pipe_class": code[owner[part]].tolist(),
                "high": high[part], "feature": ["直线点"] * len(labels[part]),
                "status": ["0"] * len(labels[part]),
                "geometry": shapely.points(np.column_stack([place[part], high[part]])),
            }  # fmt: skip

    return lines, nodes


def _hazards(lattice: Lattice, wanted: int) -> Iterator[dict[str, Any]]:
    number = np.arange(wanted * 12)
    rows = (scatter(number, 1, lattice.seed + 20) * lattice.rows).astype(np.int64)
    cols = (scatter(number, 2, lattice.seed + 20) * lattice.cols).astype(np.int64)
    place = lattice.inside(rows, cols, np.full((len(rows), 1), 0.5), np.full((len(rows), 1), 0.5))
    height = ground(place[:, 0])
    chosen = np.sort(np.argsort(-(np.minimum(height, 400) / 400 + scatter(number, 3, 5)),
                                kind="stable")[:wanted])  # fmt: skip
    kind = np.array(["01", "02", "00", "04", "01"])[chosen % 5]
    yield {
        "tybh": [f"421224{k}{i:07d}" for i, k in enumerate(kind.tolist())],
        "name": [f"灾害点{i + 1}" for i in range(len(chosen))],
        "name_en": [f"Hazard {i + 1}" for i in range(len(chosen))], "zhlx": kind.tolist(),
        "xqdj": np.where(chosen % 9 == 0, "III", "IV").tolist(),
        "wdx": np.where(chosen % 3 == 0, "unstable", "fair").tolist(),
        "wxrs": chosen % 180, "zt": ["active"] * len(chosen),
        "geometry": shapely.points(np.round(place[chosen, 0], 3)),
    }  # fmt: skip


def _roads(lattice: Lattice) -> Iterator[dict[str, Any]]:
    """Yield the streets of the lattice, one line from crossing to crossing."""
    shapes, names = [], []
    step = BLOCK
    for first in range(0, lattice.rows + 1, step):
        rows = np.arange(first, min(first + step, lattice.rows) + 1)
        line = lattice.nodes(rows, np.arange(lattice.cols + 1))
        for col in range(0, lattice.cols, step):
            down = (line[:, col] + line[:, col + 1]) / 2
            across = line[0, col : col + step + 1]
            if len(rows) > 1:
                across = (line[0, col : col + step + 1] + line[1, col : col + step + 1]) / 2
                shapes.append(shapely.linestrings(np.round(down, 3)))
                names.append(f"{col // step + 1}")
            shapes.append(shapely.linestrings(np.round(across, 3)))
            names.append(f"{first // step + 1}")
    kinds = [("urban_main", "urban_secondary", "urban_branch")[0 if int(n) % 6 == 0 else
             1 if int(n) % 3 == 0 else 2] for n in names]  # fmt: skip
    yield {
        "road_id": [f"421200B{i:08d}" for i in range(len(shapes))],
        "name": [f"第{n}路" for n in names], "name_en": [f"Road {n}" for n in names],
        "road_class": kinds, "geometry": np.array(shapes, object),
    }  # fmt: skip


def _waters() -> Iterator[dict[str, Any]]:
    areas = [*region.rivers(), *region.lakes()]
    shapes = np.array([area.geometry for area in areas], object)
    yield {
        "water_id": [area.key for area in areas], "name": [area.zh for area in areas],
        "name_en": [area.en for area in areas], "water_class": [area.kind for area in areas],
        "mj": np.round(shapely.area(shapes), 1), "geometry": _multi(shapes),
    }  # fmt: skip


def _multi(shapes: Any) -> Any:
    return np.array([shapely.multipolygons(shapely.get_parts(shape)) for shape in shapes], object)


def _areas() -> Iterator[dict[str, Any]]:
    areas = [*region.counties(), *region.towns()]
    yield {
        "xzqdm": [area.key for area in areas], "name": [area.zh for area in areas],
        "name_en": [area.en for area in areas], "level": [area.kind for area in areas],
        "sjxzqdm": [area.parent for area in areas],
        "geometry": _multi([area.geometry for area in areas]),
    }  # fmt: skip


def _contours(scale: float) -> Iterator[dict[str, Any]]:
    interval = 20.0 if scale >= 0.5 else 100.0
    lines = region.contours(interval, 400.0, 15.0)
    yield {
        "contour_id": [f"{i:08d}" for i in range(len(lines))],
        "elev": np.array([z for z, _ in lines]),
        "kind": ["index" if z % (5 * interval) == 0 else "intermediate" for z, _ in lines],
        "geometry": shapely.force_3d(np.array([line for _, line in lines], object),
                                     np.array([z for z, _ in lines])),
    }  # fmt: skip


def _places(lattice: Lattice, wanted: int) -> Iterator[dict[str, Any]]:
    names = [(zh, en, "town", 60, *gaz.metric(lon, lat))
             for towns in gaz.TOWNS.values() for zh, en, lon, lat in towns]  # fmt: skip
    number = np.arange(wanted)
    rows = (scatter(number, 1, lattice.seed + 30) * lattice.rows).astype(np.int64)
    cols = (scatter(number, 2, lattice.seed + 30) * lattice.cols).astype(np.int64)
    spot = np.full((len(rows), 1), 0.5)
    for i, (x, y) in enumerate(lattice.inside(rows, cols, spot, spot)[:, 0].tolist()):
        first, last = gaz.LANE_FIRST[i % 16], gaz.LANE_LAST[i // 16 % 12]
        names.append(
            (f"{first[0]}{last[0]}村", f"{first[1]}{last[1]} Village", "village", 30, x, y)
        )
    yield {
        "place_id": [f"421200P{i:07d}" for i in range(len(names))],
        "name": [n[0] for n in names], "name_en": [n[1] for n in names],
        "kind": [n[2] for n in names], "rank": np.array([n[3] for n in names]),
        "geometry": shapely.points(np.round(np.array([n[4:] for n in names]), 3)),
    }  # fmt: skip


#: The layers of a benchmark city.
LAYERS = ("land_parcel", "building", "pipe_line", "pipe_node", "hazard_point", "road",
          "water_body", "contour", "admin_division", "place_name")  # fmt: skip


def write_city(
    scale: float, folder: Path, seed: int, layers: tuple[str, ...] = LAYERS
) -> dict[str, int]:
    """Write the layers of a benchmark city into a folder; return the rows of each.

    Args:
        scale: 1 for a million parcels; may be a fraction.
        folder: Gets one GeoPackage a layer, named after it.
        seed: Another seed, another city.
        layers: Which of LAYERS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lattice = Lattice.of_scale(scale, seed)
    lines, nodes = (None, None)
    if {"pipe_line", "pipe_node"} & set(layers):
        lines, nodes = _pipe_rows(lattice, round(200_000 * scale))
    makers: dict[str, tuple[str, Callable[[], Iterator[dict[str, Any]]]]] = {
        "land_parcel": ("Polygon", lambda: _parcels(lattice)),
        "building": ("Polygon", lambda: _buildings(lattice, round(500_000 * scale))),
        "pipe_line": ("LineString Z", lines or _waters),
        "pipe_node": ("Point Z", nodes or _waters),
        "hazard_point": ("Point", lambda: _hazards(lattice, max(1, round(5_000 * scale)))),
        "road": ("LineString", lambda: _roads(lattice)),
        "water_body": ("MultiPolygon", _waters),
        "contour": ("LineString Z", lambda: _contours(scale)),
        "admin_division": ("MultiPolygon", _areas),
        "place_name": ("Point", lambda: _places(lattice, max(1, round(3_000 * scale)))),
    }
    result = {}
    for layer in layers:
        kind, make = makers[layer]
        result[layer] = _write(folder / f"{layer}.gpkg", layer, kind, make())
    return result
