"""Pages as they are written fast, against the same rows read and written plainly."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import shapely
from sqlalchemy import func, select, update

from api.feature_format import FeaturePageDocument
from api.formats.geojson import FORMAT
from gis.systems import CRS84, coordinate_systems
from layers.definition import LayerDefinition
from layers.feature_counts import FeatureCount
from layers.feature_query import FeatureQuery
from layers.feature_texts import FeatureTexts
from layers.filters import read_filter
from layers.pool import ReadingPool
from layers.reading import CityReader, FeaturePage
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg
from layers.store import Store
from layers.system_tables import layer_table
from layers.tables import city_table
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition

_SINCE = datetime(2014, 1, 1, 3, 4, 5, 678900, tzinfo=UTC)
_BEIJING = timezone(timedelta(hours=8))
#: Use, floors, area, built, surveyed, changed at.
_ODD: list[tuple[Any, ...]] = [
    (None, None, None, None, None, None),
    ("", 0, 0.0, False, date(1, 1, 1), datetime(1900, 1, 1, tzinfo=UTC)),
    ("引号 \" 与 \\ 和 ' 以及 😀", 2**63 - 1, 0.1, True, date(2024, 2, 29), _SINCE),
    ("line\nfeed\ttab\u0001\u2028</script>", -(2**63), -1.5e300, True, date(9999, 12, 31), _SINCE),
    ("é ç ǖ", 2**53 + 1, 5e-324, False, date(2020, 1, 1), datetime(2020, 5, 1, tzinfo=_BEIJING)),
]
_SHAPES = [
    None,
    shapely.MultiPolygon(),
    # Clockwise, with a hole, and with more decimals than are written.
    shapely.MultiPolygon(
        [([(114, 29), (114, 30), (115.1234567891234, 30), (115, 29)],
          [[(114.2, 29.2), (114.4, 29.2), (114.4, 29.4)]])]
    ),
    shapely.MultiPolygon([shapely.box(114, 29, 114.001, 29.001), shapely.box(115, 30, 116, 31)]),
    shapely.MultiPolygon([shapely.box(-170, -80, -169.99999999999, -79)]),
]  # fmt: skip
#: More rows than are written at a time.
_ROWS = 23 * 25


@pytest.fixture(scope="module")
def layer() -> LayerDefinition:
    return plot_definition()


@pytest.fixture
def city(layer: LayerDefinition, fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    store = Store(fresh_database, catalogue_of(layer))
    store.migrate()
    store.close()
    monkeypatch.setattr("api.formats.geojson._BLOCK", 100)
    names = ("use", "floors", "area", "built", "surveyed", "changed_at")
    table = city_table(layer)
    rows = []
    for number in range(_ROWS):
        shape = _SHAPES[number % 5]
        wkb = None if shape is None else f"SRID=4490;{shape.wkt}"
        rows.append(
            {
                "feature_id": number + 1,
                "version": 1 + number % 3,
                "valid_from": _SINCE + timedelta(days=number % 4, microseconds=number),
                "valid_to": "infinity",
                "recorded_from": _SINCE,
                "recorded_to": "infinity",
                "load_id": 1,
                "source_row": number + 1,
                "code": f"k{number}",
                "geom": wkb,
                **dict(zip(names, _ODD[number // 5 % 5], strict=True)),
            }
        )
    with connected(fresh_database) as connection:
        connection.execute(table.insert(), rows)
        connection.execute(update(layer_table).values(current_count=_ROWS))
    return fresh_database


def _ask(
    city: str, layer: LayerDefinition, ask: Callable[[CityReader], Any], **settings: Any
) -> Any:
    async def run() -> Any:
        chosen = LayersSettings.model_validate({"database_url": city, **settings})
        reader = CityReader(chosen, catalogue_of(layer))
        try:
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(run())


def _plainly(city: str, layer: LayerDefinition) -> list[dict[str, Any]]:
    """Read every row and write it value by value."""
    table = city_table(layer)
    geometry = func.ST_AsGeoJSON(func.ST_ForcePolygonCCW(table.c.geom), 9, 0)
    with connected(city) as connection:
        rows = connection.execute(select(table, geometry.label("text"))
                                  .with_only_columns(*(c for c in table.c if "geom" not in c.name
                                                       and c.name != "valid_to"),
                                                     geometry.label("text"))
                                  .order_by(table.c.feature_id)).mappings().all()  # fmt: skip
    return [
        {
            "type": "Feature",
            "id": row["feature_id"],
            "geometry": None if row["text"] is None else json.loads(row["text"]),
            "properties": {name: _value(row[name]) for name in layer.field_names},
            "version": row["version"],
            "time": {"interval": [_value(row["valid_from"]), ".."]},
        }
        for row in rows
    ]


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _written(page: FeaturePage[Any], query: FeatureQuery) -> dict[str, Any]:
    document = FeaturePageDocument(
        layer=query.layer,
        query=query,
        parameters={},
        features=page.features,
        matched=page.matched,
        stamp=_SINCE,
        links=[],
        home="http://city.example",
    )
    written: dict[str, Any] = json.loads(FORMAT.page(document))
    return written


def test_a_page_is_what_its_rows_are(city: str, layer: LayerDefinition) -> None:
    query = FeatureQuery(layer, limit=_ROWS)
    for read in (CityReader.page, CityReader.text_page):
        page = _ask(city, layer, lambda reader, read=read: read(reader, query))
        assert isinstance(page.features, FeatureTexts) is (read is CityReader.text_page)
        written = _written(page, query)
        assert written["features"] == _plainly(city, layer)
        assert written["numberReturned"] == _ROWS
    without = replace(query, with_geometry=False, fields=("use",), limit=7)
    written = _written(_ask(city, layer, lambda reader: reader.page(without)), without)
    assert [entry["geometry"] for entry in written["features"]] == [None] * 7
    assert [entry["properties"] for entry in written["features"]] == [{"use": None}] * 5 + [
        {"use": ""}
    ] * 2
    nothing = replace(query, equals=(("code", "none"),))
    page = _ask(city, layer, lambda reader: reader.page(nothing))
    assert _written(page, nothing)["features"] == []
    assert page.matched == FeatureCount(0, True)


_QUERIES: dict[str, dict[str, Any]] = {
    "all": {},
    "box": {"bbox": (114.0, 29.0, 114.5, 29.5)},
    "box and value": {"bbox": (100.0, 20.0, 120.0, 40.0), "equals": (("built", "true"),)},
    "values": {"equals": (("floors", str(2**53 + 1)), ("area", "5e-324"))},
    "no value": {"bbox": (114.0, 29.0, 114.5, 29.5), "equals": (("use", "of none"),)},
    "empty box": {"bbox": (0.0, 0.0, 1.0, 1.0)},
    "a date": {"equals": (("surveyed", "2024-02-29"),), "fields": ("surveyed", "code")},
    "a moment": {"equals": (("changed_at", "2014-01-01T03:04:05.6789Z"),)},
    "no geometry": {"bbox": (114.0, 29.0, 114.5, 29.5), "with_geometry": False},
    "another system": {
        "bbox": (114.0, 29.0, 114.5, 29.5),
        "system": next(s for s in coordinate_systems([4547]) if s.srid != CRS84.srid),
    },
}


async def _walk(read: Callable[[FeatureQuery], Any], query: FeatureQuery) -> list[FeaturePage[Any]]:
    """Go forward some pages, and one back."""
    pages = [await read(query)]
    while pages[-1].next is not None and len(pages) < 4:
        pages.append(await read(replace(query, after=pages[-1].next)))
    if pages[-1].previous is not None:
        pages.append(await read(replace(query, after=pages[-1].previous)))
    return pages


def test_kept_statements_give_what_composed_ones_give(city: str, layer: LayerDefinition) -> None:
    # A filter that lets everything through: such statements are composed for each request.
    everything = read_filter("code IS NOT NULL")

    async def both(reader: CityReader) -> None:
        for name, changes in _QUERIES.items():
            query = FeatureQuery(layer, limit=30, **changes)
            kept = await _walk(reader.page, query)
            composed = await _walk(reader.page, replace(query, filter=everything))
            assert len(kept) == len(composed), name
            for mine, other in zip(kept, composed, strict=True):
                assert list(mine.features) == list(other.features), name
            assert kept[0].matched == composed[0].matched, name

    _ask(city, layer, both)


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_the_database_writes_what_is_written_of_columns(
    city: str, layer: LayerDefinition, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layers.written_pages._LEAST", 1)
    monkeypatch.setattr("layers.written_pages._AT_A_TIME", 7)
    monkeypatch.setattr("layers.written_pages._CONNECTIONS", connections)

    async def both(reader: CityReader) -> None:
        for name, changes in _QUERIES.items():
            for limit in (30, _ROWS):
                query = FeatureQuery(layer, limit=limit, **changes)
                texts = await _walk(reader.text_page, query)
                columns = await _walk(reader.page, query)
                assert len(texts) == len(columns), name
                for mine, other in zip(texts, columns, strict=True):
                    assert isinstance(mine.features, FeatureTexts), name
                    assert _written(mine, query) == _written(other, query), name
                    assert (mine.next, mine.previous) == (other.next, other.previous), name
                    assert mine.matched == other.matched, name
        assert reader.pool_figures().in_use == 0

    _ask(city, layer, both, pool_size=8)


def test_strips_of_a_box_share_its_features_out(
    layer: LayerDefinition, fresh_database: str
) -> None:
    """Squares on, across and along the lines between strips, in and across the box's own sides."""
    store = Store(fresh_database, catalogue_of(layer))
    store.migrate()
    store.close()
    west, south, east, north = box = (114.0, 29.0, 114.3, 29.2)
    edges = [-1e-9, 0.0, 1e-9, 1e-5, 3e-5, 0.05, 0.1, 0.1 + 1e-9, 0.15, 0.15 - 1e-9, 0.2, 0.3]
    squares = [
        shapely.box(west + left, low, west + left + width, low + 0.001)
        for left in [*edges, 0.3 + 1e-9, 0.3 + 1e-5, 0.3 + 3e-5]
        for width in (1e-9, 1e-5, 0.1, 0.4)
        for low in (south - 0.0005, south + 0.1, north - 1e-9, north + 1e-9, north + 3e-5)
    ]
    # Its box lies across the searched one's corner, and itself beside it.
    squares.append(
        shapely.Polygon([(east - 0.01, north + 0.02), (east + 0.02, north - 0.01), (118, 32)])
    )
    rows = [
        {
            "feature_id": number, "version": 1, "valid_from": _SINCE, "valid_to": "infinity",
            "recorded_from": _SINCE, "recorded_to": "infinity", "load_id": 1, "source_row": number,
            "code": f"k{number}", "geom": f"SRID=4490;{shapely.MultiPolygon([square]).wkt}",
        }
        for number, square in enumerate(squares, 1)
    ]  # fmt: skip
    with connected(fresh_database) as connection:
        connection.execute(city_table(layer).insert(), rows)
    table = city_table(layer).c
    outline = func.ST_MakeEnvelope(*box, 4490)
    with connected(fresh_database) as connection:
        inside = select(table.feature_id).where(func.ST_Intersects(table.geom, outline))
        expected = sorted(connection.execute(inside).scalars())
    assert 0 < len(expected) < len(squares)

    async def found(reader: CityReader) -> FeaturePage[Any]:
        return await reader.text_page(FeatureQuery(layer, bbox=box, limit=1000))

    for connections in (1, 2, 3, 4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("layers.written_pages._CONNECTIONS", connections)
            page = _ask(fresh_database, layer, found, pool_size=16)
        query = FeatureQuery(layer, limit=1000)
        assert [entry["id"] for entry in _written(page, query)["features"]] == expected
        assert page.matched == FeatureCount(len(expected), True)


def test_connections_of_a_page_see_one_state(city: str, layer: LayerDefinition) -> None:
    table = city_table(layer)
    number = select(func.count()).select_from(table)

    async def count(reader: CityReader) -> None:
        pool = ReadingPool(LayersSettings.model_validate({"database_url": city}))
        sql, values = compile_for_asyncpg(number)
        try:
            async with pool.one_state("items", 9, plan_once=True) as connections:
                # One, and one more of four: half stay free.
                assert len(connections) == 2
                first = await pool.fetch_on(connections[0], sql, values)
                with connected(city) as connection:
                    connection.execute(table.delete())
                assert await pool.fetch_on(connections[1], sql, values) == first == [(_ROWS,)]
                async with pool.one_state("items", 9, plan_once=True) as others:
                    assert len(others) == 1
                    assert await pool.fetch_on(others[0], sql, values) == [(0,)]
            assert pool.figures().in_use == 0
        finally:
            await pool.close()

    _ask(city, layer, count)


def test_coarser_geometry_is_found_and_written_coarse(
    city: str, layer: LayerDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layers.written_pages._LEAST", 1)
    coarse = plot_definition(access={"public_precision_m": 1000})
    query = FeatureQuery(coarse, bbox=(114.0, 29.0, 114.5, 29.5), limit=500)
    texts = _ask(city, coarse, lambda reader: reader.text_page(query))
    columns = _ask(city, coarse, lambda reader: reader.page(query))
    written = _written(texts, query)
    assert written == _written(columns, query)
    assert 0 < written["numberReturned"] == texts.matched.number
