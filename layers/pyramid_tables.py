"""The tables of generalised rows: one a band of a layer in schema ``pyramid``.

A row stands for one feature or several, in the zooms of its band. It has the same two time
intervals as the rows of the layer's own table (see ``layers.tables``), so the past has a pyramid
too, and what a row says follows from the layer's rows that held at its times alone.
"""

from functools import cache

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Double,
    Index,
    MetaData,
    Table,
)

from layers.definition import LayerDefinition, PyramidBand
from layers.pyramid_bands import band_fields
from layers.tables import INFINITY, TILE_SRID, column_type, is_closed, is_current

PYRAMID_SCHEMA = "pyramid"
#: The columns of every row beside the fields.
_IDENTITY = ("cell", "feature_id", "tile_id", "members", "tile_rank")
_TIMES = ("valid_from", "valid_to", "recorded_from", "recorded_to")


def band_table_name(layer: LayerDefinition, band: PyramidBand, *, aside: bool = False) -> str:
    """Return the name of a band's table: the layer and the band's lowest zoom.

    Args:
        layer: The layer.
        band: The band.
        aside: The name under which the table is built before it takes its place.
    """
    return f"{layer.name}__{band.zooms[0]}{'__a' if aside else ''}"


@cache
def band_table(layer: LayerDefinition, band: PyramidBand, *, aside: bool = False) -> Table:
    """Return the table of a band's rows, in a metadata of its own."""
    fields = (layer.field(name) for name in band_fields(layer, band))
    return Table(
        band_table_name(layer, band, aside=aside),
        MetaData(schema=PYRAMID_SCHEMA),
        #: The tile of the band's cell zoom that the row belongs to: ``x << 24 | y``.
        Column("cell", BigInteger, nullable=False),
        #: Null where the row is made of several features.
        Column("feature_id", BigInteger),
        #: The id in tiles: the feature's, or one of at least 2^52.
        Column("tile_id", BigInteger, nullable=False),
        #: How many features the row stands for.
        Column("members", BigInteger, nullable=False),
        #: Importance: what is larger is kept first.
        Column("tile_rank", Double, nullable=False),
        *(Column(field.name, column_type(field.type)) for field in fields),
        Column("geom", Geometry("GEOMETRY", srid=TILE_SRID, spatial_index=False), nullable=False),
        *(Column(name, DateTime(timezone=True), nullable=False) for name in _TIMES),
    )


def row_columns(layer: LayerDefinition, band: PyramidBand) -> tuple[str, ...]:
    """Return the names of a band's columns, in the order of its table."""
    return (*_IDENTITY, *band_fields(layer, band), "geom", *_TIMES)


def band_indexes(
    layer: LayerDefinition, band: PyramidBand, *, aside: bool = False
) -> dict[str, Index]:
    """Return what makes a band's table quick, by what each name ends with.

    They stand apart from the table so that they are built after the rows.
    """
    name = band_table_name(layer, band, aside=aside)
    columns = band_table(layer, band).to_metadata(MetaData(schema=PYRAMID_SCHEMA), name=name).c
    table = columns.cell.table

    def by_place(ending: str, condition: ColumnElement[bool]) -> Index:
        return Index(
            f"{name}_{ending}", columns.geom, postgresql_where=condition, postgresql_using="gist"
        )

    return {
        "cell": Index(
            f"{name}_cell",
            columns.cell,
            columns.feature_id,
            postgresql_where=columns.recorded_to == INFINITY,
        ),
        "old": by_place("old", is_closed(table)),
        "now": by_place("now", is_current(table)),
    }
