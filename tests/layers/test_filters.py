"""Filters: what can be read, what is refused, and that nothing takes long."""

import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.access import ANONYMOUS, Viewer, access_class
from layers.errors import InvalidValue
from layers.filters import JSON, Filter, filter_condition, fits, read_filter
from layers.queries import layer_rows
from layers.sql import compile_for_asyncpg
from tests.api.town import read_catalogue

LAYERS = read_catalogue().layers

TREES = {
    "use = '01'": {"op": "=", "args": [{"property": "use"}, "01"]},
    "area >= -4.5e1": {"op": ">=", "args": [{"property": "area"}, -45.0]},
    "number = 9007199254740993": {"op": "=", "args": [{"property": "number"}, 9007199254740993]},
    "\"use\" <> 'it''s'": {"op": "<>", "args": [{"property": "use"}, "it's"]},
    "名称 = '用地'": {"op": "=", "args": [{"property": "名称"}, "用地"]},
    "lit": {"property": "lit"},
    "lit = TRUE": {"op": "=", "args": [{"property": "lit"}, True]},
    "name IS NOT NULL": {"op": "not", "args": [{"op": "isNull", "args": [{"property": "name"}]}]},
    "use NOT IN ('01', '02')": {
        "op": "not",
        "args": [{"op": "in", "args": [{"property": "use"}, ["01", "02"]]}],
    },
    "a BETWEEN 1 AND 2 AND b LIKE 'x%' OR NOT (c)": {
        "op": "or",
        "args": [
            {
                "op": "and",
                "args": [
                    {"op": "between", "args": [{"property": "a"}, 1, 2]},
                    {"op": "like", "args": [{"property": "b"}, "x%"]},
                ],
            },
            {"op": "not", "args": [{"property": "c"}]},
        ],
    },
    "CASEI(name) = casei('X')": {
        "op": "=",
        "args": [
            {"op": "casei", "args": [{"property": "name"}]},
            {"op": "casei", "args": ["X"]},
        ],
    },
    "built > DATE('2010-01-01')": {
        "op": ">",
        "args": [{"property": "built"}, {"date": "2010-01-01"}],
    },
    "T_DURING(checked, INTERVAL('2010-01-01', '..'))": {
        "op": "t_during",
        "args": [{"property": "checked"}, {"interval": ["2010-01-01", ".."]}],
    },
    "S_INTERSECTS(geometry, BBOX(1, 2, 3, 4))": {
        "op": "s_intersects",
        "args": [{"property": "geometry"}, {"bbox": [1, 2, 3, 4]}],
    },
    "S_WITHIN(geometry, POLYGON((114 29, 115 29, 115 30, 114 29)))": {
        "op": "s_within",
        "args": [
            {"property": "geometry"},
            {
                "type": "Polygon",
                "coordinates": [[[114.0, 29.0], [115.0, 29.0], [115.0, 30.0], [114.0, 29.0]]],
            },
        ],
    },
}


@pytest.mark.parametrize("text", TREES)
def test_text_and_json_are_the_same_filter(text: str) -> None:
    found = read_filter(text)
    assert found.tree == TREES[text]
    assert read_filter(orjson.dumps(TREES[text]).decode(), JSON) == found
    assert hash(read_filter(f"  {text} ")) == hash(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a field or a value"),
        ("use =", "character 6, not the end"),
        ("use = '01", "from character 6"),
        ("use = '01' area = 1", "AND, OR or the end is expected at character 12"),
        ("use IN ()", "a field or a value"),
        ("use NOT 5", "LIKE, BETWEEN or IN"),
        ("use = '01' AND", "the end"),
        ("use = '01'; DROP TABLE plot", "character 11"),
        ("S_INTERSECTS(geometry, POLYGON((1 2)", "end of the geometry"),
        ("S_INTERSECTS(geometry, POLYGON((1 2))", "well-known text"),
        ("S_INTERSECTS(geometry, POINT(1))", "well-known text"),
        ("(" * 40 + "lit" + ")" * 40, "deeper than 30"),
        ("NOT " * 40 + "lit", "deeper than 30"),
        ("a = 1" + " OR a = 1" * 1000, "more than 1000 parts"),
        ("x" * 40_000, "longer than"),
        ("DATE(5) = built", "DATE takes one text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=r"^filter: ") as caught:
        read_filter(text)
    assert words in str(caught.value)


def condition(text: str, layer: str = "lamp", language: str = "cql2-text") -> str:
    definition = LAYERS[layer]
    access = access_class(definition, ANONYMOUS)
    rows = layer_rows(definition, access)
    columns = dict(rows.c.items())
    wanted = read_filter(text, language)
    return compile_for_asyncpg(filter_condition(wanted, definition, access, columns, rows.c.geom))[
        0
    ]


@pytest.mark.parametrize(
    ("layer", "text", "words"),
    [
        ("plot", "nothing = 1", "no field 'nothing'"),
        ("plot", "owner = '某人'", "no field 'owner'"),
        ("lamp", "number = 'x'", "'number' is number and 'x' is text"),
        ("lamp", "number = TRUE", "'number' is number and TRUE is boolean"),
        ("lamp", "number = 99999999999999999999", "64 bits"),
        ("lamp", "height < 1e999", "beyond the largest of 64 bits"),
        ("lamp", f"height < {'9' * 5000}", "64 bits"),
        ("lamp", "lit = 1", "'lit' is boolean"),
        ("lamp", "zone = 5", "'zone' is text"),
        ("lamp", "built > DATE('2010-13-01')", "'2010-13-01' is no date"),
        ("lamp", "built > DATE('20100101')", "'20100101' is no date"),
        ("lamp", "built > TIMESTAMP('noon')", "'noon' is no time"),
        ("lamp", "checked > DATE('0001-01-01')", "no time"),
        ("lamp", "built > 5", "cannot be compared"),
        ("lamp", "zone", "alone is no condition"),
        ("lamp", "zone = number", "cannot be compared"),
        ("lamp", "number LIKE '1%'", "'like' takes a text"),
        ("lamp", "zone LIKE kind", "takes a text on the right"),
        ("lamp", "zone = NULL", "a field or a value"),
        ("lamp", "zone LIKE 'a\\'", "from character"),
        ("lamp", "CASEI(number) = 5", "casei is for text"),
        ("lamp", "ACCENTI(lit) = 'a'", "accenti is for text"),
        ("lamp", "number + zone = 5", "'+' is for numbers, and 'zone' is none"),
        ("lamp", "number ^ 2 ^ 3 = 5", "AND, OR or the end is expected"),
        ("lamp", "area(zone) > 5", "area() takes geometry, not 'zone'"),
        ("lamp", "area(geometry, 5) > 5", "area() takes 1 arguments, not 2"),
        ("lamp", "area(geometry)", "area() alone is no condition"),
        ("lamp", "A_CONTAINS(zone, ('a'))", "takes arrays"),
        ("lamp", "A_CONTAINS((1, 2), ('a'))", "arrays of one kind"),
        ("lamp", "A_CONTAINS((geometry), (geometry))", "no arrays of geometry"),
        ("lamp", "number = (1, 2)", "'=' takes no arrays"),
        ("lamp", "S_DWITHIN(geometry, POINT(1 2))", "'s_dwithin' is not supported"),
        ("lamp", "geometry = 5", "cannot be compared"),
        ("lamp", "geometry = geometry", "'=' compares no geometry"),
        ("lamp", "S_INTERSECTS(geometry, zone)", "relates two geometries"),
        ("lamp", "S_INTERSECTS(geometry, POINT(1e999 2))", "what is no number"),
        ("lamp", "S_INTERSECTS(geometry, BBOX(1, 4, 3, 2))", "beyond its north"),
        ("lamp", "S_INTERSECTS(geometry, BBOX(1, 2, 3))", "west, south, east, north"),
        ("lamp", "S_INTERSECTS(geometry, POINT(500 2))", "no longitude"),
        (
            "lamp",
            "S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 1 0, 0 1, 0 0)))",
            "is invalid: Self-intersection",
        ),
        ("lamp", "T_AFTER(zone, DATE('2010-01-01'))", "where a time is expected"),
        ("lamp", "T_DURING(built, DATE('2010-01-01'))", "takes an INTERVAL"),
        ("lamp", "T_AFTER(built, INTERVAL('2010-01-01'))", "a start and an end"),
        ("lamp", "T_AFTER(built, INTERVAL('2010-01-01', '2009-01-01'))", "ends before"),
        ("lamp", "built < INTERVAL('2010-01-01', '..')", "'<' takes no intervals"),
    ],
)
def test_what_does_not_suit_the_layer_is_refused(layer: str, text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=r"^filter: ") as caught:
        condition(text, layer)
    assert words in str(caught.value)


def test_a_hidden_field_cannot_be_reached_by_odd_trees() -> None:
    tree = '{"op": "=", "args": [{"property": "owner", "coordinates": 1}, "某人"]}'
    with pytest.raises(InvalidValue, match="no field 'owner'"):
        condition(tree, "plot", JSON)


@pytest.mark.parametrize(
    "tree",
    [
        "5",
        '"x"',
        "[]",
        "null",
        "{}",
        '{"op": 5, "args": []}',
        '{"op": "="}',
        '{"op": "and", "args": []}',
        '{"op": "=", "args": [null, null]}',
        '{"op": "=", "args": [{"property": ["zone"]}, 5]}',
        '{"op": "=", "args": [{"property": "zone"}, "\\u0000"]}',
        '{"op": "=", "args": [{"property": "zone"}, "\\ud800"]}',
        '{"op": "=", "args": [{"date": 5}, {"date": []}]}',
        '{"op": "s_equals", "args": [{"type": []}, {"type": "Point", "coordinates": "ab"}]}',
        '{"op": "s_equals", "args": [{"bbox": {}}, {"type": "GeometryCollection"}]}',
    ],
)
def test_odd_trees_are_refused(tree: str) -> None:
    with pytest.raises(InvalidValue, match=r"^filter: "):
        condition(tree, "lamp", JSON)


def test_values_are_bound_and_never_part_of_the_statement() -> None:
    sql = condition("zone = 'Robert''); DROP TABLE students' AND number IN (77, 78)")
    assert "Robert" not in sql
    assert "77" not in sql


def test_a_filter_fits_the_layers_that_have_its_fields() -> None:
    wanted = read_filter("owner = 'x' AND S_INTERSECTS(geometry, BBOX(1, 2, 3, 4))")
    plot = LAYERS["plot"]
    assert not fits(wanted, access_class(plot, ANONYMOUS))
    assert fits(wanted, access_class(plot, Viewer("clerk", frozenset({"registry"}))))
    assert wanted.names == {"owner"}


WORDS = st.sampled_from(
    ["(", ")", "a", "=", "1", "'x'", "AND", "OR", "NOT", "IN", ",", "f(", "POLYGON(", "BBOX(",
     "BETWEEN", "LIKE", "IS", "NULL", "'", '"', "DATE(", "-", "Z", "INTERVAL("]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(WORDS, max_size=4000).map(" ".join))
def test_no_text_takes_long_or_breaks_the_reader(text: str) -> None:
    began = time.perf_counter()
    words = "filter: "
    try:
        found: Filter | None = read_filter(text)
    except InvalidValue as error:
        found, words = None, str(error)
    assert found is not None or words.startswith("filter: ")
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("text", ["(" * 30_000, "a in (" * 5_000, "f(" * 15_000, "not " * 8_000])
def test_open_brackets_are_told_at_once(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InvalidValue):
        read_filter(text)
    assert time.perf_counter() - began < 1
