"""CAD drawings as DXF, through GDAL."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from etl.columns import column_of
from etl.encodings import guess, known_encoding
from etl.ogr_source import Dataset, OgrSource, open_layer
from etl.reader import Reader, Source, SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

_LAYER = "Layer"
_HEAD_BYTES, _TAIL_BYTES = 1 << 20, 64
#: Text of drawings since AutoCAD 2007 is UTF-8, whatever the header says.
_UTF8_FROM = 1021
#: $INSUNITS to what it says (DXF reference, header variables).
_UNITS = {1: "inches", 2: "feet", 4: "millimetres", 5: "centimetres", 6: "metres", 7: "kilometres"}
_KINDS = ("points and texts", "lines", "areas")
_BINARY = b"AutoCAD Binary DXF"


@dataclass(frozen=True)
class DxfSource:
    """The entities of a drawing that were asked for."""

    source: OgrSource
    info: SourceInfo
    layer: str | None
    dimension: int | None

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        for batch in self.source.batches():
            wanted = _wanted(batch, self.layer, self.dimension)
            if wanted.any():
                chosen = pa.array(wanted)
                part = batch.attributes.filter(chosen)
                yield SourceBatch(first_row, part, batch.wkb.filter(chosen))
                first_row += part.num_rows


@dataclass(frozen=True)
class DxfReader(Reader):
    """Reads the entities of a drawing: blocks exploded, texts as points with ``Text``.

    ``--source-layer`` chooses CAD layers by name, also with ``*``. For a layer of areas, closed
    polylines are areas; entities of another kind than the layer's are left out, and the report says
    how many. A drawing never says its CRS.
    """

    name: str = "DXF"
    suffixes: frozenset[str] = frozenset({".dxf"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a drawing; see :class:`etl.reader.Reader`."""
        header = _Header.of(path)
        encoding = known_encoding(options.encoding) if options.encoding else header.encoding
        settings = {"CLOSED_LINE_AS_POLYGON": "YES" if options.dimension == 2 else "NO"}
        if encoding is not None:
            settings["ENCODING"] = encoding.upper()
        dataset = Dataset(path, self.name, ("DXF",))
        counted = _counted(dataset, options, settings)
        with open_layer(dataset, replace(options, layer=None), **settings) as source:
            chosen = _matching(path, counted, options.layer)
            features = sum(
                count
                for (layer, kind), count in counted.items()
                if layer in chosen and options.dimension in (None, kind)
            )
            info = replace(
                source.info,
                layer=options.layer or source.info.layer,
                crs=None,
                encoding=encoding or "utf-8",
                features=features,
                notes=(*source.info.notes, *_notes(counted, chosen, options, header)),
            )
            yield DxfSource(source, info, options.layer, options.dimension)


@dataclass(frozen=True)
class _Header:
    """What the drawing's header says."""

    units: int | None
    #: Where GDAL would not find out itself.
    encoding: str | None

    @classmethod
    def of(cls, path: Path) -> "_Header":
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
            stream.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
            tail = stream.read()
        if head.startswith(_BINARY):
            raise LoadRefused(f"{path}: is a binary DXF: save it as ASCII DXF")
        if not re.match(rb"(\xef\xbb\xbf)?\s*(999\s*\n[^\n]*\n\s*)*0\s*\n\s*SECTION", head):
            raise LoadRefused(f"{path}: is no DXF drawing: it does not begin with a SECTION")
        if b"EOF" not in tail:
            raise LoadRefused(f"{path}: ends too early: its EOF is missing")
        version = _variable(head, b"ACADVER")
        units = _variable(head, b"INSUNITS")
        old = version is None or int(re.sub(r"\D", "", version) or 0) < _UTF8_FROM
        encoding = None if old else "utf-8"
        page = _variable(head, b"DWGCODEPAGE")
        if old and not head.isascii():
            encoding = known_encoding(page) if page else guess([head], path.name)[0]
        return cls(int(units) if units and units.isdigit() else None, encoding)


def _variable(head: bytes, name: bytes) -> str | None:
    match = re.search(rb"\$" + name + rb"\s*\n\s*\d+\s*\n\s*([^\r\n]*)", head)
    return match[1].decode("ascii", "replace").strip() if match else None


def _counted(
    dataset: Dataset, options: SourceOptions, settings: dict[str, str]
) -> Counter[tuple[str, int]]:
    """Count the entities by CAD layer and dimension (0 points, 1 lines, 2 areas, -1 none)."""
    counted: Counter[tuple[str, int]] = Counter()
    with open_layer(dataset, replace(options, layer=None), **settings) as source:
        for batch in source.batches():
            _check_text(dataset.path, batch)
            layers = column_of(batch, _LAYER).to_pylist()
            counted.update(zip(layers, _dimensions(batch).tolist(), strict=True))
    return counted


def _check_text(path: Path, batch: SourceBatch) -> None:
    """GDAL hands on text as it stands where it cannot be decoded."""
    try:
        batch.attributes.validate(full=True)
    except pa.ArrowInvalid as error:
        raise LoadRefused(
            f"{path}: its text is not in the encoding it says: say --encoding"
        ) from error


def _matching(path: Path, counted: Counter[tuple[str, int]], wanted: str | None) -> set[str]:
    layers = sorted({layer for layer, _ in counted})
    chosen = {layer for layer in layers if wanted is None or fnmatchcase(layer, wanted)}
    if not chosen:
        if not layers:
            raise LoadRefused(f"{path}: holds no entities")
        raise LoadRefused(f"{path}: has no CAD layer '{wanted}'; it has {', '.join(layers)}")
    return chosen


def _notes(
    counted: Counter[tuple[str, int]],
    chosen: set[str],
    options: SourceOptions,
    header: _Header,
) -> list[str]:
    notes = []
    left_out: Counter[int] = Counter()
    for (layer, kind), count in counted.items():
        if layer in chosen and options.dimension not in (None, kind):
            left_out[kind] += count
    if left_out:
        listed = ", ".join(
            f"{count} {_KINDS[kind] if kind >= 0 else 'entities without geometry'}"
            for kind, count in sorted(left_out.items())
        )
        notes.append(f"entities of other kinds than the layer's were left out: {listed}")
    if header.units not in (None, 0, 6):
        unit = _UNITS.get(int(header.units or 0), f"unit {header.units}")
        notes.append(f"the drawing says its unit is {unit}; coordinates are read as they stand")
    return notes


def _wanted(batch: SourceBatch, layer: str | None, dimension: int | None) -> NDArray[np.bool_]:
    wanted = np.ones(batch.attributes.num_rows, dtype=bool)
    if layer is not None:
        names = column_of(batch, _LAYER).to_pylist()
        wanted &= np.array([fnmatchcase(str(name), layer) for name in names], dtype=bool)
    if dimension is not None:
        wanted &= _dimensions(batch) == dimension
    return wanted


def _dimensions(batch: SourceBatch) -> NDArray[np.int64]:
    # Coordinates that are no numbers are found by the checks; numpy need not warn of them.
    with np.errstate(invalid="ignore"):
        shapes = shapely.from_wkb(batch.wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
    return np.asarray(shapely.get_dimensions(shapes), dtype=np.int64)


READER: Reader = DxfReader()
