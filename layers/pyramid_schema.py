"""The tables of pyramids brought to the form that the definitions ask for.

Their rows can always be made again from the layers' own: a table of another form is made anew.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Table,
    Text,
    column,
    delete,
    inspect,
    literal,
    select,
    table,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from layers.definition import LayerDefinition, PyramidBand
from layers.pyramid_bands import bands_of
from layers.pyramid_tables import PYRAMID_SCHEMA, band_indexes, band_table
from layers.system_tables import pyramid_table


def renew_bands(connection: Connection, layer: LayerDefinition) -> list[str]:
    """Make the tables of a layer's bands that are missing or of another form; they are empty.

    Returns:
        What was done, in words.
    """
    bands = bands_of(layer)
    unfit = [band for band in bands if not _is_fit(connection, band_table(layer, band))]
    for band in unfit:
        rows = band_table(layer, band)
        connection.execute(DropTable(rows, if_exists=True))
        connection.execute(CreateTable(rows))
        for index in band_indexes(layer, band).values():
            connection.execute(CreateIndex(index))
        forget_band(connection, layer, band)
    if not unfit:
        return []
    zooms = ", ".join(f"z{band.zooms[0]}-{band.zooms[1]}" for band in unfit)
    return [f"layer {layer.name}: pyramid {zooms} to be built"]


def forget_band(connection: Connection, layer: LayerDefinition, band: PyramidBand) -> None:
    """Take note that a band is not built, so that it is not read."""
    state = pyramid_table.c
    connection.execute(
        delete(pyramid_table).where(state.layer == layer.name, state.band == band.zooms[0])
    )


def _is_fit(connection: Connection, rows: Table) -> bool:
    inspector = inspect(connection)
    if not inspector.has_table(rows.name, schema=PYRAMID_SCHEMA):
        return False
    present = {
        str(held["name"]): held["type"].compile(connection.dialect).casefold()
        for held in inspector.get_columns(rows.name, schema=PYRAMID_SCHEMA)
    }
    wanted = {held.name: held.type.compile(connection.dialect).casefold() for held in rows.columns}
    return present == wanted


def columns_held() -> Select[tuple[str, str]]:
    """Return the statement for the tables and columns that schema ``pyramid`` has."""
    present = table(
        "columns",
        column("table_schema", Text),
        column("table_name", Text),
        column("column_name", Text),
        schema="information_schema",
    )
    return select(present.c.table_name, present.c.column_name).where(
        present.c.table_schema == literal(PYRAMID_SCHEMA)
    )


def unfit_bands(present: Iterable[Sequence[Any]], layers: Iterable[LayerDefinition]) -> list[str]:
    """Return which layers' pyramids lack tables or columns, in words.

    Args:
        present: What ``columns_held`` finds.
        layers: The layers whose pyramids are wanted.
    """
    held: dict[str, set[str]] = {}
    for name, field in present:
        held.setdefault(str(name), set()).add(str(field))
    unfit = [
        layer.name
        for layer in layers
        if any(
            not set(rows.columns.keys()) <= held.get(rows.name, set())
            for rows in (band_table(layer, band) for band in bands_of(layer))
        )
    ]
    if not unfit:
        return []
    return [f"layers without a table for their pyramid: {', '.join(unfit)}: run onemap migrate"]
