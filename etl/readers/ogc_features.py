"""Collections of other servers: OGC API - Features."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from etl.cityjson import plain
from etl.harvest import Harvest, find_collection, harvest
from etl.harvest_http import Fetcher, check_address
from etl.reader import AddressReader, RowProblem, Source, SourceInfo, SourceOptions
from etl.rows import Row, RowSource


@dataclass(frozen=True)
class OgcFeaturesReader(AddressReader):
    """Harvests ``…/collections/{id}``, or the collection that ``--source-layer`` names.

    All properties come as text, beside them the feature's ``id``. Only that server is asked, in
    pages; a collection that did not change since the last harvest brings no rows.
    """

    name: str = "OGC API Features"
    #: Harvests that are open in each thread: a load that reads its source again does not fetch it
    #: again.
    _open: dict[tuple[int, str, str | None], Harvest] = field(default_factory=dict)

    def recognises_address(self, address: str) -> bool:
        """Take any; see :class:`etl.reader.AddressReader`."""
        return True

    @contextmanager
    def open_address(self, address: str, options: SourceOptions) -> Iterator[Source]:
        """Fetch a collection; see :class:`etl.reader.AddressReader`."""
        key = (threading.get_ident(), address, options.layer)
        if key in self._open:
            yield self._source(self._open[key], options)
            return
        with Fetcher() as fetcher:
            collection = find_collection(fetcher, check_address(address), options.layer)
            found = harvest(fetcher, collection, options.watermark)
        with found.file:
            self._open[key] = found
            try:
                yield self._source(found, options)
            finally:
                del self._open[key]

    def _source(self, found: Harvest, options: SourceOptions) -> Source:
        identifier = "id" if "id" not in found.columns else "feature_id"
        columns = (identifier, *found.columns)
        notes = ["nothing has changed since the last harvest"] if found.unchanged else []
        watermark = options.watermark if found.unchanged else found.watermark()
        info = SourceInfo(
            format=self.name,
            layer=found.collection.name,
            crs=found.epsg,
            columns=columns,
            encoding="utf-8",
            features=found.features,
            notes=tuple(notes),
            checksum=str(watermark["checksum"]) if watermark else found.digest.hexdigest(),
            watermark=watermark,
            unchanged=found.unchanged,
        )
        schema = pa.schema([(name, pa.string()) for name in columns])
        return RowSource(info, _rows(found, identifier), schema, options.batch_rows)


def _rows(found: Harvest, identifier: str) -> Iterator[Row]:
    swap = found.north_first
    for feature in found.lines():
        properties = feature.get("properties")
        values: dict[str, Any] = {
            name: plain(value)
            for name, value in (properties if isinstance(properties, dict) else {}).items()
        }
        values[identifier] = plain(feature.get("id"))
        shape, problem = _shape(feature.get("geometry"), swap=swap)
        yield Row(values, shape, problem)


def _shape(
    geometry: Mapping[str, Any] | None, *, swap: bool
) -> tuple[BaseGeometry | None, RowProblem | None]:
    if geometry is None:
        return None, None
    try:
        shape = shapely.from_geojson(orjson.dumps(geometry).decode())
    except (shapely.errors.GEOSException, ValueError) as error:
        text = str(error).strip().splitlines()[0]
        return None, RowProblem("harvest_geometry", f"its geometry is no GeoJSON: {text}")
    return (_swapped(shape) if swap else shape), None


def _swapped(shape: BaseGeometry) -> BaseGeometry:
    has_z = bool(shapely.has_z(shape))
    swapped: BaseGeometry = shapely.transform(
        shape, lambda corners: corners[:, [1, 0, 2] if has_z else [1, 0]], include_z=has_z
    )
    return swapped


READER: AddressReader = OgcFeaturesReader()
