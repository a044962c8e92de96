"""From what files hold to the fields' types."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.convert import ARROW_TYPES, convert, to_text
from layers.definition import FieldType


def run(values: list[Any], wanted: FieldType, pattern: str | None = None) -> tuple[Any, Any]:
    result, bad = convert(pa.array(values), wanted, pattern)
    assert result.type == ARROW_TYPES[wanted]
    return result.to_pylist(), bad.tolist()


@pytest.mark.parametrize(
    ("values", "wanted", "expected", "bad"),
    [
        ([" a ", "", "  ", None], FieldType.TEXT, ["a", None, None, None], [False] * 4),
        ([101.0, 2.5, None, 1e20], FieldType.TEXT, ["101", "2.5", None, "1e+20"], [False] * 4),
        ([7, None], FieldType.TEXT, ["7", None], [False] * 2),
        (["a\0b\0\0"], FieldType.TEXT, ["a\ufffdb"], [False]),
        ([{"a": 1}], FieldType.TEXT, ['{"a": 1}'], [False]),
        (["3", " 4.0 ", "+5", "-6", "3.5", "x", ""], FieldType.INTEGER,
         [3, 4, 5, -6, None, None, None], [False, False, False, False, True, True, False]),
        ([3.0, 3.5, float("nan")], FieldType.INTEGER, [3, None, None], [False, True, False]),
        (["1", "-.5", "1e3", "1,5", "NaN", "一"], FieldType.NUMBER,
         [1.0, -0.5, 1000.0, None, None, None], [False, False, False, True, True, True]),
        ([1.5, float("inf")], FieldType.NUMBER, [1.5, None], [False, False]),
        (["是", "False", "1", "maybe", ""], FieldType.BOOLEAN,
         [True, False, True, None, None], [False, False, False, True, False]),
        ([1, 0, 2], FieldType.BOOLEAN, [True, False, None], [False, False, True]),
    ],
)  # fmt: skip
def test_conversions(values: list[Any], wanted: FieldType, expected: list[Any], bad: list[bool]):  # type: ignore[no-untyped-def]
    assert run(values, wanted) == (expected, bad)


@pytest.mark.parametrize(
    "text",
    ["2014-05-01", "2014/5/1", "20140501", "2014.05.01", "2014年5月1日", "2014-05-01 00:00",
     "2014-05-01T12:00:00+08:00", "2014-04-30T16:00:00Z"],
)  # fmt: skip
def test_dates_as_people_write_them(text: str) -> None:
    assert run([text], FieldType.DATE) == ([date(2014, 5, 1)], [False])


@pytest.mark.parametrize("text", ["2014-02-30", "2014-13-01", "20141301", "01/05/2014", "May", "0"])
def test_what_is_no_date_is_told(text: str) -> None:
    assert run([text], FieldType.DATE) == ([None], [True])


def test_years_that_cannot_be_read_back_are_told() -> None:
    texts = ["0000-12-31", "0001-01-01", "1644-06-06", "9999-12-31"]
    assert run(texts, FieldType.DATE) == (
        [None, date(1, 1, 1), date(1644, 6, 6), date(9999, 12, 31)],
        [True, False, False, False],
    )
    texts = ["0001-01-01", "0001-01-01T08:00:00", "9999-12-31", "9999-12-31T23:59:59-01:00"]
    assert run(texts, FieldType.DATETIME) == (
        [None, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, 16, tzinfo=UTC), None],
        [True, False, False, True],
    )
    far = pa.array([0, 3_000_000_000], pa.int64()).cast(pa.timestamp("s"))
    late = pa.array([0, 300_000_000_000], pa.int64()).cast(pa.timestamp("s"))
    assert convert(far, FieldType.DATE, None)[1].tolist() == [False, False]
    assert convert(late, FieldType.DATE, None)[1].tolist() == [False, True]


def test_a_mapping_may_say_how_dates_are_written() -> None:
    pattern = "%m/%d/%Y %I:%M:%S %p"
    assert run(["08/01/2008 12:00:00 AM"], FieldType.DATE, pattern) == (
        [date(2008, 8, 1)],
        [False],
    )
    instants, _ = run(["08/01/2008 01:30:00 PM", "x"], FieldType.DATETIME, pattern)
    assert instants == [datetime(2008, 8, 1, 5, 30, tzinfo=UTC), None]


def test_a_time_without_a_zone_is_beijing_time() -> None:
    naive = pa.array([datetime(2014, 5, 1, 8)], pa.timestamp("ms"))  # noqa: DTZ001
    assert convert(naive, FieldType.DATETIME, None)[0].to_pylist() == [
        datetime(2014, 5, 1, tzinfo=UTC)
    ]
    assert convert(naive, FieldType.DATE, None)[0].to_pylist() == [date(2014, 5, 1)]


@given(st.lists(st.integers(-(2**53), 2**53)))
def test_integers_survive_as_text(values: list[int]) -> None:
    texts = pa.array([str(value) for value in values], pa.string())
    result, bad = convert(texts, FieldType.INTEGER, None)
    assert result.to_pylist() == values
    assert not bad.any()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_survive_as_text(values: list[float]) -> None:
    texts = pa.array([repr(value) for value in values], pa.string())
    result, bad = convert(texts, FieldType.NUMBER, None)
    assert result.to_pylist() == values
    assert not bad.any()


@given(st.lists(st.datetimes(timezones=st.just(UTC))))
def test_instants_survive_as_text(values: list[datetime]) -> None:
    texts = pa.array([value.isoformat() for value in values], pa.string())
    result, bad = convert(texts, FieldType.DATETIME, None)
    assert result.to_pylist() == values
    assert not bad.any()


@given(st.lists(st.text()))
def test_any_text_is_taken_or_told_never_raised(values: list[str]) -> None:
    for wanted in FieldType:
        result, bad = convert(pa.array(values, pa.string()), wanted, None)
        for given_text, taken, is_bad in zip(values, result.to_pylist(), bad, strict=True):
            assert (taken is None) or not is_bad
            assert taken is not None or is_bad or not given_text.replace("\0", "").strip()


_LETTERS = "ab \t\n\x1f\x7f\x85\xa0地\u3000"


@given(st.lists(st.none() | st.text("ab", max_size=3) | st.text(_LETTERS, max_size=5), max_size=6))
def test_texts_are_trimmed_as_arrow_trims_them(texts: list[str | None]) -> None:
    values = pa.array(texts, pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    expected = pc.if_else(pc.equal(trimmed, ""), None, trimmed).to_pylist()
    assert to_text(values).to_pylist() == expected
    assert to_text(values[1:]).to_pylist() == expected[1:]
