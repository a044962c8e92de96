"""GeoJSON (RFC 7946), also with the ``crs`` member of its 2008 predecessor."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.encodings import as_utf8
from etl.feature_rows import Columns, Feature, batches, check_feature
from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceBatch, SourceInfo, SourceOptions
from gis.late import LateModule
from layers.errors import LoadRefused

if TYPE_CHECKING:
    import ijson
else:
    ijson = LateModule("ijson")

#: What GDAL says where the file says nothing.
_DEFAULTS = ("EPSG:4326", "EPSG:4979", "OGC:CRS84")
#: A ``crs`` member is looked for in the first part of the file.
_HEAD_BYTES = 1 << 16
#: From this size on the file is parsed feature by feature: GDAL is faster, but keeps some fifty
#: bytes of each feature.
_LARGE_BYTES = 1 << 30
_UNDECLARED = "the file declares no CRS, so it counts as WGS 84 (RFC 7946, section 4)"


@dataclass(frozen=True)
class LargeGeoJson:
    """A FeatureCollection that is parsed while it is read."""

    path: Path
    #: What people know the file by.
    named: Path
    info: SourceInfo
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        return batches(features_of(self.path, self.named), self.info.columns, self.batch_rows)


@dataclass(frozen=True)
class GeoJsonReader(Reader):
    """Reads GeoJSON.

    A file that declares nothing is WGS 84 by the standard, which the report notes and the
    plausibility check still doubts.
    """

    name: str = "GeoJSON"
    suffixes: frozenset[str] = frozenset({".geojson", ".json"})
    large_bytes: int = _LARGE_BYTES

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether it is a JSON object; see :class:`etl.reader.Reader`."""
        return starts_like_json(path)

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a GeoJSON file; see :class:`etl.reader.Reader`."""
        with as_utf8(path, options.encoding) as (whole, note):
            notes = (note,) if note else ()
            if whole.stat().st_size >= self.large_bytes:
                yield self._large(whole, path, options, notes)
                return
            dataset = Dataset(whole, self.name, ("GeoJSON",), "GeoJSON:", path)
            with open_layer(dataset, options) as source:
                info = replace(source.info, notes=(*source.info.notes, *notes))
                if info.crs in _DEFAULTS:
                    # GDAL takes its heights for ellipsoidal; the file says no such thing.
                    info = replace(info, crs="EPSG:4326")
                    if not _has_crs_member(whole):
                        info = replace(info, notes=(*info.notes, _UNDECLARED))
                yield replace(source, info=info)

    def _large(
        self, path: Path, named: Path, options: SourceOptions, notes: tuple[str, ...]
    ) -> LargeGeoJson:
        columns = Columns()
        for feature in features_of(path, named):
            columns.see(feature)
        declared = _declared_crs(path)
        info = SourceInfo(
            format=self.name,
            layer=named.stem,
            crs=declared or "EPSG:4326",
            columns=tuple(columns.names),
            features=columns.features,
            notes=notes if declared else (*notes, _UNDECLARED),
        )
        return LargeGeoJson(path, named, info, options.batch_rows)


def starts_like_json(path: Path) -> bool:
    """Say whether a file's text begins with a brace, in whatever encoding."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    return head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x1e").startswith(b"{")


def features_of(path: Path, named: Path) -> Iterator[Feature]:
    """Yield the features of a FeatureCollection, one at a time.

    Args:
        path: The file, in UTF-8.
        named: What people know it by.

    Raises:
        LoadRefused: If the JSON breaks off or is none.
    """
    number = 0
    try:
        with path.open("rb") as stream:
            for value in ijson.items(stream, "features.item", use_float=True):
                number += 1
                yield check_feature(value)
    except (ijson.JSONError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is nested too deeply"
        raise LoadRefused(
            f"{named}: cannot be read as GeoJSON after feature {number}: {reason}"
        ) from error


def _declared_crs(path: Path) -> str | None:
    """Return the CRS that the head of the file names (GeoJSON 2008, section 3)."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    place = head.find(b'"crs"')
    if place < 0:
        return None
    text = head[place + len(b'"crs"') :].lstrip(b" \t\r\n:").decode("utf-8", "replace")
    try:
        member, _ = json.JSONDecoder().raw_decode(text)
        return str(member["properties"]["name"])
    except (ValueError, KeyError, TypeError):
        return None


def _has_crs_member(path: Path) -> bool:
    with path.open("rb") as stream:
        return b'"crs"' in stream.read(_HEAD_BYTES)


READER: Reader = GeoJsonReader()
