"""Rows as the database's ``COPY`` writes them (CSV), read into columns."""

import binascii
import io
import queue
import struct
import threading
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from api.exporting.format import GEOMETRY, ExportJob

#: Before each frame of rows: its length. A frame of nothing says that these were all.
LENGTH = struct.Struct("<Q")
_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}
#: Frames that are read ahead.
_AHEAD = 2


class RowsCutOff(EOFError):
    """The rows ended before their end was said: whoever sent them is gone."""


def schema_of(job: ExportJob) -> pa.Schema:
    """Return the schema of a job's batches."""
    columns = [pa.field(column.name, _TYPES[column.type]) for column in job.columns]
    return pa.schema([*columns, pa.field(GEOMETRY, pa.binary())])


def batches(job: ExportJob, source: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Read the frames of ``source`` as batches.

    Raises:
        RowsCutOff: If they end too early.
    """
    schema = schema_of(job)
    names = [column.name for column in job.columns]
    read = arrow_csv.ReadOptions(column_names=[*names, GEOMETRY], use_threads=False)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    convert = arrow_csv.ConvertOptions(
        column_types={**dict(zip(schema.names, schema.types, strict=True)), GEOMETRY: pa.string()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    for frame in _frames(source):
        read.block_size = len(frame) + 1
        table = arrow_csv.read_csv(io.BytesIO(frame), read, parse, convert).combine_chunks()
        wkb = unhex(table.column(GEOMETRY).chunk(0))
        columns = [column.chunk(0) for column in table.columns[:-1]]
        yield pa.record_batch([*columns, wkb], schema=schema)


def unhex(column: pa.StringArray) -> pa.BinaryArray:
    """Return the bytes that a column of hexadecimal text stands for."""
    validity, offsets, data = column.buffers()
    places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    text = memoryview(data or b"")[places[0] : places[-1]]
    halved = ((places - places[0]) // 2).astype(np.int32)
    if column.null_count and column.offset:
        raise ValueError("a column that is part of another has its nulls elsewhere")
    return pa.Array.from_buffers(
        pa.binary(),
        len(column),
        [
            validity if column.null_count else None,
            pa.py_buffer(halved),
            pa.py_buffer(binascii.unhexlify(text)),
        ],
    )


def _frames(source: BinaryIO) -> Iterator[bytes]:
    """Read frames ahead, so that the database works while they are written."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
    threading.Thread(target=_read_all, args=(source, waiting), daemon=True).start()
    while (found := waiting.get()) is not None:
        if isinstance(found, BaseException):
            raise found
        yield found


def _read_all(source: BinaryIO, waiting: "queue.Queue[bytes | BaseException | None]") -> None:
    try:
        while length := LENGTH.unpack(_exactly(source, LENGTH.size))[0]:
            waiting.put(_exactly(source, length))
        waiting.put(None)
    except (OSError, EOFError) as error:
        waiting.put(error)


def _exactly(source: BinaryIO, length: int) -> bytes:
    found = source.read(length)
    if len(found) < length:
        raise RowsCutOff("the rows were cut off")
    return found
