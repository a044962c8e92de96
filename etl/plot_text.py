"""The plot exchange text that applications for construction land carry (报批坐标 txt).

A header of ``name=value`` lines after ``[属性描述]``, then ``[地块坐标]`` and the plots: a line
``points,area_ha,plot_no,name,geometry_type,sheet,use,class,@`` and the plot's points, each
``J1,ring,X_north,Y_east``. The form is agreed between the departments' systems rather than
standardised; what varies between them in practice is read: brackets and commas of full width,
more attributes before the ``@``, closing points left out, rings of one number after each other.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import shapely
from shapely.geometry.base import BaseGeometry

from etl.reader import RowProblem
from etl.rows import Row
from gis.crs import cgcs2000_zone, zone_of
from gis.rings import RingError, area_of_rings
from layers.errors import LoadRefused

#: The columns: points, area in hectares and in square metres as stated, number, name, kind of
#: geometry, sheet, use, class of land, further attributes, number of rings.
COLUMNS = ("JZDS", "DKMJ", "MJ_M2", "DKBH", "DKMC", "TXSX", "TFH", "DKYT", "DLBM", "QT", "QS")
#: Columns that repeat the header on every row.
HEADER_COLUMNS = {
    "数据产生单位": "SJCSDW",
    "数据产生日期": "SJCSRQ",
    "坐标系": "ZBX",
    "精度": "JD",
    "转换参数": "ZHCS",
}
_DESCRIPTION, _PLOTS = "[属性描述]", "[地块坐标]"
#: Nobody writes a longer line; a file without line ends must not fill the memory.
_LINE_CHARACTERS = 100_000
#: A plot of more points is no plot; so memory stays bounded.
_MOST_POINTS = 2_000_000
_WIDTHS = str.maketrans(
    {"，": ",", "＝": "=", "【": "[", "】": "]", "［": "[", "］": "]", "＠": "@"}
)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_DEGREE_WORDS = {"3": 3, "三": 3, "6": 6, "六": 6}
_LEGACY_DATUMS = {"80": "EPSG:4610", "54": "EPSG:4214"}
#: Xi'an 1980 and Beijing 1954 by the words used for them; CGCS2000 by its own.
_XIAN, _BEIJING, _CGCS = re.compile(r"80|西安"), re.compile(r"54|北京"), re.compile(r"2000", re.I)


@dataclass(frozen=True)
class PlotHeader:
    """What the first part of the file says."""

    values: dict[str, str]

    def crs(self, easting: float | None) -> str | None:
        """Return the CRS that the header and the first easting name together.

        Args:
            easting: The first point's second coordinate; degrees count as geographic.

        Returns:
            A code, or ``None`` where the header does not say enough. Xi'an 1980 and Beijing 1954
            come back as such, for the reader of codes to refuse.

        Raises:
            LoadRefused: If header and coordinates contradict each other.
        """
        datum = self.values.get("坐标系", "")
        if _XIAN.search(datum):
            return _LEGACY_DATUMS["80"]
        if _BEIJING.search(datum):
            return _LEGACY_DATUMS["54"]
        if not _CGCS.search(datum) or easting is None:
            return None
        if abs(easting) <= 180:
            return "EPSG:4490"
        return self._projected(easting)

    def _projected(self, easting: float) -> str | None:
        unit = self.values.get("计量单位", "")
        if unit and unit not in ("米", "m", "M"):
            raise LoadRefused(
                f"the unit is '{unit}', not metres (计量单位): convert the file first"
            )
        said = self._zone()
        written = zone_of(easting)
        zone = written if written is not None else said
        if said is not None and written is not None and said != written:
            raise LoadRefused(
                f"the header says zone {said} (带号), but the eastings begin with {written}: "
                "correct the header, or give --crs"
            )
        code = cgcs2000_zone(zone, prefixed=written is not None) if zone is not None else None
        if zone is not None and code is None:
            raise LoadRefused(f"there is no Gauss-Kruger zone {zone} in China (带号)")
        width = self._width()
        if zone is not None and width is not None and width != (3 if zone >= 25 else 6):
            raise LoadRefused(
                f"the header says zones of {width} degrees (几度分带), but zone {zone} is one of "
                f"{3 if zone >= 25 else 6}: correct the header, or give --crs"
            )
        return f"EPSG:{code}" if code is not None else None

    def _zone(self) -> int | None:
        digits = re.search(r"\d{2}", self.values.get("带号", ""))
        return int(digits.group()) if digits else None

    def _width(self) -> int | None:
        text = self.values.get("几度分带", self.values.get("分带", ""))
        return next((_DEGREE_WORDS[char] for char in text if char in _DEGREE_WORDS), None)


@dataclass
class _Plot:
    """A plot on its way: its line and its points so far."""

    line: int
    attributes: list[str]
    points: int = 0
    #: (ring number, corner names, corners), in the file's order of coordinates.
    rings: list[tuple[str, list[str], list[tuple[float, float]]]] = field(default_factory=list)
    problem: RowProblem | None = None

    def say(self, rule: str, message: str) -> None:
        """Keep the first thing that is wrong."""
        self.problem = self.problem or RowProblem(rule, message)


def read_header(stream: TextIO) -> tuple[PlotHeader, int]:
    """Read up to and with the line ``[地块坐标]``.

    Returns:
        The header, and how many lines were read.

    Raises:
        LoadRefused: If there is no such line.
    """
    values: dict[str, str] = {}
    for number, line in _lines(stream, 0):
        if line == _PLOTS:
            return PlotHeader(values), number
        name, equals, value = line.partition("=")
        if equals:
            values[name.strip()] = value.strip()
    raise LoadRefused(f"has no line {_PLOTS}, so it is no plot exchange text")


def is_plot_text(head: str) -> bool:
    """Say whether a text's beginning is that of a plot exchange text."""
    plain = head.translate(_WIDTHS)
    return _PLOTS in plain or plain.lstrip("\ufeff \t\r\n").startswith(_DESCRIPTION)


def first_point(stream: TextIO, read: int) -> tuple[float, float] | None:
    """Return the first readable point after the header and ``read`` lines, in the file's order."""
    for _, line in _lines(stream, read):
        parts = _split(line)
        if not _is_plot_line(parts) and len(parts) >= 4:
            point = _point(parts)
            if point is not None:
                return point
    return None


def read_plots(stream: TextIO, read: int, *, east_first: bool, header: PlotHeader) -> Iterator[Row]:
    """Read the plots after the header.

    Args:
        stream: Stands after the line ``[地块坐标]``.
        read: Lines read so far, for messages.
        east_first: Points are written easting or longitude first, against the form.
        header: Its values are repeated on every row.

    Raises:
        LoadRefused: If a line belongs to no plot.
    """
    repeated = {column: header.values.get(name) for name, column in HEADER_COLUMNS.items()}
    for plot in _plots(_lines(stream, read)):
        yield _row(plot, repeated, east_first=east_first)


def _plots(lines: Iterable[tuple[int, str]]) -> Iterator[_Plot]:
    plot: _Plot | None = None
    for number, line in lines:
        parts = _split(line)
        if _is_plot_line(parts):
            if plot is not None:
                yield plot
            plot = _Plot(number, parts)
        elif plot is None:
            raise LoadRefused(
                f"line {number}: '{line[:40]}' stands before the first plot's line, "
                "which must end with @"
            )
        else:
            _add(plot, number, parts)
    if plot is not None:
        yield plot


def _add(plot: _Plot, number: int, parts: list[str]) -> None:
    plot.points += 1
    if plot.points > _MOST_POINTS:
        raise LoadRefused(f"line {number}: the plot of line {plot.line} has too many points")
    point = _point(parts) if len(parts) >= 4 else None
    if point is None:
        plot.say(
            "plot_line",
            f"line {number}: '{','.join(parts)[:40]}' is not a point (number,ring,X,Y)",
        )
        return
    name, ring = parts[0], parts[1]
    if not plot.rings or plot.rings[-1][0] != ring or _is_closed(plot.rings[-1][2]):
        plot.rings.append((ring, [], []))
    plot.rings[-1][1].append(name)
    plot.rings[-1][2].append(point)


def _is_closed(corners: list[tuple[float, float]]) -> bool:
    return len(corners) > 3 and corners[0] == corners[-1]


def _row(plot: _Plot, repeated: dict[str, str | None], *, east_first: bool) -> Row:
    values = _values(plot) | repeated
    shape: BaseGeometry | None = None
    _check_count(plot)
    kind = values["TXSX"] or "面"
    if plot.problem is None:
        rings = [
            corners if east_first else [(east, north) for north, east in corners]
            for _, _, corners in plot.rings
        ]
        shape = _shape(plot, rings, kind)
    return Row(values, shape, plot.problem)


def _values(plot: _Plot) -> dict[str, Any]:
    # The line ends with @; what stands between the eighth value and it is kept together.
    attributes = plot.attributes[: plot.attributes.index("@")]
    named = [value.strip() or None for value in (attributes + [""] * 8)[:8]]
    points, area, *rest = named
    hectares = _NUMBER.match(area or "")
    number = float(hectares.group()) if hectares else None
    further = ",".join(attributes[8:]).strip(",") or None
    return {
        "JZDS": points,
        "DKMJ": number,
        "MJ_M2": number * 10_000 if number is not None else None,
        **dict(zip(("DKBH", "DKMC", "TXSX", "TFH", "DKYT", "DLBM"), rest, strict=True)),
        "QT": further,
        "QS": str(len(plot.rings)),
    }


def _check_count(plot: _Plot) -> None:
    """The stated number may count closing points or not, written or not."""
    said = plot.attributes[0].strip()
    closing = sum(_is_closed(corners) for _, _, corners in plot.rings)
    possible = {plot.points, plot.points - closing, plot.points + len(plot.rings) - closing}
    if said.isdigit() and int(said) in possible:
        return
    plot.say(
        "plot_points",
        f"line {plot.line}: the plot states {said or 'no'} points, but {plot.points} follow",
    )


def _shape(plot: _Plot, rings: list[list[tuple[float, float]]], kind: str) -> BaseGeometry | None:
    corners = [corner for ring in rings for corner in ring]
    if kind == "点":
        return shapely.Point(corners[0]) if len(corners) == 1 else shapely.MultiPoint(corners)
    if kind == "线":
        if any(len(ring) < 2 for ring in rings):
            plot.say("plot_ring", f"line {plot.line}: a line of the plot has fewer than 2 points")
            return None
        lines = [shapely.LineString(ring) for ring in rings]
        return lines[0] if len(lines) == 1 else shapely.MultiLineString(lines)
    return _area(plot, rings)


def _area(plot: _Plot, rings: list[list[tuple[float, float]]]) -> BaseGeometry | None:
    for (number, names, _), ring in zip(plot.rings, rings, strict=True):
        if len(set(ring)) < 3:
            plot.say(
                "plot_ring",
                f"line {plot.line}: ring {number} of the plot has fewer than 3 corners",
            )
            return None
        if len(names) > 1 and names[0] == names[-1] and ring[0] != ring[-1]:
            plot.say(
                "plot_unclosed",
                f"line {plot.line}: ring {number} ends at {names[-1]} again, but elsewhere "
                "than it began",
            )
            return None
    try:
        return area_of_rings(rings) if rings else None
    except RingError as error:
        plot.say("plot_rings", f"line {plot.line}: {error}")
        return None


def _point(parts: list[str]) -> tuple[float, float] | None:
    if not (_NUMBER.fullmatch(parts[2]) and _NUMBER.fullmatch(parts[3])):
        return None
    return float(parts[2]), float(parts[3])


def _split(line: str) -> list[str]:
    return [part.strip() for part in line.split(",")]


def _is_plot_line(parts: list[str]) -> bool:
    return "@" in parts[1:]


def _lines(stream: TextIO, read: int) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, numbered from the file's first, in plain characters.

    Raises:
        LoadRefused: If a line is longer than any can be.
    """
    while line := stream.readline(_LINE_CHARACTERS):
        read += 1
        if len(line) == _LINE_CHARACTERS:
            raise LoadRefused(f"line {read} is longer than {_LINE_CHARACTERS} characters")
        if plain := line.translate(_WIDTHS).strip("\ufeff \t\r\n\x1a"):
            yield read, plain
