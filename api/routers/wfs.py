"""WFS 2.0, read only, for desktop GIS that speaks nothing newer.

It describes itself in its own way (GetCapabilities), and is no part of the API definition.
"""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b

from fastapi import APIRouter, Request, Response

from api.asgi import REQUEST_ID, names_etag
from api.dependencies import TheService, TheViewer
from api.feature_format import FeaturePageDocument
from api.format_registry import feature_formats
from api.links import base_url, link
from api.ows.errors import ServiceException, exception_report
from api.ows.xml import PREFIX
from api.service import Service
from api.wfs import capabilities as documents
from api.wfs import gml_writing
from api.wfs.answering import (
    WfsPage,
    WfsQuery,
    WfsSystems,
    page_address,
    page_cursor,
    read_page,
    read_query,
    read_types,
)
from api.wfs.names import GEOMETRY, GML_FORMATS, VERSION, VERSION_ELEMENTS
from api.wfs.requests import WfsRequest, read_body, read_kvp
from api.wfs.xml_reading import MOST_BYTES
from layers.access import Viewer, access_class
from layers.errors import OneMapError

router = APIRouter(tags=["Classic services"])
_XML = "text/xml; charset=utf-8"
_SCHEMAS = "http://schemas.opengis.net"


@router.get("/wfs", include_in_schema=False)
async def get(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Answer a request in the query string."""
    try:
        return await _answer(request, service, viewer, read_kvp(request.scope["query_string"]))
    except (OneMapError, ServiceException) as error:
        return _refusal(request, error)


@router.post("/wfs", include_in_schema=False)
async def post(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Answer a request in XML."""
    try:
        body = bytearray()
        async for block in request.stream():
            body += block
            if len(body) > MOST_BYTES:
                raise ServiceException(
                    "InvalidParameterValue", "request", f"request: larger than {MOST_BYTES} bytes"
                )
        return await _answer(request, service, viewer, read_body(bytes(body)))
    except (OneMapError, ServiceException) as error:
        return _refusal(request, error)


def _refusal(request: Request, error: Exception) -> Response:
    report = exception_report(error, VERSION, str(request.scope.get(REQUEST_ID, "")))
    return Response(report.body, report.status, dict(report.headers), media_type=_XML)


async def _answer(
    request: Request, service: Service, viewer: Viewer, asked: WfsRequest
) -> Response:
    address = f"{base_url(request)}/wfs"
    layers = service.layers(viewer)
    if asked.operation == "GetCapabilities":
        extents = [(layer, await service.reader.extent(layer, viewer)) for layer in layers]
        codes = WfsSystems(service.systems).codes
        return Response(documents.capabilities(address, extents, codes), media_type=_XML)
    if asked.operation == "DescribeFeatureType":
        chosen = read_types(asked, service, viewer) or layers
        described = [(layer, access_class(layer, viewer)) for layer in chosen]
        return Response(documents.feature_types(described, _SCHEMAS), media_type=_XML)
    if asked.operation in ("ListStoredQueries", "DescribeStoredQueries"):
        described_too = asked.operation == "DescribeStoredQueries"
        return Response(documents.stored_queries(layers, described=described_too), media_type=_XML)
    wanted = read_query(asked, service, viewer)
    headers = _headers(request, service, wanted)
    given = request.headers.get("if-none-match")
    if given and names_etag(given.encode(), headers.get("etag", "").encode()):
        return Response(status_code=304, headers=headers)
    if asked.operation == "GetPropertyValue":
        return await _values(service, asked, wanted, address, headers)
    if wanted.format == "json" and not wanted.hits:
        return await _json(service, asked, wanted, address, headers)
    return await _features(service, asked, wanted, address, headers)


def _headers(request: Request, service: Service, wanted: WfsQuery) -> dict[str, str]:
    headers = {"cache-control": "no-cache"}
    if request.method == "POST" or not service.reader.is_listening:
        return headers
    layer = wanted.query.layer
    version = service.data_version((layer.name,))
    access = access_class(layer, wanted.query.viewer).key
    told = f"{version} {access} {request.url}"
    headers["etag"] = f'W/"{blake2b(told.encode(), digest_size=12).hexdigest()}"'
    headers["x-data-version"] = str(version)
    return headers


def _schema(address: str, wanted: WfsQuery) -> str:
    name = f"{PREFIX}:{wanted.query.layer.name}"
    return f"{address}?service=WFS&version=2.0.0&request=DescribeFeatureType&typeNames={name}"


def _pages(asked: WfsRequest, wanted: WfsQuery, page: WfsPage, address: str) -> dict[str, str]:
    count, start, links = wanted.query.limit, wanted.start, {}
    if asked.filter is not None and "filter" not in asked.parameters:
        # A filter that came in a body has no address.
        return {}
    if start and not wanted.hits:
        before = max(start - count, 0)
        links["previous"] = page_address(address, asked.parameters, before, start - before)
    if page.more:
        links["next"] = page_address(address, asked.parameters, start + count, count)
    return links


async def _features(
    service: Service, asked: WfsRequest, wanted: WfsQuery, address: str, headers: dict[str, str]
) -> Response:
    page = await read_page(service, wanted)
    layer = wanted.query.layer
    members = [gml_writing.feature(layer, record, page.fields) for record in page.records]
    media_type = f"{GML_FORMATS[0]}; charset=utf-8"
    if wanted.by_id:
        if not members:
            raise ServiceException("NotFound", "id", "id: there is no such feature")
        return Response(gml_writing.alone(members[0]), headers=headers, media_type=media_type)
    body = gml_writing.collection(
        "FeatureCollection",
        members,
        matched=page.matched,
        returned=len(members),
        links=_pages(asked, wanted, page, address),
        schema=_schema(address, wanted),
    )
    return Response(body, headers=headers, media_type=media_type)


async def _values(
    service: Service, asked: WfsRequest, wanted: WfsQuery, address: str, headers: dict[str, str]
) -> Response:
    reference = asked.parameters.get("valuereference")
    if not reference:
        raise ServiceException(
            "MissingParameterValue", "valueReference", "valueReference: say which property"
        )
    page = await read_page(service, wanted)
    name = reference.strip().rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    known = (*page.fields, *VERSION_ELEMENTS, GEOMETRY)
    if page.records and name not in known:
        raise ServiceException(
            "InvalidParameterValue", "valueReference", f"valueReference: no property '{name[:60]}'"
        )
    found = (gml_writing.property_of(record, name) for record in page.records)
    members = [member for member in found if member is not None]
    body = gml_writing.collection(
        "ValueCollection",
        members,
        matched=page.matched,
        returned=len(members),
        links=_pages(asked, wanted, page, address),
        schema=_schema(address, wanted),
    )
    return Response(body, headers=headers, media_type=f"{GML_FORMATS[0]}; charset=utf-8")


async def _json(
    service: Service, asked: WfsRequest, wanted: WfsQuery, address: str, headers: dict[str, str]
) -> Response:
    """Answer in GeoJSON, as the API of features writes it."""
    query = replace(wanted.query, after=await page_cursor(service, wanted))
    page = await service.reader.text_page(query)
    links = []
    if page.next is not None:
        version = service.data_version((query.layer.name,))
        passed = wanted.start + len(page.features)
        service.page_marks.keep(query, passed, version, page.next)
        following = page_address(address, asked.parameters, passed, query.limit)
        links.append(link(following, "next", "application/json", "Next"))
    document = FeaturePageDocument(
        query.layer,
        page.features,
        page.matched,
        datetime.now(UTC),
        links,
        address.removesuffix("/wfs") + "/api",
        query,
        asked.parameters,
    )
    writer = next(entry for entry in feature_formats() if entry.name == "geojson")
    return Response(writer.page(document), headers=headers, media_type="application/json")
