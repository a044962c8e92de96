"""XML namespaces and the names that this service gives to its own things."""

from xml.etree import ElementTree as ET

WFS = "http://www.opengis.net/wfs/2.0"
FES = "http://www.opengis.net/fes/2.0"
#: Of the WMTS, which is spoken beside the WFS (OGC 07-057r7).
WMTS = "http://www.opengis.net/wmts/1.0"
OWS = "http://www.opengis.net/ows/1.1"
GML = "http://www.opengis.net/gml/3.2"
XSD = "http://www.w3.org/2001/XMLSchema"
XLINK = "http://www.w3.org/1999/xlink"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: Of the feature types. A name, not an address: it stays when the server moves.
CITY = "urn:onemap:city"
PREFIX = "city"
VERSION = "2.0.0"
#: Media types of GML 3.2 as clients write them; the first is the usual one.
GML_FORMATS = (
    "application/gml+xml; version=3.2",
    "text/xml; subtype=gml/3.2",
    "text/xml; subtype=gml/3.2.1",
    "text/xml; subtype=gml/3.1.1",
    "gml32",
    "gml3",
)
JSON_FORMATS = ("application/json", "application/geo+json", "json", "geojson")
#: The element of a feature's geometry, as everywhere in this service.
GEOMETRY = "geometry"
#: Elements about the version of a feature that a member holds, before its fields.
VERSION_ELEMENTS = ("version", "valid_from", "valid_to")
#: The stored query that every server has (OGC 09-025r2, 7.9.3.6).
BY_ID = "urn:ogc:def:query:OGC-WFS::GetFeatureById"

for _prefix, _uri in (
    ("wfs", WFS),
    ("fes", FES),
    ("ows", OWS),
    # QGIS knows a WMTS by its root's name without a prefix.
    ("", WMTS),
    ("gml", GML),
    ("xsd", XSD),
    ("xlink", XLINK),
    ("xsi", XSI),
    (PREFIX, CITY),
):
    ET.register_namespace(_prefix, _uri)


def element(
    parent: ET.Element | None, tag: str, text: str | None = None, /, **attributes: str
) -> ET.Element:
    """Make an element ``prefix:name`` within another, or as a root."""
    prefix, local = tag.split(":")
    qualified = f"{{{_URIS[prefix]}}}{local}"
    made = ET.Element(qualified) if parent is None else ET.SubElement(parent, qualified)
    for key, value in attributes.items():
        made.set(key, value)
    made.text = text
    return made


_URIS = {
    "wfs": WFS,
    "fes": FES,
    "ows": OWS,
    "wmts": WMTS,
    "gml": GML,
    "xsd": XSD,
    PREFIX: CITY,
}


def local_name(tag: str) -> str:
    """Return a name without its namespace."""
    return tag.rsplit("}", 1)[-1]
