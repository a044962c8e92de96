"""OGC API Tiles 1.0 (OGC 20-057): the abstract tests of annex A for vector tiles."""

from collections.abc import Iterator

import mapbox_vector_tile

from tests.conformance.conftest import Document, Subject, linked

_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
TILESETS = f"{_REL}tilesets-vector"
SCHEME = f"{_REL}tiling-scheme"
CONFORMANCE = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf"
MVT = "application/vnd.mapbox-vector-tile"


def lists_of_tilesets(subject: Subject, collections: list[Document]) -> Iterator[str]:
    yield from (entry["href"] for entry in linked(subject.document("/")["links"], TILESETS))
    for collection in collections:
        yield from (entry["href"] for entry in linked(collection["links"], TILESETS))


def tilesets(subject: Subject, collections: list[Document]) -> Iterator[tuple[Document, Document]]:
    """Yield each tileset as it is listed, and as it describes itself."""
    for address in lists_of_tilesets(subject, collections):
        for listed in subject.document(address)["tilesets"]:
            (own,) = linked(listed["links"], "self")
            yield listed, subject.document(own["href"])


def test_conformance_classes(subject: Subject) -> None:
    declared = subject.document("/conformance")["conformsTo"]
    for name in ("core", "tileset", "tilesets-list", "dataset-tilesets", "geodata-tilesets", "mvt"):
        assert f"{CONFORMANCE}/{name}" in declared


def test_landing_page_and_collections_lead_to_tilesets(
    subject: Subject, collections: list[Document]
) -> None:
    """Tests A.10 to A.13."""
    assert linked(subject.document("/")["links"], TILESETS)
    for collection in collections:
        (entry,) = linked(collection["links"], TILESETS)
        assert entry["href"].endswith(f"/collections/{collection['id']}/tiles")
        assert subject.document(entry["href"])["tilesets"]


def test_tilesets_are_listed_with_what_clients_need(
    subject: Subject, collections: list[Document]
) -> None:
    """Tests A.8 and A.9; every link of the list leads to a document."""
    for address in list(lists_of_tilesets(subject, collections))[:5]:
        for listed in subject.document(address)["tilesets"]:
            assert {"title", "dataType", "crs", "tileMatrixSetURI"} <= set(listed)
            assert linked(listed["links"], SCHEME)
            for entry in listed["links"]:
                assert subject.get(entry["href"]).status_code == 200, entry["href"]


def test_templates_name_matrix_row_and_column(
    subject: Subject, collections: list[Document]
) -> None:
    """Tests A.2 to A.5 and A.7's limits: each tileset has a template, a grid and limits."""
    seen = 0
    for listed, own in tilesets(subject, collections):
        (template,) = linked(own["links"], "item", MVT)
        assert template["templated"] is True
        for name in ("tileMatrix", "tileRow", "tileCol"):
            assert f"{{{name}}}" in template["href"]
        assert own["tileMatrixSetURI"] == listed["tileMatrixSetURI"]
        assert {entry["id"] for entry in own["layers"]}
        assert own["tileMatrixSetLimits"]
        seen += 1
    assert seen >= 2


def filled(template: str, matrix: str, row: int, column: int) -> str:
    address = template.replace("{tileMatrix}", matrix).replace("{tileRow}", str(row))
    return address.replace("{tileCol}", str(column))


def test_tiles_within_the_limits_are_there_and_others_are_not(
    subject: Subject, collections: list[Document]
) -> None:
    """Tests A.6 and A.7: 200 or 204 within, 400 or 404 beyond the limits and the matrix."""
    drawn = 0
    for _, own in tilesets(subject, collections):
        (template,) = linked(own["links"], "item", MVT)
        for limits in own["tileMatrixSetLimits"]:
            matrix = limits["tileMatrix"]
            inside = filled(template["href"], matrix, limits["maxTileRow"], limits["minTileCol"])
            answer = subject.get(inside, MVT)
            assert answer.status_code in (200, 204), inside
            if answer.status_code == 200:
                assert answer.headers["content-type"] == MVT
                drawn += len(mapbox_vector_tile.decode(answer.content))
            beyond = filled(
                template["href"], matrix, limits["maxTileRow"] + 1, limits["minTileCol"]
            )
            assert subject.get(beyond, MVT).status_code in (400, 404), beyond
            nowhere = filled(template["href"], matrix, 2_147_483_647, 2_147_483_647)
            assert subject.get(nowhere, MVT).status_code in (400, 404)
        unknown = filled(template["href"], "99", 0, 0)
        assert subject.get(unknown, MVT).status_code in (400, 404)
    assert drawn > 0


def test_grids_are_defined(subject: Subject) -> None:
    """Test A.24 and OGC 17-083r4: each grid by its address, linked as its item, too."""
    listed = subject.document("/tileMatrixSets")["tileMatrixSets"]
    assert "WebMercatorQuad" in [entry["id"] for entry in listed]
    for entry in listed:
        (item,) = linked(entry["links"], "item", "application/json")
        grid = subject.document(item["href"])
        assert grid["tileMatrices"]
        assert grid["id"] == entry["id"]
