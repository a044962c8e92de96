"""The WFS as desktop GIS speaks it: GDAL, OWSLib, and requests written by hand."""

import json
import subprocess
import xml.etree.ElementTree as ET
from typing import Any

import httpx
import pytest
import shapely
from owslib.wfs import WebFeatureService

NS = {
    "wfs": "http://www.opengis.net/wfs/2.0",
    "gml": "http://www.opengis.net/gml/3.2",
    "ows": "http://www.opengis.net/ows/1.1",
    "city": "urn:onemap:city",
    "fes": "http://www.opengis.net/fes/2.0",
    "xsd": "http://www.w3.org/2001/XMLSchema",
}
GML_ID = "{http://www.opengis.net/gml/3.2}id"


def asked(client: httpx.Client, **parameters: str) -> ET.Element:
    answer = client.get("/wfs", params={"service": "WFS", "version": "2.0.0", **parameters})
    assert answer.status_code == 200, answer.text
    return read(answer.content)


def features(client: httpx.Client, **parameters: str) -> ET.Element:
    return asked(client, request="GetFeature", typeNames="city:plot", **parameters)


def read(text: bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 -- our own server's


def codes(root: ET.Element) -> list[str]:
    return [str(node.text) for node in root.iterfind(".//city:code", NS)]


def posted(client: httpx.Client, body: str) -> httpx.Response:
    return client.post("/wfs", content=body.encode(), headers={"content-type": "text/xml"})


def test_capabilities_name_layers_operations_and_systems(client: httpx.Client) -> None:
    root = asked(client, request="GetCapabilities")
    names = {node.text for node in root.iterfind(".//wfs:FeatureType/wfs:Name", NS)}
    collections = client.get("/api/collections").json()["collections"]
    assert names == {
        f"city:{entry['id']}" for entry in collections if entry["itemType"] == "feature"
    }
    assert root.findtext(".//wfs:DefaultCRS", namespaces=NS) == "urn:ogc:def:crs:EPSG::4490"
    assert {"urn:ogc:def:crs:EPSG::4547", "urn:ogc:def:crs:EPSG::3857"} <= {
        node.text for node in root.iterfind(".//wfs:OtherCRS", NS)
    }


def ogr(town: str, *options: str) -> list[dict[str, Any]]:
    """What GDAL reads, in a process of its own: the server is a thread of this one."""
    command = ["ogr2ogr", "-f", "GeoJSON", "/vsistdout/", f"WFS:{town}/wfs", "city:plot"]
    done = subprocess.run(
        [*command, *options], check=True, capture_output=True, text=True, timeout=60
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["features"]
    return found


def test_gdal_reads_what_the_api_of_features_has(client: httpx.Client, town: str) -> None:
    found = {entry["properties"]["code"]: entry for entry in ogr(town)}
    known = client.get("/api/collections/plot/items", params={"limit": 1000}).json()["features"]
    assert sorted(found) == sorted(entry["properties"]["code"] for entry in known)
    for entry in known[:5]:
        same = found[entry["properties"]["code"]]
        assert same["properties"]["area"] == entry["properties"]["area"]
        assert same["properties"]["surveyed"].replace("/", "-") == entry["properties"]["surveyed"]
        shapes = [shapely.from_geojson(json.dumps(one["geometry"])) for one in (same, entry)]
        assert shapes[0].equals_exact(shapes[1].normalize(), 1e-6) or shapes[0].equals(shapes[1])


def test_gdal_asks_for_a_filter_and_a_box(town: str) -> None:
    assert len(ogr(town, "-where", "code = 'P0102' OR area > 40019")) == 1 + 15
    assert len(ogr(town, "-spat", "114.3005", "29.8405", "114.3035", "29.8435")) == 4


def test_owslib_reads_capabilities_schema_and_features(town: str) -> None:
    service = WebFeatureService(f"{town}/wfs", version="2.0.0")
    assert "city:plot" in service.contents
    schema = service.get_schema("city:plot")
    assert schema["geometry"]
    assert schema["properties"]["area"] == "double"
    answer = service.getfeature(typename=["city:plot"], maxfeatures=3)
    assert len(codes(read(answer.read()))) == 3


def test_pages_by_number_follow_each_other(client: httpx.Client) -> None:
    whole = codes(features(client, count="300"))
    found: list[str] = []
    root = features(client, count="70")
    assert root.get("numberMatched") == "300"
    assert root.get("numberReturned") == "70"
    found += codes(root)
    while (following := root.get("next")) is not None:
        root = read(client.get(following).content)
        found += codes(root)
    assert found == whole
    assert len(set(whole)) == 300
    # A page in the middle that nobody read up to.
    assert (
        codes(features(client, count="5", startIndex="123", sortBy="code ASC"))
        == sorted(whole)[123:128]
    )
    assert codes(features(client, startIndex="5000")) == []


def test_coordinates_come_in_the_authoritys_order(client: httpx.Client) -> None:
    one = features(client, count="1", resourceId="")
    latitude, longitude = map(float, one.findtext(".//gml:posList", namespaces=NS).split()[:2])
    assert 29 < latitude < 30 < 114 < longitude
    zone = features(client, count="1", srsName="urn:ogc:def:crs:EPSG::4547")
    north, east = map(float, zone.findtext(".//gml:posList", namespaces=NS).split()[:2])
    assert 3_200_000 < north < 3_400_000
    assert 500_000 < east < 600_000
    assert zone.find(".//gml:MultiSurface", NS).get("srsName") == "urn:ogc:def:crs:EPSG::4547"


def test_boxes_in_both_orders_find_the_same(client: httpx.Client) -> None:
    plain = codes(features(client, bbox="29.8405,114.3005,29.8435,114.3035"))
    named = codes(
        features(client, bbox="29.8405,114.3005,29.8435,114.3035,urn:ogc:def:crs:EPSG::4490")
    )
    assert len(plain) == 4
    assert plain == named


def test_a_feature_by_its_id(client: httpx.Client) -> None:
    member = features(client, count="1").find(".//city:plot", NS)
    root = asked(
        client,
        request="GetFeature",
        storedQuery_id="urn:ogc:def:query:OGC-WFS::GetFeatureById",
        id=member.get(GML_ID),
    )
    assert root.tag == "{urn:onemap:city}plot"
    assert root.get(GML_ID) == member.get(GML_ID)
    ids = [node.get(GML_ID) for node in root.iter() if node.get(GML_ID)]
    assert len(ids) == len(set(ids)) >= 3
    answer = client.get(
        "/wfs",
        params={
            "request": "GetFeature",
            "storedquery_id": "urn:ogc:def:query:OGC-WFS::GetFeatureById",
            "id": "plot.999999",
        },
    )
    assert answer.status_code == 404


FILTERS = [
    ("<fes:PropertyIsEqualTo><fes:ValueReference>city:code</fes:ValueReference>"
     "<fes:Literal>P0003</fes:Literal></fes:PropertyIsEqualTo>", "code = 'P0003'"),
    ("<fes:PropertyIsLike wildCard='*' singleChar='.' escapeChar='!'>"
     "<fes:ValueReference>code</fes:ValueReference><fes:Literal>P0.0*</fes:Literal>"
     "</fes:PropertyIsLike>", "code LIKE 'P0_0%'"),
    ("<fes:PropertyIsBetween><fes:ValueReference>area</fes:ValueReference>"
     "<fes:LowerBoundary><fes:Literal>40003</fes:Literal></fes:LowerBoundary>"
     "<fes:UpperBoundary><fes:Literal>40007</fes:Literal></fes:UpperBoundary>"
     "</fes:PropertyIsBetween>", "area BETWEEN 40003 AND 40007"),
    ("<fes:Not><fes:PropertyIsNull><fes:ValueReference>surveyed</fes:ValueReference>"
     "</fes:PropertyIsNull></fes:Not>", "surveyed IS NOT NULL"),
    ("<fes:And><fes:Intersects><fes:ValueReference>geometry</fes:ValueReference>"
     "<gml:Polygon gml:id='a' srsName='urn:ogc:def:crs:EPSG::4490'><gml:exterior><gml:LinearRing>"
     "<gml:posList>29.841 114.301 29.841 114.309 29.849 114.309 29.841 114.301</gml:posList>"
     "</gml:LinearRing></gml:exterior></gml:Polygon></fes:Intersects>"
     "<fes:PropertyIsGreaterThan><fes:ValueReference>area</fes:ValueReference>"
     "<fes:Literal>40001</fes:Literal></fes:PropertyIsGreaterThan></fes:And>",
     "S_INTERSECTS(geometry, POLYGON((114.301 29.841, 114.309 29.841, 114.309 29.849, "
     "114.301 29.841))) AND area > 40001"),
    ("<fes:During><fes:ValueReference>surveyed</fes:ValueReference>"
     "<gml:TimePeriod gml:id='t'><gml:beginPosition>2010-01-01</gml:beginPosition>"
     "<gml:endPosition>2013-01-01</gml:endPosition></gml:TimePeriod></fes:During>",
     "T_DURING(surveyed, INTERVAL('2010-01-01', '2013-01-01'))"),
]  # fmt: skip


@pytest.mark.parametrize(("xml", "cql2"), FILTERS)
def test_filters_in_xml_select_what_cql2_does(client: httpx.Client, xml: str, cql2: str) -> None:
    spaces = f'xmlns:fes="{NS["fes"]}" xmlns:gml="{NS["gml"]}"'
    whole = f"<fes:Filter {spaces}>{xml}</fes:Filter>"
    known = client.get(
        "/api/collections/plot/items", params={"filter": cql2, "limit": 1000}
    ).json()["features"]
    assert known
    expected = [f"plot.{entry['id']}" for entry in known]
    root = features(client, filter=whole)
    assert [node.get(GML_ID) for node in root.iterfind(".//city:plot", NS)] == expected
    body = (
        f'<wfs:GetFeature xmlns:wfs="{NS["wfs"]}" xmlns:city="urn:onemap:city" {spaces} '
        'service="WFS" version="2.0.0"><wfs:Query typeNames="city:plot">'
        f"<fes:Filter>{xml}</fes:Filter></wfs:Query></wfs:GetFeature>"
    )
    root = read(posted(client, body).content)
    assert [node.get(GML_ID) for node in root.iterfind(".//city:plot", NS)] == expected


def test_hits_values_dates_and_json(client: httpx.Client) -> None:
    assert features(client, resultType="hits").get("numberMatched") == "300"
    values = asked(
        client, request="GetPropertyValue", typeNames="city:plot", valueReference="code", count="4"
    )
    assert len(values.findall("wfs:member/city:code", NS)) == 4
    then = features(client, datetime="2013-01-01", count="300")
    today = features(client, count="300")
    assert codes(then)
    assert ET.tostring(then) != ET.tostring(today)
    answer = client.get("/wfs", params={
        "request": "GetFeature", "typenames": "plot", "outputformat": "application/json",
        "count": "2", "startindex": "1",
    })  # fmt: skip
    assert [f["properties"]["code"] for f in answer.json()["features"]] == codes(today)[1:3]


def test_the_schema_describes_every_property_that_a_feature_has(client: httpx.Client) -> None:
    root = asked(client, request="DescribeFeatureType", typeNames="city:plot")
    described = [node.get("name") for node in root.iterfind(".//xsd:sequence/xsd:element", NS)]
    member = features(client, count="1").find(".//city:plot", NS)
    present = [node.tag.rsplit("}", 1)[-1] for node in member]
    assert [name for name in described if name in present] == present


def test_known_answers_are_not_sent_again(client: httpx.Client) -> None:
    address = "/wfs?service=WFS&request=GetFeature&typeNames=plot&count=3"
    first = client.get(address)
    again = client.get(address, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    assert client.head(address).status_code == 200


BAD = [
    {},
    {"request": "Transaction"},
    {"request": "GetFeature"},
    {"request": "GetFeature", "typenames": "nothing"},
    {"request": "GetFeature", "typenames": "plot", "count": "-1"},
    {"request": "GetFeature", "typenames": "plot", "srsname": "urn:ogc:def:crs:EPSG::2154"},
    {"request": "GetFeature", "typenames": "plot", "bbox": "1,2,3"},
    {"request": "GetFeature", "typenames": "plot", "filter": "<a"},
    {"request": "GetFeature", "typenames": "plot", "propertyname": "secret"},
    {"request": "GetFeature", "typenames": "plot", "sortby": "code UP"},
    {"request": "GetFeature", "typenames": "plot", "datetime": "yesterday"},
    {"request": "GetFeature", "typenames": "plot", "version": "1.0.0"},
    {"request": "GetFeature", "typenames": "plot", "outputformat": "shape"},
    {"request": "GetFeature", "storedquery_id": "mine"},
    {"request": "GetPropertyValue", "typenames": "plot"},
    {"request": "GetCapabilities", "service": "WMS"},
    {"request": "GetCapabilities", "acceptversions": "1.1.0"},
]


@pytest.mark.parametrize("parameters", BAD, ids=lambda entry: "-".join(entry.values()) or "none")
def test_bad_requests_are_told_in_a_report(
    client: httpx.Client, parameters: dict[str, str]
) -> None:
    answer = client.get("/wfs", params=parameters)
    assert answer.status_code == 400, answer.text
    told = read(answer.content).find("ows:Exception", NS)
    assert told is not None
    assert told.get("exceptionCode")
    assert told.get("locator")
    assert "SELECT" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no xml",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<a>" * 100 + "</a>" * 100,
        "<GetFeature service='WFS' version='2.0.0'/>",
        "<GetFeature><Query typeNames='plot'><Filter>" + "<Not>" * 60 + "</Not>" * 60
        + "</Filter></Query></GetFeature>",
        "<GetFeature><Query typeNames='plot'/><Query typeNames='lane'/></GetFeature>",
        "<GetFeature><Query typeNames='plot'><Filter><PropertyIsEqualTo><ValueReference>area"
        "</ValueReference><Literal>wide</Literal></PropertyIsEqualTo></Filter></Query>"
        "</GetFeature>",
        "<GetFeature><Query typeNames='plot'><Filter><Intersects><ValueReference>geometry"
        "</ValueReference><Point><pos>1 NaN</pos></Point></Intersects></Filter></Query>"
        "</GetFeature>",
    ],
)  # fmt: skip
def test_bad_bodies_are_told_in_a_report(client: httpx.Client, body: str) -> None:
    answer = posted(client, body)
    assert answer.status_code == 400, answer.text
    assert read(answer.content).find("ows:Exception", NS) is not None
