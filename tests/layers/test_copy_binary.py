"""What goes through COPY BINARY comes back as it was."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from layers.copy_binary import HEADER, TRAILER, pack_rows
from tests.database import connected

_ROWS = st.lists(
    st.tuples(
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.booleans(),
        st.none() | st.dates(date(1, 1, 1), date(9999, 1, 1)),
        st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        st.none() | st.binary(),
    ),
    max_size=40,
)
_KINDS = [
    pa.string(),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("us", tz="UTC"),
    pa.binary(),
]


class _File:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int) -> bytes:
        part, self._content = self._content[:size], self._content[size:]
        return part


@settings(max_examples=60, deadline=None)
@given(rows=_ROWS, skipped=st.integers(0, 3))
def test_rows_come_back_as_they_were(
    rows: list[tuple[object, ...]], skipped: int, database_url: str
) -> None:
    columns = [
        pa.array([row[n] for row in rows], kind).slice(skipped) for n, kind in enumerate(_KINDS)
    ]
    content = HEADER + pack_rows(columns).to_pybytes() + TRAILER
    with connected(database_url) as connection:
        connection.execute(
            text(
                "CREATE TEMP TABLE copied (n serial, a text, b bigint, c float8, d bool, e date,"
                " f timestamptz, g bytea) ON COMMIT DROP"
            )
        )
        connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
        cursor = connection.connection.cursor()
        cursor.copy_expert("COPY copied (a,b,c,d,e,f,g) FROM STDIN (FORMAT binary)", _File(content))
        found = connection.execute(text("SELECT a,b,c,d,e,f,g FROM copied ORDER BY n")).all()
    back = [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for row in found
    ]
    assert back == rows[skipped:]


def test_a_type_that_cannot_be_copied_is_named() -> None:
    with pytest.raises(TypeError, match="list"):
        pack_rows([pa.array([[1]])])
