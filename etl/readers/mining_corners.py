"""Corner lists of mining rights, see ``etl/mining_corners.py``."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl import mining_corners as corners
from etl.attribute_tables import AttributeTable, tables_of
from etl.mining_corners import Block, CornerError, Right, make_right, read_cell
from etl.pipe_names import find_column
from etl.reader import Reader, RowProblem, Source, SourceInfo, SourceOptions
from etl.rows import Row, RowSource
from layers.errors import LoadRefused

#: A register has some thousand rights of some dozen corners; all corners are kept in memory.
_MOST_CORNERS = 3_000_000
_CHUNK = 65_536
_TOP, _BOTTOM, _RINGS, _REMARK = "cssx", "csxx", "QS", "bz"

Values = dict[str, str | None]


@dataclass(frozen=True)
class _Columns:
    """The columns of a table of corner lists; a column is ``None`` where the table has none."""

    licence: str
    cell: str | None
    north: str | None
    east: str | None
    ring: str | None
    point: str | None
    top: str | None
    bottom: str | None
    sign: str | None
    remark: str | None

    @classmethod
    def of(cls, columns: tuple[str, ...]) -> "_Columns | None":
        """Find them; ``None`` if the table is no corner list."""
        licence = find_column(columns, corners.LICENCE)
        found = [
            find_column(columns, wanted)
            for wanted in (
                corners.CELL,
                corners.NORTH,
                corners.EAST,
                corners.RING,
                corners.POINT,
                corners.TOP,
                corners.BOTTOM,
                corners.SIGN,
                corners.REMARK,
            )
        ]
        cell, north, east, ring, point = found[:5]
        if licence is None or (cell is None and None in (north, east, point)):
            return None
        if cell is None and ring is None and found[7] is None:
            return None
        return cls(licence, *found)

    @property
    def geometric(self) -> tuple[str, ...]:
        """The columns that hold corners."""
        if self.cell is not None:
            return (self.cell,)
        found = (self.north, self.east, self.ring, self.point, self.sign)
        return tuple(name for name in found if name is not None)

    @property
    def read(self) -> frozenset[str]:
        """The columns whose values do not pass as they are."""
        further = (self.top, self.bottom, self.remark)
        return frozenset((*self.geometric, *(name for name in further if name is not None)))


@dataclass(frozen=True)
class MiningCornersReader(Reader):
    """Reads corner lists of mining rights: one row a right.

    Beside the licence and whatever else the table says of it (its first row counts) there are
    ``cssx`` and ``csxx`` (the range of elevations over all blocks), ``QS`` (rings), and ``bz``, to
    which the blocks' own ranges and remarks are added where they differ. X is the northing.
    """

    name: str = "Mining corner list"
    suffixes: frozenset[str] = frozenset({".csv", ".txt", ".xlsx", ".xls"})
    priority: int = 15

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Look for a licence and corners in the headers; see :class:`etl.reader.Reader`."""
        try:
            return bool(_tables(path, options))
        except LoadRefused:
            # What is broken is told by the format's general reader.
            return False

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a corner list; see :class:`etl.reader.Reader`."""
        found = _tables(path, options)
        if not found:
            raise LoadRefused(
                f"{path}: is no corner list: it needs a column of the licence (XKZH) and either "
                "X, Y, point_no and ring_no, or the corners in one cell (区域坐标)"
            )
        if len(found) > 1:
            listed = ", ".join(table.name for table, _ in found)
            raise LoadRefused(f"{path}: has several tables ({listed}); say --source-layer")
        table, columns = found[0]
        passed = [name for name in table.columns if name not in columns.read]
        passed = [name for name in dict.fromkeys(passed) if name.casefold() not in _ADDED]
        schema = pa.schema(
            [
                *((name, pa.string()) for name in passed),
                (_TOP, pa.float64()),
                (_BOTTOM, pa.float64()),
                (_RINGS, pa.int64()),
                (_REMARK, pa.string()),
            ]
        )
        info = SourceInfo(
            format=self.name,
            layer=table.name,
            crs=None,
            columns=tuple(schema.names),
            notes=("X is read as the northing, Y as the easting",),
        )
        rows = _cells(table, columns) if columns.cell else _lists(path, table, columns)
        yield RowSource(info, rows, schema, options.batch_rows)


_ADDED = frozenset({_TOP, _BOTTOM, _RINGS.casefold(), _REMARK})


def _tables(path: Path, options: SourceOptions) -> list[tuple[AttributeTable, _Columns]]:
    tables = tables_of(path, options.encoding)
    if options.layer is not None and len(tables) > 1:
        tables = [table for table in tables if table.name == options.layer]
    found = [(table, _Columns.of(table.columns)) for table in tables]
    return [(table, columns) for table, columns in found if columns is not None]


def _cells(table: AttributeTable, columns: _Columns) -> Iterator[Row]:
    """Yield a row for each of the table's, whose corners are in one cell."""
    for chunk in table.chunks(_CHUNK):
        for values in _dicts(chunk):
            try:
                blocks = read_cell(values[str(columns.cell)] or "")
            except CornerError as error:
                problem = RowProblem("corner_list", str(error))
                yield _row(values, columns, Right(None, None, None, None, problem), 0)
                continue
            yield _row(values, columns, make_right(blocks), len(blocks))


def _lists(path: Path, table: AttributeTable, columns: _Columns) -> Iterator[Row]:
    """Yield a row for each licence, whose corners are rows wherever they stand in the table."""
    chunks: list[pa.Table] = []
    for chunk in table.chunks(_CHUNK):
        chunks.append(chunk)
        if sum(part.num_rows for part in chunks) > _MOST_CORNERS:
            raise LoadRefused(f"{path}: has more than {_MOST_CORNERS} corners: divide it")
    if not chunks:
        return
    whole = pa.concat_tables(chunks).combine_chunks()
    licences = pc.fill_null(whole[columns.licence], "").combine_chunks()
    if isinstance(licences, pa.ChunkedArray):
        licences = pa.concat_arrays(licences.chunks)
    codes = licences.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    borders = np.flatnonzero(np.diff(codes[order])) + 1
    for group in np.split(order, borders):
        yield _right_of(list(_dicts(whole.take(pa.array(group)))), columns)


def _right_of(rows: list[Values], columns: _Columns) -> Row:
    try:
        blocks = _blocks(rows, columns)
    except CornerError as error:
        problem = RowProblem("corner_list", str(error))
        return _row(rows[0], columns, Right(None, None, None, None, problem), 0)
    return _row(rows[0], columns, make_right(blocks), len(blocks))


def _blocks(rows: list[Values], columns: _Columns) -> list[Block]:
    blocks: dict[str, Block] = {}
    for row in rows:
        name = _value(row, columns.ring) or "1"
        what = f"block {name}, corner {_value(row, columns.point)}"
        block = blocks.get(name)
        if block is None:
            block = blocks[name] = Block(name, adds=corners.sign_of(_value(row, columns.sign)))
        corner = (
            corners.number_of(_value(row, columns.east), f"{what}: Y"),
            corners.number_of(_value(row, columns.north), f"{what}: X"),
        )
        block.corners.append(corner)
        top = corners.elevation_of(_value(row, columns.top), f"{what}: the upper elevation")
        bottom = corners.elevation_of(_value(row, columns.bottom), f"{what}: the lower elevation")
        block.top = top if block.top is None else block.top
        block.bottom = bottom if block.bottom is None else block.bottom
        if top not in (None, block.top) or bottom not in (None, block.bottom):
            raise CornerError(f"{what}: its elevations differ from those of the block's others")
    return list(blocks.values())


def _row(values: Values, columns: _Columns, right: Right, rings: int) -> Row:
    remark = "；".join(
        text for text in (_value(values, columns.remark), right.blocks) if text is not None
    )
    top, bottom = right.top, right.bottom
    if columns.cell is not None:
        # A register has columns of its own for the range, too.
        top = _elevation(values, columns.top) if top is None else top
        bottom = _elevation(values, columns.bottom) if bottom is None else bottom
    added = {_TOP: top, _BOTTOM: bottom, _RINGS: rings, _REMARK: remark or None}
    return Row({**values, **added}, right.shape, right.problem)


def _elevation(values: Values, column: str | None) -> float | None:
    try:
        return corners.elevation_of(_value(values, column), "")
    except CornerError:
        return None


def _value(values: Mapping[str, str | None], column: str | None) -> str | None:
    return values[column] if column is not None else None


def _dicts(chunk: pa.Table) -> Iterator[Values]:
    yield from chunk.to_pylist()


READER: Reader = MiningCornersReader()
