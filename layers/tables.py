"""The PostGIS tables: one a layer in schema ``city``, made from its definition.

Every row is one version of a feature, with two time intervals, both closed at the start and open
at the end, ``infinity`` meaning "still so":

* ``valid_from``/``valid_to``: when it was so in the city (valid time);
* ``recorded_from``/``recorded_to``: when the map held it to be so (record time).

A row whose both intervals are open is *current*. Partial indexes keep reading current rows as
cheap as reading a table without history.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    DefaultClause,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    and_,
    literal_column,
    or_,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from layers.definition import FieldType, GeometryDefinition, LayerDefinition

CITY_SCHEMA = "city"
#: EPSG code in which geometry is kept: CGCS2000 geographic, longitude first.
STORAGE_SRID = 4490
#: EPSG code of the geometry that tiles are cut from: Web Mercator.
TILE_SRID = 3857

INFINITY: ColumnElement[Any] = literal_column("'infinity'::timestamptz", DateTime(timezone=True))

SYSTEM_COLUMNS = (
    "feature_id",
    "version",
    "valid_from",
    "valid_to",
    "recorded_from",
    "recorded_to",
    "load_id",
    "source_row",
)

#: The geometry columns of every layer's table.
GEOMETRIES = ("geom", "tile_geom")

_TYPES: dict[FieldType, type[TypeEngine[Any]]] = {
    FieldType.TEXT: Text,
    FieldType.INTEGER: BigInteger,
    FieldType.NUMBER: Double,
    FieldType.BOOLEAN: Boolean,
    FieldType.DATE: Date,
}


def column_type(field_type: FieldType) -> TypeEngine[Any]:
    """Return the SQL type that holds values of ``field_type``."""
    if field_type is FieldType.DATETIME:
        return DateTime(timezone=True)
    return _TYPES[field_type]()


def geometry_type(geometry: GeometryDefinition) -> Geometry:
    """Return the column type of a layer's geometry at survey precision (EPSG:4490)."""
    suffix = "Z" if geometry.z else ""
    return Geometry(
        geometry.type.upper() + suffix,
        srid=STORAGE_SRID,
        dimension=3 if geometry.z else 2,
        spatial_index=False,
    )


@cache
def city_table(layer: LayerDefinition) -> Table:
    """Return the table of ``layer``, in a metadata of its own."""
    return Table(
        layer.name,
        MetaData(schema=CITY_SCHEMA),
        Column("feature_id", BigInteger, nullable=False, autoincrement=False),
        Column("version", Integer, nullable=False),
        Column("valid_from", DateTime(timezone=True), nullable=False),
        Column("valid_to", DateTime(timezone=True), nullable=False),
        Column("recorded_from", DateTime(timezone=True), nullable=False),
        Column("recorded_to", DateTime(timezone=True), nullable=False),
        Column("load_id", BigInteger, nullable=False),
        Column("source_row", BigInteger, nullable=False),
        *content_columns(layer),
        comment=f"{layer.title.zh} / {layer.title.en}",
    )


def content_columns(layer: LayerDefinition) -> list[Column[Any]]:
    """Return fresh columns for what a survey says: the fields and both geometries."""
    fields = [
        Column(
            field.name,
            column_type(field.type),
            nullable=field.name not in layer.key,
            comment=f"{field.title.zh} / {field.title.en}",
        )
        for field in layer.fields
    ]
    return [
        *fields,
        Column("geom", geometry_type(layer.geometry)),
        Column("tile_geom", Geometry("GEOMETRY", srid=TILE_SRID, spatial_index=False)),
    ]


def content_names(layer: LayerDefinition) -> tuple[str, ...]:
    """Return the names of the columns that a survey fills."""
    return (*layer.field_names, "geom", "tile_geom")


def feature_id_sequence(layer: LayerDefinition) -> Sequence:
    """Return the sequence that gives out a layer's feature ids."""
    return Sequence(f"{layer.name}_feature_id_seq", schema=CITY_SCHEMA)


def is_current(table: Table) -> ColumnElement[bool]:
    """Return the condition of the partial indexes over current rows; use no other wording."""
    return and_(table.c.recorded_to == INFINITY, table.c.valid_to == INFINITY)


def is_closed(table: Table) -> ColumnElement[bool]:
    """Return the condition of the partial indexes over closed rows; use no other wording."""
    return or_(table.c.recorded_to < INFINITY, table.c.valid_to < INFINITY)


def aside_name(layer: str) -> str:
    """Return the name under which a first load builds a layer's table before it takes its place."""
    return f"{layer}__aside"


def aside_table(layer: LayerDefinition, defaults: Mapping[str, ColumnElement[Any]]) -> Table:
    """Return a layer's table under its other name, with defaults for what all rows share."""
    table = city_table(layer).to_metadata(MetaData(schema=CITY_SCHEMA), name=aside_name(layer.name))
    for name, value in defaults.items():
        table.c[name].server_default = DefaultClause(value)
    return table


def table_indexes(
    layer: LayerDefinition, *, aside: bool = False
) -> list[Index | PrimaryKeyConstraint]:
    """Return what makes a layer's table quick, in the order of building.

    They stand apart from the table so that a first load can build them after the rows, in a
    fraction of the time.

    Args:
        layer: The layer.
        aside: Those of the table that a first load builds aside; their names begin with its name.
    """
    name = aside_name(layer.name) if aside else layer.name
    columns = city_table(layer).to_metadata(MetaData(schema=CITY_SCHEMA), name=name).c
    table = columns.feature_id.table
    key = [columns[field] for field in layer.key]
    return [
        PrimaryKeyConstraint(
            columns.feature_id, columns.version, columns.recorded_from, name=f"{name}_pkey"
        ),
        Index(
            f"{name}_current_id",
            columns.feature_id,
            unique=True,
            postgresql_where=is_current(table),
        ),
        Index(f"{name}_key", *key),
        Index(
            f"{name}_current_geom",
            columns.geom,
            postgresql_using="gist",
            postgresql_where=is_current(table),
        ),
        Index(
            f"{name}_closed_geom",
            columns.geom,
            postgresql_using="gist",
            postgresql_where=is_closed(table),
        ),
    ]
