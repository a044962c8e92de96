"""Corner lists of mining rights: rings of corners with a sign and a range of elevations.

They come as a table with a row a corner (``ring_no, point_no, X_north, Y_east, z_top, z_bottom,
sign``), or with all of a right in one cell, as the registers of licences write it::

    rings, points, no, X, Y, no, X, Y, …, top, bottom, remark, sign, points, no, X, Y, …
    no, X, Y, no, X, Y, …, *, top, bottom, remark, sign, no, X, Y, …

A ring with sign 1 adds area, one with -1 takes it away. The blocks of a right may have different
ranges of elevation; a right is still one feature, whose range spans them all, with the single ones
written down beside it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shapely.geometry.base import BaseGeometry

from etl.reader import RowProblem
from gis.crs import zone_of
from gis.rings import RingError, area_of_signed_rings

LICENCE = ("xkzh", "ckxkzh", "licence_no", "采矿许可证号", "许可证号", "采矿许可证证号")
RING = ("ring_no", "圈号", "区块号", "区块", "ring")
POINT = ("point_no", "点号", "拐点号", "拐点编号", "序号")
NORTH = ("x", "x_north", "x坐标", "纵坐标", "北坐标")
EAST = ("y", "y_east", "y坐标", "横坐标", "东坐标")
TOP = ("z_top", "cssx", "kcsdsx", "cssxbg", "采深上限", "上限标高", "开采上限")
BOTTOM = ("z_bottom", "csxx", "kcsdxx", "csxxbg", "采深下限", "下限标高", "开采下限")
SIGN = ("sign", "符号", "标志", "扣除标志")
CELL = ("区域坐标", "拐点坐标", "矿区范围拐点坐标", "矿区坐标", "坐标串", "qyzb", "gdzb")
REMARK = ("bz", "备注", "note")

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_WIDTHS = str.maketrans(
    {"，": ",", "、": ",", "；": ",", ";": ",", "＊": "*", "－": "-", "＋": "+"}
)
_SIGNS = {"1": True, "+1": True, "+": True, "": True, "-1": False, "-": False}
_AFTER_STAR = 4


class CornerError(ValueError):
    """A corner list does not have the form it should."""


@dataclass
class Block:
    """A ring of a right."""

    name: str
    #: Easting, northing.
    corners: list[tuple[float, float]] = field(default_factory=list)
    top: float | None = None
    bottom: float | None = None
    remark: str | None = None
    adds: bool = True


@dataclass(frozen=True)
class Right:
    """What a corner list makes of a right."""

    shape: BaseGeometry | None
    #: The range over all blocks that add area, metres.
    top: float | None
    bottom: float | None
    #: The blocks' own ranges and remarks, where one right has several.
    blocks: str | None
    problem: RowProblem | None


def read_cell(text: str) -> list[Block]:
    """Read the corner list of one cell.

    Args:
        text: In one of the forms above.

    Raises:
        CornerError: If it has neither form.
    """
    tokens = [token.strip() for token in text.translate(_WIDTHS).split(",")]
    while tokens and not tokens[-1]:
        tokens.pop()
    if not tokens:
        raise CornerError("the corner list is empty")
    return _starred(tokens) if "*" in tokens else _counted(tokens)


def make_right(blocks: Sequence[Block]) -> Right:
    """Make one area of the blocks, and check what only the corners show.

    Returns:
        The right; without geometry and with the reason if the blocks make no area.
    """
    adding = [block for block in blocks if block.adds] or list(blocks)
    top = max((block.top for block in adding if block.top is not None), default=None)
    bottom = min((block.bottom for block in adding if block.bottom is not None), default=None)
    told = _told(blocks)
    problem = _problem(blocks)
    shape = None
    if problem is None:
        try:
            shape = area_of_signed_rings([(block.corners, block.adds) for block in blocks])
        except RingError as error:
            problem = RowProblem("corner_rings", str(error))
    return Right(shape, top, bottom, told, problem)


def sign_of(text: str | None) -> bool:
    """Return whether a sign adds area.

    Raises:
        CornerError: If it is neither 1 nor -1; nothing counts as 1.
    """
    plain = (text or "").translate(_WIDTHS).strip()
    if plain not in _SIGNS:
        raise CornerError(f"'{plain}' is not a sign (1 adds area, -1 takes it away)")
    return _SIGNS[plain]


def number_of(text: str | None, what: str) -> float:
    """Return a number.

    Raises:
        CornerError: If it is none.
    """
    plain = (text or "").translate(_WIDTHS).strip()
    if not _NUMBER.fullmatch(plain):
        raise CornerError(f"{what} is '{plain}', not a number")
    return float(plain)


def elevation_of(text: str | None, what: str) -> float | None:
    """Return an elevation in metres, ``None`` where there is none.

    Raises:
        CornerError: If it is not a number.
    """
    plain = (text or "").strip().removesuffix("m").removesuffix("米")
    return number_of(plain, what) if plain else None


def _starred(tokens: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    place = 0
    while place < len(tokens):
        try:
            star = tokens.index("*", place)
        except ValueError:
            raise CornerError(f"after block {len(blocks)} a * is missing") from None
        block = Block(str(len(blocks) + 1))
        _add_corners(block, tokens[place:star])
        _finish(block, tokens[star + 1 : star + 1 + _AFTER_STAR])
        blocks.append(block)
        place = star + 1 + _AFTER_STAR
    return blocks


def _counted(tokens: Sequence[str]) -> list[Block]:
    rings = _count(tokens[0], "the number of blocks")
    blocks: list[Block] = []
    place = 1
    for number in range(1, rings + 1):
        if place >= len(tokens):
            raise CornerError(f"{rings} blocks are stated, but {number - 1} follow")
        points = _count(tokens[place], f"the number of corners of block {number}")
        block = Block(str(number))
        end = place + 1 + 3 * points
        if end > len(tokens):
            raise CornerError(f"block {number} states {points} corners, but fewer follow")
        _add_corners(block, tokens[place + 1 : end])
        _finish(block, tokens[end : end + _AFTER_STAR])
        blocks.append(block)
        place = end + _AFTER_STAR
    if place < len(tokens):
        raise CornerError(f"{rings} blocks are stated, but more values follow them")
    return blocks


def _count(text: str, what: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 100_000:
        raise CornerError(f"{what} is '{text}'")
    return int(text)


def _add_corners(block: Block, tokens: Sequence[str]) -> None:
    if len(tokens) % 3:
        raise CornerError(f"block {block.name}: its corners are not triples of number, X and Y")
    for place in range(0, len(tokens), 3):
        name, north, east = tokens[place : place + 3]
        what = f"block {block.name}, corner {name}"
        corner = number_of(east, f"{what}: Y"), number_of(north, f"{what}: X")
        block.corners.append(corner)


def _finish(block: Block, tokens: Sequence[str]) -> None:
    top, bottom, remark, sign = (*tokens, "", "", "", "")[:_AFTER_STAR]
    block.top = elevation_of(top, f"block {block.name}: the upper elevation")
    block.bottom = elevation_of(bottom, f"block {block.name}: the lower elevation")
    block.remark = remark or None
    block.adds = sign_of(sign)


def _problem(blocks: Iterable[Block]) -> RowProblem | None:
    zones: set[int | None] = set()
    for block in blocks:
        zones.update(zone_of(east) for east, _ in block.corners)
        if len(set(block.corners)) < 3:
            return RowProblem("corner_ring", f"block {block.name} has fewer than 3 corners")
        if block.top is not None and block.bottom is not None and block.top <= block.bottom:
            return RowProblem(
                "corner_elevations",
                f"block {block.name}: its upper elevation {block.top:g} m is not above its lower "
                f"one {block.bottom:g} m",
            )
    if len(zones) > 1:
        listed = " and ".join(sorted("none" if zone is None else str(zone) for zone in zones))
        return RowProblem("corner_zone", f"the eastings carry different zone numbers: {listed}")
    return None


def _told(blocks: Sequence[Block]) -> str | None:
    """Write down what the blocks say of themselves, where the range over all would hide it."""
    ranges = {(block.top, block.bottom) for block in blocks}
    remarks = [block for block in blocks if block.remark]
    if len(ranges) < 2 and not remarks:
        return None
    return "；".join(_block_told(block) for block in blocks)


def _block_told(block: Block) -> str:
    what = "区块" if block.adds else "扣除区块"
    text = f"{what}{block.name}"
    if block.top is not None or block.bottom is not None:
        top = "?" if block.top is None else f"{block.top:g}"
        bottom = "?" if block.bottom is None else f"{block.bottom:g}"
        text += f" {top}～{bottom} m"
    return f"{text}（{block.remark}）" if block.remark else text
