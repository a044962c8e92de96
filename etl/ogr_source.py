"""Reading through GDAL: Arrow batches of a vector layer, for the readers that stand on it."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from etl.curves import without_curves
from etl.reader import SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

# GDAL repeats in the log what is raised as an error anyway, and its reading threads write what
# they warn of to the terminal, up to a thousand lines.
logging.getLogger("pyogrio").setLevel(logging.CRITICAL)
pyogrio.set_gdal_config_options(
    {
        "CPL_LOG": os.devnull,
        # A survey never makes the server ask another one; codes such as 0101 stay text.
        "GML_DOWNLOAD_WFS_SCHEMA": "NO",
        "GML_FIELDTYPES": "ALWAYS_STRING",
    }
)
# What GDAL finds odd about single geometries while it reads is told by the checks of the rows.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"etl\.ogr_source")
_ERRORS = (DataSourceError, DataLayerError, UnicodeDecodeError, ValueError)


@dataclass(frozen=True)
class Dataset:
    """A file as GDAL is asked for it."""

    path: Path
    #: What the report calls the format.
    format: str
    #: The only GDAL drivers that may read it. Some others would follow whatever a file's text
    #: points to (VRT, GDALG), so that a reader looks at the head before GDAL does.
    drivers: tuple[str, ...]
    #: Is put in front of the path, and makes GDAL try that driver alone; such as ``GeoJSON:``.
    prefix: str = ""
    #: What people know the file by, where ``path`` is a copy of it.
    named: Path | None = None

    @property
    def address(self) -> str:
        """What GDAL opens."""
        return f"{self.prefix}{self.path}"

    def refusal(self, error: object) -> LoadRefused:
        """Return the error that says why it cannot be read."""
        text = _one_line(error).replace(str(self.path), self.path.name)
        return LoadRefused(f"{self.named or self.path}: cannot be read as {self.format}: {text}")


@dataclass(frozen=True)
class OgrSource:
    """An open layer of a GDAL data source."""

    info: SourceInfo
    geometry_name: str
    stream: Any
    path: Path

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        while True:
            try:
                batch = self.stream.read_next_batch()
            except StopIteration:
                break
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise self._broken(first_row - 1, _one_line(error)) from error
            if batch.num_rows:
                yield self._split(batch, first_row)
                first_row += batch.num_rows
        expected = self.info.features
        if expected is not None and first_row - 1 < expected:
            raise self._broken(first_row - 1, f"it should have {expected}")

    def _broken(self, rows: int, reason: str) -> LoadRefused:
        return LoadRefused(f"{self.path}: breaks off after row {rows}: {reason}")

    def _split(self, batch: Any, first_row: int) -> SourceBatch:
        table = pa.Table.from_batches([batch])
        place = table.schema.names.index(self.geometry_name)
        wkb = table.column(place).combine_chunks()
        if isinstance(wkb, pa.ChunkedArray):
            wkb = pa.concat_arrays(wkb.chunks) if wkb.num_chunks else pa.array([], pa.binary())
        wkb, problems = without_curves(wkb)
        return SourceBatch(first_row, table.remove_column(place), wkb, problems)


@contextmanager
def open_layer(dataset: Dataset, options: SourceOptions, **arguments: Any) -> Iterator[OgrSource]:
    """Open one layer with GDAL.

    Args:
        dataset: The file.
        options: The layer's name and the size of a batch are taken from here.
        arguments: Passed to ``pyogrio.open_arrow`` (``encoding``, driver options).

    Raises:
        LoadRefused: If the file cannot be read, has no geometry, or has several layers and none
            is named.
    """
    layer = choose_layer(dataset, options.layer)
    with ExitStack() as stack:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                about = pyogrio.read_info(dataset.address, layer=layer, force_feature_count=True)
                opened = pyogrio.open_arrow(
                    dataset.address,
                    layer=layer,
                    batch_size=options.batch_rows,
                    use_pyarrow=True,
                    **arguments,
                )
                meta, stream = stack.enter_context(opened)
            except _ERRORS as error:
                raise dataset.refusal(error) from error
        if about["driver"] not in dataset.drivers:
            raise dataset.refusal(f"it is {about['driver']}")
        if meta["geometry_type"] is None:
            raise LoadRefused(f"{dataset.named or dataset.path}: layer '{layer}' has no geometry")
        info = SourceInfo(
            format=dataset.format,
            layer=layer,
            crs=meta["crs"],
            columns=tuple(str(name) for name in meta["fields"]),
            encoding=meta["encoding"],
            features=about["features"] if about["features"] >= 0 else None,
            notes=tuple(sorted({_one_line(entry.message) for entry in caught})),
        )
        name = meta["geometry_name"] or "wkb_geometry"
        yield OgrSource(info, name, stream, dataset.named or dataset.path)


def choose_layer(dataset: Dataset, wanted: str | None) -> str:
    """Return the layer to read: the one wanted, or the only one with geometry.

    Raises:
        LoadRefused: If the file cannot be read, has no such layer, or has several.
    """
    path = dataset.named or dataset.path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kinds = {str(name): kind for name, kind in pyogrio.list_layers(dataset.address)}
        except _ERRORS as error:
            raise dataset.refusal(error) from error
    if not kinds:
        raise LoadRefused(f"{path}: holds no layer: it is empty or damaged")
    if wanted is None:
        names = [name for name, kind in kinds.items() if kind is not None] or list(kinds)
        if len(names) > 1:
            raise LoadRefused(
                f"{path}: has several layers ({', '.join(names)}); say --source-layer"
            )
        return names[0]
    if wanted not in kinds:
        raise LoadRefused(f"{path}: has no layer '{wanted}'; it has {', '.join(kinds)}")
    return wanted


def _one_line(error: object) -> str:
    text = str(error).strip()
    return text.splitlines()[0].split(";")[0] if text else type(error).__name__
