"""Instants and intervals."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.times import BEIJING, Interval, parse_instant, parse_time

BEIJING_OFFSET = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-05-01", datetime(2014, 5, 1, tzinfo=BEIJING_OFFSET)),
        ("2014-05-01T08:00:00Z", datetime(2014, 5, 1, 8, tzinfo=UTC)),
        ("2014-05-01t08:00:00z", datetime(2014, 5, 1, 8, tzinfo=UTC)),
        ("2014-05-01T16:00:00+08:00", datetime(2014, 5, 1, 8, tzinfo=UTC)),
        ("2014-05-01T08:00:00.25Z", datetime(2014, 5, 1, 8, 0, 0, 250_000, tzinfo=UTC)),
        ("2014-05-01T08:00:00.123456789Z", datetime(2014, 5, 1, 8, 0, 0, 123_456, tzinfo=UTC)),
        ("2014-05-01T08:00", datetime(2014, 5, 1, 8, tzinfo=BEIJING_OFFSET)),
        (" 2014-05-01 ", datetime(2014, 5, 1, tzinfo=BEIJING_OFFSET)),
    ],
)
def test_instants_as_people_write_them(text: str, expected: datetime) -> None:
    assert parse_instant(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2014", "2014-13-01", "2014-02-30", "20140501", "2014-W18-4", "01/05/2014", "now",
     "2014-05-01T25:00:00Z", "2014-05-01T08:00:00+25:00", "..", "2014-05-01;drop",
     "0000-01-01", "0001-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2014-05-01"):
        parse_time(text)


def test_intervals_may_be_open() -> None:
    start, end = parse_instant("2012-05-01"), parse_instant("2014-05-01")
    assert parse_time("2012-05-01/2014-05-01") == Interval(start, end)
    assert parse_time("../2014-05-01") == Interval(None, end)
    assert parse_time("2012-05-01/") == Interval(start, None)
    assert parse_time("../..") == Interval(None, None)


def test_an_interval_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        parse_time("2014-05-01/2012-05-01")
    with pytest.raises(ValueError, match="not an interval"):
        parse_time("2012-05-01/2013-05-01/2014-05-01")


@given(st.datetimes(timezones=st.just(UTC)))
def test_rfc_3339_text_of_an_instant_is_read_back(instant: datetime) -> None:
    assert parse_instant(instant.isoformat()) == instant
    assert parse_instant(instant.isoformat().replace("+00:00", "Z")) == instant


@given(st.dates())
def test_a_date_is_midnight_in_beijing(day: object) -> None:
    instant = parse_instant(str(day))
    assert instant.tzinfo is BEIJING
    assert str(instant.date()) == str(day)
    assert (instant.hour, instant.minute, instant.second) == (0, 0, 0)


def test_one_end_of_an_interval_may_be_a_duration() -> None:
    start = datetime(2014, 1, 31, tzinfo=BEIJING)
    assert parse_time("2014-01-31/P2D") == Interval(start, datetime(2014, 2, 2, tzinfo=BEIJING))
    assert parse_time("2014-01-31/P1M") == Interval(start, datetime(2014, 2, 28, tzinfo=BEIJING))
    assert parse_time("P1Y1MT12H/2015-02-28T12:00:00+08:00") == Interval(
        datetime(2014, 1, 28, tzinfo=BEIJING), datetime(2015, 2, 28, 12, tzinfo=BEIJING)
    )
    for wrong in (
        "P2D/P2D",
        "2014-01-31/P",
        "2014-01-31/P1H",
        "../P2D",
        "9999-01-01/P9Y",
        "P9Y/0001-02-01",
    ):
        with pytest.raises(ValueError, match=r"is not a time|beyond the years"):
            parse_time(wrong)
