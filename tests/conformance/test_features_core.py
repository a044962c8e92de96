"""OGC API Features 1.0, part 1 (OGC 17-069r4): the abstract tests of annex A.

Written after the abstract tests; where OGC's own suite asks for more or otherwise (paths of the
API definition, durations in ``datetime``), it is asked for here too.
"""

from datetime import datetime, timedelta

import httpx
import pytest
import shapely

from tests.conformance.conftest import Document, Subject, linked

GEOJSON = "application/geo+json"
CORE = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core"
DEFAULT_SYSTEMS = (
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "http://www.opengis.net/def/crs/OGC/0/CRS84h",
)
#: Boxes that meet nothing much, over the meridian, the equator, 180° and the poles.
FAR_BOXES = (
    "-1.5,50.0,1.5,53.0",
    "-80.0,-5.0,-70.0,5.0",
    "177.0,65.0,-177.0,70.0",
    "-180.0,85.0,180.0,90.0",
    "-180.0,-90.0,180.0,-85.0",
)
ITEMS = "/collections/{layer}/items"


def items_address(collection: Document) -> str:
    found: str = linked(collection["links"], "items", GEOJSON)[0]["href"]
    return found


def check_links(links: list[Document], own: str) -> None:
    """Tests 11, 27, 33: self and alternate, each with a relation and a media type."""
    assert all(entry.get("rel") and entry.get("type") and entry.get("href") for entry in links)
    assert [entry["type"] for entry in linked(links, "self")] == [own]
    other = "text/html" if own != "text/html" else "application/json"
    assert other in [entry["type"] for entry in linked(links, "alternate")]


def check_page(answer: httpx.Response) -> Document:
    """Tests 26 to 30 and 2: type, features, links, time stamp, count, and coordinates."""
    assert answer.status_code == 200, f"{answer.url}: {answer.text}"
    assert answer.headers["content-type"] == GEOJSON
    page: Document = answer.json()
    assert page["type"] == "FeatureCollection"
    check_links(page["links"], GEOJSON)
    assert datetime.fromisoformat(page["timeStamp"]).tzinfo is not None
    assert page["numberReturned"] == len(page["features"])
    world = shapely.box(-180, -90, 180, 90)
    for feature in page["features"]:
        if feature["geometry"] is not None:
            assert shapely.box(*shapely.geometry.shape(feature["geometry"]).bounds).within(world)
    return page


def test_http(subject: Subject) -> None:
    """Test 1."""
    assert subject.get("/").http_version == "HTTP/1.1"


def test_landing_page(subject: Subject) -> None:
    """Tests 3 and 4; with and without a slash at the end."""
    relations = {entry["rel"] for entry in subject.document("/")["links"]}
    assert {"service-desc", "service-doc", "conformance", "data", "self"} <= relations
    assert subject.document("")["title"] == subject.document("/")["title"]


def test_api_definition(subject: Subject, definition: Document) -> None:
    """Tests 5 and 6, and that its paths are the standard's, below the landing page."""
    assert definition["openapi"].startswith("3.0")
    assert definition["servers"][0]["url"] == subject.root
    standard = {"/", "/conformance", "/collections", "/collections/{layer}", ITEMS}
    assert standard <= set(definition["paths"])


def test_conformance(subject: Subject) -> None:
    """Tests 7 and 8."""
    assert CORE in subject.document("/conformance")["conformsTo"]


def test_collections(subject: Subject, collections: list[Document]) -> None:
    """Tests 9 to 14."""
    document = subject.document("/collections")
    check_links(document["links"], "application/json")
    for collection in collections:
        assert collection["id"]
        assert {GEOJSON, "text/html"} <= {
            entry["type"] for entry in linked(collection["links"], "items")
        }
        assert all(entry.get("rel") and entry.get("type") for entry in collection["links"])
        assert collection["crs"][0] in DEFAULT_SYSTEMS


def test_each_collection(subject: Subject, collections: list[Document]) -> None:
    """Tests 15 and 16: the same as in the list."""
    for collection in collections:
        alone = subject.document(f"/collections/{collection['id']}")
        for name in ("id", "title", "description", "extent", "crs", "storageCrs"):
            assert alone.get(name) == collection.get(name), (collection["id"], name)


def test_features(subject: Subject, collections: list[Document]) -> None:
    """Tests 17, 26 to 30: a page of each collection, and the count over all its pages."""
    counted = 0
    for collection in collections:
        page = check_page(subject.get(items_address(collection), GEOJSON))
        matched = page["numberMatched"]
        seen = len(page["features"])
        while following := linked(page["links"], "next"):
            page = check_page(subject.get(with_limit(following[0]["href"], 10_000), GEOJSON))
            seen += len(page["features"])
        assert seen == matched, collection["id"]
        counted += seen
    assert counted > 0


def with_limit(address: str, limit: int) -> str:
    """Return a link with another limit, which OGC's suite sets, too."""
    return str(httpx.URL(address).copy_set_param("limit", str(limit)))


@pytest.mark.parametrize(
    ("name", "kind"), [("bbox", "array"), ("limit", "integer"), ("datetime", "string")]
)
def test_parameters_are_defined(definition: Document, name: str, kind: str) -> None:
    """Tests 18, 20 and 22."""
    operation = definition["paths"][ITEMS]["get"]
    (found,) = [entry for entry in operation["parameters"] if entry["name"] == name]
    assert (found["in"], found["required"], found["style"], found["explode"]) == (
        "query", False, "form", False)  # fmt: skip
    assert found["schema"]["type"] == kind
    if name == "bbox":
        assert found["schema"]["items"]["type"] == "number"
        assert [(entry["minItems"], entry["maxItems"]) for entry in found["schema"]["oneOf"]] == [
            (4, 4),
            (6, 6),
        ]
    if name == "limit":
        assert found["schema"]["minimum"] >= 1
        assert found["schema"]["default"] >= 1


def test_bbox(subject: Subject, collections: list[Document]) -> None:
    """Tests 17 and 19: only features that meet the box."""
    compared = 0
    for collection in collections:
        extent = collection.get("extent", {}).get("spatial")
        if extent is None:
            continue
        west, south, east, north = extent["bbox"][0]
        middle = (west + east) / 2, (south + north) / 2
        box = f"{west},{south},{middle[0]},{middle[1]}"
        page = check_page(subject.get(items_address(collection), GEOJSON, bbox=box, limit="100"))
        quarter = shapely.box(west, south, *middle)
        for feature in page["features"]:
            assert shapely.geometry.shape(feature["geometry"]).intersects(quarter.buffer(1e-9))
            compared += 1
        whole = f"{west},{south},{east},{north}"
        everything = check_page(subject.get(items_address(collection), GEOJSON, bbox=whole))
        assert (
            everything["numberMatched"]
            == check_page(subject.get(items_address(collection), GEOJSON))["numberMatched"]
        )
        for far in FAR_BOXES:
            answer = subject.get(items_address(collection), GEOJSON, bbox=far)
            assert check_page(answer)["features"] == []
    assert compared > 0


@pytest.mark.parametrize("limit", [1, 100, 10_000])
def test_limit(subject: Subject, collections: list[Document], limit: int) -> None:
    """Tests 17 and 21."""
    for collection in collections[:10]:
        page = check_page(subject.get(items_address(collection), GEOJSON, limit=str(limit)))
        assert len(page["features"]) == min(limit, page["numberMatched"])


def test_datetime(subject: Subject, collections: list[Document]) -> None:
    """Tests 17 and 23: an instant, an interval, and one with a duration."""
    found = 0
    for collection in collections:
        extent = collection.get("extent", {}).get("temporal")
        if extent is None:
            continue
        begin = datetime.fromisoformat(extent["interval"][0][0])
        later = begin + timedelta(days=400)
        before = begin - timedelta(days=1)
        for time in (
            begin.isoformat(),
            f"{begin.isoformat()}/{later.isoformat()}",
            f"{begin.date().isoformat()}/P2D",
            f"../{later.isoformat()}",
        ):
            page = check_page(subject.get(items_address(collection), GEOJSON, datetime=time))
            found += len(page["features"])
        nothing = subject.get(items_address(collection), GEOJSON, datetime=before.isoformat())
        assert check_page(nothing)["numberMatched"] == 0
    assert found > 0


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "unlimited"},
        {"limit": "-1"},
        {"bbox": "1,2,3"},
        {"bbox": "a,b,c,d"},
        {"datetime": "soon"},
        {"datetime": "2014-01-01/2013-01-01"},
        {"unknownQueryParameter12345": "1"},
    ],
)
def test_errors(subject: Subject, collections: list[Document], query: dict[str, str]) -> None:
    """Tests 24 and 25."""
    for collection in collections:
        answer = subject.get(items_address(collection), GEOJSON, **query)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert next(iter(query)) in answer.json()["detail"]


def test_unknown_parameters_are_no_free_form(definition: Document) -> None:
    """Test 25 is skipped where the definition lets any parameter through: ours does not."""
    schemas = definition["components"]["schemas"]
    for entry in definition["paths"][ITEMS]["get"]["parameters"]:
        name = entry["schema"].get("$ref", "").rpartition("/")[2]
        assert not schemas.get(name, entry["schema"]).get("additionalProperties")


def test_each_feature(subject: Subject, collections: list[Document]) -> None:
    """Tests 31 to 33."""
    compared = 0
    for collection in collections:
        address = items_address(collection)
        for listed in subject.document(address, GEOJSON, limit="3")["features"]:
            answer = subject.get(f"{address}/{listed['id']}", GEOJSON)
            assert answer.headers["content-type"] == GEOJSON
            feature = answer.json()
            assert (feature["type"], feature["id"]) == ("Feature", listed["id"])
            assert feature["geometry"] == listed["geometry"]
            check_links(feature["links"], GEOJSON)
            (home,) = linked(feature["links"], "collection")
            assert subject.document(home["href"])["id"] == collection["id"]
            compared += 1
    assert compared > 0
