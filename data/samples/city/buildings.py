"""Buildings inside plots: rows that follow the street, with setback, storeys, structure and use."""

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry as Geometry

from city.land import Parcel
from city.noise import Floats, scatter


@dataclass(frozen=True)
class Pattern:
    """How a class is built: depth and length of a house, gaps, setback (m), storeys, and more."""

    depth: float
    length: float
    gap: float
    side: float
    setback: float
    floors: tuple[int, int]
    storey_m: float
    structure: str
    use: str
    cover: float


_SLAB = Pattern(13.5, 44, 21, 10, 7, (6, 7), 3.0, "4", "10", 0.97)
_TOWER = Pattern(17, 26, 34, 22, 10, (15, 26), 3.0, "3", "10", 0.92)
PATTERNS: dict[str, Pattern] = {
    "0701": _SLAB,
    "0702": Pattern(10, 12.5, 6, 5, 3, (1, 3), 3.2, "5", "10", 0.72),
    "0501": Pattern(22, 40, 12, 8, 5, (3, 6), 4.2, "3", "30", 0.9),
    "0502": Pattern(24, 60, 12, 12, 5, (1, 2), 5.0, "1", "30", 0.9),
    "0503": Pattern(16, 26, 12, 8, 5, (2, 4), 3.8, "3", "30", 0.85),
    "0504": Pattern(20, 48, 24, 18, 9, (6, 18), 3.4, "3", "30", 0.8),
    "0505": Pattern(26, 38, 26, 18, 8, (9, 24), 3.8, "3", "30", 0.85),
    "0506": Pattern(24, 36, 18, 14, 7, (2, 4), 4.5, "3", "50", 0.8),
    "0507": Pattern(16, 28, 12, 10, 5, (2, 4), 3.6, "4", "30", 0.8),
    "0601": Pattern(30, 66, 18, 14, 10, (1, 2), 7.5, "1", "20", 0.86),
    "0604": Pattern(34, 80, 20, 14, 10, (1, 1), 9.0, "1", "20", 0.9),
    "0801": Pattern(16, 52, 24, 14, 10, (5, 12), 3.6, "3", "60", 0.85),
    "0803": Pattern(14, 54, 30, 16, 12, (4, 6), 3.8, "3", "40", 0.66),
    "0804": Pattern(16, 46, 26, 16, 10, (4, 8), 3.8, "3", "40", 0.7),
    "0805": Pattern(22, 60, 26, 18, 12, (6, 16), 3.8, "3", "40", 0.8),
    "0806": Pattern(14, 36, 20, 12, 8, (3, 5), 3.4, "4", "40", 0.8),
    "0807": Pattern(30, 44, 26, 20, 10, (2, 4), 5.0, "3", "50", 0.7),
    "0808": Pattern(44, 70, 30, 30, 12, (1, 3), 8.0, "1", "50", 0.6),
    "0809": Pattern(12, 20, 14, 10, 6, (1, 3), 4.0, "3", "80", 0.6),
    "0810": Pattern(8, 12, 90, 80, 16, (1, 1), 4.0, "5", "50", 0.16),
    "1005": Pattern(26, 54, 30, 24, 10, (1, 3), 5.0, "3", "20", 0.6),
}
#: Classes whose buildings wear the parcel's name.
NAMES = {"0501": ("商场", "Mall"), "0502": ("市场", "Market"), "0503": ("酒楼", "Restaurant"),
         "0504": ("酒店", "Hotel"), "0505": ("大厦", "Tower"), "0601": ("厂房", "Works"),
         "0604": ("仓库", "Warehouse"), "0701": ("小区", "Residence"), "0702": ("民居", "House"),
         "0801": ("办公楼", "Offices"), "0803": ("学校", "School"), "0804": ("研究所", "Institute"),
         "0805": ("医院", "Hospital"), "0806": ("福利院", "Welfare Home"),
         "0807": ("文化馆", "Culture Hall"), "0808": ("体育馆", "Gymnasium"),
         "0809": ("配套用房", "Utility House"), "0810": ("公园用房", "Park Lodge"),
         "1005": ("客运站", "Station"), "0506": ("影城", "Cinema"), "0507": ("服务楼",
         "Service House")}  # fmt: skip


@dataclass(frozen=True)
class Building:
    """A building: stable key, footprint, its parcel, and what stands in the register."""

    key: str
    geometry: Geometry
    parcel: int
    code: str
    floors: int
    below: int
    height_m: float
    structure: str
    use: str
    year: int
    ground_m: float = 0.0


def _axes(shape: Geometry) -> tuple[Floats, Floats, Floats, float, float]:
    """Return a corner, the two unit axes and the two lengths of the smallest turned box."""
    ring = shapely.get_coordinates(shapely.minimum_rotated_rectangle(shape))[:4]
    first, second = ring[1] - ring[0], ring[3] - ring[0]
    if abs(first[1]) > abs(second[1]):  # rows run east-west as far as the street allows
        first, second = second, first
    long, deep = float(np.hypot(*first)), float(np.hypot(*second))
    return ring[0], first / max(long, 1e-9), second / max(deep, 1e-9), long, deep


def _fit(total: float, size: float, gap: float) -> tuple[int, float]:
    """Return how many houses fit along a length and where the first begins."""
    count = max(0, int((total + gap) // (size + gap)))
    return count, (total - count * size - (count - 1) * gap) / 2


def _footprints(parcel: Parcel, pattern: Pattern, stretch: float) -> list[Geometry]:
    inner = shapely.buffer(parcel.geometry, -pattern.setback, join_style="mitre")
    if inner.is_empty:
        inner = shapely.buffer(parcel.geometry, -2.5, join_style="mitre")
    if inner.is_empty:
        return []
    found: list[Geometry] = []
    for part in shapely.get_parts(inner):
        if part.area < 60:
            continue
        corner, ahead, across, long, deep = _axes(part)
        length, depth = min(pattern.length * stretch, long), min(pattern.depth, deep)
        cols, left = _fit(long, length, pattern.side)
        rows, low = _fit(deep, depth, pattern.gap)
        boxes = []
        for row in range(rows):
            for col in range(cols):
                a, b = left + col * (length + pattern.side), low + row * (depth + pattern.gap)
                base = corner + a * ahead + b * across
                boxes.append([base, base + length * ahead,
                              base + length * ahead + depth * across, base + depth * across,
                              base])  # fmt: skip
        if boxes:
            shapes = np.asarray(shapely.polygons(np.asarray(boxes)), object)
            found += list(shapes[shapely.contains(part.buffer(0.05), shapes)])
        if not boxes or not found:
            small = shapely.buffer(part, -max(0.0, (min(long, deep) - depth) / 4))
            if small.geom_type == "Polygon" and 60 < small.area < 1500:
                box = shapely.minimum_rotated_rectangle(small)
                found.append(box if part.contains(box) else small)
    return [shape for shape in found if shape.geom_type == "Polygon"]


def _shape(box: Geometry, code: str, seed: int) -> Geometry:
    """Give public buildings wings: an L or a notch instead of a plain box."""
    ring = shapely.get_coordinates(box)
    if code not in ("0803", "0805", "0801", "0505", "0504", "0501") or len(ring) != 5:
        return box
    a, b, c, d = ring[:4]
    t, s = 0.42 + 0.2 * float(scatter(seed, 3, 3)), 0.45
    if float(scatter(seed, 4, 3)) < 0.45:
        return box
    return shapely.Polygon(np.array([a, b, b + (c - b) * s, a + (b - a) * t + (c - b) * s,
                                      a + (b - a) * t + (d - a), d, a]))  # fmt: skip


def stand(parcel: Parcel, year: int) -> list[Building]:
    """Return the buildings of a parcel opened in an epoch; the same whenever it is asked."""
    pattern = PATTERNS.get(parcel.code)
    if pattern is None or parcel.use in ("bank", "field"):
        return []
    tall = parcel.code == "0701" and (
        parcel.number < 100_000 or float(scatter(parcel.number, 2, 61)) < (0.12, 0.4, 0.55)[year]
    )
    pattern = _TOWER if tall else pattern
    stretch = 0.85 + 0.35 * float(scatter(parcel.number, 1, 61))
    result = []
    for index, box in enumerate(_footprints(parcel, pattern, stretch)):
        if float(scatter(parcel.number, 100 + index, 62)) > pattern.cover:
            continue
        low, high = pattern.floors
        floors = low + int((high - low + 1) * float(scatter(parcel.number, index // 3, 63)) * 0.999)
        result.append(
            Building(
                key=f"{parcel.number:08d}{index:03d}",
                geometry=_shape(box, parcel.code, parcel.number * 7 + index),
                parcel=parcel.number,
                code=parcel.code,
                floors=floors,
                below=2 if floors > 14 else 1 if floors > 8 else 0,
                height_m=round(floors * pattern.storey_m + 0.9, 1),
                structure=pattern.structure,
                use=pattern.use,
                year=(1996 + int(18 * float(scatter(parcel.number, 5, 64))), 2015, 2018)[year],
            )
        )
    return result
