"""GeoJSON (RFC 7946), with each feature's time as in OGC Features and Geometries JSON."""

from datetime import UTC, datetime
from typing import Any

import orjson

from api.feature_format import FeatureDocument, FeatureFormat, FeaturePageDocument
from api.negotiation import Representation
from layers.reading import FeatureRow, Lineage

#: The member with a number of matches that is an estimate; ``numberMatched`` is always exact.
ESTIMATE = "onemap:numberMatchedEstimate"
_OPTIONS = orjson.OPT_UTC_Z


class GeoJson:
    """Geometry goes out as the database wrote it, without being read."""

    name: str = "geojson"
    rank: int = 0
    representation: Representation = Representation(
        ("json", "geojson"), ("application/geo+json", "application/json")
    )

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
        collection["features"] = [_feature(row) for row in document.features]
        return orjson.dumps(collection, option=_OPTIONS)

    def feature(self, document: FeatureDocument) -> bytes:
        """Write a Feature."""
        feature = {
            **_feature(document.feature),
            "lineage": _lineage(document.lineage),
            "links": document.links,
        }
        return orjson.dumps(feature, option=_OPTIONS)


def _feature(row: FeatureRow) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": row.id,
        "geometry": orjson.Fragment(row.geometry_json),
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
