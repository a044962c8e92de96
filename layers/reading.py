"""The reading side of the city map, for one server process."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Generic, TypeVar

import asyncpg
import orjson
from sqlalchemy import ClauseElement, func, literal, select

from gis.times import BEIJING
from layers.access import ANONYMOUS, Viewer, access_class
from layers.catalogue import Catalogue
from layers.cursors import Cursor, read_cursor, write_cursor
from layers.definition import LayerDefinition
from layers.errors import FeatureNotFound, LoadNotFound, OneMapError
from layers.feature_batches import FeatureBatch, feature_batches
from layers.feature_copy import feature_copy
from layers.feature_counts import FeatureCount, count_features
from layers.feature_query import BBox, FeatureQuery
from layers.feature_rows import FeatureRow, FeatureRows
from layers.feature_selection import (
    GeometryForm,
    feature_count,
    feature_page,
    feature_rows,
    is_unfiltered,
    place_of,
    selected_fields,
)
from layers.feature_texts import FeatureTexts
from layers.load_notices import LoadNotices
from layers.load_records import LoadRecord, LoadSelection, load_query, loads_query, read_record
from layers.page_statements import PageStatements
from layers.pool import PoolFigures, ReadingPool
from layers.readiness import shortcomings
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg
from layers.system_tables import layer_table, load_table
from layers.tile_news import TileChange, TileNews, database_identity, read_tile_changes
from layers.version_watch import VersionWatch
from layers.written_pages import written_page

#: Beyond it no load is looked for: the database's own largest number.
_LARGEST_ID = 2**63 - 1


#: How the features of a page come.
Features_co = TypeVar("Features_co", bound=FeatureRows | FeatureTexts, covariant=True)
Found = TypeVar("Found", bound=FeatureRows | FeatureTexts)


@dataclass(frozen=True, slots=True)
class FeaturePage(Generic[Features_co]):
    """One page of features in the order of its query."""

    features: Features_co
    #: The cursor of the next page; ``None`` on the last.
    next: str | None
    #: The cursor of the page before; ``None`` on the first.
    previous: str | None
    #: How many features match in all, if that was asked for or is known.
    matched: FeatureCount | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version of a feature came from."""

    load_id: int
    #: Name of the survey's file or service.
    source: str
    #: The row of the file, counted from 1.
    source_row: int
    #: The survey's own reference system.
    crs: str
    operator: str
    #: When the map learned of it.
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class LayerExtent:
    """Where and when a layer has features."""

    bbox: BBox | None
    start: datetime | None
    end: datetime | None
    #: Number of current features.
    count: int


class CityReader:
    """Reads features, tiles and figures of the city map; all methods may run concurrently."""

    def __init__(self, settings: LayersSettings, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._settings = settings
        self._pool = ReadingPool(settings)
        self._statements = PageStatements()
        self._watch = VersionWatch(settings)

    @classmethod
    async def open(cls, settings: LayersSettings, catalogue: Catalogue) -> "CityReader":
        """Return a reader that listens for changes; the database may come up later."""
        reader = cls(settings, catalogue)
        reader.start()
        return reader

    def start(self) -> None:
        """Begin to listen for changes, in a task of the running event loop."""
        self._watch.start()

    async def close(self) -> None:
        """Stop listening and give back all connections."""
        await self._watch.stop()
        await self._pool.close()

    def data_versions(self) -> Mapping[str, int]:
        """Return layer → data version, as fresh as the last notice."""
        return self._watch.versions

    async def listening(self) -> None:
        """Wait until changes are heard."""
        await self._watch.connected.wait()

    @property
    def is_listening(self) -> bool:
        """Whether changes are heard at present; if not, data versions may be old."""
        return self._watch.is_hearing

    @property
    def heard_until(self) -> float:
        """Until when (``time.monotonic``) changes count as heard, if nothing further is read."""
        return self._watch.heard_until

    def tile_versions(self) -> Mapping[str, int]:
        """Return layer → version of what tiles show, as last read."""
        return self._watch.tile_versions

    def follow_tiles(self, hear: Callable[[TileNews], None]) -> None:
        """Have ``hear`` called, in the event loop, with all news of tiles."""
        self._watch.follow(hear)

    async def tile_changes(self, layer: str, since: int, upto: int) -> list[TileChange]:
        """Return what changed in a layer's tiles between two of its tile versions.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        return await read_tile_changes(self._pool.fetch, layer, since, upto)

    async def database_identity(self) -> str:
        """Return a text that changes when the database is another, or was set back.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        return str((await self._pool.fetch(database_identity()))[0][0])

    @property
    def load_notices(self) -> LoadNotices:
        """Where news of loads are heard."""
        return self._watch.loads

    async def fetch(self, statement: ClauseElement) -> list[asyncpg.Record]:
        """Run a statement that another module of this room has composed.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        return await self._pool.fetch(statement)

    async def load(self, load_id: int) -> LoadRecord:
        """Return a load.

        Raises:
            LoadNotFound: If there is none of that number.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        found = await self._pool.fetch(load_query(load_id)) if load_id <= _LARGEST_ID else []
        if not found:
            raise LoadNotFound(f"there is no load {load_id}")
        return _load_record(found[0])

    async def loads(self, selection: LoadSelection) -> list[LoadRecord]:
        """Return loads, the youngest first; errors as in ``load``."""
        return [_load_record(row) for row in await self._pool.fetch(loads_query(selection))]

    async def page(self, query: FeatureQuery) -> FeaturePage[FeatureRows]:
        """Return one page of features.

        Raises:
            UnknownLayer, UnknownField, InvalidValue: If the query cannot be.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        return await self._row_page(query, _cursor_of(query))

    async def text_page(self, query: FeatureQuery) -> FeaturePage[FeatureRows | FeatureTexts]:
        """Return one page of features, as GeoJSON if that is faster; errors as in ``page``."""
        cursor = _cursor_of(query)
        written = await written_page(self._pool, self._statements, query, cursor)
        if written is None:
            return await self._row_page(query, cursor)
        return await self._page(
            query, cursor, written.texts, written.edges, written.matched, more=written.more
        )

    async def _row_page(
        self, query: FeatureQuery, cursor: Cursor | None
    ) -> FeaturePage[FeatureRows]:
        found = await self._page_records(query, cursor)
        records, more = found[: query.limit], len(found) > query.limit
        if cursor is not None and cursor.backwards:
            records.reverse()
        matched = found[0].get("matched") if found else None
        rows = FeatureRows(records, selected_fields(query), has_geometry=query.with_geometry)
        return await self._page(query, cursor, rows, records, matched, more=more)

    async def _page(
        self,
        query: FeatureQuery,
        cursor: Cursor | None,
        features: Found,
        records: Sequence[Mapping[str, Any]],
        matched: int | None,
        *,
        more: bool,
    ) -> FeaturePage[Found]:
        """Return a page with its cursors and the number of matches.

        Args:
            query: What was asked for.
            cursor: Its cursor.
            features: What was found.
            records: Rows of which the first and the last are those of the page.
            matched: How many match, where that is known.
            more: Whether the next page, or the one before if the cursor says so, has features.
        """
        backwards = cursor is not None and cursor.backwards
        following = more or backwards
        preceding = more if backwards else cursor is not None
        return FeaturePage(
            features,
            _cursor_at(query, records[-1:], backwards=False) if following else None,
            _cursor_at(query, records[:1], backwards=True) if preceding else None,
            await self._count(query, None if more else len(features))
            if matched is None
            else FeatureCount(matched, True),
        )

    async def _page_records(
        self, query: FeatureQuery, cursor: Cursor | None
    ) -> list[asyncpg.Record]:
        share = f"items/{query.layer.name}"
        kept = self._statements.page(query, cursor)
        if kept is None:
            return await self._pool.fetch(feature_page(query), share)
        return await self._pool.fetch_text(kept.sql, kept.values, share, plan_once=kept.plan_once)

    async def _count(self, query: FeatureQuery, found: int | None) -> FeatureCount | None:
        """Return how many features a query has, of whose first page so many are all there are."""
        if is_unfiltered(query):
            return FeatureCount((await self.extent(query.layer, query.viewer)).count, True)
        if query.after is not None:
            return None
        if found is not None:
            return FeatureCount(found, True)
        return await count_features(self._pool, query, self._settings, self._statements)

    def batches(
        self,
        query: FeatureQuery,
        *,
        geometry: GeometryForm,
        size: int = 2000,
        limit: int | None = None,
    ) -> AsyncGenerator[FeatureBatch]:
        """Yield all features of a query, from its cursor on, in its order, some at a time.

        They are read through a cursor of the database in one transaction that only reads. The
        query ends with the iterator: close it (``contextlib.aclosing``) where it is left early.

        Args:
            query: What is wanted; its ``limit`` is that of a page, and does not count here.
            geometry: How it is written.
            size: The most features at once.
            limit: The most features in all.

        Raises:
            UnknownLayer, UnknownField, InvalidValue: If the query cannot be.
            DatabaseUnavailable, DatabaseBusy: If the database cannot answer, or as many exports
                run as may.
            QueryTimeout: If it takes longer than an export may.
        """
        return feature_batches(self._pool, query, geometry=geometry, size=size, limit=limit)

    async def copy(
        self, query: FeatureQuery, take: Callable[[bytes], Awaitable[None]], *, limit: int
    ) -> None:
        """Hand all features of a query to ``take`` as CSV, some whole rows at a time.

        Columns: see ``layers.feature_copy``; order and errors as in ``batches``.

        Args:
            query: What is wanted; its ``limit`` is that of a page, and does not count here.
            take: May wait, and ends the query by what it raises, which must be no ``OSError``.
            limit: The most features.
        """
        await self._pool.copy(feature_copy(query, limit), take)

    async def count(self, query: FeatureQuery, most: int) -> int:
        """Return how many features match, or, where that must be counted, ``most`` + 1 at most."""
        if is_unfiltered(query):
            return (await self.extent(query.layer, query.viewer)).count
        share = f"items/{query.layer.name}"
        return int((await self._pool.fetch(feature_count(query, most), share))[0][0])

    async def cursor_at(self, query: FeatureQuery, passed: int) -> str | None:
        """Return the cursor behind so many features of a query (at least one).

        The database has to walk past them: where the page before is known, its cursor is better.

        Returns:
            ``None`` if there are no more than so many.
        """
        share = f"items/{query.layer.name}"
        plain = replace(query, with_geometry=False, fields=())
        found = await self._pool.fetch(feature_page(plain).offset(passed - 1).limit(2), share)
        return _cursor_at(query, found[:1], backwards=False) if len(found) > 1 else None

    async def feature(self, query: FeatureQuery) -> FeatureRow:
        """Return the one feature that ``query.feature_id`` names, at the query's time.

        Raises:
            FeatureNotFound: If it is not there at that time, or not for this viewer.
        """
        # Of several versions in an interval the youngest.
        statement = feature_rows(query, "geojson", backwards=True).limit(1)
        records = await self._pool.fetch(statement, f"items/{query.layer.name}")
        if not records:
            raise FeatureNotFound(
                f"{query.layer.name} has no feature {query.feature_id} at that time"
            )
        return FeatureRows(records, selected_fields(query), has_geometry=query.with_geometry)[0]

    async def lineage(self, feature: FeatureRow) -> Lineage:
        """Return which load, file, row and operator a version of a feature came from."""
        statement = select(load_table).where(load_table.c.load_id == feature.load_id)
        load = (await self._pool.fetch(statement))[0]
        return Lineage(
            feature.load_id,
            load["source"],
            feature.source_row,
            load["crs"],
            load["operator"],
            load["recorded_at"],
        )

    async def extent(self, layer: LayerDefinition, viewer: Viewer = ANONYMOUS) -> LayerExtent:
        """Return where and when a layer has features, and how many now."""
        access_class(layer, viewer)
        statement = select(layer_table).where(layer_table.c.name == layer.name)
        records = await self._pool.fetch(statement)
        if not records or records[0]["west"] is None:
            return LayerExtent(None, None, None, 0)
        row = records[0]
        bbox = (row["west"], row["south"], row["east"], row["north"])
        return LayerExtent(bbox, row["valid_from"], None, row["current_count"])

    async def bounds(self, layers: Sequence[str]) -> BBox | None:
        """Return the box (degrees) of all that some layers hold or ever held, if anything."""
        place = layer_table.c
        statement = select(
            func.min(place.west), func.min(place.south), func.max(place.east), func.max(place.north)
        ).where(place.name.in_(layers))
        west, south, east, north = (await self._pool.fetch(statement))[0]
        return None if west is None else (west, south, east, north)

    async def epochs(self, layers: Sequence[str]) -> list[date]:
        """Return the dates (Beijing) from which the surveys of some layers hold, ascending."""
        statement = (
            select(load_table.c.valid_from)
            .where(load_table.c.layer.in_(layers), load_table.c.status == literal("done"))
            .distinct()
            .order_by(load_table.c.valid_from)
        )
        moments = [record[0] for record in await self._pool.fetch(statement)]
        return sorted({moment.astimezone(BEIJING).date() for moment in moments})

    async def tile(self, statement: ClauseElement) -> bytes:
        """Run a statement of one row and one column of bytes, such as a tile's."""
        return await self.tile_text(*compile_for_asyncpg(statement))

    async def tile_text(self, sql: str, values: list[Any]) -> bytes:
        """Run such a statement compiled beforehand."""
        records = await self._pool.fetch_text(sql, values)
        return bytes(records[0][0]) if records and records[0][0] is not None else b""

    async def tile_row(
        self, sql: str, values: list[Any], share: str, *, plan_once: bool = False
    ) -> Sequence[Any]:
        """Run a tile's statement of one row, compiled beforehand, and return its values.

        Args:
            sql: What to run.
            values: Its values.
            share: Whose tile it is: those of one tile set wait in one line.
            plan_once: Whether the same statement comes again with other values.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        limit = self._settings.tile_timeout_s
        rows = await self._pool.fetch_text(sql, values, share, limit, plan_once=plan_once)
        row: Sequence[Any] = rows[0]
        return row

    def pool_figures(self) -> PoolFigures:
        """Return how the pool of connections fares."""
        return self._pool.figures()

    async def rows_text(self, sql: str, values: list[Any]) -> Sequence[Sequence[Any]]:
        """Run a statement compiled beforehand, which comes again with other values."""
        rows: Sequence[Sequence[Any]] = await self._pool.fetch_text(sql, values, plan_once=True)
        return rows

    async def ready(self) -> list[str]:
        """Return what keeps the map from being served, in words; empty when nothing does."""
        try:
            missing = await shortcomings(self._pool, self.catalogue)
        except OneMapError as error:
            return [str(error)]
        return missing or ([] if self.is_listening else ["changes of the map are not heard yet"])


def _load_record(row: asyncpg.Record) -> LoadRecord:
    # This driver leaves JSON as it came.
    request = row["request"]
    return read_record(dict(row), orjson.loads(request) if request else None)


def _cursor_of(query: FeatureQuery) -> Cursor | None:
    return None if query.after is None else read_cursor(query, query.after)


def _cursor_at(
    query: FeatureQuery, records: Sequence[Mapping[str, Any]], *, backwards: bool
) -> str | None:
    if not records:
        return None
    return write_cursor(query, place_of(query, records[0], backwards=backwards))
