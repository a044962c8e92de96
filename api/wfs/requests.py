"""Requests to the WFS, in a query string or in XML, as plain values."""

from collections.abc import Collection
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from api.ows.errors import ServiceException
from api.ows.parameters import read_parameters
from api.ows.xml import local_name
from api.wfs.names import BY_ID, VERSION
from api.wfs.xml_reading import read_xml

OPERATIONS = (
    "GetCapabilities",
    "DescribeFeatureType",
    "GetFeature",
    "GetPropertyValue",
    "ListStoredQueries",
    "DescribeStoredQueries",
)


@dataclass(frozen=True, slots=True)
class WfsRequest:
    """A request, read as far as that goes without knowing the layers."""

    operation: str
    #: Parameters by their names in lower case; those of a query in XML under the same names.
    parameters: dict[str, str] = field(default_factory=dict)
    #: ``fes:Filter``.
    filter: ET.Element | None = None


def read_kvp(query_string: bytes) -> WfsRequest:
    """Read a request in a query string; names do not depend on case, unknown ones do no harm.

    Clients send parameters of other servers and versions along, which OGC 06-121r9, 11.5.2, has
    servers ignore.

    Raises:
        ServiceException: If a parameter is missing, malformed or given twice.
    """
    parameters = read_parameters(query_string)
    operation = _operation(parameters.get("request"), OPERATIONS)
    _check_service(parameters, operation)
    text = parameters.get("filter")
    tree = None if not text else read_xml(text.strip().strip("()").encode(), "filter")
    return WfsRequest(operation, parameters, tree)


def read_body(body: bytes) -> WfsRequest:
    """Read a request in XML; errors as in ``read_kvp``."""
    root = read_xml(body, "request")
    operation = _operation(local_name(root.tag), OPERATIONS)
    parameters = {local_name(name).lower(): value for name, value in root.attrib.items()}
    _check_service(parameters, operation)
    if operation == "GetCapabilities":
        versions = [node.text or "" for node in root.iter() if local_name(node.tag) == "Version"]
        if versions:
            parameters["acceptversions"] = ",".join(versions)
        return WfsRequest(operation, parameters)
    if operation == "DescribeFeatureType":
        names = [node.text or "" for node in root if local_name(node.tag) == "TypeName"]
        if names:
            parameters["typenames"] = ",".join(name.strip() for name in names)
        return WfsRequest(operation, parameters)
    return _queried(root, operation, parameters)


def _queried(root: ET.Element, operation: str, parameters: dict[str, str]) -> WfsRequest:
    queries = [node for node in root if local_name(node.tag) in ("Query", "StoredQuery")]
    if len(queries) > 1:
        raise ServiceException(
            "OperationNotSupported", "Query", "one wfs:Query a request is answered, not several"
        )
    if not queries:
        return WfsRequest(operation, parameters)
    query = queries[0]
    if local_name(query.tag) == "StoredQuery":
        parameters["storedquery_id"] = query.get("id", "")
        for node in query:
            parameters[(node.get("name") or "").lower()] = (node.text or "").strip()
        return WfsRequest(operation, parameters)
    parameters |= {local_name(name).lower(): value for name, value in query.attrib.items()}
    tree: ET.Element | None = None
    names = []
    for node in query:
        kind = local_name(node.tag)
        if kind == "Filter":
            tree = node
        elif kind == "PropertyName":
            names.append((node.text or "").strip())
        elif kind == "SortBy":
            parameters["sortby"] = ",".join(_sort_of(part) for part in node)
    if names:
        parameters["propertyname"] = ",".join(names)
    return WfsRequest(operation, parameters, tree)


def _sort_of(node: ET.Element) -> str:
    parts = {local_name(child.tag): (child.text or "").strip() for child in node}
    name = parts.get("ValueReference") or parts.get("PropertyName") or ""
    return f"{name} {parts.get('SortOrder', 'ASC')}"


def _operation(text: str | None, known: Collection[str]) -> str:
    if not text:
        raise ServiceException(
            "MissingParameterValue", "request", f"request: say one of {', '.join(known)}"
        )
    for name in known:
        if name.lower() == text.lower():
            return name
    raise ServiceException(
        "OperationNotSupported",
        "request",
        f"request: '{text[:60]}' is not one of {', '.join(known)}",
    )


def _check_service(parameters: dict[str, str], operation: str) -> None:
    service = parameters.get("service", "WFS")
    if service.upper() != "WFS":
        raise ServiceException(
            "InvalidParameterValue", "service", f"service: '{service[:60]}' is not WFS"
        )
    if operation == "GetCapabilities":
        accepted = parameters.get("acceptversions")
        if accepted and not any(part.strip().startswith("2.0") for part in accepted.split(",")):
            raise ServiceException(
                "VersionNegotiationFailed", "acceptversions", f"only version {VERSION} is spoken"
            )
        return
    version = parameters.get("version", VERSION)
    if not version.startswith("2.0"):
        raise ServiceException(
            "InvalidParameterValue", "version", f"version: '{version[:60]}' is not {VERSION}"
        )


def stored_query_id(parameters: dict[str, str]) -> str | None:
    """Return the id that the stored query for one feature is asked for; ``None`` for other queries.

    Raises:
        ServiceException: If it is another stored query, or the id is missing.
    """
    name = parameters.get("storedquery_id")
    if name is None:
        return None
    if name not in (BY_ID, "http://www.opengis.net/def/query/OGC-WFS/0/GetFeatureById"):
        raise ServiceException(
            "InvalidParameterValue", "storedquery_id", f"there is no stored query '{name[:80]}'"
        )
    if not parameters.get("id"):
        raise ServiceException("MissingParameterValue", "id", "id: say which feature")
    return parameters["id"]
