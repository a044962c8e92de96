"""OGC API Features 1.0, part 2 (OGC 18-058r1): the abstract tests of annex A."""

import re

import pyproj
import pytest
import shapely

from tests.conformance.conftest import Document, Subject
from tests.conformance.test_features_core import DEFAULT_SYSTEMS, GEOJSON, items_address

#: OGC's names of reference systems (OGC 09-048r5).
NAME = re.compile(r"http://www\.opengis\.net/def/crs/(OGC|EPSG)/(0|\d+(\.\d+)*)/\w+")
#: Degrees that two programs' transformations may differ by: a centimetre.
CLOSE = 1e-7


def system(uri: str) -> pyproj.CRS:
    """Return a reference system by its URI, with the authority's axis order."""
    if uri in DEFAULT_SYSTEMS:
        return pyproj.CRS("OGC:CRS84")
    return pyproj.CRS(f"EPSG:{uri.rpartition('/')[2]}")


def back(geometry: Document, uri: str) -> shapely.Geometry:
    """Return a geometry in longitude and latitude, its heights left out."""
    shape = shapely.force_2d(shapely.geometry.shape(geometry))
    known = system(uri)
    if known.is_geographic:
        turned = known.axis_info[0].direction == "north"
        return shapely.transform(shape, lambda points: points[:, ::-1]) if turned else shape
    move = pyproj.Transformer.from_crs(known, known.geodetic_crs, always_xy=False)
    return shapely.transform(
        shape,
        lambda points: _columns(*move.transform(points[:, 0], points[:, 1])),
    )


def _columns(latitude: object, longitude: object) -> object:
    return shapely.get_coordinates(shapely.points(longitude, latitude))


def test_systems_are_listed(subject: Subject, collections: list[Document]) -> None:
    """Tests 1 to 3: valid names, one of the default systems, and the storage's among them."""
    for listed in collections:
        for collection in (listed, subject.document(f"/collections/{listed['id']}")):
            assert all(NAME.fullmatch(uri) for uri in collection["crs"])
            assert set(DEFAULT_SYSTEMS) & set(collection["crs"])
            assert collection["storageCrs"] in collection["crs"]


def test_crs_parameter(subject: Subject, collections: list[Document]) -> None:
    """Tests 4, 6 and 7: Content-Crs, the default, and coordinates that are the same places."""
    compared = 0
    for collection in collections:
        address = items_address(collection)
        usual = subject.get(address, GEOJSON, limit="5")
        assert usual.headers["content-crs"] in [f"<{uri}>" for uri in DEFAULT_SYSTEMS]
        features = usual.json()["features"]
        for uri in collection["crs"]:
            answer = subject.get(address, GEOJSON, limit="5", crs=uri)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-crs"] == f"<{uri}>"
            places = list(zip(features, answer.json()["features"], strict=True))
            if features:
                one = subject.get(f"{address}/{features[0]['id']}", GEOJSON, crs=uri)
                assert one.headers["content-crs"] == f"<{uri}>"
                places.append((features[0], one.json()))
            for expected, given in places:
                assert expected["id"] == given["id"]
                shape = shapely.force_2d(shapely.geometry.shape(expected["geometry"]))
                assert shapely.equals_exact(shape, back(given["geometry"], uri), CLOSE), uri
                compared += 1
    assert compared > 0


@pytest.mark.parametrize("name", ["crs", "bbox-crs"])
def test_unknown_systems_are_refused(
    subject: Subject, collections: list[Document], name: str
) -> None:
    """Tests 5 and 9."""
    unknown = "http://www.opengis.net/def/crs/0/unknown"
    for collection in collections:
        query = {"bbox": "114,29,115,30", name: unknown} if name == "bbox-crs" else {name: unknown}
        answer = subject.get(items_address(collection), GEOJSON, **query)
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(f"{name}:")


def test_bbox_crs_parameter(subject: Subject, collections: list[Document]) -> None:
    """Tests 8 and 10: the same features by a box in any system, and CRS84 without one."""
    compared = 0
    for collection in collections:
        extent = collection.get("extent", {}).get("spatial")
        if extent is None:
            continue
        west, south, east, north = extent["bbox"][0]
        # Wider by some metres: a box on a plane is not quite one on the globe.
        box = shapely.box(west - 1e-4, south - 1e-4, east + 1e-4, north + 1e-4)
        address = items_address(collection)
        usual = subject.document(address, GEOJSON, bbox=_text(box), limit="100")
        for uri in collection["crs"]:
            known = system(uri)
            bounds = _box_in(box, known)
            page = subject.document(address, GEOJSON, bbox=bounds, bbox_crs=uri, limit="100")
            assert [entry["id"] for entry in page["features"]] == [
                entry["id"] for entry in usual["features"]
            ], uri
            assert page["numberMatched"] == usual["numberMatched"]
            compared += 1
    assert compared > 0


def _text(box: shapely.Geometry) -> str:
    return ",".join(f"{number:.9f}" for number in box.bounds)


def _box_in(box: shapely.Geometry, known: pyproj.CRS) -> str:
    west, south, east, north = box.bounds
    if known.is_geographic:
        turned = known.axis_info[0].direction == "north"
        ordered = (south, west, north, east) if turned else (west, south, east, north)
        return ",".join(f"{number:.9f}" for number in ordered)
    move = pyproj.Transformer.from_crs(known.geodetic_crs, known, always_xy=False)
    # Its sides are bent on the plane: the box around them all.
    first, second, third, fourth = move.transform_bounds(south, west, north, east, densify_pts=101)
    return f"{first:.4f},{second:.4f},{third:.4f},{fourth:.4f}"
