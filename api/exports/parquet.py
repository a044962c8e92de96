"""GeoParquet 1.1: WKB, a covering of boxes, zstd."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from api.exporting.format import GEOMETRY, ExportFormat, ExportJob, Rows, UsualFormat
from api.exporting.shapes import shapes_of
from api.negotiation import Representation

_BOX = ("xmin", "ymin", "xmax", "ymax")
_BOX_TYPE = pa.struct([pa.field(name, pa.float64()) for name in _BOX])
_ROWS_A_GROUP = 25_000


class GeoParquet(UsualFormat):
    """Coordinates are x, y (longitude first) whatever the system, as the format has it."""

    name: str = "parquet"
    representation: Representation = Representation(
        ("parquet", "geoparquet"), ("application/vnd.apache.parquet",)
    )
    extension: str = "parquet"

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        wide = schema.append(pa.field("bbox", _BOX_TYPE))
        seen = _Seen()
        # A stored Arrow schema would hide the metadata that come last from Arrow itself.
        with pq.ParquetWriter(target, wide, compression="zstd", store_schema=False) as writer:
            held: list[pa.RecordBatch] = []
            for batch in rows:
                boxes = seen.boxes(batch.column(GEOMETRY))
                held.append(pa.record_batch([*batch.columns, boxes], schema=wide))
                if sum(entry.num_rows for entry in held) >= _ROWS_A_GROUP:
                    writer.write_table(
                        pa.Table.from_batches(held), row_group_size=2 * _ROWS_A_GROUP
                    )
                    held.clear()
            writer.write_table(pa.Table.from_batches(held, wide))
            told = {"geo": _geo(job, seen), "onemap": _titles(job)}
            writer.add_key_value_metadata(
                {name: orjson.dumps(value).decode() for name, value in told.items()}
            )


class _Seen:
    """What was written so far."""

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.box = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def boxes(self, wkb: pa.BinaryArray) -> pa.StructArray:
        """Return the boxes of geometries; null where there is none."""
        shapes = shapes_of(wkb)
        bounds = shapely.bounds(shapes)
        missing = np.isnan(bounds[:, 0])
        if not missing.all():
            found = bounds[~missing]
            self.box[:2] = np.minimum(self.box[:2], found[:, :2].min(axis=0))
            self.box[2:] = np.maximum(self.box[2:], found[:, 2:].max(axis=0))
        kinds = 2 * shapely.get_type_id(shapes) + shapely.has_z(shapes)
        self.types.update(
            _TYPES[kind >> 1] + " Z" * (kind & 1) for kind in np.unique(kinds[~missing])
        )
        columns = [pa.array(bounds[:, place]) for place in range(4)]
        return pa.StructArray.from_arrays(columns, fields=list(_BOX_TYPE), mask=pa.array(missing))


#: By GEOS's number.
_TYPES = (
    "Point",
    "LineString",
    "LinearRing",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)


def _geo(job: ExportJob, seen: _Seen) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(seen.types),
        "crs": CRS.from_user_input(job.authority).to_json_dict(),
        "covering": {"bbox": {name: ["bbox", name] for name in _BOX}},
    }
    if np.isfinite(seen.box).all():
        column["bbox"] = seen.box.tolist()
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


def _titles(job: ExportJob) -> dict[str, Any]:
    return {
        "title": job.title,
        "columns": {
            column.name: {"title": f"{column.zh} / {column.en}", "unit": column.unit}
            for column in job.columns
        },
    }


EXPORT: ExportFormat = GeoParquet()
