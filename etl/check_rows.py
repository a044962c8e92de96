"""The rows of a batch as checks see them: values by field, geometries, measures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from etl.convert import ARROW_TYPES, to_text
from etl.faults import Mask
from etl.shapes import Shapes
from gis.geometry import Geometries
from gis.path_measures import areas, lengths
from gis.paths import Paths, joined, paths_of, plain_paths
from layers.code_list import CodeList
from layers.definition import FieldType, LayerDefinition

Numbers = NDArray[np.float64]
_NUMERIC = (FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN)
_TEMPORAL = (FieldType.DATE, FieldType.DATETIME)


#: Geometries of a batch whose coordinates are looked at as they were delivered.
_DELIVERED = 500


@dataclass(frozen=True)
class Delivered:
    """Geometries as the source has them."""

    wkb: pa.Array
    #: Metres or feet rather than degrees.
    projected: bool

    def coordinates(self) -> Numbers:
        """Return the coordinates (n, 2) of some of them."""
        some = self.wkb.slice(0, _DELIVERED).to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            return np.asarray(shapely.get_coordinates(shapely.from_wkb(some, on_invalid="ignore")))


@dataclass(frozen=True)
class CheckRows:
    """A batch in the layer's form; every array has one entry a row."""

    layer: LayerDefinition
    #: Row numbers in the file.
    numbers: NDArray[np.int64]
    #: Field name to values in the field's Arrow type; fields that no column fills are absent.
    columns: Mapping[str, pa.Array]
    shapes: Shapes
    codes: Mapping[str, CodeList]
    #: From when on the survey says how things are.
    valid_from: datetime
    delivered: Delivered | None = None
    #: What a check found out while batches were examined, for when they pass in order.
    kept: dict[object, Any] = field(default_factory=dict)
    _texts: dict[str, pa.Array] = field(default_factory=dict, init=False, repr=False)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.numbers)

    def values(self, name: str) -> pa.Array:
        """Return the values of a field; all null where nothing fills it."""
        known = self.columns.get(name)
        if known is not None:
            return known
        return pa.nulls(self.count, ARROW_TYPES[self.layer.field(name).type])

    def filled(self, name: str) -> Mask:
        """Tell which rows have a value, empty text counting as none."""
        values = self.values(name)
        present = pc.is_valid(values)
        if pa.types.is_string(values.type):
            present = pc.and_(present, pc.not_equal(pc.fill_null(values, ""), ""))
        return as_mask(present)

    def text(self, name: str) -> pa.Array:
        """Return the values as text; an empty one is null."""
        known = self._texts.get(name)
        if known is None:
            known = self._texts[name] = to_text(self.values(name))
        return known

    def texts(self, name: str) -> NDArray[np.object_]:
        """Return the values as Python's text, ``None`` where null."""
        return np.asarray(self.text(name).to_numpy(zero_copy_only=False))

    def quantity(self, name: str) -> Numbers:
        """Return numbers, or days since 1970 of dates and times; NaN where null."""
        values, kind = self.values(name), self.layer.field(name).type
        if kind in _TEMPORAL:
            moments = values.cast(pa.timestamp("us", getattr(values.type, "tz", None)))
            values = pc.divide(moments.cast(pa.int64()).cast(pa.float64()), 86_400e6)
        elif kind not in _NUMERIC:
            raise ValueError(f"the field '{name}' is {kind}, not a number or a date")
        return np.asarray(
            values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=float
        )

    def shown(self, name: str, row: int) -> str:
        """Return one value for a message."""
        value = self.values(name)[row].as_py()
        return "nothing" if value is None else f"{value:g}" if type(value) is float else str(value)

    @property
    def geometries(self) -> Geometries:
        """EPSG:4490, ``None`` where a row has no usable geometry."""
        return self.shapes.geometries

    @cached_property
    def present(self) -> Mask:
        """Tell which rows have a geometry."""
        there = ~shapely.is_missing(self.shapes.others)
        return np.asarray(there if self.shapes.plain is None else there | self.shapes.plain.rows)

    def vertices(self, rows: Mask) -> Numbers:
        """Return the vertices of chosen rows, longitude and latitude, (n, 2)."""
        plain = self.shapes.plain
        others = shapely.get_coordinates(self.shapes.others[rows & self.present])
        if plain is None:
            return np.asarray(others)
        chosen = rows[plain.rows]
        counts = plain.counts[chosen]
        begins = (np.cumsum(plain.counts) - plain.counts)[chosen]
        # How far each vertex is behind the first of all that are chosen.
        places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.concatenate((plain.coordinates[np.repeat(begins, counts) + places], others))

    @cached_property
    def paths(self) -> Paths:
        """The lines and rings of the geometries."""
        plain = self.shapes.plain
        if plain is None or self.layer.geometry.dimension == 0:
            return paths_of(self.geometries)
        areal = self.layer.geometry.dimension == 2
        owner = np.flatnonzero(plain.rows)
        paths = plain_paths(plain.coordinates, plain.counts, owner, rings=areal)
        others = self.shapes.others
        return paths if shapely.is_missing(others).all() else joined(paths, paths_of(others))

    @cached_property
    def middles(self) -> tuple[Numbers, Numbers]:
        """Longitude and latitude of a place amid each feature's vertices; NaN without any."""
        if self.layer.geometry.dimension == 0:
            middle = shapely.centroid(self.geometries)
            return shapely.get_x(middle), shapely.get_y(middle)
        owner = self.paths.owner[self.paths.path]
        count = np.bincount(owner, minlength=self.count).astype(float)
        count[count == 0] = np.nan
        x = np.bincount(owner, self.paths.lon, self.count) / count
        return x, np.bincount(owner, self.paths.lat, self.count) / count

    @cached_property
    def area(self) -> Numbers:
        """Areas on the CGCS2000 ellipsoid, m²; NaN without a geometry."""
        return np.where(self.present, areas(self.paths, self.count), np.nan)

    @cached_property
    def length(self) -> Numbers:
        """Geodesic lengths (perimeters of areas), m; NaN without a geometry."""
        return np.where(self.present, lengths(self.paths, self.count), np.nan)


def as_mask(values: pa.Array) -> Mask:
    """Return a boolean Arrow array as a mask; null is false."""
    filled = pc.fill_null(values, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)
