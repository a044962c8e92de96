"""All records in memory, and the search among them.

A few thousand records are searched faster here than by a statement, and in any language: a term is
looked for as it stands, which is what text in Chinese, written without spaces, needs.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from api.records import Record, RecordType
from gis.times import Interval
from layers.definition import ShareLevel, Theme
from layers.feature_query import BBox
from layers.scenes import parts_of

_SPACE = re.compile(r"\s+")
_NEVER = float("-inf"), float("inf")
#: What records can be sorted by → their value; records without one come last.
SORT_KEYS: Mapping[str, Callable[[Record], Any]] = {
    "id": lambda record: record.id,
    "title": lambda record: record.title.zh,
    "type": lambda record: record.type.value,
    "theme": lambda record: record.theme.value if record.theme else None,
    "created": lambda record: record.created,
    "updated": lambda record: record.updated,
    "datetime": lambda record: record.start,
}


@dataclass(frozen=True)
class RecordSearch:
    """Which records are wanted; what is ``None`` does not narrow the search."""

    #: Terms as ``plain`` makes them, of which one must be there.
    terms: tuple[str, ...] | None = None
    types: tuple[RecordType, ...] | None = None
    themes: tuple[Theme, ...] | None = None
    opens: tuple[ShareLevel, ...] | None = None
    #: West, south, east, north in degrees.
    bbox: BBox | None = None
    #: A place's area, in degrees.
    place: shapely.Geometry | None = None
    at: datetime | Interval | None = None
    ids: tuple[str, ...] | None = None
    #: Scheme and value; either may be missing.
    external_ids: tuple[tuple[str | None, str | None], ...] | None = None
    #: Key of ``SORT_KEYS``, and whether it descends.
    sort: tuple[tuple[str, bool], ...] = ()


def plain(text: str) -> str:
    """Return a text as it is searched: no matter of width, case or number of spaces."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


class RecordIndex:
    """The records that viewers of one kind may know of."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = tuple(records)
        self._places = {record.id: number for number, record in enumerate(self.records)}
        self._texts = tuple(_text(record) for record in self.records)

    def record(self, name: str) -> Record | None:
        """Return the record of that id."""
        number = self._places.get(name)
        return None if number is None else self.records[number]

    def search(self, wanted: RecordSearch) -> list[Record]:
        """Return all records that are wanted, in their order."""
        numbers = self._selected(wanted)
        found = [self.records[number] for number in numbers]
        for name, descends in reversed(wanted.sort):
            key = SORT_KEYS[name]
            having = [record for record in found if key(record) is not None]
            having.sort(key=key, reverse=descends)
            found = having + [record for record in found if key(record) is None]
        return found

    def _selected(self, wanted: RecordSearch) -> list[int]:
        """Return the places of the records that are wanted; what costs least narrows first."""
        mask = np.ones(len(self.records), dtype=bool)
        for column, values in (
            (self._types, wanted.types),
            (self._themes, wanted.themes),
            (self._opens, wanted.opens),
        ):
            if values is not None:
                mask &= np.isin(column, [value.value for value in values])
        if wanted.bbox is not None:
            mask &= self._near(wanted.bbox)
        if wanted.at is not None:
            mask &= self._during(wanted.at)
        if wanted.place is not None:
            mask &= self._within(wanted.place)
        numbers: list[int] = np.flatnonzero(mask).tolist()
        if wanted.ids is not None:
            own = {self._places.get(name) for name in wanted.ids}
            numbers = [number for number in numbers if number in own]
        if wanted.external_ids is not None:
            named = self._named(wanted.external_ids)
            numbers = [number for number in numbers if number in named]
        return numbers if wanted.terms is None else self._worded(numbers, wanted.terms)

    def _worded(self, numbers: list[int], terms: tuple[str, ...]) -> list[int]:
        """Return those of some records that have one of the terms."""
        texts = self._texts
        found: set[int] = set()
        for term in terms:
            found.update([number for number in numbers if term in texts[number]])
        return [number for number in numbers if number in found]

    def _named(self, wanted: tuple[tuple[str | None, str | None], ...]) -> set[int]:
        """Return the places of the records that have one of some external ids."""
        return {number for pair in wanted for number in self._by_external_id.get(pair, ())}

    @cached_property
    def _by_external_id(self) -> Mapping[tuple[str | None, str | None], list[int]]:
        found: dict[tuple[str | None, str | None], list[int]] = {}
        for number, record in enumerate(self.records):
            for scheme, value in record.external_ids:
                for pair in ((scheme, value), (None, value), (scheme, None)):
                    found.setdefault(pair, []).append(number)
        return found

    @cached_property
    def _types(self) -> NDArray[np.str_]:
        return np.array([record.type.value for record in self.records])

    @cached_property
    def _themes(self) -> NDArray[np.str_]:
        return np.array([record.theme.value if record.theme else "" for record in self.records])

    @cached_property
    def _opens(self) -> NDArray[np.str_]:
        return np.array([record.open.value if record.open else "" for record in self.records])

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        none = (np.nan,) * 4
        return np.array([record.bbox or none for record in self.records], dtype=np.float64).reshape(
            -1, 4
        )

    @cached_property
    def _has_box(self) -> NDArray[np.bool_]:
        return np.asarray(~np.isnan(self._boxes[:, 0]))

    @cached_property
    def _shapes(self) -> NDArray[Any]:
        return np.asarray(shapely.box(*np.nan_to_num(self._boxes.T)))

    @cached_property
    def _spans(self) -> NDArray[np.float64]:
        spans = [
            _NEVER
            if record.start is None
            else (
                record.start.timestamp(),
                _NEVER[1] if record.end is None else record.end.timestamp(),
            )
            for record in self.records
        ]
        return np.array(spans, dtype=np.float64).reshape(-1, 2)

    def _near(self, bbox: BBox) -> NDArray[np.bool_]:
        """Tell which records meet a box; one without a place meets every box."""
        west, south, east, north = self._boxes.T
        near = ~self._has_box
        for left, low, right, high in parts_of(bbox):
            near = near | ((west <= right) & (east >= left) & (south <= high) & (north >= low))
        return near

    def _within(self, place: shapely.Geometry) -> NDArray[np.bool_]:
        """Tell which records meet an area; one without a place does not."""
        shapely.prepare(place)
        return np.asarray(self._has_box & shapely.intersects(place, self._shapes))

    def _during(self, at: datetime | Interval) -> NDArray[np.bool_]:
        """Tell which records are about a time; one that is about none is about every time."""
        span = at if isinstance(at, Interval) else Interval(at, at)
        start = _NEVER[0] if span.start is None else span.start.timestamp()
        end = _NEVER[1] if span.end is None else span.end.timestamp()
        begins, ends = self._spans.T
        return np.asarray((begins <= end) & (ends >= start))


def _text(record: Record) -> str:
    fields = (
        record.title.zh,
        record.title.en,
        record.abstract.zh,
        record.abstract.en,
        *record.keywords,
        *((record.contact.zh, record.contact.en) if record.contact else ()),
        *(value for _, value in record.external_ids),
        *record.words,
    )
    # A line each: no term spans two of them, as terms hold no line ends.
    return "\n".join(plain(field) for field in dict.fromkeys(fields))
