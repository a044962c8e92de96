"""Mapbox Vector Tiles 2.1, encoded by PostGIS: all layers of a tile in one statement."""

from functools import reduce
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    LargeBinary,
    ScalarSelect,
    Select,
    Subquery,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import array

from layers.access import access_class
from layers.change_rows import CHANGE, SHAPE, Span, change_rows
from layers.definition import FieldType, LayerDefinition
from layers.filters import fits
from layers.queries import Box
from layers.tables import TILE_SRID
from layers.tile_fields import tile_fields
from layers.tile_queries import tile_rows
from tiles.format import TileCut, TileFormat, once, scaling
from tiles.grids import BUFFER, EXTENT, unit_size
from tiles.meta_layer import meta_layer
from tiles.point_counts import POINT_COUNT, has_counts
from tiles.tileset import FULL_DETAIL_ZOOM

#: How far simplified lines may lie from the surveyed ones, in tile units (16 make a pixel of a
#: 256-pixel tile). Features of a coverage are simplified apart, so their gap stays below a
#: quarter of a pixel.
_TOLERANCE_UNITS = 4.0
_COVERAGE_TOLERANCE_UNITS = 2.0
_UNITS_A_PIXEL = EXTENT / 256
_DATE_PATTERNS = {
    FieldType.DATE: "YYYY-MM-DD",
    FieldType.DATETIME: 'YYYY-MM-DD"T"HH24:MI:SS"Z"',
}
#: What a shape of each dimension may become when it is smaller than a tile unit.
_NOTHING = {
    0: (),
    1: ("LINESTRING EMPTY", "MULTILINESTRING EMPTY"),
    2: ("POLYGON EMPTY", "MULTIPOLYGON EMPTY"),
}


class VectorTiles:
    """Tiles whose layers are named after the city map's, with feature ids as MVT ids.

    Features stand in the order of their ids, so the same data give the same bytes.
    """

    name = "mvt"
    media_type = "application/vnd.mapbox-vector-tile"
    extensions: tuple[str, ...] = ("mvt", "pbf")

    def statement(self, cut: TileCut) -> Select[Any]:
        """Return the statement of a tile."""
        parts: list[ColumnElement[Any]] = [
            _layer_part(layer, cut, place) for place, layer in enumerate(cut.layers)
        ]
        return select(cast(array(parts), ARRAY(LargeBinary, dimensions=2)).label("layers"))

    def notes(self, cuts: dict[str, tuple[int, int]]) -> bytes:
        """Return a layer ``onemap:meta`` with one feature for each layer that was cut."""
        return meta_layer(cuts)


def _layer_part(layer: LayerDefinition, cut: TileCut, place: int) -> ScalarSelect[Any]:
    """Return the scalar query of a layer's bytes, features shown and features there are."""
    if cut.filter is not None and not fits(cut.filter, access_class(layer, cut.viewer)):
        nothing = literal(b"", LargeBinary)
        none = func.int8send(literal(0, BigInteger))
        return select(array([nothing, none, none])).scalar_subquery()
    rows = _rows(layer, cut)
    picked = rows.subquery("rows")
    there: ColumnElement[Any] = func.count()
    if cut.keep is not None:
        there = select(func.count()).select_from(picked).scalar_subquery()
        ordered = (
            select(*picked.c)
            .order_by(picked.c.tile_rank.desc(), _size(picked.c.tile_geom).desc(), picked.c.tile_id)
            .limit(cut.keep[place])
        )
        picked = ordered.subquery("kept")
    elif cut.ceiling is not None:
        # Part of the text: with a number bound later the planner would expect few rows.
        picked = rows.limit(literal(cut.ceiling, literal_execute=True)).subquery("rows")
    tile = _features(layer, cut, picked).subquery("tile")
    order = [tile.c.feature_id] if cut.since is None else [tile.c.feature_id, tile.c[SHAPE]]
    encoded = func.ST_AsMVT(
        tile.table_valued(), layer.name, cut.extent, "geom", "feature_id"
    ).aggregate_order_by(*order)
    numbers = [func.int8send(func.count()), func.int8send(there)]
    return select(array([encoded, *numbers])).scalar_subquery()


def _rows(layer: LayerDefinition, cut: TileCut) -> Select[Any]:
    """Return the rows that are seen in a tile."""
    fields = _fields(layer, cut)
    if cut.since is not None:
        return change_rows(layer, cut.viewer, _span(cut), fields, _degrees(layer, cut), cut.filter)
    rows = tile_rows(
        layer,
        cut.viewer,
        cut.at,
        cut.as_of,
        fields,
        _degrees(layer, cut),
        cut.z,
        _metres(layer, cut),
        cut.filter,
    )
    if not _is_thinned(layer, cut) or layer.tiles.min_pixels <= 0:
        return rows
    found = rows.subquery("found")
    seen = _size(found.c.tile_geom) >= _least_size(layer, cut.z)
    return select(*found.c).where(or_(found.c.generalised, seen))


def _wider(layer: LayerDefinition) -> int:
    """Return how many units a layer reaches farther beyond the edge than tiles usually do."""
    return layer.tiles.buffer - BUFFER


def _buffer(layer: LayerDefinition, cut: TileCut) -> int:
    return cut.buffer + _wider(layer) * cut.extent // EXTENT


def _metres(layer: LayerDefinition, cut: TileCut) -> ColumnElement[Any]:
    if not _wider(layer):
        return cut.metres
    return once(func.ST_Expand(cut.metres, _wider(layer) * unit_size(cut.z)))


def _degrees(layer: LayerDefinition, cut: TileCut) -> Box:
    margin = _wider(layer) * 360 / (EXTENT << cut.z)
    if not margin:
        return cut.degrees
    if isinstance(cut.degrees, ColumnElement):
        return once(func.ST_Expand(cut.degrees, margin))
    west, south, east, north = cut.degrees
    return (west - margin, south - margin, east + margin, north + margin)


def _span(cut: TileCut) -> Span:
    # The renderer gives values for change tiles.
    assert cut.since is not None  # noqa: S101
    assert not isinstance(cut.at, ColumnElement)  # noqa: S101
    assert not isinstance(cut.as_of, ColumnElement)  # noqa: S101
    return Span(cut.since, cut.at, cut.as_of)


def _fields(layer: LayerDefinition, cut: TileCut) -> tuple[str, ...]:
    names = tile_fields(layer, cut.z) if cut.properties is None else cut.properties
    taken = () if cut.since is None else (CHANGE, SHAPE)
    return tuple(name for name in names if name in layer.field_names and name not in taken)


def _features(layer: LayerDefinition, cut: TileCut, rows: Subquery) -> Select[Any]:
    fields = _fields(layer, cut)
    attributes = [_attribute(layer, name, rows.c[name]) for name in fields if name in rows.c]
    if cut.since is not None:
        attributes += [rows.c[CHANGE].label(CHANGE), rows.c[SHAPE].label(SHAPE)]
    elif has_counts(layer, cut.z):
        # Tiles have no nulls: a point that stands for itself alone has no such attribute.
        attributes.append(case((rows.c.members > 1, rows.c.members)).label(POINT_COUNT))
    return select(
        rows.c.tile_id.label("feature_id"),
        *attributes,
        _tile_shape(layer, cut, rows).label("geom"),
    )


def _tile_shape(layer: LayerDefinition, cut: TileCut, rows: Subquery) -> ColumnElement[Any]:
    """Return the geometry in tile units.

    ``ST_AsMVTGeom`` spends three quarters of its time on validating and clipping. Shapes whose
    box lies within the buffered tile need neither: they are scaled and rounded, which gives the
    same coordinates. No condition may stand around the result: the planner would compute it twice.
    ``ST_AsMVT`` passes over features without geometry by itself, but writes empty ones.
    """
    shape: ColumnElement[Any] = rows.c.tile_geom
    if _is_thinned(layer, cut):
        keeps_small = layer.geometry.mixed or layer.geometry.dimension == 1
        simplified = func.ST_Simplify(shape, _tolerance(layer, cut.z), keeps_small)
        shape = case((rows.c.generalised, shape), else_=simplified)
    if cut.srid != TILE_SRID:
        shape = func.ST_Transform(shape, cut.srid)
    clipped = func.ST_AsMVTGeom(
        shape,
        once(func.ST_MakeEnvelope(*cut.box, cut.srid)) if cut.frame is None else cut.frame,
        cut.extent,
        _buffer(layer, cut),
        True,
    )
    if layer.geometry.mixed:
        return clipped
    within = rows.c.tile_geom.bool_op("@")(_metres(layer, cut))
    return case((within, _scaled(layer, cut, shape)), else_=clipped)


def _scaled(layer: LayerDefinition, cut: TileCut, shape: ColumnElement[Any]) -> ColumnElement[Any]:
    numbers = scaling(cut.box, cut.extent) if cut.scaling is None else cut.scaling
    scaled = func.ST_SnapToGrid(func.ST_TransScale(shape, *numbers), 1.0)
    if layer.geometry.dimension == 2:
        # Rows count downwards, so what turns anticlockwise in numbers turns clockwise to the eye,
        # as outer rings should.
        scaled = func.ST_ForcePolygonCCW(scaled)
    empties = (func.ST_GeomFromText(text, cut.srid) for text in _NOTHING[layer.geometry.dimension])
    return reduce(func.nullif, empties, scaled)


def _attribute(layer: LayerDefinition, name: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a field as a value that tiles can hold; dates as ISO 8601 text, times in UTC."""
    kind = layer.field(name).type
    if kind is FieldType.DATETIME:
        column = func.timezone("UTC", column)
    pattern = _DATE_PATTERNS.get(kind)
    return column if pattern is None else func.to_char(column, pattern).label(name)


def _is_thinned(layer: LayerDefinition, cut: TileCut) -> bool:
    return cut.z < FULL_DETAIL_ZOOM and layer.geometry.dimension > 0


def _tolerance(layer: LayerDefinition, z: int) -> float:
    units = _COVERAGE_TOLERANCE_UNITS if layer.geometry.coverage else _TOLERANCE_UNITS
    return units * unit_size(z)


def _size(geometry: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the longer side of a geometry's box, which PostGIS reads without the vertices."""
    return func.greatest(
        func.ST_XMax(geometry) - func.ST_XMin(geometry),
        func.ST_YMax(geometry) - func.ST_YMin(geometry),
    )


def _least_size(layer: LayerDefinition, z: int) -> float:
    return layer.tiles.min_pixels * _UNITS_A_PIXEL * unit_size(z)


FORMAT: TileFormat = VectorTiles()
