"""GeoJSON text sequences (RFC 8142): one feature a record, like those of a GeoJSON page."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from api.exporting.format import GEOMETRY, ExportFormat, ExportJob, OwnSystem, Rows, UsualFormat
from api.exporting.shapes import decimals, shapes_of
from api.exporting.text import joined, json_text
from api.negotiation import Representation

_OWN = 4
_RECORD, _END = "\x1e", "\n"


class GeoJsonSequence(UsualFormat):
    """As the items themselves: coordinates in the order of the authority's axes."""

    name: str = "geojsonseq"
    representation: Representation = Representation(
        ("geojsonseq", "jsonseq"), ("application/geo+json-seq",)
    )
    extension: str = "geojsons"
    is_streamed: bool = True
    system: OwnSystem = "crs84"

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert not isinstance(target, Path)  # noqa: S101 -- it is streamed
        for batch in rows:
            features = _features(job, batch)
            # The bytes of all rows lie one after another.
            _, _, data = features.buffers()
            if data is not None:
                target.write(memoryview(data)[: pc.sum(pc.binary_length(features)).as_py()])


def _features(job: ExportJob, batch: pa.RecordBatch) -> pa.StringArray:
    ids, versions, since, until = (json_text(batch.column(place)) for place in range(_OWN))
    parts: list[pa.Array | str] = [_RECORD + '{"type":"Feature","id":', ids, ',"geometry":']
    parts += [_geometry(job, batch.column(GEOMETRY)), ',"properties":{']
    for place, column in enumerate(job.columns[_OWN:]):
        comma = "," if place else ""
        parts.append(f"{comma}{orjson.dumps(column.name).decode()}:")
        parts.append(json_text(batch.column(_OWN + place)))
    open_end = pc.if_else(batch.column("valid_to").is_null(), '".."', until)
    parts += ['},"version":', versions, ',"time":{"interval":[', since, ",", open_end, "]}}" + _END]
    return joined(parts, batch.num_rows)


def _geometry(job: ExportJob, wkb: pa.BinaryArray) -> pa.StringArray:
    shapes = shapes_of(wkb)
    if "polygon" in job.geometry or job.geometry == "geometry":
        shapes = shapely.orient_polygons(shapes)
    digits = decimals(job)
    swap = job.north_first

    def written(coordinates: np.ndarray) -> np.ndarray:
        rounded = np.round(coordinates, digits)
        return rounded[:, [1, 0, *range(2, rounded.shape[1])]] if swap else rounded

    shapes = shapely.transform(shapes, written, include_z=job.z)
    return pc.fill_null(pa.array(shapely.to_geojson(shapes), pa.string()), "null")


EXPORT: ExportFormat = GeoJsonSequence()
