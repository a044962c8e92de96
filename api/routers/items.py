"""The features of a layer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from fastapi import APIRouter, Request, Response

from api.asgi import names_etag
from api.body_codings import coded_answer, coding_of
from api.dependencies import TheService, TheViewer
from api.edit_requests import version_etag
from api.export_answers import chosen_export, export_answer, takes_no_options
from api.export_registry import export_formats
from api.exporting.format import ExportFormat
from api.feature_format import FeatureDocument, FeatureFormat, FeaturePageDocument
from api.feature_numbers import feature_number
from api.feature_parameters import ITEM_PARAMETERS, PAGE_PARAMETERS
from api.feature_request import FeatureRequest, item_request, page_request
from api.format_registry import feature_formats
from api.links import Link, base_url, link, with_query
from api.negotiation import choose
from api.openapi_parts import answers, query_parameter
from api.service import Service
from layers.access import access_class
from layers.feature_rows import FeatureRows
from layers.feature_texts import FeatureTexts
from layers.reading import FeaturePage
from layers.version_tags import feature_tag, read_tag

router = APIRouter(prefix="/api/collections/{layer}/items", tags=["Features"])


def _documented(parameters: Mapping[str, tuple[dict[str, Any], str]]) -> list[dict[str, Any]]:
    """Return OpenAPI's description of query parameters."""
    return [
        query_parameter(name, description, schema)
        for name, (schema, description) in parameters.items()
    ]


_ANSWERS = answers(*(entry.representation.media_type for entry in feature_formats()))
_PAGE_ANSWERS = answers(
    *(entry.representation.media_type for entry in feature_formats()),
    *(entry.representation.media_type for entry in export_formats()),
)
_FIELDS = {
    "name": "fields",
    "in": "query",
    "description": "Any queryable of the layer with the value it must have.",
    "schema": {"$ref": "#/components/schemas/Queryables"},
    "style": "form",
    "explode": True,
}


@router.get(
    "",
    summary="Features of a layer",
    response_class=Response,
    openapi_extra={
        "parameters": [*_documented(PAGE_PARAMETERS), _FIELDS],
        "responses": _PAGE_ANSWERS,
    },
)
async def items(request: Request, layer: str, service: TheService, viewer: TheViewer) -> Response:
    """Return one page of a layer's features, current unless a time is given."""
    definition = service.layer(layer, viewer)
    wanted = page_request(definition, viewer, request.scope["query_string"], service.systems)
    export = chosen_export(request, wanted)
    headers = _headers(request, service, wanted, export or _format(request, wanted))
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    if export is not None:
        return export_answer(service, wanted, export, headers)
    takes_no_options(wanted.parameters)
    chosen = _format(request, wanted)
    read = service.reader.text_page if chosen.takes_texts else service.reader.page
    page: FeaturePage[FeatureRows | FeatureTexts] = await read(wanted.query)
    home = f"{base_url(request)}/api"
    address = f"{home}/collections/{definition.name}"
    links = _self_links(f"{address}/items", wanted.parameters, chosen)
    media_type = chosen.representation.media_type
    for cursor, rel, title in ((page.next, "next", "Next"), (page.previous, "prev", "Previous")):
        if cursor is not None:
            other = with_query(f"{address}/items", {**wanted.parameters, "cursor": cursor})
            links.append(link(other, rel, media_type, title))
    links.append(link(address, "collection", "application/json", "The layer"))
    document = FeaturePageDocument(
        definition,
        page.features,
        page.matched,
        datetime.now(UTC),
        links,
        home,
        wanted.query,
        wanted.parameters,
    )
    return await coded_answer(chosen.page(document), coding_of(request), media_type, headers)


@router.get(
    "/{feature_id}",
    summary="One feature",
    response_class=Response,
    openapi_extra={"parameters": _documented(ITEM_PARAMETERS), "responses": _ANSWERS},
)
async def item(
    request: Request, layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return one feature by its id, as it is now unless a time is given."""
    definition = service.layer(layer, viewer)
    number = feature_number(layer, feature_id)
    wanted = item_request(
        definition, viewer, number, request.scope["query_string"], service.systems
    )
    chosen = _format(request, wanted)
    headers = _headers(request, service, wanted, chosen)
    headers |= await _version_header(request, service, wanted, chosen)
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    row = await service.reader.feature(wanted.query)
    lineage = await service.reader.lineage(row)
    home = f"{base_url(request)}/api"
    address = f"{home}/collections/{definition.name}"
    links = _self_links(f"{address}/items/{row.id}", wanted.parameters, chosen)
    for token, media_type in (("json", "application/json"), ("html", "text/html")):
        href = f"{address}/items/{row.id}/lineage?f={token}"
        links.append(link(href, "describedby", media_type, "Where it came from"))
        href = f"{address}/items/{row.id}/versions?f={token}"
        links.append(link(href, "version-history", media_type, "Every version of it"))
    links.append(link(address, "collection", "application/json", "The layer"))
    document = FeatureDocument(definition, row, lineage, links, home)
    media_type = chosen.representation.media_type
    return await coded_answer(chosen.feature(document), coding_of(request), media_type, headers)


def _format(request: Request, wanted: FeatureRequest) -> FeatureFormat:
    formats: Sequence[FeatureFormat] = feature_formats()
    representations = [entry.representation for entry in formats]
    found = choose(representations, request.headers.get("accept"), wanted.format)
    return formats[representations.index(found)]


def _headers(
    request: Request, service: Service, wanted: FeatureRequest, chosen: FeatureFormat | ExportFormat
) -> dict[str, str]:
    headers = {
        "content-crs": f"<{wanted.query.system.uri}>",
        "vary": "accept, accept-encoding",
        "cache-control": "no-cache",
    }
    if service.reader.is_listening:
        version = service.data_version((wanted.query.layer.name,))
        told = f"{base_url(request)}{request.url.path}?{sorted(wanted.parameters.items())}"
        access = access_class(wanted.query.layer, wanted.query.viewer).key
        digest = blake2b(
            f"{version} {chosen.name} {access} {told}".encode(), digest_size=12
        ).hexdigest()
        # Weak: the time of the answer within it and its content coding may differ.
        headers["etag"] = f'W/"{digest}"'
        headers["x-data-version"] = str(version)
    return headers


async def _version_header(
    request: Request, service: Service, wanted: FeatureRequest, chosen: FeatureFormat
) -> dict[str, str]:
    """Return the entity tag of one feature: strong, and known to edits (``If-Match``)."""
    # Before the feature itself: a tag that is older than the feature only makes an edit fail.
    tag = await service.reader.fetch(feature_tag(wanted.query))
    if not tag:
        return {}
    access = access_class(wanted.query.layer, wanted.query.viewer).key
    told = f"{base_url(request)}{request.url.path}?{sorted(wanted.parameters.items())}"
    coding = coding_of(request).decode()
    variant = f"{chosen.name} {access} {coding} {told}"
    digest = blake2b(variant.encode(), digest_size=6).hexdigest()
    return {"etag": version_etag(read_tag(tag[0]), digest)}


def _is_known(request: Request, headers: dict[str, str]) -> bool:
    given = request.headers.get("if-none-match")
    return given is not None and names_etag(given.encode(), headers.get("etag", "").encode())


def _self_links(address: str, parameters: dict[str, str], chosen: FeatureFormat) -> list[Link]:
    media_type = chosen.representation.media_type
    links = [link(with_query(address, parameters), "self", media_type, "This document")]
    for entry in feature_formats():
        if entry.name == chosen.name:
            continue
        token = entry.representation.tokens[0]
        href = with_query(address, {**parameters, "f": token})
        title = f"This document as {token.upper()}"
        links.append(link(href, "alternate", entry.representation.media_type, title))
    return links
