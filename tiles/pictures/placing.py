"""Which names and icons find room in a picture."""

from dataclasses import dataclass, field

Box = tuple[float, float, float, float]
_CELL = 64


@dataclass(slots=True)
class Room:
    """The boxes that are taken, by cells of the picture."""

    _cells: dict[tuple[int, int], list[Box]] = field(default_factory=dict)

    def is_free(self, boxes: list[Box]) -> bool:
        """Tell whether nothing lies in any of the boxes: left, top, right, bottom."""
        return not any(
            _overlap(box, other)
            for box in boxes
            for cell in _cells(box)
            for other in self._cells.get(cell, ())
        )

    def take(self, boxes: list[Box]) -> None:
        """Put boxes down."""
        for box in boxes:
            for cell in _cells(box):
                self._cells.setdefault(cell, []).append(box)


def widened(box: Box, padding: float) -> Box:
    """Return a box with some room around it."""
    left, top, right, bottom = box
    return (left - padding, top - padding, right + padding, bottom + padding)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _cells(box: Box) -> list[tuple[int, int]]:
    left, top, right, bottom = (int(part // _CELL) for part in box)
    return [(x, y) for x in range(left, right + 1) for y in range(top, bottom + 1)]
