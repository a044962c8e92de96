"""Reading through GDAL: Arrow batches of a vector layer, for the readers that stand on it."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from etl.reader import SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

# GDAL repeats in the log what is raised as an error anyway, and its reading threads write what
# they warn of to the terminal, up to a thousand lines.
logging.getLogger("pyogrio").setLevel(logging.CRITICAL)
pyogrio.set_gdal_config_options({"CPL_LOG": os.devnull})


@dataclass(frozen=True)
class OgrSource:
    """An open layer of a GDAL data source."""

    info: SourceInfo
    geometry_name: str
    stream: Any

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        while True:
            try:
                batch = self.stream.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise LoadRefused(
                    f"{self.info.layer}: breaks off after row {first_row - 1}: {_one_line(error)}"
                ) from error
            if batch.num_rows:
                yield self._split(batch, first_row)
                first_row += batch.num_rows

    def _split(self, batch: Any, first_row: int) -> SourceBatch:
        table = pa.Table.from_batches([batch])
        place = table.schema.names.index(self.geometry_name)
        wkb = table.column(place).combine_chunks()
        if isinstance(wkb, pa.ChunkedArray):
            wkb = pa.concat_arrays(wkb.chunks) if wkb.num_chunks else pa.array([], pa.binary())
        return SourceBatch(first_row, table.remove_column(place), wkb)


@contextmanager
def open_layer(
    path: Path, format_name: str, options: SourceOptions, **arguments: Any
) -> Iterator[OgrSource]:
    """Open one layer with GDAL.

    Args:
        path: The file.
        format_name: What the report calls the format.
        options: The layer's name and the size of a batch are taken from here.
        arguments: Passed to ``pyogrio.open_arrow`` (``encoding``, driver options).

    Raises:
        LoadRefused: If the file cannot be read, has no geometry, or has several layers and none
            is named.
    """
    layer = choose_layer(path, format_name, options.layer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            count = pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"]
            opened = pyogrio.open_arrow(
                path, layer=layer, batch_size=options.batch_rows, use_pyarrow=True, **arguments
            )
            with opened as (meta, stream):
                if meta["geometry_type"] is None:
                    raise LoadRefused(f"{path}: layer '{layer}' has no geometry")
                info = SourceInfo(
                    format=format_name,
                    layer=layer,
                    crs=meta["crs"],
                    columns=tuple(str(name) for name in meta["fields"]),
                    encoding=meta["encoding"],
                    features=count if count >= 0 else None,
                    notes=tuple(sorted({_one_line(entry.message) for entry in caught})),
                )
                yield OgrSource(info, meta["geometry_name"] or "wkb_geometry", stream)
        except (DataSourceError, DataLayerError, UnicodeDecodeError, ValueError) as error:
            raise LoadRefused(
                f"{path}: cannot be read as {format_name}: {_one_line(error)}"
            ) from error


def choose_layer(path: Path, format_name: str, wanted: str | None) -> str:
    """Return the layer to read: the one wanted, or the only one.

    Raises:
        LoadRefused: If the file cannot be read, has no such layer, or has several.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            names = [str(name) for name, _ in pyogrio.list_layers(path)]
        except (DataSourceError, DataLayerError) as error:
            raise LoadRefused(
                f"{path}: cannot be read as {format_name}: {_one_line(error)}"
            ) from error
    if not names:
        raise LoadRefused(f"{path}: holds no layer")
    if wanted is None:
        if len(names) > 1:
            raise LoadRefused(
                f"{path}: has several layers ({', '.join(names)}); say --source-layer"
            )
        return names[0]
    if wanted not in names:
        raise LoadRefused(f"{path}: has no layer '{wanted}'; it has {', '.join(names)}")
    return wanted


def _one_line(error: object) -> str:
    text = str(error).strip()
    return text.splitlines()[0].split(";")[0] if text else type(error).__name__
