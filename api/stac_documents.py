"""Scenes as STAC 1.0.0: the catalogue, a collection for each series, an item for each scene.

The service has no pixels of scenes: an item's only assets describe it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from api.about import TITLE
from api.links import Link, link
from api.records import THEME_NAMES, both, sensor_name, utc
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.scenes import ACQUIRED, SENSOR, Scene, SceneSeries, end_of_day, moment

VERSION = "1.0.0"
GEOJSON = "application/geo+json"
_JSON, _HTML = "application/json", "text/html"
_EXTENSIONS = "https://stac-extensions.github.io"
_API = "https://api.stacspec.org/v1.0.0"
_FEATURES = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf"
CONFORMANCE = (
    f"{_API}/core",
    f"{_API}/collections",
    f"{_API}/ogcapi-features",
    f"{_API}/item-search",
    f"{_FEATURES}/core",
    f"{_FEATURES}/geojson",
    f"{_FEATURES}/oas30",
)
_EPSG = re.compile(r"EPSG:(\d{4,6})", re.IGNORECASE)
_BAND = re.compile(r"[,;/\s、，]+")
#: What bands are called in surveys → common name of the extension ``eo``.
_COMMON_NAMES: Mapping[str, str] = {
    "b": "blue", "blue": "blue", "g": "green", "green": "green", "r": "red", "red": "red",
    "nir": "nir", "pan": "pan", "p": "pan", "swir": "swir16", "swir1": "swir16",
    "swir2": "swir22", "rededge": "rededge",
}  # fmt: skip
_NO_PIXELS = "像素暂不提供，仅有覆盖范围与元数据。/ Footprints and metadata; pixels are not served."


def landing_document(series: Sequence[SceneSeries], base: str) -> dict[str, Any]:
    """Return the STAC catalogue, which is the landing page of its API.

    Args:
        series: All series.
        base: Address of the service.
    """
    home = f"{base}/stac"
    search = link(f"{home}/search", "search", GEOJSON, "Search for scenes")
    return {
        "type": "Catalog",
        "stac_version": VERSION,
        "id": "onemap",
        "title": f"{TITLE}: 遥感影像 / Imagery",
        "description": _NO_PIXELS,
        "conformsTo": list(CONFORMANCE),
        "links": [
            link(home, "root", _JSON, "This catalogue"),
            link(
                f"{base}/api/openapi.json",
                "service-desc",
                "application/vnd.oai.openapi+json;version=3.0",
                "OpenAPI definition",
            ),
            link(f"{base}/api/docs", "service-doc", _HTML, "API documentation"),
            link(f"{home}/conformance", "conformance", _JSON, "Conformance classes"),
            link(f"{home}/collections", "data", _JSON, "Collections"),
            {**search, "method": "GET"},
            {**search, "method": "POST"},
            *(link(_collection(entry.id, base), "child", _JSON, entry.id) for entry in series),
        ],
    }


def collection_document(
    series: SceneSeries, layer: LayerDefinition, catalogue: Catalogue, base: str
) -> dict[str, Any]:
    """Return a series as a STAC collection, without the links to itself."""
    name = sensor_name(layer, catalogue, series.sensor)
    here = _collection(series.id, base)
    summaries: dict[str, Any] = {}
    if series.sensor is not None:
        summaries["platform"] = [series.sensor]
    if series.gsd is not None:
        summaries["gsd"] = {"minimum": series.gsd[0], "maximum": series.gsd[1]}
    if series.kinds:
        summaries["onemap:kind"] = list(series.kinds)
    value: dict[str, Any] = {
        "type": "Collection",
        "stac_version": VERSION,
        "id": series.id,
        "title": f"{layer.title.zh}：{name.zh} / {layer.title.en}: {name.en}",
        "description": f"{layer.abstract.zh}{layer.abstract.en}\n{_NO_PIXELS}",
        "keywords": [THEME_NAMES[layer.theme].zh, THEME_NAMES[layer.theme].en],
        "license": "proprietary",
        "itemType": "feature",
        "extent": {
            "spatial": {"bbox": [list(series.bbox)]},
            "temporal": {"interval": [[utc(series.first), utc(series.last)]]},
        },
        "summaries": summaries,
        "links": [
            link(f"{base}/stac", "root", _JSON, "The catalogue"),
            link(f"{base}/stac", "parent", _JSON, "The catalogue"),
            link(f"{here}/items", "items", GEOJSON, "Scenes"),
            link(f"{base}/api/collections/{layer.name}", "describedby", _JSON, both(layer.title)),
        ],
    }
    if layer.provider is not None:
        value["providers"] = [{"name": both(layer.provider), "roles": ["host"]}]
    return value


def item_document(scene: Scene, base: str) -> dict[str, Any]:
    """Return a scene as a STAC item.

    Args:
        scene: The scene.
        base: Address of the service.
    """
    collection = _collection(scene.series, base)
    feature = f"{base}/api/collections/{scene.layer}/items/{scene.feature_id}"
    properties, extensions = _properties(scene)
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": extensions,
        "id": scene.id,
        "collection": scene.series,
        "geometry": orjson.loads(scene.geometry_json),
        "bbox": list(scene.bbox),
        "properties": properties,
        "assets": {
            "metadata": {
                "href": f"{feature}?f=json",
                "type": GEOJSON,
                "title": "全部属性 / All attributes",
                "roles": ["metadata"],
            },
            "lineage": {
                "href": f"{feature}/lineage",
                "type": _JSON,
                "title": "来源 / Where it came from",
                "roles": ["metadata"],
            },
        },
        "links": [
            link(f"{collection}/items/{quote(scene.id, safe='')}", "self", GEOJSON, scene.id),
            link(collection, "collection", _JSON, scene.series),
            link(collection, "parent", _JSON, scene.series),
            link(f"{base}/stac", "root", _JSON, "The catalogue"),
        ],
    }


def items_document(
    scenes: Sequence[Scene], matched: int, links: list[Link], base: str
) -> dict[str, Any]:
    """Return a page of scenes as a STAC item collection."""
    return {
        "type": "FeatureCollection",
        "numberMatched": matched,
        "numberReturned": len(scenes),
        "features": [item_document(scene, base) for scene in scenes],
        "links": links,
    }


def _collection(name: str, base: str) -> str:
    return f"{base}/stac/collections/{quote(name, safe='')}"


def _properties(scene: Scene) -> tuple[dict[str, Any], list[str]]:
    """Return an item's properties and the extensions that they use."""
    values = scene.values
    taken = values[ACQUIRED]
    start = moment(taken)
    properties: dict[str, Any] = {"datetime": utc(start)}
    if not isinstance(taken, datetime):
        # Of the day alone is known: it is told as a span, too.
        properties |= {"start_datetime": utc(start), "end_datetime": utc(end_of_day(start))}
    names = [values[name] for name in ("name", "name_en") if values.get(name)]
    if names:
        properties["title"] = " / ".join(dict.fromkeys(names))
    if values.get(SENSOR):
        properties["platform"] = values[SENSOR]
    if values.get("provider"):
        properties["providers"] = [{"name": values["provider"], "roles": ["producer"]}]
    gsd = values.get("gsd")
    if gsd is not None and gsd > 0:
        properties["gsd"] = gsd
    extensions = []
    for extension, told in (
        ("eo/v1.1.0", _electro_optical(values)),
        ("view/v1.0.0", _view(values)),
        ("projection/v1.1.0", _projection(values)),
    ):
        if told:
            properties |= told
            extensions.append(f"{_EXTENSIONS}/{extension}/schema.json")
    for name in ("kind", "level", "plan_rmse", "file"):
        if values.get(name) is not None:
            properties[f"onemap:{name}"] = values[name]
    return properties, extensions


def _electro_optical(values: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    cloud = values.get("cloud")
    if cloud is not None and 0 <= cloud <= 100:
        told["eo:cloud_cover"] = cloud
    bands = [name for name in _BAND.split(values.get("bands") or "") if name]
    if bands:
        told["eo:bands"] = [
            {"name": name, "common_name": _COMMON_NAMES[name.casefold()]}
            if name.casefold() in _COMMON_NAMES
            else {"name": name}
            for name in bands
        ]
    return told


def _view(values: Mapping[str, Any]) -> dict[str, Any]:
    angle = values.get("off_nadir")
    # Surveys tell to which side; the extension counts from 0 to 90.
    return {} if angle is None or abs(angle) > 90 else {"view:off_nadir": abs(angle)}


def _projection(values: Mapping[str, Any]) -> dict[str, Any]:
    match = _EPSG.fullmatch((values.get("crs") or "").strip())
    return {"proj:epsg": int(match[1])} if match else {}
