"""What a method of generalisation is: how features become the rows of a band of zooms.

A band of a layer's pyramid is computed cell by cell; a cell is a tile of the band's cell zoom. The
builder gives a method every feature whose box meets the cell's box widened by ``margin_m``, and
gets the rows that belong to this cell. A method is a pure function and deterministic: what it
returns for a cell depends on these features alone, not on their order, nor on which other cells
are computed.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from layers.check_definition import Strict
from layers.definition import LayerDefinition

Shapes = NDArray[np.object_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Half the width of the web map's square, in metres of EPSG:3857.
HALF_WORLD = 20_037_508.342789244
#: Tile units along a tile's edge, and those that make a pixel of a 256-pixel tile.
EXTENT = 4096
UNITS_A_PIXEL = 16
#: Stands in ``feature_ids`` for rows that are made of several features.
NO_FEATURE = 0
#: Ids of such rows lie above those that features can have (and below 2^53, for browsers).
FIRST_MADE_ID = 1 << 52


class BandParameters(Strict):
    """What every method can be told in a band of ``tiles.pyramid``, beside its zooms and cells."""

    #: Only features whose field has one of these values are in the band.
    only: dict[str, tuple[str | int | float | bool, ...]] = Field(default_factory=dict)
    #: Only features whose field is a multiple of this number are in the band.
    multiples: dict[str, float] = Field(default_factory=dict)

    @property
    def choosing(self) -> tuple[str, ...]:
        """The fields by which features are chosen."""
        return (*self.only, *self.multiples)


@dataclass(frozen=True)
class Band:
    """One band of a layer's pyramid, with the layer's facts that methods need."""

    layer: LayerDefinition
    #: Lowest and deepest zoom, both included.
    zooms: tuple[int, int]
    #: An instance of the method's own parameters.
    parameters: Any
    cell_zoom: int
    #: The fields that rows carry; features bring at least these.
    fields: tuple[str, ...] = ()

    @property
    def unit(self) -> float:
        """Metres (EPSG:3857) of a tile unit at the deepest zoom."""
        return 2 * HALF_WORLD / (1 << self.zooms[1]) / EXTENT

    @property
    def pixel(self) -> float:
        """Metres (EPSG:3857) of a pixel of a 256-pixel tile at the deepest zoom."""
        return self.unit * UNITS_A_PIXEL


@dataclass(frozen=True, order=True)
class Cell:
    """A tile of the web map's grid as the unit of building."""

    zoom: int
    x: int
    y: int

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres (EPSG:3857)."""
        width = 2 * HALF_WORLD / (1 << self.zoom)
        west = self.x * width - HALF_WORLD
        north = HALF_WORLD - self.y * width
        east = (self.x + 1) * width - HALF_WORLD
        south = HALF_WORLD - (self.y + 1) * width
        return (west, south, east, north)

    @property
    def code(self) -> int:
        """The cell as one number, unique among the cells of its zoom."""
        return self.x << 24 | self.y


@dataclass(frozen=True)
class Features:
    """Features, or rows of a finer band, in one array a column."""

    #: shapely geometries in EPSG:3857, none empty or null.
    shapes: Shapes
    #: int64; ``NO_FEATURE`` in rows of a finer band that stand for several.
    feature_ids: Integers
    #: The band's fields, and those that its parameters name.
    attributes: pa.Table
    #: Importance, float64; what is larger is kept first. All 0 where the layer names none.
    rank: Floats
    #: How many features each stands for, int64.
    members: Integers

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.shapes)

    def take(self, index: NDArray[Any]) -> "Features":
        """Return those at the positions, or where a mask is true."""
        if index.dtype == bool:
            index = np.flatnonzero(index)
        return Features(
            self.shapes[index],
            self.feature_ids[index],
            # A table without columns has no rows to take.
            self.attributes.take(pa.array(index))
            if self.attributes.num_columns
            else self.attributes,
            self.rank[index],
            self.members[index],
        )


@dataclass(frozen=True)
class Rows(Features):
    """What a method returns: features that also have the id they bear in tiles."""

    #: int64, positive: the feature's id, or one above ``FIRST_MADE_ID`` that is the same whenever
    #: the same things are made into one. Pieces of one feature share its id.
    tile_ids: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    def take(self, index: NDArray[Any]) -> "Rows":
        """Return those at the positions, or where a mask is true."""
        if index.dtype == bool:
            index = np.flatnonzero(index)
        return Rows(**vars(super().take(index)), tile_ids=self.tile_ids[index])


class Generaliser(Protocol):
    """A plug-in of ``tiles/generalisers``."""

    #: Short name, as bands of ``tiles.pyramid`` give it.
    name: str
    #: The model of the parameters that a band can give.
    parameters: type[BandParameters]
    #: Geometry dimensions (0 points, 1 lines, 2 areas) that the method knows.
    dimensions: frozenset[int]
    #: Whether ``members`` is to be shown in tiles, as ``point_count``, where it is more than one.
    counts: ClassVar[bool]

    def cell_zoom(self, zooms: tuple[int, int], parameters: Any) -> int:
        """Return the zoom of the cells of a band that names none."""
        ...

    def margin_m(self, band: Band) -> float:
        """Return how far beyond its box, in metres of EPSG:3857, a cell needs features."""
        ...

    def fields(self, parameters: Any) -> tuple[str, ...]:
        """Return the fields that the method reads beside the band's own."""
        ...

    def one_by_one(self, band: Band) -> bool:
        """Tell whether each row follows from one feature alone, whatever lies beside it."""
        ...

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return the band's rows that belong to a cell.

        Args:
            features: All whose box meets the cell's box widened by ``margin_m``, in any order;
                areas in the form of ``shapely.normalize``, so that where an outline was begun
                makes no difference.
            band: The band.
            cell: A tile of the band's cell zoom.

        Returns:
            Rows in a fixed order. Geometries are valid, in EPSG:3857, and stand on the grid of
            tile units of the band's deepest zoom; ``attributes`` has the band's fields.
        """
        ...
