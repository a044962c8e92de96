"""The map's icons as drawings on a unit square, independent of any resolution.

One family: a disc in the colour of the theme with a white rim and a white sign inside, or for
things that stand in the ground (pipes, manholes, town and peak marks) the bare sign. Coordinates
run from 0 to 100, x to the right and y downwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from PIL import ImageDraw

Points = list[tuple[float, float]]

WHITE = "#ffffff"
_HAZARD = "#c8402f"
_MINERAL = "#8a5a2b"
_TOUR = "#2f8f5b"
_EAT = "#d9772b"
_STAY = "#7a5bb0"
_TRAVEL = "#2f6fb5"
_VISIT = "#2f8f5b"
_SHOP = "#c14d84"
_PLAY = "#c29211"
_SERVICE = "#5b7083"
_MEDICAL = "#c0392b"
_PIPE = "#3b5568"


@dataclass(frozen=True)
class Brush:
    """Draws on a square of ``scale`` × 100 pixels in coordinates from 0 to 100."""

    draw: ImageDraw.ImageDraw
    scale: float

    def _at(self, points: Points) -> Points:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def disc(self, x: float, y: float, radius: float, color: str) -> None:
        """Fill a circle."""
        box = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self.draw.ellipse([*box[0], *box[1]], fill=color)

    def ring(self, x: float, y: float, radius: float, width: float, color: str) -> None:
        """Draw a circle's line, ``width`` wide inwards."""
        box = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self.draw.ellipse([*box[0], *box[1]], outline=color, width=round(width * self.scale))

    def area(self, points: Points, color: str) -> None:
        """Fill a polygon."""
        self.draw.polygon(self._at(points), fill=color)

    def box(
        self, west: float, north: float, east: float, south: float, color: str, radius: float = 0
    ) -> None:
        """Fill a rectangle with rounded corners."""
        corners = self._at([(west, north), (east, south)])
        self.draw.rounded_rectangle(
            [*corners[0], *corners[1]], radius=radius * self.scale, fill=color
        )

    def stroke(self, points: Points, width: float, color: str) -> None:
        """Draw a line with round ends and joints."""
        self.draw.line(self._at(points), fill=color, width=round(width * self.scale), joint="curve")
        for x, y in points:
            self.disc(x, y, width / 2, color)

    def arc(
        self, x: float, y: float, radius: float, start: float, end: float, width: float, color: str
    ) -> None:
        """Draw part of a circle's line, from ``start`` to ``end`` degrees clockwise from east."""
        box = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self.draw.arc([*box[0], *box[1]], start, end, fill=color, width=round(width * self.scale))


Drawing = Callable[[Brush], None]


def _badge(brush: Brush, color: str) -> None:
    brush.disc(50, 50, 49, WHITE)
    brush.disc(50, 50, 43, color)


def _hazard(brush: Brush) -> None:
    brush.area([(50, 3), (99, 93), (1, 93)], WHITE)
    brush.area([(50, 14), (90, 87), (10, 87)], _HAZARD)
    brush.stroke([(50, 42), (50, 62)], 9, WHITE)
    brush.disc(50, 76, 5.5, WHITE)


def _monitor(brush: Brush) -> None:
    _badge(brush, _HAZARD)
    brush.disc(50, 50, 7, WHITE)
    for radius in (18, 29):
        brush.arc(50, 50, radius, -50, 50, 6, WHITE)
        brush.arc(50, 50, radius, 130, 230, 6, WHITE)


def _mineral(brush: Brush) -> None:
    # Crossed hammers, the sign of mining.
    _badge(brush, _MINERAL)
    brush.stroke([(30, 72), (66, 34)], 7, WHITE)
    brush.stroke([(70, 72), (34, 34)], 7, WHITE)
    brush.area([(55, 30), (66, 21), (79, 34), (69, 45)], WHITE)
    brush.area([(45, 30), (34, 21), (21, 34), (31, 45)], WHITE)


def _scenic(brush: Brush) -> None:
    _badge(brush, _TOUR)
    brush.area([(17, 68), (41, 28), (57, 54), (64, 44), (83, 68)], WHITE)
    brush.disc(68, 31, 6.5, WHITE)


def _spot(brush: Brush) -> None:
    _badge(brush, _TOUR)
    # A pavilion.
    brush.area([(50, 20), (82, 44), (18, 44)], WHITE)
    for x in (30, 50, 70):
        brush.stroke([(x, 46), (x, 68)], 6, WHITE)
    brush.box(22, 68, 78, 75, WHITE)


def _eat(brush: Brush) -> None:
    _badge(brush, _EAT)
    for x in (30, 37, 44):
        brush.stroke([(x, 26), (x, 40)], 4, WHITE)
    brush.box(27.5, 39, 46.5, 48, WHITE, 4)
    brush.stroke([(37, 46), (37, 75)], 6.5, WHITE)
    brush.area([(60, 24), (70, 30), (72, 52), (60, 54)], WHITE)
    brush.stroke([(63.5, 30), (63.5, 75)], 6.5, WHITE)


def _stay(brush: Brush) -> None:
    _badge(brush, _STAY)
    brush.stroke([(23, 34), (23, 70)], 6, WHITE)
    brush.stroke([(23, 60), (77, 60)], 8, WHITE)
    brush.stroke([(77, 56), (77, 70)], 6, WHITE)
    brush.disc(34, 47, 6.5, WHITE)
    brush.box(43, 42, 79, 57, WHITE, 5)


def _travel(brush: Brush) -> None:
    _badge(brush, _TRAVEL)
    brush.box(27, 25, 73, 67, WHITE, 8)
    brush.box(33, 33, 67, 49, _TRAVEL, 2)
    brush.disc(37, 58, 4.5, _TRAVEL)
    brush.disc(63, 58, 4.5, _TRAVEL)
    brush.box(31, 66, 41, 76, WHITE, 2)
    brush.box(59, 66, 69, 76, WHITE, 2)


def _visit(brush: Brush) -> None:
    _badge(brush, _VISIT)
    brush.box(23, 36, 77, 71, WHITE, 6)
    brush.box(38, 28, 62, 42, WHITE, 4)
    brush.disc(50, 53, 13, _VISIT)
    brush.disc(50, 53, 7.5, WHITE)


def _shop(brush: Brush) -> None:
    _badge(brush, _SHOP)
    brush.area([(28, 40), (72, 40), (77, 75), (23, 75)], WHITE)
    brush.arc(50, 41, 14, 180, 360, 5.5, WHITE)


def _play(brush: Brush) -> None:
    # A drama mask's simpler cousin: a star.
    _badge(brush, _PLAY)
    star = [(50, 18), (59, 39), (82, 41), (65, 56), (70, 79), (50, 67), (30, 79), (35, 56)]
    brush.area([*star, (18, 41), (41, 39)], WHITE)


def _toilet(brush: Brush) -> None:
    _badge(brush, _SERVICE)
    brush.disc(33, 28, 6.5, WHITE)
    brush.box(25.5, 37, 40.5, 57, WHITE, 4)
    brush.box(28, 54, 38, 76, WHITE, 2)
    brush.stroke([(50, 25), (50, 76)], 3, WHITE)
    brush.disc(67, 28, 6.5, WHITE)
    brush.area([(67, 34), (79, 62), (55, 62)], WHITE)
    brush.box(62, 60, 72, 76, WHITE, 2)


def _parking(brush: Brush) -> None:
    _badge(brush, _TRAVEL)
    brush.stroke([(40, 26), (40, 75)], 9, WHITE)
    brush.arc(52, 40, 18, -90, 90, 9, WHITE)
    brush.stroke([(40, 26.5), (52, 26.5)], 9, WHITE)
    brush.stroke([(40, 53.5), (52, 53.5)], 9, WHITE)


def _service(brush: Brush) -> None:
    _badge(brush, _SERVICE)
    brush.disc(50, 28, 7, WHITE)
    brush.box(44, 41, 57, 75, WHITE, 2)
    brush.box(38, 41, 57, 49, WHITE, 2)
    brush.box(38, 68, 63, 76, WHITE, 2)


def _medical(brush: Brush) -> None:
    _badge(brush, _MEDICAL)
    brush.box(42, 23, 58, 77, WHITE, 2)
    brush.box(23, 42, 77, 58, WHITE, 2)


def _component(brush: Brush) -> None:
    brush.box(14, 14, 86, 86, WHITE, 16)
    brush.box(22, 22, 78, 78, _SERVICE, 11)
    brush.box(39, 39, 61, 61, WHITE, 4)


def _pipe_node(brush: Brush) -> None:
    brush.disc(50, 50, 34, WHITE)
    brush.disc(50, 50, 27, _PIPE)
    brush.disc(50, 50, 11, WHITE)


def _valve(brush: Brush) -> None:
    # Two triangles point to point, the sign of a valve on drawings (CJJ/T 7).
    brush.area([(4, 22), (50, 50), (4, 78)], WHITE)
    brush.area([(96, 22), (50, 50), (96, 78)], WHITE)
    brush.stroke([(50, 50), (50, 20)], 18, WHITE)
    brush.area([(11, 33), (44, 50), (11, 67)], _PIPE)
    brush.area([(89, 33), (56, 50), (89, 67)], _PIPE)
    brush.stroke([(50, 50), (50, 20)], 7, _PIPE)
    brush.stroke([(36, 18), (64, 18)], 8, _PIPE)
    brush.disc(50, 50, 9, _PIPE)


def _manhole(brush: Brush) -> None:
    brush.disc(50, 50, 42, WHITE)
    brush.ring(50, 50, 36, 8, _PIPE)
    brush.stroke([(27, 50), (73, 50)], 7, _PIPE)
    brush.stroke([(50, 27), (50, 73)], 7, _PIPE)


def _hydrant(brush: Brush) -> None:
    brush.disc(50, 50, 49, WHITE)
    brush.disc(50, 50, 43, _HAZARD)
    brush.box(40, 30, 60, 74, WHITE, 3)
    brush.disc(50, 31, 12, WHITE)
    brush.box(27, 45, 73, 55, WHITE, 4)
    brush.box(32, 70, 68, 78, WHITE, 3)


def _town(brush: Brush) -> None:
    brush.disc(50, 50, 38, WHITE)
    brush.disc(50, 50, 31, "#4a4a4a")
    brush.disc(50, 50, 18, WHITE)


def _peak(brush: Brush) -> None:
    brush.area([(50, 12), (94, 88), (6, 88)], WHITE)
    brush.area([(50, 27), (80, 80), (20, 80)], "#7a5f45")


ICONS: MappingProxyType[str, Drawing] = MappingProxyType(
    {
        "component": _component,
        "hazard": _hazard,
        "hydrant": _hydrant,
        "manhole": _manhole,
        "mineral": _mineral,
        "monitor": _monitor,
        "peak": _peak,
        "pipe-node": _pipe_node,
        "poi-eat": _eat,
        "poi-medical": _medical,
        "poi-parking": _parking,
        "poi-play": _play,
        "poi-service": _service,
        "poi-shop": _shop,
        "poi-stay": _stay,
        "poi-toilet": _toilet,
        "poi-travel": _travel,
        "poi-visit": _visit,
        "scenic": _scenic,
        "spot": _spot,
        "town": _town,
        "valve": _valve,
    }
)
#: Names of all icons, sorted; a style may use no other.
ICON_NAMES = tuple(sorted(ICONS))
