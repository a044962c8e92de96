"""The maps: which layers a client shows, and what it must know to show them."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.answers import json_answer
from api.dependencies import TheService, TheViewer
from api.links import base_url, link
from api.openapi_parts import answers
from api.query import read_query
from api.service import Service
from layers.access import Viewer, access_class, may_know
from layers.definition import FieldDefinition, LayerDefinition
from layers.map_definition import MapDefinition, MapGroup, MapLayer
from tiles.legends import layer_legend
from tiles.styles import style_layer_id

router = APIRouter(prefix="/api/maps", tags=["Maps"])


@router.get("", summary="All maps", openapi_extra={"responses": answers("application/json")})
async def maps(request: Request, service: TheService) -> Response:
    """Return all maps with the addresses of their styles and tiles."""
    read_query(request.scope["query_string"], ())
    base = base_url(request)
    found = [
        {
            "name": entry.name,
            "title": entry.title.model_dump(),
            "abstract": entry.abstract.model_dump(),
            "links": _links(base, entry.name),
        }
        for entry in service.catalogue.maps.values()
    ]
    return json_answer(request, {"maps": found})


@router.get("/{name}", summary="One map", openapi_extra={"responses": answers("application/json")})
async def one_map(request: Request, name: str, service: TheService, viewer: TheViewer) -> Response:
    """Return a map's layer tree with legends, fields, survey dates and data versions."""
    read_query(request.scope["query_string"], ())
    city_map = service.catalogue.map(name)
    shown = [entry.layer for entry in city_map.layers if _is_known(service, entry, viewer)]
    epochs = await service.reader.epochs(shown)
    versions = service.reader.data_versions()
    value = {
        "name": city_map.name,
        "title": city_map.title.model_dump(),
        "abstract": city_map.abstract.model_dump(),
        "center": city_map.center,
        "zoom": city_map.zoom,
        "bounds": city_map.bounds,
        "minZoom": city_map.min_zoom,
        "maxZoom": city_map.max_zoom,
        "background": city_map.background,
        "epochs": [epoch.isoformat() for epoch in epochs],
        "dataVersions": {layer: versions.get(layer, 0) for layer in shown},
        "groups": _groups(service, city_map, viewer),
        "links": _links(base_url(request), name),
    }
    return json_answer(request, value)


def _is_known(service: Service, entry: MapLayer, viewer: Viewer) -> bool:
    return may_know(service.catalogue.layer(entry.layer), viewer)


def _links(base: str, name: str) -> list[dict[str, Any]]:
    json = "application/json"
    return [
        link(f"{base}/api/maps/{name}", "self", json, "The map"),
        link(f"{base}/styles/{name}.json", "style", json, "MapLibre style"),
        link(f"{base}/tiles/{name}.json", "describedby", json, "TileJSON"),
    ]


def _groups(service: Service, city_map: MapDefinition, viewer: Viewer) -> list[dict[str, Any]]:
    groups = []
    for group in city_map.groups:
        layers = _group_layers(service, group, viewer)
        if layers:
            title = group.title.model_dump()
            groups.append({"id": group.id, "title": title, "layers": layers})
    return groups


def _group_layers(service: Service, group: MapGroup, viewer: Viewer) -> list[dict[str, Any]]:
    return [
        _layer(service, service.catalogue.layer(entry.layer), entry, viewer)
        for entry in group.layers
        if _is_known(service, entry, viewer)
    ]


def _layer(
    service: Service, layer: LayerDefinition, entry: MapLayer, viewer: Viewer
) -> dict[str, Any]:
    visible = access_class(layer, viewer).fields
    lowest = layer.tiles.min_zoom if entry.min_zoom is None else entry.min_zoom
    return {
        "name": layer.name,
        "title": layer.title.model_dump(),
        "abstract": layer.abstract.model_dump(),
        "theme": layer.theme.value,
        "standard": layer.standard,
        "provider": layer.provider.model_dump() if layer.provider else None,
        "geometryType": layer.geometry.type.value,
        "visible": entry.visible,
        "minZoom": lowest,
        "key": list(layer.key),
        "fields": [_field(field) for field in layer.fields if field.name in visible],
        "label": {"zh": layer.label.zh, "en": layer.label.en} if layer.label else None,
        "styleLayers": [style_layer_id(layer, part) for part in layer.style],
        "legend": layer_legend(layer, service.catalogue),
    }


def _field(field: FieldDefinition) -> dict[str, Any]:
    return {
        "name": field.name,
        "title": field.title.model_dump(),
        "type": field.type.value,
        "unit": field.unit,
        "codes": field.codes,
        "description": field.description.model_dump() if field.description else None,
    }
