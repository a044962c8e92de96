"""Refused rows as a layer of the map: the view ``city.quarantine`` over ``onemap.quarantine``.

A row is current until it is taken in or discarded; then its valid time ends. Rows of layers that
are not open to everyone in full are left out: the view knows no viewer.
"""

import hashlib
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, Text, cast, func, select, text

from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import DefinitionError
from layers.sql import (
    comment_view_statement,
    compile_for_asyncpg,
    create_view_statement,
    drop_view_statement,
)
from layers.system_tables import quarantine_table
from layers.tables import CITY_SCHEMA, INFINITY

_ROW = quarantine_table.c
#: Of the mended geometry, or else of the refused one; the partial spatial index is over this.
PLACE = func.coalesce(_ROW.fixed_geom, _ROW.geom)
_SYSTEM: dict[str, ColumnElement[Any]] = {
    "feature_id": _ROW.quarantine_id,
    "version": _ROW.attempts + 1,
    "valid_from": _ROW.created_at,
    "valid_to": _ROW.resolved_at,
    "recorded_from": _ROW.created_at,
    "recorded_to": INFINITY,
    "load_id": _ROW.load_id,
    "source_row": _ROW.source_row,
}
_FIELDS: dict[str, ColumnElement[Any]] = {
    "quarantine_id": _ROW.quarantine_id,
    "layer": _ROW.layer,
    "load": _ROW.load_id,
    "row_number": _ROW.source_row,
    "rule": _ROW.rule,
    "faults": cast(func.coalesce(func.jsonb_array_length(_ROW.rules), 1), Integer),
    "state": _ROW.state,
    "attempts": _ROW.attempts,
    "refused_at": _ROW.created_at,
    "changed_at": _ROW.updated_at,
    "resolved_by": _ROW.resolved_by,
    "message": _ROW.message,
    "original": cast(_ROW.original, Text),
    "understood": cast(_ROW["values"], Text),
    "fixed": cast(_ROW.fixed, Text),
    "note": _ROW.note,
}


def open_layers(catalogue: Catalogue) -> list[str]:
    """Return the layers whose refused rows anyone may see on the map."""
    return [
        name
        for name in catalogue.layer_names
        if not (
            (layer := catalogue.layers[name]).view
            or layer.access.requires_role
            or layer.access.public_precision_m
        )
    ]


def _query(layer: LayerDefinition, catalogue: Catalogue) -> Select[Any]:
    unknown = [name for name in layer.field_names if name not in _FIELDS]
    if unknown:
        raise DefinitionError(
            f"layer {layer.name}: a view of refused rows has no field {', '.join(unknown)}; "
            f"it has {', '.join(_FIELDS)}"
        )
    columns = [*_SYSTEM.items(), *((name, _FIELDS[name]) for name in layer.field_names)]
    return select(
        *(expression.label(name) for name, expression in columns),
        PLACE.label("geom"),
        _ROW.tile_geom.label("tile_geom"),
    ).where(_ROW.layer.in_(open_layers(catalogue)))


def fingerprint(layer: LayerDefinition, catalogue: Catalogue) -> str:
    """Return a text that is equal exactly for equal views; it stands in the view's comment."""
    sql, values = compile_for_asyncpg(_query(layer, catalogue))
    return hashlib.sha256(f"{sql} {values}".encode()).hexdigest()


def view_comment(layer: LayerDefinition, catalogue: Catalogue) -> str:
    """Return the comment that the view of ``layer`` has when it is up to date."""
    return f"{layer.title.zh} / {layer.title.en} [{fingerprint(layer, catalogue)}]"


def comment_of(layer: LayerDefinition) -> Select[Any]:
    """Return the statement for the comment that the view has in the database; null without one."""
    place = func.to_regclass(f"{CITY_SCHEMA}.{layer.name}")
    return select(func.obj_description(place, "pg_class"))


def make_view(connection: Connection, layer: LayerDefinition, catalogue: Catalogue) -> list[str]:
    """Make the view or bring it up to date; return what was done, in words."""
    wanted = view_comment(layer, catalogue)
    if connection.execute(comment_of(layer)).scalar() == wanted:
        return []
    query = _query(layer, catalogue)
    connection.execute(text(drop_view_statement(CITY_SCHEMA, layer.name)))
    for statement in (
        create_view_statement(CITY_SCHEMA, layer.name, query),
        comment_view_statement(CITY_SCHEMA, layer.name, wanted),
    ):
        connection.exec_driver_sql(statement)
    return [f"layer {layer.name}: view made"]
