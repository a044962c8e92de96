"""GeoJSON (RFC 7946), with each feature's time as in OGC Features and Geometries JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from orjson import Fragment

from api.feature_format import FeatureDocument, FeatureFormat, FeaturePageDocument
from api.negotiation import Representation
from layers.feature_rows import FOREVER_YEAR, FeatureRow, FeatureRows
from layers.feature_texts import FeatureTexts
from layers.reading import Lineage

#: The member with a number of matches that is an estimate; ``numberMatched`` is always exact.
ESTIMATE = "onemap:numberMatchedEstimate"
_OPTIONS = orjson.OPT_UTC_Z
#: Features written at a time.
_BLOCK = 100


class GeoJson:
    """Geometry goes out as the database wrote it, without being read."""

    name: str = "geojson"
    rank: int = 0
    representation: Representation = Representation(
        ("json", "geojson"), ("application/geo+json", "application/json")
    )
    takes_texts: bool = True

    def page(self, document: FeaturePageDocument) -> bytes:
        """Write a FeatureCollection."""
        collection: dict[str, Any] = {
            "type": "FeatureCollection",
            "timeStamp": document.stamp,
            "numberReturned": len(document.features),
        }
        if document.matched is not None:
            member = "numberMatched" if document.matched.is_exact else ESTIMATE
            collection[member] = document.matched.number
        collection["links"] = document.links
        features = document.features
        parts = features.parts if isinstance(features, FeatureTexts) else _blocks(features)
        # Without the brace at its end.
        head = orjson.dumps(collection, option=_OPTIONS)[:-1]
        return b"".join((head, b',"features":[', *_with_commas(parts), b"]}"))

    def feature(self, document: FeatureDocument) -> bytes:
        """Write a Feature."""
        feature = {
            **_feature(document.feature),
            "lineage": _lineage(document.lineage),
            "links": document.links,
        }
        return orjson.dumps(feature, option=_OPTIONS)


def _with_commas(parts: list[bytes]) -> Iterator[bytes]:
    for number, part in enumerate(parts):
        if number:
            yield b","
        yield part


def _blocks(rows: FeatureRows) -> list[bytes]:
    """Write features straight from the columns, some at a time.

    Thousands of dictionaries alive at once would have the garbage collector walk the whole service
    again and again, which takes longer than the writing.
    """
    return [
        # Without the brackets of the array.
        orjson.dumps(_block(rows, start), option=_OPTIONS)[1:-1]
        for start in range(0, len(rows), _BLOCK)
    ]


def _block(rows: FeatureRows, start: int) -> list[dict[str, Any]]:
    fields, places = rows.fields, rows.field_places
    # Directly before the fields.
    geometry = places.start - 1 if rows.has_geometry else None
    return [
        {
            "type": "Feature",
            "id": record[0],
            "geometry": None
            if geometry is None or record[geometry] is None
            else Fragment(record[geometry]),
            "properties": dict(zip(fields, record[places], strict=True)),
            "version": record[1],
            "time": {
                "interval": [record[2], ".." if record[3].year == FOREVER_YEAR else record[3]]
            },
        }
        for record in rows.records[start : start + _BLOCK]
    ]


def _feature(row: FeatureRow) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": row.id,
        "geometry": Fragment(row.geometry_json),
        "properties": row.properties,
        "version": row.version,
        "time": {"interval": [_instant(row.valid_from), _instant(row.valid_to)]},
    }


def _lineage(lineage: Lineage) -> dict[str, Any]:
    return {
        "load": lineage.load_id,
        "source": lineage.source,
        "row": lineage.source_row,
        "crs": lineage.crs,
        "operator": lineage.operator,
        "recorded": lineage.recorded_at,
    }


def _instant(moment: datetime | None) -> datetime | str:
    return ".." if moment is None else moment.astimezone(UTC)


FORMAT: FeatureFormat = GeoJson()
