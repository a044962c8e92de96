"""What a database holds, to compare before and after: to the byte, or but for numbers and times."""

import asyncio
import hashlib
from typing import Any

from sqlalchemy import text

from layers.catalogue import Catalogue
from layers.feature_query import FeatureQuery
from layers.reading import CityReader
from layers.settings import LayersSettings
from tests.database import connected
from tests.faults.paths import LAYER

#: All but the table that a load builds aside and nobody reads.
_ALL = r"""
SELECT md5(coalesce(string_agg(row, '|' ORDER BY row), '')) FROM (
    SELECT 'v' || p::text AS row FROM city.land_parcel p
    UNION ALL SELECT 'l' || l::text FROM onemap.layer l
    UNION ALL SELECT 'q' || q::text FROM onemap.quarantine q
    UNION ALL SELECT 'a' || a::text FROM onemap.ancestry a
    UNION ALL SELECT 'i' || indexdef FROM pg_indexes WHERE schemaname = 'city'
        AND tablename NOT LIKE '%\_\_aside'
    UNION ALL SELECT 't' || nspname || relname FROM pg_class JOIN pg_namespace n
        ON n.oid = relnamespace WHERE nspname IN ('city', 'onemap') AND relkind = 'r'
        AND relname NOT LIKE '%\_\_aside'
    UNION ALL SELECT 'c' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = 'city.land_parcel'::regclass
    UNION ALL SELECT 'd' || load_id || coalesce(reverted_by::text, '') FROM onemap.load
        WHERE status = 'done'
) everything
"""

#: But for ids and record times, of which only the order counts.
_MEANT = {
    "versions": """
        SELECT bsm, version, valid_from::text, valid_to::text,
            feature_id = min(feature_id) OVER (PARTITION BY bsm),
            dense_rank() OVER (ORDER BY recorded_from), recorded_to = 'infinity',
            source_row, md5(row(geom, tile_geom)::text),
            (to_jsonb(p) - 'feature_id' - 'load_id' - 'recorded_from' - 'recorded_to'
                - 'geom' - 'tile_geom')::text
        FROM city.land_parcel p
    """,
    "layer": """
        SELECT (to_jsonb(l) - 'updated_at' - CASE name WHEN 'quarantine' THEN 'valid_from'
            ELSE '' END)::text FROM onemap.layer l WHERE data_version > 0
    """,
    "quarantine": """
        SELECT source_row, values::text, rule, message, original::text, rules::text, state,
            attempts, md5(geom::text), resolved_by IS NULL FROM onemap.quarantine
        WHERE layer <> 'quarantine'
    """,
    "ancestry": """
        SELECT DISTINCT child.bsm, parent.bsm, kind, round(share::numeric, 6)::text,
            a.valid_from::text, a.recorded_to = 'infinity' FROM onemap.ancestry a
        JOIN city.land_parcel child ON child.feature_id = child_id
        JOIN city.land_parcel parent ON parent.feature_id = parent_id
    """,
    # What a load that died has left aside is gone when the next one is done.
    "left": "SELECT relname FROM pg_class WHERE relname LIKE '%aside%'",
    "loads": """
        SELECT kind, source, added, changed, unchanged, closed, quarantined, data_version,
            reverted_by IS NULL FROM onemap.load WHERE status = 'done'
    """,
}

_HELD = text(
    """
    SELECT locktype, coalesce(relation::regclass::text, classid::text), mode, pid FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid <> pg_backend_pid() AND pid IN (SELECT pid FROM pg_stat_activity
            WHERE application_name = 'onemap')
    """
)


def checksum(url: str) -> str:
    """One figure of every row of the map and every column, its tables and indexes."""
    with connected(url) as connection:
        return str(connection.execute(text(_ALL)).scalar_one())


def meant(url: str) -> dict[str, list[str]]:
    """What the map says, but for ids and times that no two loads have in common."""
    with connected(url) as connection:
        return {
            name: sorted(str(tuple(row)) for row in connection.execute(text(statement)))
            for name, statement in _MEANT.items()
        }


def held_locks(url: str) -> list[str]:
    """The locks that sessions of the project hold on the database."""
    with connected(url) as connection:
        return [str(tuple(row)) for row in connection.execute(_HELD)]


def as_read(url: str, catalogue: Catalogue) -> str:
    """A figure of the layer's current state as readers get it, and of its extent."""
    return hashlib.sha256(repr(asyncio.run(_read(url, catalogue))).encode()).hexdigest()


async def _read(url: str, catalogue: Catalogue) -> tuple[Any, ...]:
    layer = catalogue.layer(LAYER)
    settings = LayersSettings.model_validate({"database_url": url})
    reader = CityReader(settings, catalogue)
    try:
        page = await reader.page(FeatureQuery(layer, limit=1_000))
        extent = await reader.extent(layer)
    finally:
        await reader.close()
    return list(page.features), extent
