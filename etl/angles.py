"""Coordinates as surveys write them down: numbers, and degrees, minutes and seconds in every dress.

``114.32``, ``114°19′12.5″E``, ``东经114度19分12.5秒``, ``114:19:12.5``, ``114-19-12.5``,
``E114°19.208'`` and, in columns of degrees, packed ``1141912.5`` (DDDMMSS.s).
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Axis = Literal["lon", "lat"]

_SIGNS = {
    **dict.fromkeys(("东经", "东", "E", "e"), ("lon", 1.0)),
    **dict.fromkeys(("西经", "西", "W", "w"), ("lon", -1.0)),
    **dict.fromkeys(("北纬", "北", "N", "n"), ("lat", 1.0)),
    **dict.fromkeys(("南纬", "南", "S", "s"), ("lat", -1.0)),
}
#: Signs that look alike, to one of each kind; both runs have the same length.
_ALIKE = str.maketrans(
    "０１２３４５６７８９．，：－−–—＋　º˚’‘′´`＇“”″＂",
    "0123456789.,:----+ °°''''''\"\"\"\"",
)
_SIDE = "东经|西经|北纬|南纬|[东西北南EWNSewns]"
_ANGLE = re.compile(
    rf"(?P<before>{_SIDE})?\s*(?P<sign>[+-])?\s*(?P<d>\d{{1,3}}(?:\.\d*)?)\s*(?:°|度|d|[-: ])?\s*"
    r"(?:(?P<m>\d{1,2}(?:\.\d*)?)\s*(?:'|分|m|[-: ])?\s*"
    r"(?:(?P<s>\d{1,2}(?:\.\d*)?)\s*(?:\"|''|秒|s)?)?)?\s*"
    rf"(?P<after>{_SIDE})?"
)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True)
class Reading:
    """One coordinate that was read."""

    value: float
    #: Which axis the text itself names, if it does.
    axis: Axis | None = None


def read_coordinate(text: str) -> Reading | None:
    """Read one coordinate.

    Returns:
        A number as it is (metres or degrees), an angle in degrees; ``None`` if it is neither, or
        has 60 minutes or seconds or more.
    """
    plain = text.translate(_ALIKE).strip()
    try:
        return Reading(float(plain.replace(",", "") if _GROUPED.fullmatch(plain) else plain))
    except ValueError:
        pass
    match = _ANGLE.fullmatch(plain)
    if match is None:
        return None
    degrees, minutes, seconds = (float(match[name] or 0.0) for name in ("d", "m", "s"))
    broken = (degrees % 1 and match["m"]) or (minutes % 1 and match["s"])
    if broken or minutes >= 60 or seconds >= 60:
        return None
    value = degrees + minutes / 60 + seconds / 3600
    axis, side = _side(match)
    if match["sign"] == "-":
        side = -side
    return Reading(side * value, axis)


def unpack(x: Array, y: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Turn packed degrees, minutes and seconds (``1141912.5``) into degrees, pair by pair.

    Args:
        x: Longitudes, some perhaps packed.
        y: Latitudes, same length.

    Returns:
        Both in degrees, and the pairs that look packed but have 60 minutes or seconds or more.
        Pairs that are no longitude and latitude even when packed stay as they are.
    """
    packed = (np.abs(x) > 180) & (np.abs(y) > 90) & (np.abs(x) < 1.81e6) & (np.abs(y) < 9.1e5)
    if not packed.any():
        return x, y, packed
    (lon, lon_good), (lat, lat_good) = _unpacked(x), _unpacked(y)
    good = packed & lon_good & lat_good
    if not good.any():
        return x, y, good
    return np.where(good, lon, x), np.where(good, lat, y), packed & ~good


def _unpacked(values: Array) -> tuple[Array, NDArray[np.bool_]]:
    size = np.abs(np.nan_to_num(values))
    degrees, minutes, seconds = size // 10_000, size // 100 % 100, size % 100
    angle = np.sign(values) * (degrees + minutes / 60 + seconds / 3600)
    return angle, np.asarray((minutes < 60) & (seconds < 60), dtype=bool)


def _side(match: re.Match[str]) -> tuple[Axis | None, float]:
    letter = match["before"] or match["after"]
    if letter is None:
        return None, 1.0
    axis, sign = _SIGNS[letter]
    return ("lon" if axis == "lon" else "lat"), sign
