"""Mapbox Vector Tiles 2.1, encoded by PostGIS: all layers of a tile in one statement."""

from functools import reduce
from typing import Any

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    ScalarSelect,
    Select,
    case,
    func,
    literal,
    or_,
    select,
)

from layers.definition import FieldType, LayerDefinition
from layers.tables import TILE_SRID
from layers.tile_fields import tile_fields
from layers.tile_queries import tile_rows
from tiles.format import TileCut, TileFormat
from tiles.grids import BUFFER, EXTENT, unit_size
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


class VectorTiles:
    """Tiles whose layers are named after the city map's, with feature ids as MVT ids.

    Features stand in the order of their ids, so the same data give the same bytes.
    """

    name = "mvt"
    media_type = "application/vnd.mapbox-vector-tile"
    extensions: tuple[str, ...] = ("mvt", "pbf")

    def statement(self, cut: TileCut) -> Select[Any]:
        """Return the statement of a tile; its one value is empty where nothing is to be seen."""
        parts: list[ColumnElement[Any]] = [_layer_bytes(layer, cut) for layer in cut.layers]
        if not parts:
            return select(literal(b"", LargeBinary))
        return select(reduce(_concatenated, parts))


def _concatenated(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[Any]:
    return left.op("||", return_type=LargeBinary())(right)


def _layer_bytes(layer: LayerDefinition, cut: TileCut) -> ScalarSelect[Any]:
    fields = tile_fields(layer, cut.z)
    envelope = func.ST_MakeEnvelope(*cut.box, TILE_SRID)
    area = func.ST_Expand(envelope, BUFFER * unit_size(cut.z))
    rows = tile_rows(
        layer, cut.viewer, cut.at, cut.as_of, fields, cut.degrees, cut.z, area
    ).subquery("rows")
    attributes = [_attribute(layer, name, rows.c[name]) for name in fields if name in rows.c]
    shape: ColumnElement[Any] = rows.c.tile_geom
    generalised = cut.z < FULL_DETAIL_ZOOM and layer.geometry.dimension > 0
    if generalised:
        keeps_small = layer.geometry.mixed or layer.geometry.dimension == 1
        simplified = func.ST_Simplify(shape, _tolerance(layer, cut.z), keeps_small)
        shape = case((rows.c.generalised, shape), else_=simplified)
    # No condition stands around ST_AsMVTGeom: the planner would compute it twice. ST_AsMVT
    # passes over features without geometry by itself.
    features = select(
        rows.c.tile_id.label("feature_id"),
        *attributes,
        func.ST_AsMVTGeom(shape, envelope, EXTENT, BUFFER, True).label("geom"),
    )
    if generalised and layer.tiles.min_pixels > 0:
        seen = _size(rows.c.tile_geom) >= _least_size(layer, cut.z)
        features = features.where(or_(rows.c.generalised, seen))
    tile = features.subquery("tile")
    encoded = func.ST_AsMVT(
        tile.table_valued(), layer.name, EXTENT, "geom", "feature_id"
    ).aggregate_order_by(tile.c.feature_id)
    return select(encoded).scalar_subquery()


def _attribute(layer: LayerDefinition, name: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a field as a value that tiles can hold; dates as ISO 8601 text, times in UTC."""
    kind = layer.field(name).type
    if kind is FieldType.DATETIME:
        column = func.timezone("UTC", column)
    pattern = _DATE_PATTERNS.get(kind)
    return column if pattern is None else func.to_char(column, pattern).label(name)


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
