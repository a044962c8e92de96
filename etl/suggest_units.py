"""Guess the unit of a column: from what its geometries measure, and from its name."""

import re

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gis.units import UnitError, conversion

#: Units that surveys use, by what the field's unit measures.
_AREAS = ("m2", "mu", "ha", "km2", "10000 m2", "ft2", "ftUS2", "ac")
_LENGTHS = ("m", "km", "ft", "ftUS", "cm", "mm", "mi")
_BY_NAME = (
    (r"(^|_)ft(us)?$|feet|英尺", "ft"), (r"(^|_)in(ch)?$|英寸", "in"), (r"(^|_)mm$|毫米", "mm"),
    (r"(^|_)cm$|厘米", "cm"), (r"(^|_)km$|公里", "km"), (r"(^|_)mu$|亩", "mu"),
    (r"(^|_)(ha|hm2)$|公顷", "ha"), (r"(^|_)km2$|平方公里", "km2"), (r"acre", "acre"),
    (r"万元", "万元"), (r"万方|万立方米", "万立方米"),
)  # fmt: skip
#: Two areas of the same thing agree so well, whatever projection they were computed in.
_CLOSE = 0.03
_MOST = 0.7


def unit_by_measure(
    values: pa.Array, measured: NDArray[np.float64], unit: str
) -> tuple[str, float] | None:
    """Find the unit in which a column agrees with what its geometries measure.

    Args:
        values: Numbers of the column, null where it has none.
        measured: Areas in m² or lengths in m, one a row; NaN where there is none.
        unit: The unit of the field.

    Returns:
        The unit, and the share of the rows that agree; ``None`` if there is no such unit.
    """
    numbers = values.to_numpy(zero_copy_only=False).astype(float)
    with np.errstate(all="ignore"):
        usable = (numbers > 0) & (measured > 0)
        if usable.sum() < 3:
            return None
        ratios = numbers[usable] / measured[usable]
    native, units = ("m2", _AREAS) if _fits("m2", unit) else ("m", _LENGTHS)
    shares = {
        name: float(np.mean(np.abs(ratios * conversion(name, native).scale - 1) < _CLOSE))
        for name in units
        if _fits(name, unit)
    }
    if not shares:
        return None
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < _MOST:
        return None
    if best == "ft" and _closer(ratios, "ftUS", "ft"):
        best = "ftUS"
    return best, shares[best]


def unit_by_name(column: str, unit: str) -> str | None:
    """Find a unit that a column's name ends in, if it measures what the field's unit does."""
    for pattern, name in _BY_NAME:
        if re.search(pattern, column.casefold()) and _fits(name, unit):
            return name
    return None


def _closer(ratios: NDArray[np.float64], first: str, second: str) -> bool:
    away = {
        name: abs(float(np.median(ratios)) * conversion(name, "m").scale - 1)
        for name in (first, second)
    }
    return away[first] < away[second] and away[first] < 1e-6


def _fits(unit: str, wanted: str) -> bool:
    try:
        conversion(unit, wanted)
    except UnitError:
        return False
    return True
