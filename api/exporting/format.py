"""What an export format is: a plug-in of ``api/exports`` that writes rows as a file.

It runs in a process of its own, which knows nothing of the service or the database: all that it
may know of the layer is in the job.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, Protocol

import pyarrow as pa

from api.negotiation import Representation

#: Rows of a batch: ``feature_id``, ``version``, ``valid_from``, ``valid_to``, the fields and, last,
#: ``geometry`` (OGC WKB in the job's reference system, x first).
Rows = Iterator[pa.RecordBatch]
GEOMETRY = "geometry"

_STORAGE_EPSG = 4490
#: Longitude and latitude without further ado (OGC:CRS84).
CRS84 = 84
#: A format's own reference system: EPSG:4490, CRS84, or the first of the city's plane systems.
OwnSystem = Literal["cgcs2000", "crs84", "plane"]


class ExportRefused(ValueError):
    """What was asked for cannot be written in this format; the message says why."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the rows."""

    name: str
    #: ``text``, ``integer``, ``number``, ``boolean``, ``date`` or ``datetime``.
    type: str
    zh: str
    en: str
    unit: str | None = None
    #: Most characters of a text.
    length: int | None = None
    #: The code list its values are from.
    codes: str | None = None

    @property
    def heading(self) -> str:
        """The Chinese title, with the unit."""
        return f"{self.zh}({self.unit})" if self.unit else self.zh


@dataclass(frozen=True)
class ExportJob:
    """All that a format may know of what it writes."""

    format: str
    layer: str
    zh: str
    en: str
    abstract: str
    theme: str
    #: As in a layer's definition: ``point`` to ``multipolygon``, or ``geometry`` for any.
    geometry: str
    z: bool
    #: All columns but the geometry, in their order.
    columns: tuple[Column, ...]
    #: Names of all fields of the layer, also of those that are not exported.
    layer_fields: tuple[str, ...]
    #: The field that names a feature, if it is exported.
    label: str | None
    #: EPSG code of the coordinates, or ``CRS84``.
    crs: int = _STORAGE_EPSG
    #: Whether the authority's axis order puts north first (for formats that follow it).
    north_first: bool = False
    with_geometry: bool = True
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_point(self) -> bool:
        """Whether every feature is one point."""
        return self.geometry == "point"

    @property
    def is_geographic(self) -> bool:
        """Whether coordinates are degrees."""
        return self.crs in (_STORAGE_EPSG, CRS84)

    @property
    def authority(self) -> str:
        """The reference system by authority and code."""
        return "OGC:CRS84" if self.crs == CRS84 else f"EPSG:{self.crs}"

    @property
    def title(self) -> str:
        """The layer's title in both languages."""
        return f"{self.zh} / {self.en}"


NO_OPTIONS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType({})


class ExportFormat(Protocol):
    """A file format that features are written in."""

    name: str
    representation: Representation
    #: Ending of the file's name.
    extension: str
    #: Whether it goes out while it is written; if not, it is whole before the first byte goes out.
    is_streamed: bool
    #: Reference system where none is asked for, and the only one if ``is_fixed_system``.
    system: OwnSystem
    is_fixed_system: bool
    #: The most features a file holds; ``None`` without such a limit.
    most: int | None
    #: Parameter → values, the usual one first.
    options: Mapping[str, tuple[str, ...]]

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows.

        Args:
            job: What they are.
            schema: The schema of every batch.
            rows: The batches; each is asked for when the one before is done with.
            target: A stream to write to, if the format is streamed; if not, the file to make.

        Raises:
            ExportRefused: If a value has no place in the format.
        """
        ...


class UsualFormat:
    """What most formats have in common; each says only what it has otherwise."""

    is_streamed: bool = False
    system: OwnSystem = "cgcs2000"
    is_fixed_system: bool = False
    most: int | None = None
    options: Mapping[str, tuple[str, ...]] = NO_OPTIONS


def told(job: ExportJob) -> dict[str, Any]:
    """Return a job as plain values, for another process."""
    return {
        **{name: getattr(job, name) for name in job.__dataclass_fields__},
        "columns": [
            {name: getattr(column, name) for name in Column.__dataclass_fields__}
            for column in job.columns
        ],
        "options": dict(job.options),
    }


def heard(value: dict[str, Any]) -> ExportJob:
    """Return the job that ``told`` gave."""
    columns = tuple(Column(**column) for column in value["columns"])
    fields = tuple(value["layer_fields"])
    return ExportJob(**{**value, "columns": columns, "layer_fields": fields})
