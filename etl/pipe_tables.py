"""Point and line tables of a pipeline survey, joined into points and lines with heights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from etl import pipe_names as names
from etl.attribute_tables import AttributeTable
from etl.convert import to_float
from etl.pipe_names import TableName, elevation_reference, find_column
from etl.reader import CoordinateColumns, RowProblem, SourceBatch, SourceInfo
from layers.errors import LoadRefused

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
#: Two records of one point may differ by rounding, metres.
_SAME_PLACE = 0.0015
_CHUNK = 65_536
PIPE_CLASS, ELEVATION_OF = "pipe_class", "elev_ref"


@dataclass(frozen=True)
class PipeTable:
    """A table, and what its name says."""

    table: AttributeTable
    named: TableName

    def column(self, wanted: tuple[str, ...]) -> str | None:
        """Return the table's column that has one of the names."""
        return find_column(self.table.columns, wanted)

    def required(self, wanted: tuple[str, ...]) -> str:
        """Return the table's column that has one of the names.

        Raises:
            LoadRefused: If there is none.
        """
        found = self.column(wanted)
        if found is None:
            raise LoadRefused(
                f"table {self.table.name} has no column {wanted[0].upper()} (or another name of "
                f"it); it has {', '.join(self.table.columns) or 'none'}"
            )
        return found


@dataclass(frozen=True)
class PositionColumns:
    """The columns that give the position of a point."""

    north: str
    east: str
    ground: str | None

    @classmethod
    def of(cls, table: PipeTable, said: CoordinateColumns | None) -> "PositionColumns":
        """Find them; X is the northing unless the mapping says otherwise.

        Raises:
            LoadRefused: If there are none.
        """
        if said is None or said.x is None or said.y is None:
            ground = table.column(names.GROUND)
            return cls(table.required(names.NORTH), table.required(names.EAST), ground)
        x, y = table.required((said.x.casefold(),)), table.required((said.y.casefold(),))
        z = table.required((said.z.casefold(),)) if said.z else table.column(names.GROUND)
        return cls(y, x, z) if said.order == "en" else cls(x, y, z)

    def read(self, chunk: pa.Table) -> tuple[Array, Array, Array]:
        """Return eastings, northings and ground elevations; NaN where there is none."""
        ground = _numbers(chunk, self.ground)
        return _numbers(chunk, self.east), _numbers(chunk, self.north), ground


class PointIndex:
    """All points of a survey, to be found by their number; some 200 bytes for each."""

    def __init__(self, tables: Sequence[PipeTable], said: CoordinateColumns | None) -> None:
        numbers: list[pa.Array] = []
        owners: list[pa.Array] = []
        places: list[tuple[Array, Array, Array]] = []
        for table in tables:
            number = table.required(names.POINT_NUMBER)
            position = PositionColumns.of(table, said)
            for chunk in table.table.chunks(_CHUNK):
                numbers.append(_texts(chunk, number))
                owners.append(_owned(table, numbers[-1]))
                places.append(position.read(chunk))
        empty = (np.zeros(0), np.zeros(0), np.zeros(0))
        self.east, self.north, self.ground = (
            np.concatenate([place[axis] for place in places or [empty]]) for axis in range(3)
        )
        self._numbers = _joined(numbers)
        # Made when a line first ends at a point of another class.
        self._all: _Lookup | None = None
        self._own = _Lookup(_joined(owners), self.east, self.north)

    def find(self, table: PipeTable, numbers: pa.Array) -> tuple[Indices, NDArray[np.bool_]]:
        """Find points by number: in the table's own class first, then in all.

        Returns:
            Places in ``east``, ``north`` and ``ground``, -1 where there is no such point; and
            where several points of that number lie at different places.
        """
        place, doubtful = self._own.find(_owned(table, numbers))
        absent = place < 0
        if not absent.any():
            return place, doubtful
        if self._all is None:
            self._all = _Lookup(self._numbers, self.east, self.north)
        elsewhere, doubtful_elsewhere = self._all.find(numbers)
        return (
            np.where(absent, elsewhere, place),
            np.where(absent, doubtful_elsewhere, doubtful).astype(bool),
        )


class _Lookup:
    """From keys to the first point that has them."""

    def __init__(self, keys: pa.Array, east: Array, north: Array) -> None:
        encoded = keys.dictionary_encode()
        # pandas keeps its hash table, where Arrow would make one for every batch.
        self._codes = pandas.Index(encoded.dictionary.to_numpy(zero_copy_only=False))
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        present = np.flatnonzero(codes >= 0)
        count = len(self._codes)
        self._first = np.full(count, -1, dtype=np.int64)
        self._first[codes[present][::-1]] = present[::-1]
        self._doubtful = np.zeros(count, dtype=bool)
        for axis in (east, north):
            least, most = np.full(count, np.inf), np.full(count, -np.inf)
            np.fmin.at(least, codes[present], axis[present])
            np.fmax.at(most, codes[present], axis[present])
            self._doubtful |= most - least > _SAME_PLACE

    def find(self, keys: pa.Array) -> tuple[Indices, NDArray[np.bool_]]:
        codes = self._codes.get_indexer(keys.to_numpy(zero_copy_only=False))
        found = codes >= 0
        place = np.full(len(keys), -1, dtype=np.int64)
        doubtful = np.zeros(len(keys), dtype=bool)
        place[found] = self._first[codes[found]]
        doubtful[found] = self._doubtful[codes[found]]
        return place, doubtful


@dataclass(frozen=True)
class PointSource:
    """The points of a survey as rows."""

    info: SourceInfo
    tables: Sequence[PipeTable]
    said: CoordinateColumns | None
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        for table in self.tables:
            position = PositionColumns.of(table, self.said)
            for chunk in table.table.chunks(self.batch_rows):
                east, north, ground = position.read(chunk)
                present = np.isfinite(east) & np.isfinite(north)
                shapes = np.full(chunk.num_rows, None, dtype=object)
                shapes[present] = shapely.points(east[present], north[present], ground[present])
                classes = _classes(table, chunk)
                attributes = _attributes(self.info.columns, chunk, {PIPE_CLASS: classes})
                wkb = pa.array(shapely.to_wkb(shapes), pa.binary())
                yield SourceBatch(first_row, attributes, wkb, part=table.table.name)
                first_row += chunk.num_rows


@dataclass(frozen=True)
class LineSource:
    """The lines of a survey as rows, each with the points it runs between."""

    info: SourceInfo
    tables: Sequence[PipeTable]
    points: Sequence[PipeTable]
    said: CoordinateColumns | None
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        index = PointIndex(self.points, self.said)
        first_row = 1
        for table in self.tables:
            ends = (
                _End.of(table, names.START, names.START_ELEVATION, names.START_DEPTH),
                _End.of(table, names.END, names.END_ELEVATION, names.END_DEPTH),
            )
            for chunk in table.table.chunks(self.batch_rows):
                yield self._batch(table, ends, index, chunk, first_row)
                first_row += chunk.num_rows

    def _batch(
        self,
        table: PipeTable,
        ends: tuple["_End", "_End"],
        index: PointIndex,
        chunk: pa.Table,
        first_row: int,
    ) -> SourceBatch:
        problems: dict[int, RowProblem] = {}
        corners = np.full((chunk.num_rows, 2, 3), np.nan)
        for place, end in enumerate(ends):
            corners[:, place, :] = end.positions(table, chunk, index, problems)
        present = np.ones(chunk.num_rows, dtype=bool)
        present[list(problems)] = False
        shapes = np.full(chunk.num_rows, None, dtype=object)
        shapes[present] = shapely.linestrings(corners[present])
        classes = _classes(table, chunk)
        filled = {PIPE_CLASS: classes, ELEVATION_OF: _references(table, chunk, classes)}
        return SourceBatch(
            first_row,
            _attributes(self.info.columns, chunk, filled),
            pa.array(shapely.to_wkb(shapes), pa.binary()),
            problems=problems,
            part=table.table.name,
        )


@dataclass(frozen=True)
class _End:
    """The columns of one end of the lines."""

    number: str
    elevation: str | None
    depth: str | None

    @classmethod
    def of(
        cls,
        table: PipeTable,
        number: tuple[str, ...],
        elevation: tuple[str, ...],
        depth: tuple[str, ...],
    ) -> "_End":
        return cls(table.required(number), table.column(elevation), table.column(depth))

    def positions(
        self, table: PipeTable, chunk: pa.Table, index: PointIndex, problems: dict[int, RowProblem]
    ) -> Array:
        """Return the end's positions, and note the rows that have none.

        The elevation is the pipe's own, else that of the ground less the depth.
        """
        numbers = _texts(chunk, self.number)
        place, doubtful = index.find(table, numbers)
        for row in np.flatnonzero(place < 0).tolist():
            what = f"'{numbers[row]}'" if numbers[row].is_valid else "empty"
            text = (
                f"{self.number} is {what}"
                if what == "empty"
                else (f"{self.number} = {what} is in no point table")
            )
            problems.setdefault(row, RowProblem("pipe_end_missing", text))
        for row in np.flatnonzero(doubtful).tolist():
            text = f"{self.number} = '{numbers[row]}' is the number of points at different places"
            problems.setdefault(row, RowProblem("pipe_end_doubtful", text))
        if not len(index.east):
            return np.full((chunk.num_rows, 3), np.nan)
        east, north = index.east[place], index.north[place]
        for row in np.flatnonzero((place >= 0) & ~np.isfinite(east + north)).tolist():
            text = f"{self.number} = '{numbers[row]}' is a point without coordinates"
            problems.setdefault(row, RowProblem("pipe_end_missing", text))
        elevation = _numbers(chunk, self.elevation)
        below = index.ground[place] - _numbers(chunk, self.depth)
        height = np.where(np.isfinite(elevation), elevation, below)
        return np.column_stack([east, north, height])


def columns_of(tables: Sequence[PipeTable], added: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of all tables together, each once whatever its case, and those added."""
    found: dict[str, str] = {}
    for table in tables:
        for column in table.table.columns:
            if column.casefold() not in added:
                found.setdefault(column.casefold(), column)
    return (*found.values(), *added)


def _attributes(columns: tuple[str, ...], chunk: pa.Table, filled: dict[str, pa.Array]) -> pa.Table:
    by_name = {name.casefold(): place for place, name in enumerate(chunk.schema.names)}
    arrays = []
    for column in columns:
        place = by_name.get(column.casefold())
        if column in filled:
            arrays.append(filled[column])
        elif place is not None:
            arrays.append(chunk.column(place))
        else:
            arrays.append(pa.nulls(chunk.num_rows, pa.string()))
    return pa.table(arrays, names=list(columns))


def _classes(table: PipeTable, chunk: pa.Table) -> pa.Array:
    """Return the pipe class of each row: the finest column that says it, else the table's."""
    by_name = {name.strip().casefold(): name for name in reversed(chunk.schema.names)}
    said = [_texts(chunk, by_name[name]) for name in names.PIPE_CLASS if name in by_name]
    own = pa.array([table.named.pipe_class] * chunk.num_rows, pa.string())
    classes = pc.coalesce(*said, own)
    old = pa.array(list(names.OLD_CLASSES))
    new = pa.array(list(names.OLD_CLASSES.values()))
    return pc.coalesce(new.take(pc.index_in(classes, old)), classes)


def _references(table: PipeTable, chunk: pa.Table, classes: pa.Array) -> pa.Array:
    column, laying = table.column(names.ELEVATION_OF), table.column(names.LAYING)
    by_class = pa.array(
        [
            elevation_reference(pipe_class, how)
            for pipe_class, how in zip(
                classes.to_pylist(),
                _texts(chunk, laying).to_pylist() if laying else [None] * chunk.num_rows,
                strict=True,
            )
        ],
        pa.string(),
    )
    return pc.coalesce(_texts(chunk, column), by_class) if column else by_class


def _owned(table: PipeTable, numbers: pa.Array) -> pa.Array:
    prefix: Any = pa.scalar(table.named.pipe_class or "")
    return pc.binary_join_element_wise(prefix, numbers, "\x1f")


def _texts(chunk: pa.Table, name: str) -> pa.Array:
    column = chunk.column(chunk.schema.names.index(name))
    return _joined(column.chunks)


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    return pa.concat_arrays(arrays) if arrays else pa.array([], pa.string())


def _numbers(chunk: pa.Table, name: str | None) -> Array:
    if name is None:
        return np.full(chunk.num_rows, np.nan)
    values, _ = to_float(_texts(chunk, name))
    numbers: Array = values.to_numpy(zero_copy_only=False).astype(float)
    return numbers
