"""KML and GML: entities, broken and deep documents."""

import zipfile
from pathlib import Path

from tests.etl.bad_files.case import BadFile, Maker, content, cut, replaced, stretched, written

KML = written("parcels.kml", "KML")
GML = written("parcels.gml", "GML")
_DOCTYPE = r"has a document type declaration \(DOCTYPE\)"
_XXE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
_LAUGHS = (
    "<!DOCTYPE a [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]>"
)
_REMOTE = '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd">'


def _kml(doctype: str = "", body: str = "", encoding: str = "UTF-8") -> Maker:
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>{doctype}'
        f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'
    )
    return content("p.kml", text.encode(encoding))


def _gml(doctype: str = "", body: str = "", encoding: str = "UTF-8") -> Maker:
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<gml:FeatureCollection '
        f'xmlns:gml="http://www.opengis.net/gml/3.2">{body}</gml:FeatureCollection>'
    )
    return content("p.gml", text.encode(encoding))


def _placemark(coordinates: str) -> str:
    return (
        "<Placemark><ExtendedData><Data name='BSM'><value>1</value></Data></ExtendedData>"
        f"<Point><coordinates>{coordinates}</coordinates></Point></Placemark>"
    )


def _kmz(*members: tuple[str, bytes]) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / "p.kmz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members:
                archive.writestr(name, data)
        return path

    return make


XML_FILES = (
    BadFile("KML with an external entity", _kml(_XXE, "&x;"), _DOCTYPE),
    BadFile("KML with a billion laughs", _kml(_LAUGHS, "&a9;"), _DOCTYPE),
    BadFile("KML with a remote DTD", _kml(_REMOTE), _DOCTYPE),
    BadFile("KML in UTF-16 with an entity", _kml(_XXE, "&x;", "UTF-16"), _DOCTYPE),
    BadFile("KMZ with an entity", _kmz(("doc.kml", f"{_XXE}<kml>&x;</kml>".encode())), _DOCTYPE),
    BadFile("KMZ without a document", _kmz(("a.png", b"x")), "holds no KML document"),
    BadFile("KMZ that is a zip bomb", _kmz(("doc.kml", bytes(70 << 20))), "as a zip bomb does"),
    BadFile("KMZ that is none", content("p.kmz", b"PK\3\4" + b"x" * 100), "cannot be unpacked"),
    *(
        BadFile(f"KML cut at {share:.0%}", cut(KML, share), "(cannot be read as KML|well-formed)")
        for share in (0.01, 0.5, 0.99)
    ),
    BadFile("KML of ten gigabytes", stretched(KML), "cannot be read as KML after placemark"),
    BadFile("KML nested deeply", _kml("", "<Folder>" * 500 + "</Folder>" * 500), "200 deep"),
    BadFile("KML that is a web page", content("p.kml", "<html><body/></html>"),
            "is not KML: its root element is html"),
    BadFile("KML that is no XML", content("p.kml", "BSM,X,Y\n"), "is not well-formed XML"),
    BadFile("KML without placemarks", _kml(), "no column is known for the required"),
    BadFile("KML with undefined entities", _kml("", "<name>&nbsp;</name>"), "undefined entity"),
    BadFile("KML with broken coordinates", layer="spring",
            make=_kml("", _placemark("114.3,29.8") + _placemark("east,north").replace("1<", "2<")
                      + _placemark("114.3").replace("1<", "3<")
                      + _placemark("").replace("1<", "4<")),
            rules={"geometry_coordinates": 2, "geometry_missing": 3}, good=1),
    BadFile("KML declares GBK, is UTF-8",
            replaced(written("p.kml", "KML"), b'encoding="utf-8"', b'encoding="klingon"'),
            "'klingon' is not an encoding"),
    BadFile("GML with an external entity", _gml(_XXE, "&x;"), _DOCTYPE),
    BadFile("GML with a billion laughs", _gml(_LAUGHS, "&a9;"), _DOCTYPE),
    BadFile("GML with a remote DTD", _gml(_REMOTE), _DOCTYPE),
    BadFile("GML in UTF-16 with an entity", _gml(_XXE, "&x;", "UTF-16"), _DOCTYPE),
    BadFile("GML in GBK with an entity", _gml(_XXE, "&x;", "GBK"), _DOCTYPE),
    *(
        BadFile(f"GML cut at {share:.0%}", cut(GML, share),
                "(cannot be read as GML|not well-formed|breaks off|no root element)")
        for share in (0.01, 0.5, 0.97)
    ),
    BadFile("GML of ten gigabytes", stretched(GML), "(cannot be read as GML|breaks off)"),
    BadFile("GML that is a web page", content("p.gml", "<html><body/></html>"),
            "is not GML: its root element is html"),
    BadFile("GML without features", _gml(), "(holds no layer|cannot be read as GML)"),
    BadFile("GML without a reference system",
            replaced(GML, b' srsName="urn:ogc:def:crs:EPSG::4490"', b""), "give it with --crs"),
)  # fmt: skip
