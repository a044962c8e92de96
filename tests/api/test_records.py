"""The catalogue of records: what is in it for whom, how it is searched, and how fast."""

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import shapely

from api.record_index import RecordIndex, RecordSearch
from api.records import Record, RecordType
from gis.times import BEIJING, Interval
from layers.catalogue import load_catalogue
from layers.definition import Bilingual, LayerDefinition, ShareLevel, Theme
from layers.errors import DefinitionError
from layers.yaml_source import load_model
from tests.api.town import (
    HERE,
    SOUTH,
    STEP,
    WEST,
)

ITEMS = "/api/collections/catalogue/items"


def found(client: httpx.Client, **parameters: str) -> set[str]:
    """The ids of all records that a search finds."""
    answer = client.get(ITEMS, params={"limit": "1000", **parameters})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    ids = {entry["id"] for entry in body["features"]}
    assert body["numberMatched"] == body["numberReturned"] == len(ids)
    return ids


def test_the_catalogue_holds_layers_maps_surveys_and_series(scene_service: httpx.Client) -> None:
    assert found(scene_service) == {
        "layer.admin_division", "layer.bare", "layer.imagery_scene", "layer.lamp", "layer.lane",
        "layer.plot", "map.town", "series.imagery_scene.GF-1", "series.imagery_scene.GF-2",
        "series.imagery_scene.unknown", "survey.1", "survey.2", "survey.3", "survey.4",
    }  # fmt: skip
    collection = scene_service.get("/api/collections/catalogue").json()
    assert (collection["itemType"], collection["type"]) == ("record", "Collection")
    assert collection["extent"]["temporal"]["interval"] == [["2012-04-30T16:00:00Z", None]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"q": "地块", "type": "dataset"}, {"layer.plot"}),
        ({"q": "coverage  OF plots"}, {"layer.plot"}),
        ({"q": "plots of"}, set()),
        ({"q": "巷道，coverage of plots", "type": "dataset"}, {"layer.plot", "layer.lane"}),
        ({"q": "水田", "type": "dataset"}, {"layer.plot", "layer.lamp"}),
        ({"q": "ＣＨ／Ｔ　9032", "type": "dataset"}, {"layer.imagery_scene"}),
        ({"q": "高分一号"}, {"series.imagery_scene.GF-1", "layer.imagery_scene"}),
        ({"q": "涉密"}, set()),
        ({"q": "权利人"}, set()),
        ({"type": "map,series", "q": "town"}, {"map.town"}),
        ({"theme": "影像", "type": "dataset"}, None),
        ({"theme": "遥感影像", "type": "dataset"}, {"layer.imagery_scene", "layer.bare"}),
        ({"open": "受控", "type": "dataset"}, {"layer.imagery_scene"}),
        ({"open": "unconditional", "theme": "land", "type": "dataset"}, {"layer.plot"}),
        ({"place": "嘉鱼"}, {"layer.admin_division", "survey.4"}),
        ({"place": "421202", "theme": "land"}, {"layer.plot", "survey.1", "survey.2"}),
        ({"place": "Xian'an", "type": "map"}, {"map.town"}),
        ({"bbox": "115.2,29,116,30", "theme": "framework"},
         {"layer.admin_division", "survey.4", "layer.lane"}),
        ({"datetime": "2012-01-01/2013-01-01", "type": "survey"}, {"survey.1", "survey.4"}),
        ({"datetime": "2014-03-11", "type": "series"}, {"series.imagery_scene.GF-1"} |
         {"series.imagery_scene.GF-2"}),
        ({"ids": "map.town,layer.secret,survey.1"}, {"map.town", "survey.1"}),
        ({"externalIds": "standard:CH/T 9032"}, {"layer.imagery_scene"}),
        ({"q": "", "type": "map", "place": "", "bbox": "", "datetime": ""}, {"map.town"}),
    ],
)  # fmt: skip
def test_searches(
    scene_service: httpx.Client, parameters: dict[str, str], expected: set[str] | None
) -> None:
    if expected is None:
        assert scene_service.get(ITEMS, params=parameters).status_code == 400
    else:
        assert found(scene_service, **parameters) == expected


def test_what_a_viewer_may_not_know_of_is_not_there(scene_service: httpx.Client) -> None:
    for path in (ITEMS, f"{ITEMS}?f=html", f"{ITEMS}/map.town"):
        answer = scene_service.get(path, params={"limit": "1000"} if path == ITEMS else None)
        assert "ecret" not in answer.text
        assert "涉密" not in answer.text
    for name in ("layer.secret", "survey.5", "layer.no-such"):
        answer = scene_service.get(f"{ITEMS}/{name}")
        assert (answer.status_code, answer.json()["title"]) == (404, "Not found")


def test_a_record_is_geojson_as_the_standard_has_it(scene_service: httpx.Client) -> None:
    answer = scene_service.get(f"{ITEMS}/layer.plot")
    assert answer.headers["content-type"] == "application/geo+json"
    body = answer.json()
    assert body["conformsTo"] == [
        "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core"
    ]
    assert body["time"] == {"interval": ["2012-04-30T16:00:00Z", ".."]}
    assert shapely.geometry.shape(body["geometry"]).bounds == pytest.approx(
        (WEST, SOUTH, WEST + 20 * STEP, SOUTH + 15 * STEP)
    )
    properties = body["properties"]
    assert properties["title"] == "地块 / Plots"
    assert (properties["type"], properties["open"]) == ("dataset", "unconditional")
    assert properties["themes"][0]["concepts"][0]["id"] == "land"
    assert properties["updated"].endswith("Z")
    assert "text/csv" in [entry["mediaType"] for entry in properties["formats"]]
    for entry in body["links"]:
        if entry["rel"] == "enclosure" and entry["type"] != "text/csv":
            continue
        linked = scene_service.get(entry["href"])
        assert linked.status_code == 200, entry
    survey = scene_service.get(f"{ITEMS}/survey.1").json()
    assert survey["time"] == {"timestamp": "2012-04-30T16:00:00Z"}
    checksum = survey["properties"]["externalIds"][0]["value"]
    assert found(scene_service, externalIds=f"sha256:{checksum}") == {"survey.1"}


def test_pages_follow_each_other_in_order(scene_service: httpx.Client) -> None:
    ids: list[str] = []
    address: str | None = f"{ITEMS}?sortby=-type,id&limit=4"
    while address is not None:
        body = scene_service.get(address).json()
        ids += [entry["id"] for entry in body["features"]]
        links = {entry["rel"]: entry["href"] for entry in body["links"]}
        address = links.get("next")
    assert ids[:4] == ["survey.1", "survey.2", "survey.3", "survey.4"]
    assert ids[-1] == "layer.plot"
    assert len(ids) == len(set(ids)) == 14
    assert "prev" in links
    assert scene_service.get(f"{ITEMS}?offset=100000").json()["features"] == []


def test_people_search_with_a_form(scene_service: httpx.Client) -> None:
    answer = scene_service.get(
        ITEMS, params={"q": "<b>", "theme": "land"}, headers={"accept": "text/html"}
    )
    assert answer.headers["content-type"].startswith("text/html")
    assert 'name="q" value="&lt;b&gt;"' in answer.text
    assert '<option value="land" selected>' in answer.text
    assert "<script" not in answer.text
    assert 'rel="http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog"' in answer.text
    page = scene_service.get(f"{ITEMS}/series.imagery_scene.GF-1", params={"f": "html"})
    assert "高分一号" in page.text


def test_unchanged_records_are_not_sent_again_and_head_has_no_body(
    scene_service: httpx.Client,
) -> None:
    etag = scene_service.get(ITEMS).headers["etag"]
    assert scene_service.get(ITEMS, headers={"if-none-match": etag}).status_code == 304
    assert scene_service.head(ITEMS).content == b""
    for path in (ITEMS, f"{ITEMS}/map.town"):
        refused = scene_service.delete(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "parameters",
    [
        {"q": "x" * 2000}, {"type": "lamp"}, {"theme": "x"}, {"open": "x"}, {"bbox": "1,2,3"},
        {"bbox": "1,2,nan,4"}, {"bbox": "1,9,3,4"}, {"place": "亚特兰蒂斯"},
        {"datetime": "2014-13"},
        {"limit": "0"}, {"offset": "-1"}, {"sortby": "open"}, {"sortby": "id,-id"},
        {"crs": "EPSG:4326"}, {"f": "xml"}, {"externalIds": ",".join(map(str, range(2000)))},
        {"nothing": "1"},
    ],
)  # fmt: skip
def test_bad_parameters_are_named(scene_service: httpx.Client, parameters: dict[str, str]) -> None:
    answer = scene_service.get(ITEMS, params=parameters)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert next(iter(parameters)) in answer.json()["detail"]


def test_no_layer_can_take_the_catalogues_name(tmp_path: Any) -> None:
    text = (HERE / "catalogue" / "layers" / "secret.yaml").read_text("utf-8")
    path = tmp_path / "catalogue.yaml"
    path.write_text(text.replace("name: secret", "name: catalogue", 1), "utf-8")
    assert load_model(path, LayerDefinition).name == "catalogue"
    with pytest.raises(DefinitionError, match="collection of the service"):
        load_catalogue(extra_layers=tmp_path)


def test_five_thousand_records_are_searched_in_milliseconds() -> None:
    day = datetime(2014, 5, 1, tzinfo=BEIJING)
    index = RecordIndex(
        Record(
            id=f"survey.{number}",
            type=RecordType.SURVEY,
            title=Bilingual(zh=f"土地利用现状图斑第{number}号", en=f"Land parcels {number}"),
            abstract=Bilingual(zh="咸宁市自然资源和规划局测绘成果" * 4, en="A survey of " * 10),
            keywords=("土地", "Land"),
            theme=Theme.LAND,
            open=ShareLevel.CONDITIONAL,
            share=ShareLevel.CONDITIONAL,
            bbox=(114 + number / 1e4, 29.0, 114.5 + number / 1e4, 30.0),
            start=day,
            end=day,
            created=day,
            updated=datetime.fromtimestamp(1.4e9 + number * 7 % 999, UTC),
            external_ids=(("sha256", f"{number:064x}"),),
            contact=None,
            formats=(),
            links=(),
            more={},
        )
        for number in range(5_000)
    )
    wanted = RecordSearch(
        terms=("第77号", "第4999号"),
        themes=(Theme.LAND,),
        opens=(ShareLevel.CONDITIONAL,),
        bbox=(114.0, 29.5, 115.0, 29.6),
        place=shapely.box(114, 29, 116, 31),
        at=Interval(day, None),
        sort=(("updated", True),),
    )
    index.search(wanted)
    start = time.perf_counter()
    assert {record.id for record in index.search(wanted)} == {"survey.77", "survey.4999"}
    # A twentieth of a second on a busy machine; a few milliseconds on an idle one.
    assert time.perf_counter() - start < 0.05
