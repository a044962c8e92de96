"""Any filter selects the same features as an evaluation that shares no code with the service's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import orjson
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layers.definition import LayerDefinition
from layers.filters import JSON, read_filter
from layers.store import Store
from tests.api.town import load_rows
from tests.database import copied_database
from tests.layers import cql2_expressions as cql2
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.cql2_reference import evaluate
from tests.layers.filtered import fetch_row, selected

BOTH = {"zh": "物", "en": "Thing"}
FIELDS = {
    "text": (*cql2.TEXT_FIELDS, cql2.LIST_FIELD),
    "integer": ("number", *cql2.WHOLE_FIELDS),
    "number": cql2.NUMBER_FIELDS,
    "boolean": cql2.BOOLEAN_FIELDS,
    "date": cql2.DATE_FIELDS,
    "datetime": cql2.INSTANT_FIELDS,
}
VALUES: dict[str, list[Any]] = {
    "text": [*"aAáßØo_", "a\u0301", "ss", "ΑΣ", "ας", "中国", "50%", "a,b", "b,a,中", ""],
    "integer": [-3, 0, 1, 2, 7, 10**9],
    "number": [-1.5, 0.0, 0.1, 0.25, 3.0, 1e6],
    "boolean": [True, False],
    "date": [date.fromisoformat(day) for day in cql2.DAYS],
    "datetime": [datetime.fromisoformat(moment).astimezone(UTC) for moment in cql2.MOMENTS],
}
SHAPES = {
    "multipoint": cql2.multi_points,
    "multilinestring": cql2.multi_lines,
    "multipolygon": cql2.multi_areas,
}
ROWS = 30


def thing(kind: str) -> LayerDefinition:
    fields = [
        {"name": name, "title": BOTH, "type": type_, "required": name == "number"}
        for type_, names in FIELDS.items()
        for name in names
    ]
    return plot_definition(name=kind, geometry={"type": kind}, key=["number"], fields=fields)


def rows_of(kind: str) -> list[dict[str, Any]]:
    """The same rows each time: any value may be missing, but for the key and the geometry."""
    chance = Random(kind)  # noqa: S311
    shapes: list[Any] = []

    @settings(max_examples=ROWS, derandomize=True, database=None)
    @given(SHAPES[kind])
    def gather(shape: shapely.Geometry) -> None:
        shapes.append(shape)

    gather()
    return [
        {
            **{
                name: chance.choice([None, *VALUES[type_]])
                for type_, names in FIELDS.items()
                for name in names
            },
            "number": number,
            "geometry": shape,
        }
        for number, shape in enumerate(shapes[:ROWS])
    ]


@dataclass
class City:
    """Layers of three kinds of geometry, and their features as Python values."""

    url: str
    layers: dict[str, LayerDefinition]
    features: dict[str, list[dict[str, Any]]]
    asked: int = field(default=0)

    def selected(self, kind: str, trees: list[Any]) -> list[list[int]]:
        """Return the ids of the features that each filter selects, asked for all at once."""
        filters = [read_filter(orjson.dumps(tree).decode(), JSON) for tree in trees]
        self.asked += len(trees)
        return selected(self.url, self.layers[kind], filters)

    def expected(self, kind: str, tree: Any) -> list[int]:
        return sorted(row["id"] for row in self.features[kind] if evaluate(tree, row) is True)


@pytest.fixture(scope="module")
def city(cluster: str, postgis_template: str) -> Iterator[City]:
    layers = {kind: thing(kind) for kind in SHAPES}
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue_of(*layers.values()))
        store.migrate()
        features = {}
        for kind, layer in layers.items():
            rows = rows_of(kind)
            load_rows(store, layer, rows, datetime(2020, 1, 1, tzinfo=UTC))
            pairs = fetch_row(
                url,
                f"SELECT array_agg(feature_id ORDER BY number) FROM city.{kind}",  # noqa: S608
            )[0]
            features[kind] = [{**row, "id": id_} for row, id_ in zip(rows, pairs, strict=True)]
        store.close()
        yield City(url, layers, features)


def agree(city: City, kind: str, trees: list[Any]) -> None:
    for tree, found in zip(trees, city.selected(kind, trees), strict=True):
        assert found == city.expected(kind, tree), cql2.as_text(tree)


#: What few of those that come by chance would tell apart.
REMEMBERED = (
    "size % 0.4 > 0.05",
    "ratio div 0.3 = 5 OR size div -0.7 < 0 OR ratio div 0.3 = 3",
    "CASEI(alias) LIKE CASEI('%Σ')",
    "CASEI('aΣ') LIKE CASEI('%Σ') AND CASEI('Straße') = CASEI('STRASSE')",
    "ACCENTI(alias) = ACCENTI('o') OR ACCENTI(alias) = ACCENTI('Ø')",
    "NOT (T_OVERLAPPEDBY(INTERVAL(built, gone), INTERVAL('2011-03-04', '2012-01-01')))",
    "T_OVERLAPS(INTERVAL(seen, \"left\"), INTERVAL('2011-12-31T16:00:00Z', '..')) OR seen < gone",
    "S_OVERLAPS(geometry, POLYGON((0.5 0.5, 3.5 0.5, 3.5 3.5, 0.5 3.5, 0.5 0.5)))",
    "S_CROSSES(geometry, POLYGON((0.5 0.5, 3.5 0.5, 3.5 3.5, 0.5 3.5, 0.5 0.5)))",
    "S_TOUCHES(geometry, LINESTRING(0 2, 4 2)) OR S_WITHIN(geometry, BBOX(0, 0, 3, 3))",
    "A_OVERLAPS(split(tags, ','), ('b', 'c')) OR A_CONTAINS((1, 2.5, rank), (floors))",
    "floors ^ 2 - rank div 2 > size / floors",
)


@pytest.mark.parametrize("kind", SHAPES)
def test_remembered_filters_select_what_the_standard_says(city: City, kind: str) -> None:
    agree(city, kind, [read_filter(text).tree for text in REMEMBERED])


EXPRESSIONS = st.lists(cql2.expressions, min_size=8, max_size=40)
FREELY = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def ask_for(city: City, examples: int) -> int:
    """Compare any filters, and return how many."""
    before = city.asked

    @settings(FREELY, max_examples=examples, derandomize=examples < 100)
    @given(kind=st.sampled_from(list(SHAPES)), trees=EXPRESSIONS)
    def ask(kind: str, trees: list[Any]) -> None:
        agree(city, kind, trees)

    ask()
    return city.asked - before


def test_filters_select_what_the_standard_says(city: City) -> None:
    assert ask_for(city, 15) >= 150


@pytest.mark.slow
def test_thousands_of_filters_select_what_the_standard_says(city: City) -> None:
    assert ask_for(city, 200) >= 2_000


@settings(FREELY, max_examples=150)
@given(cql2.expressions)
def test_text_and_json_are_one_language(tree: Any) -> None:
    assert read_filter(cql2.as_text(tree)).tree == tree
