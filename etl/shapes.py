"""The geometry of a batch: decode, transform to EPSG:4490, check, repair, fit to the layer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from shapely import GeometryType
from shapely.geometry.base import BaseGeometry

from etl.faults import Fault, Mask, rows_of
from etl.plain_wkb import read_plain
from gis.crs import Box, SourceCrs, ToStorage, suspect
from gis.geometry import Geometries, inner_points, repair, to_multi, to_single, with_heights
from gis.star_rings import star_shaped
from layers.definition import GeometryDefinition
from layers.errors import LoadRefused
from layers.geometry_column import GeometryColumn, plain_rows

Array = NDArray[np.float64]

_KINDS = {0: ("a point", "points"), 1: ("a line", "lines"), 2: ("an area", "areas")}
_MIXED = ("a mixed collection", "")
_COLLECTION = 7
_WORLD: Box = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True)
class Heights:
    """Heights that come from attributes, metres; NaN where a row has none."""

    start: Array
    end: Array


@dataclass(frozen=True)
class Plain:
    """Geometries of one part without holes, which need no Python object to be kept."""

    #: 0 for points, 1 for lines, 2 for areas.
    dimension: int
    #: Which rows of the batch they are.
    rows: Mask
    #: Vertices of each.
    counts: NDArray[np.int64]
    #: EPSG:4490, longitude and latitude of all vertices, (n, 2).
    coordinates: Array

    @cached_property
    def shapes(self) -> Geometries:
        """The geometries themselves, EPSG:4490, in single parts; made when first asked for."""
        return _of_vertices(self.coordinates, self.counts, self.dimension)

    def only(self, kept: Mask) -> "Plain":
        """Return some of them."""
        rows = self.rows.copy()
        rows[rows] = kept
        chosen = np.repeat(kept, self.counts)
        return Plain(self.dimension, rows, self.counts[kept], self.coordinates[chosen])


@dataclass(frozen=True)
class Shapes:
    """The geometries of a batch as the layer keeps them."""

    definition: GeometryDefinition
    #: EPSG:4490; ``None`` where the row has no usable geometry, or a plain one.
    others: Geometries
    plain: Plain | None
    faults: list[Fault]
    repaired: Mask
    #: Why the geometry of a row (its place in the batch) was invalid, in GEOS's words.
    reasons: dict[int, str]
    #: Rows of a layer with Z that came without a height and lie at 0 m.
    without_height: int
    #: Rows that came with a height which the layer does not keep.
    flattened: int

    @cached_property
    def geometries(self) -> Geometries:
        """All geometries in EPSG:4490; ``None`` where the row has no usable one."""
        if self.plain is None:
            return self.others
        every = self.others.copy()
        every[self.plain.rows] = _fit(self.plain.shapes, self.definition)[0]
        return every

    def column(self, rows: Mask) -> GeometryColumn:
        """Return the chosen rows' geometries, none of which is missing, as the store takes them."""
        plain = self.plain
        if plain is None:
            return GeometryColumn.of(self.others[rows], self.definition)
        counts = np.zeros(len(rows), dtype=np.int64)
        counts[plain.rows] = plain.counts
        kept = rows[plain.rows]
        coordinates = plain.coordinates
        if not kept.all():
            coordinates = coordinates[np.repeat(kept, plain.counts)]
        others = self.others[rows & ~plain.rows]
        return GeometryColumn(self.definition, counts[rows], coordinates, others)


class ShapeMaker:
    """Turns the geometries of a source into those of a layer."""

    def __init__(
        self,
        definition: GeometryDefinition,
        crs: SourceCrs,
        to_storage: ToStorage,
        *,
        anywhere: bool,
        inner_points: bool = False,
        row_by_row: bool = False,
    ) -> None:
        """Make it.

        Args:
            definition: The layer's geometry.
            crs: The source's reference system.
            to_storage: The way from there to EPSG:4490.
            anywhere: Accept positions outside the system's area of use.
            inner_points: Take a point within each area or line instead.
            row_by_row: Refuse rows out of place one by one, even if most are: they are no survey
                whose reference system may be misunderstood.
        """
        self._definition = definition
        self._inner_points = inner_points
        self._row_by_row = row_by_row
        self._crs = crs
        self._to_storage = to_storage
        self._area = _WORLD if anywhere else crs.area or _WORLD

    @property
    def projected(self) -> bool:
        """Whether the source's coordinates are metres or feet rather than degrees."""
        return self._crs.is_projected

    def make(self, wkb: pa.Array, heights: Heights | None) -> Shapes:
        """Make the geometries of one batch.

        Args:
            wkb: Source geometries, in the source's CRS.
            heights: Heights from attributes, one a row, where the mapping gives them.

        Raises:
            LoadRefused: If most of the batch lies where its CRS is not used.
        """
        if isinstance(wkb, pa.ChunkedArray):
            wkb = pa.concat_arrays(wkb.chunks) if wkb.num_chunks else pa.array([], pa.binary())
        # Coordinates that are no numbers are found and told; numpy need not warn of them.
        with np.errstate(invalid="ignore"):
            return self._make(wkb, heights)

    def delivered(self, wkb: pa.Array, rows: NDArray[np.int64]) -> list[bytes | None]:
        """Return chosen rows' geometries as they came, only brought to EPSG:4490, as WKB.

        ``None`` stands where there is none, or its coordinates are no place on Earth.
        """
        chosen = wkb.take(pa.array(rows)).to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            shapes = shapely.from_wkb(chosen, on_invalid="ignore")
            shapes[shapely.is_empty(shapes)] = None
            flat = shapely.has_m(shapes)
            shapes[flat] = shapely.force_2d(shapes[flat])
            for z in (False, True):
                alike = ~shapely.is_missing(shapes) & (shapely.has_z(shapes) == z)
                shapes[alike] = self._on_earth(shapes[alike], z=z)
        return [None if shape is None else bytes(shapely.to_wkb(shape)) for shape in shapes]

    def _on_earth(self, shapes: Geometries, *, z: bool) -> Geometries:
        """Transform geometries that all have heights or all have none; ``None`` where it fails."""
        points, owners = shapely.get_coordinates(shapes, include_z=z, return_index=True)
        if not len(points):
            return shapes
        lon, lat = self._to_storage(points[:, 0], points[:, 1])
        there = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
        points[:, 0], points[:, 1] = np.where(there, lon, 0.0), np.where(there, lat, 0.0)
        moved = shapely.set_coordinates(shapes, points)
        moved[owners[~there]] = None
        return np.asarray(moved)

    def _make(self, wkb: pa.Array, heights: Heights | None) -> Shapes:
        if not (self._definition.z or self._inner_points):
            read = read_plain(wkb, self._definition.dimension)
            if read is not None:
                every = np.ones(len(wkb), dtype=bool)
                plain = self._plain(every, *read)
                if plain is not None:
                    return self._beside(wkb, plain)
        shapes = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
        if self._inner_points:
            shapes = inner_points(shapes)
        faults = self._of_wrong_kind(shapes)
        usable = ~rows_of(faults, len(shapes))
        if self._definition.z:
            return self._thoroughly(shapes, usable, heights, faults, None)
        rows = usable & plain_rows(shapes, self._definition)
        counts = shapely.get_num_coordinates(shapes[rows]).astype(np.int64)
        plain = self._plain(rows, counts, shapely.get_coordinates(shapes[rows]))
        if plain is None:
            return self._thoroughly(shapes, usable, heights, faults, None)
        made = self._thoroughly(shapes, usable & ~plain.rows, heights, faults, plain)
        return replace(made, flattened=int(shapely.has_z(shapes[usable]).sum()))

    def _beside(self, wkb: pa.Array, plain: Plain) -> Shapes:
        """Look thoroughly at what is not plain after all, of a batch that was read as plain."""
        rest = ~plain.rows
        shapes = np.full(len(wkb), None, dtype=object)
        if rest.any():
            chosen = wkb.filter(pa.array(rest)).to_numpy(zero_copy_only=False)
            shapes[rest] = shapely.from_wkb(chosen, on_invalid="ignore")
        return self._thoroughly(shapes, rest, None, [], plain)

    def _plain(self, rows: Mask, counts: NDArray[np.int64], points: Array) -> Plain | None:
        """Bring plain geometries to EPSG:4490, and keep those that are valid there.

        Nothing is returned where a vertex is out of place: that is for a closer look.
        """
        if not len(points):
            return None
        lon, lat = self._to_storage(points[:, 0], points[:, 1])
        west, south, east, north = self._area
        # Whatever is not a number makes these comparisons false.
        if not (lon.min() >= west and lon.max() <= east):
            return None
        if not (lat.min() >= south and lat.max() <= north):
            return None
        plain = Plain(self._definition.dimension, rows, counts, np.column_stack((lon, lat)))
        valid = np.zeros(len(counts), dtype=bool)
        if plain.dimension == 2:
            valid = star_shaped(lon, lat, counts)
        if not valid.any():
            valid = shapely.is_valid(plain.shapes)
        elif not valid.all():
            valid[~valid] = shapely.is_valid(plain.only(~valid).shapes)
        return plain if valid.all() else plain.only(valid)

    def _thoroughly(
        self,
        shapes: Geometries,
        usable: Mask,
        heights: Heights | None,
        faults: list[Fault],
        plain: Plain | None,
    ) -> Shapes:
        """Transform, judge and mend the usable geometries one and all."""
        flattened = 0 if self._definition.z else int(shapely.has_z(shapes[usable]).sum())
        repaired = np.zeros(len(shapes), dtype=bool)
        result = np.full(len(shapes), None, dtype=object)
        if not usable.any():
            return Shapes(self._definition, result, plain, faults, repaired, {}, 0, flattened)
        moved, place_faults = self._move(shapes, usable)
        faults = faults + place_faults
        usable = usable & ~rows_of(place_faults, len(shapes))
        where = np.flatnonzero(usable)
        mended = repair(moved[where])
        fitted, several = _fit(mended.geometries, self._definition)
        fitted, without_height = self._give_heights(fitted, heights, where)
        result[where] = fitted
        repaired[where] = mended.repaired
        reasons = {int(where[place]): text for place, text in mended.reasons.items()}
        faults += _spread(
            "geometry_invalid",
            mended.failed,
            where,
            len(shapes),
            lambda row: f"the geometry is broken and cannot be repaired: {reasons[row]}",
        )
        faults += _spread(
            "geometry_parts",
            several,
            where,
            len(shapes),
            lambda row: "the geometry has several parts, but the layer holds single ones",
        )
        return Shapes(
            self._definition, result, plain, faults, repaired, reasons, without_height, flattened
        )

    def _of_wrong_kind(self, shapes: Geometries) -> list[Fault]:
        missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        dimension = self._definition.dimension
        dimensions = shapely.get_dimensions(shapes)
        wrong = (dimensions != dimension) | (shapely.get_type_id(shapes) == _COLLECTION)
        wrong &= ~missing
        found: list[Fault] = []
        if missing.any():
            found.append(
                Fault("geometry_missing", missing, lambda row: "there is no (readable) geometry")
            )
        if wrong.any():
            found.append(
                Fault(
                    "geometry_type",
                    wrong,
                    lambda row: (
                        f"the geometry is {_kind(shapes[row])[0]}, "
                        f"but the layer holds {_KINDS[dimension][1]}"
                    ),
                )
            )
        return found

    def _move(self, shapes: Geometries, usable: Mask) -> tuple[Geometries, list[Fault]]:
        """Transform the usable geometries; tell which have bad coordinates or lie elsewhere."""
        chosen = shapes.copy()
        chosen[~usable] = None
        source = shapely.get_coordinates(chosen, include_z=self._definition.z)
        if shapely.has_m(chosen).any():
            # No layer keeps measures, and coordinates cannot be set beside them.
            chosen = shapely.force_2d(chosen)
            chosen = shapely.force_3d(chosen) if self._definition.z else chosen
        finite = np.asarray(np.isfinite(source[:, :2]).all(axis=1), dtype=bool)
        x, y = source[:, 0], source[:, 1]
        if not finite.all():
            x, y = np.where(finite, x, 0.0), np.where(finite, y, 0.0)
        lon, lat = self._to_storage(x, y)
        west, south, east, north = self._area
        inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        faults: list[Fault] = []
        if not (inside & finite).all():
            faults = self._misplaced(chosen, source, finite, inside)
            lon, lat = np.where(np.isfinite(lon), lon, 0.0), np.where(np.isfinite(lat), lat, 0.0)
        columns = [lon, lat, source[:, 2]] if self._definition.z else [lon, lat]
        return shapely.set_coordinates(chosen, np.column_stack(columns)), faults

    def _misplaced(
        self, shapes: Geometries, source: Array, finite: Mask, inside: Mask
    ) -> list[Fault]:
        owners = shapely.get_coordinates(shapes, return_index=True)[1]
        broken = np.zeros(len(shapes), dtype=bool)
        broken[owners[~finite]] = True
        outside = np.zeros(len(shapes), dtype=bool)
        outside[owners[finite & ~inside]] = True
        outside &= ~broken
        example = np.zeros(len(shapes), dtype=np.int64)
        away = np.flatnonzero(finite & ~inside)
        example[owners[away[::-1]]] = away[::-1]

        def where_it_is(row: int) -> str:
            x, y = (float(value) for value in source[example[row], :2])
            hint = suspect(self._crs, x, y)
            lies = f"({x:.10g}, {y:.10g}) lies outside the area where {self._crs.label} is used"
            return f"{lies}; {hint}" if hint else lies

        present = ~shapely.is_missing(shapes)
        if not self._row_by_row and outside.sum() * 2 > present.sum():
            first = int(np.flatnonzero(outside)[0])
            raise LoadRefused(
                f"the coordinates do not fit the CRS: {where_it_is(first)} "
                "(--anywhere accepts them as they are)"
            )
        faults: list[Fault] = []
        if broken.any():
            faults.append(
                Fault("geometry_coordinates", broken, lambda row: "a coordinate is not a number")
            )
        if outside.any():
            faults.append(Fault("geometry_outside", outside, where_it_is))
        return faults

    def _give_heights(
        self, shapes: Geometries, heights: Heights | None, where: NDArray[np.int64]
    ) -> tuple[Geometries, int]:
        """Fill Z from attributes, else from the survey, else with 0 m."""
        if not self._definition.z or not len(shapes):
            return shapes, 0
        shapes = shapely.force_3d(shapes)
        coordinates, owners = shapely.get_coordinates(shapes, include_z=True, return_index=True)
        unknown = np.zeros(len(shapes), dtype=bool)
        unknown[owners[~np.isfinite(coordinates[:, 2])]] = True
        if unknown.any():
            coordinates[~np.isfinite(coordinates[:, 2]), 2] = 0.0
            shapes = shapely.set_coordinates(shapes, coordinates)
        unknown |= ~np.bincount(owners, coordinates[:, 2] != 0, len(shapes)).astype(bool)
        if heights is not None:
            start, end = heights.start[where], heights.end[where]
            known = np.isfinite(start) & np.isfinite(end)
            shapes[known] = with_heights(shapes[known], start[known], end[known])
            unknown &= ~known
        return shapes, int(unknown.sum())


def _of_vertices(vertices: Array, counts: NDArray[np.int64], dimension: int) -> Geometries:
    """Make points, lines, or areas of one ring."""
    if dimension == 0:
        return np.asarray(shapely.points(vertices))
    offsets = np.concatenate(([0], np.cumsum(counts)))
    if dimension == 1:
        return np.asarray(shapely.from_ragged_array(GeometryType.LINESTRING, vertices, (offsets,)))
    rings = np.arange(len(counts) + 1)
    return np.asarray(shapely.from_ragged_array(GeometryType.POLYGON, vertices, (offsets, rings)))


def _fit(shapes: Geometries, definition: GeometryDefinition) -> tuple[Geometries, Mask]:
    if definition.type.startswith("multi"):
        return to_multi(shapes), np.zeros(len(shapes), dtype=bool)
    return to_single(shapes)


def _kind(shape: BaseGeometry) -> tuple[str, str]:
    if shapely.get_type_id(shape) == _COLLECTION:
        return _MIXED
    return _KINDS.get(int(shapely.get_dimensions(shape)), _MIXED)


def _spread(
    rule: str,
    chosen: Mask,
    where: NDArray[np.int64],
    count: int,
    describe: Callable[[int], str],
) -> list[Fault]:
    """Turn a mask over the usable rows into a fault over all rows of the batch."""
    if not chosen.any():
        return []
    rows = np.zeros(count, dtype=bool)
    rows[where[chosen]] = True
    return [Fault(rule, rows, describe)]
