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
from layers.filters import read_filter
from layers.reading import CityReader, FeaturePage
from layers.settings import LayersSettings
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


def _ask(city: str, layer: LayerDefinition, ask: Callable[[CityReader], Any]) -> Any:
    async def run() -> Any:
        chosen = LayersSettings.model_validate({"database_url": city})
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


def _written(page: FeaturePage, query: FeatureQuery) -> dict[str, Any]:
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
    written = _written(_ask(city, layer, lambda reader: reader.page(query)), query)
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


async def _walk(reader: CityReader, query: FeatureQuery) -> list[FeaturePage]:
    """Go forward some pages, and one back."""
    pages = [await reader.page(query)]
    while pages[-1].next is not None and len(pages) < 4:
        pages.append(await reader.page(replace(query, after=pages[-1].next)))
    if pages[-1].previous is not None:
        pages.append(await reader.page(replace(query, after=pages[-1].previous)))
    return pages


def test_kept_statements_give_what_composed_ones_give(city: str, layer: LayerDefinition) -> None:
    # A filter that lets everything through: such statements are composed for each request.
    everything = read_filter("code IS NOT NULL")

    async def both(reader: CityReader) -> None:
        for name, changes in _QUERIES.items():
            query = FeatureQuery(layer, limit=30, **changes)
            kept = await _walk(reader, query)
            composed = await _walk(reader, replace(query, filter=everything))
            assert len(kept) == len(composed), name
            for mine, other in zip(kept, composed, strict=True):
                assert list(mine.features) == list(other.features), name
            assert kept[0].matched == composed[0].matched, name

    _ask(city, layer, both)
