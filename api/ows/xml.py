"""XML of the classic services: its namespaces, and documents that are made of elements."""

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


def document(root: ET.Element) -> bytes:
    """Return an XML document."""
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body
