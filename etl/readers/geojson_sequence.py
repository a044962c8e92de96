"""GeoJSON text sequences (RFC 8142) and newline-delimited GeoJSON: one feature a line."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from etl.encodings import as_utf8
from etl.feature_rows import Columns, Feature, batches, check_feature
from etl.reader import Reader, RowProblem, Source, SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

#: A longer line is no feature of a survey.
_MAX_LINE = 64 << 20


@dataclass(frozen=True)
class SequenceSource:
    """An open sequence; a line that is no feature goes to quarantine."""

    path: Path
    info: SourceInfo
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        return batches(_features(self.path), self.info.columns, self.batch_rows)


@dataclass(frozen=True)
class GeoJsonSequenceReader(Reader):
    """Reads one feature a line; positions are WGS 84 by the standard."""

    name: str = "GeoJSONSeq"
    suffixes: frozenset[str] = frozenset(
        {".geojsonl", ".geojsons", ".ndjson", ".jsonl", ".ndgeojson"}
    )

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a sequence; see :class:`etl.reader.Reader`."""
        with as_utf8(path, options.encoding) as (whole, note):
            columns, good = Columns(), 0
            for feature in _features(whole, path):
                columns.see(feature)
                good += isinstance(feature, dict)
            if not good:
                raise LoadRefused(f"{path}: no line of it is a GeoJSON feature")
            notes = ["a sequence declares no CRS, so it counts as WGS 84 (RFC 7946, section 4)"]
            info = SourceInfo(
                format=self.name,
                layer=path.stem,
                crs="EPSG:4326",
                columns=tuple(columns.names),
                encoding="utf-8",
                features=columns.features,
                notes=tuple([note, *notes] if note else notes),
            )
            yield SequenceSource(whole, info, options.batch_rows)


def _features(path: Path, named: Path | None = None) -> Iterator[Feature]:
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(_MAX_LINE):
            number += 1
            if len(line) == _MAX_LINE:
                raise LoadRefused(
                    f"{named or path}: line {number} is longer than {_MAX_LINE >> 20} MB"
                )
            text = line.removeprefix(codecs.BOM_UTF8).lstrip(b"\x1e").strip()
            if text:
                yield _feature(text, number)


def _feature(text: bytes, number: int) -> Feature:
    try:
        feature = check_feature(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        return RowProblem("json", f"line {number} is not JSON: {error.msg}")
    if isinstance(feature, RowProblem):
        return RowProblem("json", f"line {number}: {feature.message}")
    return feature


READER: Reader = GeoJsonSequenceReader()
