"""GeoJSON (RFC 7946), also with the ``crs`` member of its 2008 predecessor."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from etl.ogr_source import open_layer
from etl.reader import Reader, Source, SourceOptions

#: What GDAL says where the file says nothing.
_DEFAULTS = ("EPSG:4326", "EPSG:4979", "OGC:CRS84")
#: A ``crs`` member is looked for in the first part of the file.
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class GeoJsonReader(Reader):
    """Reads GeoJSON.

    A file that declares nothing is WGS 84 by the standard, which the report notes and the
    plausibility check still doubts.
    """

    name: str = "GeoJSON"
    suffixes: frozenset[str] = frozenset({".geojson", ".json"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a GeoJSON file; see :class:`etl.reader.Reader`."""
        with open_layer(path, self.name, options) as source:
            info = source.info
            if info.crs in _DEFAULTS:
                # GDAL takes its heights for ellipsoidal; the file says no such thing.
                info = replace(info, crs="EPSG:4326")
                if not _has_crs_member(path):
                    note = "the file declares no CRS, so it counts as WGS 84 (RFC 7946, section 4)"
                    info = replace(info, notes=(*info.notes, note))
            yield replace(source, info=info)


def _has_crs_member(path: Path) -> bool:
    with path.open("rb") as stream:
        return b'"crs"' in stream.read(_HEAD_BYTES)


READER: Reader = GeoJsonReader()
