"""Whether a database is fit for the catalogue, as the reading side sees it."""

from sqlalchemy import column, literal, select, table

from layers.catalogue import Catalogue
from layers.errors import SchemaConflict
from layers.pool import ReadingPool
from layers.pyramid_schema import columns_held, unfit_bands
from layers.quarantine_view import comment_of, view_comment
from layers.schema import expected_revision
from layers.system_tables import SYSTEM_SCHEMA
from layers.tables import CITY_SCHEMA, city_table

_REMEDY = "run onemap migrate"


async def shortcomings(pool: ReadingPool, catalogue: Catalogue) -> list[str]:
    """Return what the database lacks, in words; empty when it is fit.

    Raises:
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
    """
    revision = table("schema_version", column("version_num"), schema=SYSTEM_SCHEMA)
    try:
        records = await pool.fetch(select(revision.c.version_num))
    except SchemaConflict:
        return [f"the database has no schema yet: {_REMEDY}"]
    if not records or records[0][0] != expected_revision():
        return [f"the database's schema is of another version: {_REMEDY}"]
    present = table(
        "columns",
        column("table_schema"),
        column("table_name"),
        column("column_name"),
        schema="information_schema",
    )
    found = await pool.fetch(
        select(present.c.table_name, present.c.column_name).where(
            present.c.table_schema == literal(CITY_SCHEMA)
        )
    )
    held: dict[str, set[str]] = {}
    for layer, name in found:
        held.setdefault(str(layer), set()).add(str(name))
    columns = await pool.fetch(columns_held())
    lacking_bands = unfit_bands(columns, catalogue.layers.values())
    return (
        await _stale_views(pool, catalogue)
        + lacking_bands
        + [
            f"the table of layer {layer.name} lacks {', '.join(lacking)}: {_REMEDY}"
            for layer in catalogue.layers.values()
            if (
                lacking := [
                    c.name
                    for c in city_table(layer).columns
                    if c.name not in held.get(layer.name, ())
                ]
            )
        ]
    )


async def _stale_views(pool: ReadingPool, catalogue: Catalogue) -> list[str]:
    stale = []
    for layer in catalogue.layers.values():
        if layer.view is not None:
            held = await pool.fetch(comment_of(layer))
            if not held or held[0][0] != view_comment(layer, catalogue):
                stale.append(f"the view of layer {layer.name} is not of today: {_REMEDY}")
    return stale
