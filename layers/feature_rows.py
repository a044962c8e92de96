"""Features as they are read: whole columns for those who write many, rows for those who look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from typing import Any, overload

#: asyncpg gives PostgreSQL's "infinity" as the largest time there is.
FOREVER_YEAR = MAXYEAR
#: Columns of a record before geometry and fields.
_FIXED = 6


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One version of a feature."""

    id: int
    #: A GeoJSON geometry in the query's system; ``null`` where there is none, or none is wanted.
    geometry_json: bytes
    properties: dict[str, object]
    version: int
    valid_from: datetime
    #: ``None`` while it is still so.
    valid_to: datetime | None
    load_id: int
    #: The row of the load's file, counted from 1.
    source_row: int


class FeatureRows(Sequence[FeatureRow]):
    """The features of a page; rows are made when they are looked at."""

    def __init__(
        self, records: Sequence[Any], fields: tuple[str, ...], *, has_geometry: bool
    ) -> None:
        """Take what was read.

        Args:
            records: Each ``feature_id``, ``version``, ``valid_from``, ``valid_to`` (of the year
                9999 while it is still so), ``load_id``, ``source_row``, then GeoJSON text or null
                if there is geometry, then the fields; what follows does not count.
            fields: Names of the fields, in their order.
            has_geometry: Whether there is geometry.
        """
        self.records = records
        self.fields = fields
        self.has_geometry = has_geometry
        #: Where the fields stand in a record.
        first = _FIXED + int(has_geometry)
        self.field_places = slice(first, first + len(fields))

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> FeatureRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[FeatureRow]: ...

    def __getitem__(self, index: int | slice) -> FeatureRow | list[FeatureRow]:
        """Return a feature, or some."""
        if isinstance(index, slice):
            return [self._row(record) for record in self.records[index]]
        return self._row(self.records[index])

    def _row(self, record: Any) -> FeatureRow:
        valid_to = record[3]
        geometry = record[_FIXED] if self.has_geometry else None
        return FeatureRow(
            id=record[0],
            geometry_json=geometry.encode() if geometry is not None else b"null",
            properties=dict(zip(self.fields, record[self.field_places], strict=True)),
            version=record[1],
            valid_from=record[2],
            valid_to=None if valid_to.year == FOREVER_YEAR else valid_to,
            load_id=record[4],
            source_row=record[5],
        )
