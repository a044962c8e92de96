"""Point and line tables of a pipeline survey (CJJ 61), see ``etl/pipe_tables.py``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.attribute_tables import table_names, tables_of
from etl.pipe_names import END, POINT_NUMBER, START, Kind, TableName, is_known, table_name
from etl.pipe_tables import (
    ELEVATION_OF,
    PIPE_CLASS,
    LineSource,
    PipeTable,
    PointSource,
    PositionColumns,
    columns_of,
)
from etl.reader import Reader, Source, SourceInfo, SourceOptions
from layers.errors import LoadRefused

#: The layers that the tables are made for.
_LAYERS: dict[str, Kind] = {"pipe_node": "point", "pipe_line": "line"}
_WORDS: dict[str, Kind] = {"point": "point", "line": "line", **_LAYERS}
_ACCESS = frozenset({".mdb", ".accdb"})


@dataclass(frozen=True)
class PipeTablesReader(Reader):
    """Reads ``XX_POINT`` and ``XX_LINE`` tables: a folder, a workbook, or a geodatabase.

    The layer to load chooses points or lines; else ``--source-layer`` says ``POINT``, ``LINE`` or
    one table. X is the northing. All columns come as text, beside them ``pipe_class`` (by the
    table's name where no column says it) and, for lines, ``elev_ref`` (by the class). A line whose
    end is no point is a row without geometry and with the reason. Numbers of points are kept in
    memory (some 200 bytes a point), lines are read in batches.
    """

    name: str = "Pipe tables"
    suffixes: frozenset[str] = frozenset({".xlsx", ".xls", ".gpkg", *_ACCESS})
    takes_folders: bool = True
    priority: int = 20

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Look for tables named so; see :class:`etl.reader.Reader`."""
        if path.suffix.lower() in _ACCESS:
            return True
        try:
            named = [table_name(name) for name in table_names(path)]
        except LoadRefused:
            # What is broken is told by the format's general reader.
            return False
        kinds = {name.kind for name in named if name is not None}
        known = any(is_known(name.prefix) for name in named if name is not None)
        return "point" in kinds and known

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open the tables of a survey; see :class:`etl.reader.Reader`."""
        if path.suffix.lower() in _ACCESS:
            raise LoadRefused(
                f"{path}: Access databases cannot be read here: export its tables to one XLSX "
                "workbook, to CSV files in a folder, or to a GeoPackage"
            )
        named = [(table, table_name(table.name)) for table in tables_of(path, options.encoding)]
        tables = [PipeTable(table, name) for table, name in named if name is not None]
        kind, only = _wanted(path, tables, options)
        chosen = [
            table
            for table in tables
            if table.named.kind == kind and only in (None, _key(table.named))
        ]
        if not chosen:
            listed = ", ".join(table.name for table, _ in named)
            raise LoadRefused(f"{path}: holds no table of {kind}s; it has {listed or 'none'}")
        points = [table for table in tables if table.named.kind == "point"]
        _check_columns(path, chosen, points, options)
        added = (PIPE_CLASS,) if kind == "point" else (PIPE_CLASS, ELEVATION_OF)
        info = SourceInfo(
            format=self.name,
            layer=options.layer or kind,
            crs=None,
            columns=columns_of(chosen, added),
            position=_position(chosen, options) if kind == "point" else (),
            notes=_notes(tables, points, options),
            parts=tuple(table.table.name for table in chosen),
        )
        said, rows = options.coordinates, options.batch_rows
        if kind == "point":
            yield PointSource(info, chosen, said, rows)
        else:
            yield LineSource(info, chosen, points, said, rows)


def _wanted(
    path: Path, tables: list[PipeTable], options: SourceOptions
) -> tuple[Kind, tuple[Kind, str | None] | None]:
    """Decide between points and lines, and whether only one table is meant."""
    if options.layer is not None:
        word = options.layer.strip().lower()
        if word in _WORDS:
            return _WORDS[word], None
        name = table_name(word)
        if name is None or _key(name) not in {_key(table.named) for table in tables}:
            listed = ", ".join(table.table.name for table in tables)
            raise LoadRefused(
                f"{path}: has no table '{options.layer}'; say POINT, LINE, or one of {listed}"
            )
        return name.kind, _key(name)
    if options.target in _LAYERS:
        return _LAYERS[options.target], None
    raise LoadRefused(f"{path}: holds points and lines: say --source-layer POINT or LINE")


def _check_columns(
    path: Path, chosen: list[PipeTable], points: list[PipeTable], options: SourceOptions
) -> None:
    try:
        for table in points:
            table.required(POINT_NUMBER)
            PositionColumns.of(table, options.coordinates)
        for table in chosen:
            if table.named.kind == "line":
                table.required(START)
                table.required(END)
    except LoadRefused as error:
        raise LoadRefused(f"{path}: {error}") from error


def _key(name: TableName) -> tuple[Kind, str | None]:
    return name.kind, name.prefix


def _position(tables: list[PipeTable], options: SourceOptions) -> tuple[str, ...]:
    found = [PositionColumns.of(table, options.coordinates) for table in tables]
    return tuple(dict.fromkeys(name for columns in found for name in (columns.north, columns.east)))


def _notes(
    tables: list[PipeTable], points: list[PipeTable], options: SourceOptions
) -> tuple[str, ...]:
    listed = ", ".join(table.table.name for table in tables)
    notes = [f"tables of the survey: {listed}"]
    if points:
        columns = PositionColumns.of(points[0], options.coordinates)
        notes.append(f"{columns.north} is read as the northing, {columns.east} as the easting")
    return tuple(notes)


READER: Reader = PipeTablesReader()
