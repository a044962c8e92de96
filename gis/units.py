"""Units of measure and the exact factors between them.

Sources: SI and GB 3100-1993 (with 亩 = 1/15 ha, so 2000/3 m²); the international yard and pound
agreement of 1959 (foot 0.3048 m, inch 25.4 mm, mile 1609.344 m); Mendenhall's order of 1893 for the
US survey foot (1200/3937 m), which NIST withdrew for new surveys from 2023. Unit symbols are the
usual or UCUM ones; Chinese names stand for the same units.
"""

from dataclasses import dataclass
from fractions import Fraction


class UnitError(ValueError):
    """There is no such unit, or the units measure different things."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``value in the base unit = (value + zero) × factor``."""

    symbol: str
    quantity: str
    factor: Fraction
    zero: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Conversion:
    """From one unit to another: ``value × scale + offset``."""

    scale: float
    offset: float


_FOOT = Fraction(3048, 10_000)
_SURVEY_FOOT = Fraction(1200, 3937)
_MU = Fraction(2000, 3)

#: quantity → symbol → (factor to the base unit, other names). The base unit has factor 1.
_UNITS: dict[str, dict[str, tuple[Fraction | int, tuple[str, ...]]]] = {
    "length": {
        "m": (1, ("米",)),
        "dm": (Fraction(1, 10), ("分米",)),
        "cm": (Fraction(1, 100), ("厘米",)),
        "mm": (Fraction(1, 1000), ("毫米",)),
        "km": (1000, ("公里", "千米")),
        "in": (Fraction(254, 10_000), ("inch", "[in_i]", "英寸")),
        "ft": (_FOOT, ("foot", "[ft_i]", "英尺")),
        "ftUS": (_SURVEY_FOOT, ("us-ft", "[ft_us]")),
        "yd": (3 * _FOOT, ("[yd_i]", "码")),
        "mi": (5280 * _FOOT, ("[mi_i]", "英里")),
        "nmi": (1852, ("[nmi_i]", "海里")),
        "chi": (Fraction(1, 3), ("市尺",)),
        "li": (500, ("市里",)),
    },
    "area": {
        "m2": (1, ("m²", "平方米", "㎡")),
        "ha": (10_000, ("hm2", "公顷")),
        "a": (100, ("are", "公亩")),
        "km2": (1_000_000, ("km²", "平方公里", "平方千米")),
        "mm2": (Fraction(1, 1_000_000), ("mm²", "平方毫米")),
        "cm2": (Fraction(1, 10_000), ("cm²", "平方厘米")),
        "mu": (_MU, ("亩",)),
        "10000 mu": (10_000 * _MU, ("万亩",)),
        "10000 m2": (10_000, ("万平方米",)),
        "10000 ha": (100_000_000, ("万公顷",)),
        "ft2": (_FOOT**2, ("sqft", "[sft_i]")),
        "ftUS2": (_SURVEY_FOOT**2, ("us-ft2",)),
        "ac": (43_560 * _FOOT**2, ("acre", "英亩")),
        "acUS": (43_560 * _SURVEY_FOOT**2, ("[acr_us]",)),
        "mi2": ((5280 * _FOOT) ** 2, ("平方英里",)),
    },
    "volume": {
        "m3": (1, ("m³", "立方米")),
        "10000 m3": (10_000, ("万立方米", "万方")),
        "10^8 m3": (100_000_000, ("亿立方米",)),
        "L": (Fraction(1, 1000), ("l", "升")),
        "km3": (1_000_000_000, ("km³", "立方公里")),
        "ft3": (_FOOT**3, ("[cft_i]",)),
    },
    "ratio": {
        "1": (1, ("ratio",)),
        "%": (Fraction(1, 100), ("percent", "百分比")),
        "‰": (Fraction(1, 1000), ("permille", "千分比")),
        "ppm": (Fraction(1, 1_000_000), ()),
    },
    "angle": {
        "deg": (1, ("°", "度")),
        "arcmin": (Fraction(1, 60), ("′", "分")),
        "arcsec": (Fraction(1, 3600), ("″", "秒")),
        "gon": (Fraction(9, 10), ()),
    },
    "time": {
        "h": (1, ("小时",)),
        "min": (Fraction(1, 60), ("分钟",)),
        "s": (Fraction(1, 3600), ("秒钟",)),
        "d": (24, ("天",)),
    },
    "speed": {"km/h": (1, ("公里/小时",)), "m/s": (Fraction(36, 10), ("米/秒",))},
    "voltage": {"V": (1, ("伏",)), "kV": (1000, ("千伏",))},
    "pressure": {
        "Pa": (1, ("帕",)),
        "kPa": (1000, ("千帕",)),
        "MPa": (1_000_000, ("兆帕",)),
        "bar": (100_000, ("巴",)),
    },
    "mass": {"kg": (1, ("千克", "公斤")), "t": (1000, ("吨",)), "10000 t": (10_000_000, ("万吨",))},
    "money": {
        "CNY": (1, ("元",)),
        "10000 CNY": (10_000, ("万元",)),
        "10^8 CNY": (100_000_000, ("亿元",)),
    },
    "count": {"each": (1, ("个", "人", "户")), "10000": (10_000, ("万",))},
    "temperature": {
        "Cel": (1, ("°C", "℃", "摄氏度")),
        "degF": (Fraction(5, 9), ("[degF]", "°F", "华氏度")),
        "K": (1, ()),
    },
}  # fmt: skip
_ZEROS = {"degF": Fraction(-32), "K": Fraction(-27_315, 100)}


def _table() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    for quantity, units in _UNITS.items():
        for symbol, (factor, names) in units.items():
            unit = Unit(symbol, quantity, Fraction(factor), _ZEROS.get(symbol, Fraction(0)))
            table.update(dict.fromkeys((symbol, *names), unit))
    return table


#: Every unit by its symbol and other names.
UNITS = _table()


def unit_of(name: str) -> Unit:
    """Return the unit of that symbol or name.

    Raises:
        UnitError: If there is none.
    """
    unit = UNITS.get(name.strip())
    if unit is None:
        raise UnitError(f"there is no unit '{name}'")
    return unit


def conversion(given: str, wanted: str) -> Conversion:
    """Return how values in one unit become values in another.

    Args:
        given: The unit of the values.
        wanted: The unit to convert to.

    Raises:
        UnitError: If either is unknown, or they do not measure the same thing.
    """
    start, end = unit_of(given), unit_of(wanted)
    if start.quantity != end.quantity:
        raise UnitError(
            f"'{given}' is a unit of {start.quantity}, '{wanted}' one of {end.quantity}"
        )
    scale = start.factor / end.factor
    return Conversion(float(scale), float(start.zero * scale - end.zero))
