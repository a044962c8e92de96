"""What a source format must offer: the protocol of the plug-ins in ``etl/readers``."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gis.crs import SourceCrs


@dataclass(frozen=True)
class CoordinateColumns:
    """Which columns of a table hold the position.

    Either ``wkt``, or ``x`` and ``y`` (and ``z``). With ``order`` ``en`` the column ``x`` is the
    easting or longitude; with ``ne`` it is the northing, as Chinese surveys write it. Without an
    order the reader decides by the column names and the axes of the CRS.
    """

    wkt: str | None = None
    x: str | None = None
    y: str | None = None
    z: str | None = None
    order: Literal["en", "ne"] | None = None


@dataclass(frozen=True)
class SourceOptions:
    """What the person or the mapping says about a file beyond what it says itself."""

    layer: str | None = None
    encoding: str | None = None
    crs: SourceCrs | None = None
    coordinates: CoordinateColumns | None = None
    batch_rows: int = 32_768
    #: The reader's name, where the person says it; otherwise the source is looked at.
    format: str | None = None
    #: The layer of the city map that the rows are for.
    target: str | None = None
    #: What that layer holds: 0 points, 1 lines, 2 areas.
    dimension: int | None = None
    #: What the last load from the same server kept, as its ``SourceInfo.watermark`` was.
    watermark: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source once it is open."""

    format: str
    layer: str
    #: The CRS the file declares (authority code or WKT); ``None`` if it declares none.
    crs: str | None
    columns: tuple[str, ...]
    encoding: str | None = None
    #: Number of features, where the format knows it.
    features: int | None = None
    #: The columns that gave the geometry, where it comes from columns.
    position: tuple[str, ...] = ()
    #: Things a person should know, for the report.
    notes: tuple[str, ...] = field(default=())
    #: The files that make up the survey, where there are several, in the order they are read.
    parts: tuple[str, ...] = ()
    #: SHA-256 of the content in hexadecimal, where the reader knows it better than its files say.
    checksum: str | None = None
    #: What tells the next load from this source whether anything changed; plain JSON.
    watermark: Mapping[str, Any] | None = None
    #: Nothing has changed since the load whose watermark was given: there are no rows.
    unchanged: bool = False


@dataclass(frozen=True)
class RowProblem:
    """What the format itself finds wrong with a row that can still be told from its neighbours."""

    #: The rule's name, such as ``plot_points``.
    rule: str
    #: One sentence: what is wrong, and where in the file.
    message: str


@dataclass(frozen=True)
class SourceBatch:
    """Some rows of a source, in its own CRS and with its own column names."""

    #: 1-based number of the first row in the source; it goes on from file to file of several.
    first_row: int
    #: All attributes; column names may repeat where the file repeats them.
    attributes: pa.Table
    #: Binary array of WKB, x = easting or longitude; null where a row has no readable geometry.
    wkb: pa.Array
    #: Rows (their place in the batch) that go to quarantine for the format's own reasons.
    problems: Mapping[int, RowProblem] = field(default_factory=dict)
    #: The file of the source that the rows come from, where there are several.
    part: str | None = None
    #: Numbers of the rows in the source (int64), where they do not simply count on.
    numbers: NDArray[np.int64] | None = None

    @property
    def row_numbers(self) -> NDArray[np.int64]:
        """The 1-based numbers of the rows in the source."""
        if self.numbers is not None:
            return self.numbers
        end = self.first_row + self.attributes.num_rows
        return np.arange(self.first_row, end, dtype=np.int64)


class Source(Protocol):
    """An open source."""

    @property
    def info(self) -> SourceInfo:
        """What is known of the source."""

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once, from the first to the last.

        Raises:
            LoadRefused: If the file breaks off or cannot be decoded.
        """


class Reader(Protocol):
    """A plug-in: one file format. Its module offers one as ``READER``.

    Several readers may claim one suffix: they are asked by falling ``priority``, then by name, and
    the first that recognises a file reads it. A reader that derives from this class explicitly has
    the defaults given here.
    """

    @property
    def name(self) -> str:
        """The format's name as people know it; ``--format`` takes it too, in any case."""

    @property
    def suffixes(self) -> frozenset[str]:
        """File name endings it reads, lower case with the dot; ``.city.json`` is one, too."""

    @property
    def takes_folders(self) -> bool:
        """Whether a whole folder may be one data set of it; ``recognises`` decides which."""
        return False

    @property
    def priority(self) -> int:
        """Who is asked first: the higher one. Generic formats have 0, special ones more."""
        return 0

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether a file (or folder) is of this format, from a cheap look at its head.

        A file is asked about only if it has one of the suffixes; a folder whatever its name. Only
        what tells formats of one suffix apart need be looked at: a damaged file of this format
        should be recognised, so that ``open`` can say what is wrong with it.

        Raises:
            OSError: If it cannot be read.
        """
        return True

    def open(self, path: Path, options: SourceOptions) -> AbstractContextManager[Source]:
        """Open a file.

        Raises:
            LoadRefused: If it cannot be read, or more must be said about it; one clear sentence.
        """


class AddressReader(Protocol):
    """A plug-in that reads from a server instead of a file; its module offers one as ``READER``."""

    @property
    def name(self) -> str:
        """The format's name as people know it; ``--format`` takes it too, in any case."""

    @property
    def priority(self) -> int:
        """Who is asked first: the higher one."""
        return 0

    def recognises_address(self, address: str) -> bool:
        """Say whether this reader would ask at the address, from how it is written."""

    def open_address(self, address: str, options: SourceOptions) -> AbstractContextManager[Source]:
        """Open what the server offers.

        Raises:
            LoadRefused: If it cannot be had; one clear sentence.
        """
