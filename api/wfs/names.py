"""The names that the WFS gives to its own things, and those of its formats."""

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
