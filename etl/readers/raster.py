"""Images and elevation models (GeoTIFF, HGT, ERDAS Imagine, ASCII grid): one row a raster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from etl.raster_facts import SUFFIXES, RasterFacts, declared_crs, facts_of
from etl.reader import Reader, RowProblem, Source, SourceInfo, SourceOptions
from etl.rows import Row, RowSource
from gis.crs import CrsError, ToStorage, resolve, to_storage
from layers.errors import LoadRefused

_STORAGE = "EPSG:4490"
#: Points along a footprint's edge, so that it stays on the raster's edge in another CRS.
_POINTS_A_SIDE = 16
#: What else lies in a folder of rasters.
_BESIDE = frozenset(
    {".tfw", ".tifw", ".hdr", ".prj", ".ovr", ".xml", ".rrd", ".ige", ".rde", ".txt", ".jpg",
     ".png", ".pdf", ".rpb", ".rpc", ".md5"}
)  # fmt: skip

SCHEMA = pa.schema(
    [
        ("scene_id", pa.string()),
        ("name", pa.string()),
        ("kind", pa.string()),
        ("sensor", pa.string()),
        ("acquired", pa.date32()),
        ("gsd", pa.float64()),
        ("bands", pa.string()),
        ("crs", pa.string()),
        ("file", pa.string()),
        ("raster_kind", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("dtype", pa.string()),
        ("nodata", pa.float64()),
        ("driver", pa.string()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("mean", pa.float64()),
        ("valid_share", pa.float64()),
        ("checksum", pa.string()),
    ]
)


@dataclass(frozen=True)
class RasterReader(Reader):
    """Reads rasters: the outline of the valid pixels, and what is known of the file.

    The columns fit the layer of imagery scenes; ``gsd`` is in metres, ``min``, ``max`` and
    ``mean`` are of the first band at a coarse scale. A raster that is broken, has no place or
    holds impossible values is a row with the reason.
    """

    name: str = "Raster"
    suffixes: frozenset[str] = SUFFIXES
    takes_folders: bool = True

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Take every such file, and folders of nothing else; see :class:`etl.reader.Reader`."""
        return bool(_rasters_of(path)) if path.is_dir() else True

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a raster or a folder of them; see :class:`etl.reader.Reader`."""
        files = _rasters_of(path) if path.is_dir() else [path]
        found: list[str | None] = []
        for file in files:
            try:
                found.append(declared_crs(file))
            except LoadRefused:
                if len(files) == 1:
                    raise
        several = len(set(found)) > 1 and options.crs is None
        info = SourceInfo(
            format=self.name,
            layer=path.stem,
            crs=_STORAGE if several else found[0] if found else None,
            columns=tuple(SCHEMA.names),
            features=len(files),
            notes=_notes(files, several=several),
            parts=tuple(str(file.relative_to(path)) for file in files) if path.is_dir() else (),
        )
        yield RowSource(info, _rows(files, options, several=several), SCHEMA, 1)


def _rasters_of(folder: Path) -> list[Path]:
    """Return the rasters of a folder; none if it holds data of other kinds, too."""
    rasters: list[Path] = []
    for entry in sorted(folder.rglob("*")):
        if entry.is_symlink() or not entry.is_file():
            continue
        suffix = entry.suffix.lower()
        if suffix in SUFFIXES:
            rasters.append(entry)
        elif suffix not in _BESIDE:
            return []
    return rasters


def _notes(files: list[Path], *, several: bool) -> tuple[str, ...]:
    notes = [f"{len(files)} rasters were looked at"] if len(files) > 1 else []
    if several:
        notes.append(f"the rasters lie in several CRSs: their outlines were brought to {_STORAGE}")
    return tuple(notes)


def _rows(files: list[Path], options: SourceOptions, *, several: bool) -> Iterator[Row]:
    said = options.crs.horizontal if options.crs is not None else None
    for file in files:
        try:
            facts = facts_of(file, said)
        except LoadRefused as error:
            # One that cannot be opened among others is a row of its own; alone it was refused.
            text = str(error).replace(str(file), file.name)
            values = {"scene_id": file.stem, "file": file.name}
            yield Row(values, None, RowProblem("raster_unreadable", text))
            continue
        yield _moved(facts) if several else _row(facts, facts.footprint, facts.problem)


def _row(facts: RasterFacts, shape: BaseGeometry | None, problem: RowProblem | None) -> Row:
    dense = None if shape is None else shapely.segmentize(shape, _longest(shape))
    return Row(facts.values, dense, problem)


def _moved(facts: RasterFacts) -> Row:
    """Bring the footprint to the storage CRS."""
    if facts.problem is not None:
        return Row(facts.values, None, facts.problem)
    if facts.crs is None:
        problem = RowProblem("raster_crs", "the raster does not say its reference system")
        return Row(facts.values, None, problem)
    try:
        way = to_storage(resolve(facts.crs))
    except CrsError as error:
        return Row(facts.values, None, RowProblem("raster_crs", str(error)))
    row = _row(facts, facts.footprint, None)
    return Row(row.values, _transformed(row.shape, way) if row.shape is not None else None)


def _transformed(shape: BaseGeometry, way: ToStorage) -> BaseGeometry:
    corners = shapely.get_coordinates(shape)
    lon, lat = way(corners[:, 0], corners[:, 1])
    moved: BaseGeometry = shapely.set_coordinates(shape, np.column_stack([lon, lat]))
    return moved


def _longest(shape: BaseGeometry) -> float:
    west, south, east, north = shape.bounds
    return max(east - west, north - south) / _POINTS_A_SIDE


READER: Reader = RasterReader()
