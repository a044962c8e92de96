"""What methods have in common that look at several features together."""

from typing import Any, ClassVar

from tiles.generaliser import Band, Generaliser


class JointGeneraliser(Generaliser):
    """The usual answers of such a method; a plug-in gives its name, parameters and work.

    They are those of methods whose classes are told by a parameter ``by``, and whose groups of
    features never cross a cell's edge.
    """

    counts: ClassVar[bool] = False
    #: No cell is of a deeper zoom: what is light is read in larger cells.
    deepest_cells: ClassVar[int] = 22

    def cell_zoom(self, zooms: tuple[int, int], parameters: Any) -> int:
        """Return the deepest zoom, at most ``deepest_cells``."""
        return min(zooms[1], self.deepest_cells)

    def margin_m(self, band: Band) -> float:
        """Return 0: each feature is in one cell, and so is what it becomes part of."""
        return 0.0

    def fields(self, parameters: Any) -> tuple[str, ...]:
        """Return the fields that make classes and choose features."""
        return tuple(dict.fromkeys([*parameters.by, *parameters.choosing]))

    def one_by_one(self, band: Band) -> bool:
        """Return false: what lies together is seen together."""
        return False
