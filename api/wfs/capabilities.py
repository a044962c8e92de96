"""What the WFS offers, and what its feature types are made of."""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from api.collection_documents import both
from api.ows.identification import add_box, identify
from api.ows.xml import CITY, GML, PREFIX, document, element
from api.wfs.fes import OPERATORS
from api.wfs.names import BY_ID, GEOMETRY, GML_FORMATS, JSON_FORMATS, VERSION
from api.wfs.requests import OPERATIONS
from layers.access import AccessClass
from layers.definition import FieldType, GeometryType, LayerDefinition
from layers.reading import LayerExtent

#: Features in an answer, unless fewer are wanted.
MOST_FEATURES = 10_000
_XLINK = "{http://www.w3.org/1999/xlink}"
_PROFILES = {
    "ImplementsBasicWFS": "TRUE",
    "ImplementsTransactionalWFS": "FALSE",
    "ImplementsLockingWFS": "FALSE",
    "KVPEncoding": "TRUE",
    "XMLEncoding": "TRUE",
    "SOAPEncoding": "FALSE",
    "ImplementsInheritance": "FALSE",
    "ImplementsRemoteResolve": "FALSE",
    "ImplementsResultPaging": "TRUE",
    "ImplementsStandardJoins": "FALSE",
    "ImplementsSpatialJoins": "FALSE",
    "ImplementsTemporalJoins": "FALSE",
    "ImplementsFeatureVersioning": "FALSE",
    "ManageStoredQueries": "FALSE",
    "PagingIsTransactionSafe": "FALSE",
    "QueryExpressions": "wfs:Query wfs:StoredQuery",
}
_FILTERS = {
    "ImplementsQuery": "TRUE",
    "ImplementsAdHocQuery": "TRUE",
    "ImplementsFunctions": "FALSE",
    "ImplementsResourceId": "TRUE",
    "ImplementsMinStandardFilter": "TRUE",
    "ImplementsStandardFilter": "TRUE",
    "ImplementsMinSpatialFilter": "TRUE",
    "ImplementsSpatialFilter": "TRUE",
    "ImplementsMinTemporalFilter": "TRUE",
    "ImplementsTemporalFilter": "FALSE",
    "ImplementsVersionNav": "FALSE",
    "ImplementsSorting": "TRUE",
    "ImplementsExtendedOperators": "FALSE",
    "ImplementsMinimumXPath": "TRUE",
    "ImplementsSchemaElementFunc": "FALSE",
}
_XSD_TYPES: dict[FieldType, str] = {
    FieldType.TEXT: "xsd:string",
    FieldType.INTEGER: "xsd:long",
    FieldType.NUMBER: "xsd:double",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
}
_GML_TYPES: dict[GeometryType, str] = {
    GeometryType.POINT: "gml:PointPropertyType",
    GeometryType.MULTIPOINT: "gml:MultiPointPropertyType",
    GeometryType.LINESTRING: "gml:CurvePropertyType",
    GeometryType.MULTILINESTRING: "gml:MultiCurvePropertyType",
    GeometryType.POLYGON: "gml:SurfacePropertyType",
    GeometryType.MULTIPOLYGON: "gml:MultiSurfacePropertyType",
    GeometryType.GEOMETRY: "gml:GeometryPropertyType",
}


def urn(code: int) -> str:
    """Return the name of a reference system, whose coordinates come in its authority's order."""
    return f"urn:ogc:def:crs:EPSG::{code}"


def capabilities(
    address: str, layers: Iterable[tuple[LayerDefinition, LayerExtent]], codes: list[int]
) -> bytes:
    """Return the capabilities document.

    Args:
        address: Of this service.
        layers: What is offered, with where it is.
        codes: EPSG codes of the systems that features come in, the usual one first.
    """
    root = element(None, "wfs:WFS_Capabilities", version=VERSION)
    # Names in texts need the prefix declared, which is otherwise done for tags alone.
    root.set(f"xmlns:{PREFIX}", CITY)
    abstract = "一张图要素服务（只读） / One Map feature service, read only"
    identify(root, kind="WFS", version=VERSION, abstract=abstract)
    _operations(root, address)
    listed = element(root, "wfs:FeatureTypeList")
    for layer, extent in layers:
        _feature_type(listed, layer, extent, codes)
    _filter_capabilities(root)
    return document(root)


def _operations(root: ET.Element, address: str) -> None:
    listed = element(root, "ows:OperationsMetadata")
    for name in OPERATIONS:
        operation = element(listed, "ows:Operation", name=name)
        http = element(element(operation, "ows:DCP"), "ows:HTTP")
        for method in ("ows:Get", "ows:Post"):
            element(http, method).set(
                f"{_XLINK}href", address + ("?" if method == "ows:Get" else "")
            )
        if name in ("GetFeature", "GetPropertyValue"):
            _allowed(operation, "ows:Parameter", "resultType", ("results", "hits"))
        if name in ("GetFeature", "DescribeFeatureType"):
            formats = GML_FORMATS[:3] + (JSON_FORMATS[:1] if name == "GetFeature" else ())
            _allowed(operation, "ows:Parameter", "outputFormat", formats)
    _allowed(listed, "ows:Parameter", "version", (VERSION,))
    for name, value in _PROFILES.items():
        constraint = element(listed, "ows:Constraint", name=name)
        element(constraint, "ows:NoValues")
        element(constraint, "ows:DefaultValue", value)
    count = element(listed, "ows:Constraint", name="CountDefault")
    element(count, "ows:NoValues")
    element(count, "ows:DefaultValue", str(MOST_FEATURES))


def _allowed(parent: ET.Element, kind: str, name: str, values: Iterable[str]) -> None:
    allowed = element(element(parent, kind, name=name), "ows:AllowedValues")
    for value in values:
        element(allowed, "ows:Value", value)


def _feature_type(
    listed: ET.Element, layer: LayerDefinition, extent: LayerExtent, codes: list[int]
) -> None:
    entry = element(listed, "wfs:FeatureType")
    element(entry, "wfs:Name", f"{PREFIX}:{layer.name}")
    element(entry, "wfs:Title", both(layer.title))
    element(entry, "wfs:Abstract", both(layer.abstract))
    words = element(entry, "ows:Keywords")
    element(words, "ows:Keyword", layer.theme.value)
    element(entry, "wfs:DefaultCRS", urn(codes[0]))
    for code in codes[1:]:
        element(entry, "wfs:OtherCRS", urn(code))
    formats = element(entry, "wfs:OutputFormats")
    for text in (*GML_FORMATS[:3], JSON_FORMATS[0]):
        element(formats, "wfs:Format", text)
    if extent.bbox is not None:
        add_box(entry, extent.bbox)


def _filter_capabilities(root: ET.Element) -> None:
    told = element(root, "fes:Filter_Capabilities")
    conformance = element(told, "fes:Conformance")
    for name, value in _FILTERS.items():
        constraint = element(conformance, "fes:Constraint", name=name)
        element(constraint, "ows:NoValues")
        element(constraint, "ows:DefaultValue", value)
    identifiers = element(told, "fes:Id_Capabilities")
    element(identifiers, "fes:ResourceIdentifier", name="fes:ResourceId")
    scalar = element(told, "fes:Scalar_Capabilities")
    element(scalar, "fes:LogicalOperators")
    comparisons = element(scalar, "fes:ComparisonOperators")
    for name in OPERATORS["comparison"]:
        element(comparisons, "fes:ComparisonOperator", name=name)
    spatial = element(told, "fes:Spatial_Capabilities")
    operands = element(spatial, "fes:GeometryOperands")
    for name in (
        "Envelope",
        "Point",
        "MultiPoint",
        "LineString",
        "Curve",
        "MultiCurve",
        "Polygon",
        "Surface",
        "MultiSurface",
    ):
        element(operands, "fes:GeometryOperand", name=f"gml:{name}")
    _declare(operands, "gml", GML)
    operators = element(spatial, "fes:SpatialOperators")
    for name in OPERATORS["spatial"]:
        element(operators, "fes:SpatialOperator", name=name)
    temporal = element(told, "fes:Temporal_Capabilities")
    operands = element(temporal, "fes:TemporalOperands")
    for name in ("TimeInstant", "TimePeriod"):
        element(operands, "fes:TemporalOperand", name=f"gml:{name}")
    _declare(operands, "gml", GML)
    operators = element(temporal, "fes:TemporalOperators")
    for name in OPERATORS["temporal"]:
        element(operators, "fes:TemporalOperator", name=name)


def _declare(node: ET.Element, prefix: str, uri: str) -> None:
    """Declare a prefix that only stands in values."""
    node.set(f"xmlns:{prefix}", uri)


def feature_types(layers: Iterable[tuple[LayerDefinition, AccessClass]], schemas: str) -> bytes:
    """Return the XML schema of some layers' features.

    Args:
        layers: The layers, with what the viewer may see of them.
        schemas: Address of OGC's schemas.
    """
    root = element(None, "xsd:schema", targetNamespace=CITY, elementFormDefault="qualified")
    root.set("version", "1")
    _declare(root, PREFIX, CITY)
    _declare(root, "gml", GML)
    element(root, "xsd:import", namespace=GML, schemaLocation=f"{schemas}/gml/3.2.1/gml.xsd")
    for layer, access in layers:
        name = layer.name
        top = element(root, "xsd:element", name=name, type=f"{PREFIX}:{name}Type")
        top.set("substitutionGroup", "gml:AbstractFeature")
        _annotated(top, both(layer.title))
        kind = element(root, "xsd:complexType", name=f"{name}Type")
        extension = element(
            element(kind, "xsd:complexContent"), "xsd:extension", base="gml:AbstractFeatureType"
        )
        inside = element(extension, "xsd:sequence")
        _property(inside, GEOMETRY, _GML_TYPES[layer.geometry.type])
        _property(inside, "version", "xsd:int")
        _property(inside, "valid_from", "xsd:dateTime")
        _property(inside, "valid_to", "xsd:dateTime")
        for entry in layer.fields:
            if entry.name in access.fields:
                made = _property(inside, entry.name, _XSD_TYPES[entry.type])
                _annotated(made, both(entry.title))
    return document(root)


def _property(parent: ET.Element, name: str, kind: str) -> ET.Element:
    return element(parent, "xsd:element", name=name, type=kind, minOccurs="0", nillable="true")


def _annotated(node: ET.Element, text: str) -> None:
    element(element(node, "xsd:annotation"), "xsd:documentation", text)


def stored_queries(layers: Iterable[LayerDefinition], *, described: bool) -> bytes:
    """Return the list of stored queries, or their description: there is the one for a feature."""
    names = [f"{PREFIX}:{layer.name}" for layer in layers]
    title = "按标识取要素 / A feature by its id"
    if not described:
        root = element(None, "wfs:ListStoredQueriesResponse")
        _declare(root, PREFIX, CITY)
        query = element(root, "wfs:StoredQuery", id=BY_ID)
        element(query, "wfs:Title", title)
        for name in names:
            element(query, "wfs:ReturnFeatureType", name)
        return document(root)
    root = element(None, "wfs:DescribeStoredQueriesResponse")
    _declare(root, PREFIX, CITY)
    _declare(root, "xsd", "http://www.w3.org/2001/XMLSchema")
    query = element(root, "wfs:StoredQueryDescription", id=BY_ID)
    element(query, "wfs:Title", title)
    element(query, "wfs:Parameter", name="id", type="xsd:string")
    text = element(query, "wfs:QueryExpressionText", isPrivate="true")
    text.set("returnFeatureTypes", " ".join(names))
    text.set("language", "urn:ogc:def:queryLanguage:OGC-WFS::WFS_QueryExpression")
    return document(root)
