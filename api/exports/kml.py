"""KML 2.2 (OGC 07-147r2): longitude, latitude, with every field as typed extended data."""

from html import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from api.exporting.format import GEOMETRY, ExportFormat, ExportJob, OwnSystem, Rows, UsualFormat
from api.exporting.shapes import decimals, paths_of, shapes_of
from api.exporting.text import joined, number_text, write_text, xml_text
from api.negotiation import Representation

_TYPES = {
    "text": "string",
    "integer": "string",
    "number": "double",
    "boolean": "bool",
    "date": "string",
    "datetime": "string",
}
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2">
<Document>
<name>{title}</name>
<description>{abstract}</description>
<Schema name="{layer}" id="{layer}">
{fields}
</Schema>
"""
_TAIL = b"</Document>\n</kml>\n"
#: What is before and after the coordinates of a path: point, line, outer ring, hole.
_OPEN = (
    "<Point><coordinates>",
    "<LineString><coordinates>",
    "<Polygon><outerBoundaryIs><LinearRing><coordinates>",
    "<innerBoundaryIs><LinearRing><coordinates>",
)
_CLOSE = (
    "</coordinates></Point>",
    "</coordinates></LineString>",
    "</coordinates></LinearRing></outerBoundaryIs>",
    "</coordinates></LinearRing></innerBoundaryIs>",
)


class Kml(UsualFormat):
    """A placemark for each feature, with its name and the time it holds for."""

    name: str = "kml"
    representation: Representation = Representation(
        ("kml",), ("application/vnd.google-earth.kml+xml",)
    )
    extension: str = "kml"
    is_streamed: bool = True
    system: OwnSystem = "crs84"
    is_fixed_system: bool = True

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert not isinstance(target, Path)  # noqa: S101 -- it is streamed
        fields = "\n".join(
            f'<SimpleField type="{_TYPES[column.type]}" name="{column.name}">'
            f"<displayName>{escape(f'{column.zh} / {column.en}')}</displayName></SimpleField>"
            for column in job.columns
        )
        head = _HEAD.format(
            title=escape(job.title), abstract=escape(job.abstract), layer=job.layer, fields=fields
        )
        target.write(head.encode())
        for batch in rows:
            write_text(target, _placemarks(job, batch))
        target.write(_TAIL)


def _placemarks(job: ExportJob, batch: pa.RecordBatch) -> pa.StringArray:
    texts = {column.name: xml_text(batch.column(place)) for place, column in enumerate(job.columns)}
    ids = texts["feature_id"]
    named = texts[job.label] if job.label else ids
    parts: list[pa.Array | str] = ['<Placemark id="', job.layer, ".", ids, ".", texts["version"]]
    parts += ['"><name>', pc.coalesce(named, ids), "</name><TimeSpan><begin>", texts["valid_from"]]
    parts.append("</begin>")
    parts.append(_or_nothing("<end>", texts["valid_to"], "</end>"))
    parts.append(f'</TimeSpan><ExtendedData><SchemaData schemaUrl="#{job.layer}">')
    for name, text in texts.items():
        parts.append(_or_nothing(f'<SimpleData name="{name}">', text, "</SimpleData>"))
    parts.append("</SchemaData></ExtendedData>")
    parts.append(_geometries(job, batch.column(GEOMETRY)))
    parts.append("</Placemark>\n")
    return joined(parts, batch.num_rows)


def _or_nothing(before: str, text: pa.StringArray, after: str) -> pa.StringArray:
    return pc.fill_null(pc.binary_join_element_wise(before, text, after, ""), "")


def _geometries(job: ExportJob, wkb: pa.BinaryArray) -> pa.StringArray:
    """Return each row's geometry as KML; nothing where there is none."""
    paths = paths_of(shapes_of(wkb))
    digits = decimals(job)
    axes = 3 if job.z else 2
    columns = [
        number_text(np.nan_to_num(paths.coordinates[:, axis]), digits) for axis in range(axes)
    ]
    points = pc.binary_join_element_wise(*columns, ",")
    tuples = pc.binary_join(
        pa.ListArray.from_arrays(pa.array(paths.starts, pa.int32()), points), " "
    )
    opens, closes = pa.array(_OPEN).take(paths.kinds), pa.array(_CLOSE).take(paths.kinds)
    # An outer ring ends its polygon where no hole follows.
    ring = paths.kinds >= 2
    ends = np.append(paths.kinds[1:] != 3, True) if len(ring) else ring
    polygon_end = pa.array(["", "</Polygon>"]).take((ring & ends).astype(np.int64))
    mode = "<altitudeMode>absolute</altitudeMode>" if job.z else ""
    opened = pc.replace_substring(opens, "<coordinates>", f"{mode}<coordinates>") if mode else opens
    whole = pc.binary_join_element_wise(opened, tuples, closes, polygon_end, "")
    starts = np.searchsorted(paths.rows, np.arange(len(wkb) + 1))
    each = pc.binary_join(pa.ListArray.from_arrays(pa.array(starts, pa.int32()), whole), "")
    parts = np.bincount(paths.rows[paths.kinds < 3], minlength=len(wkb))
    before = pa.array(["", "<MultiGeometry>"]).take((parts > 1).astype(np.int64))
    after = pa.array(["", "</MultiGeometry>"]).take((parts > 1).astype(np.int64))
    return pc.binary_join_element_wise(before, each, after, "")


EXPORT: ExportFormat = Kml()
