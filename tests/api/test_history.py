"""Features' histories, and what changed in a layer between two dates."""

from typing import Any

import httpx
import pytest

from tests.api.editor import Editor, lamp, tile_at
from tests.api.town import SOUTH, STEP, WEST

LAMPS = "/api/collections/lamp"


def edited_lamp(editor: Editor, number: int) -> int:
    """A lamp made in 2014, changed in 2016, moved in 2018, ended in 2020 and back in 2022."""
    made = editor.post("lamp", lamp(number, height=4, lit=True), "2014-01-01")
    assert made.status_code == 201, made.text
    feature = int(made.headers["location"].rsplit("/", 1)[1])
    there = [WEST + (number % 20 + 0.5) * STEP, SOUTH + 0.5 * STEP + 0.0001]
    moved = {"geometry": {"type": "Point", "coordinates": there}}
    for since, reason, body in (
        ("2016-01-01", "taller", {"properties": {"height": 6, "kind": "07"}}),
        ("2018-01-01", "moved", moved),
    ):
        answer = editor.client.patch(
            f"{LAMPS}/items/{feature}?validFrom={since}",
            json=body,
            headers={"content-type": "application/merge-patch+json", "x-change-reason": reason},
        )
        assert answer.status_code == 204, answer.text
    ended = editor.client.delete(f"{LAMPS}/items/{feature}?validFrom=2020-01-01")
    assert ended.status_code == 204
    again = editor.post("lamp", lamp(number, height=4, lit=True), "2022-01-01")
    assert again.status_code == 201
    return feature


def history(editor: Editor, feature: int, **parameters: Any) -> dict[str, Any]:
    answer = editor.client.get(f"{LAMPS}/items/{feature}/versions", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_history_tells_what_changed_when_and_by_whom(editor: Editor) -> None:
    feature = edited_lamp(editor, 101)
    body = history(editor, feature)
    assert (body["numberMatched"], body["key"]) == (4, {"zone": "东", "number": 101})
    first, taller, moved, back = body["versions"]
    assert [one["version"] for one in body["versions"]] == [1, 2, 3, 4]
    assert [one["change"] for one in body["versions"]] == [
        "added", "changed", "changed", "returned",
    ]  # fmt: skip
    assert first["valid"] == ["2014-01-01T00:00:00+08:00", "2016-01-01T00:00:00+08:00"]
    assert (first["previous"], first["changes"], first["geometryChanged"]) == (None, {}, False)
    assert taller["previous"] == 1
    assert taller["changes"] == {
        "height": {"before": 4.0, "after": 6.0},
        "kind": {"before": None, "after": "07"},
    }
    assert (taller["recordedBy"]["operator"], taller["recordedBy"]["reason"]) == ("王工", "taller")
    assert taller["recordedBy"]["kind"] == "transaction"
    assert moved["changes"] == {}
    assert moved["geometryChange"]["moved"] == pytest.approx(11.08, abs=0.05)
    assert moved["endedBy"]["operator"] == "王工"
    assert taller["endedBy"] is None
    assert (back["valid"][1], back["previous"]) == (None, 3)
    assert all(one["held"] for one in body["versions"])


def test_a_history_is_told_as_it_was_told_then(editor: Editor) -> None:
    feature = edited_lamp(editor, 102)
    every = history(editor, feature)["versions"]
    then = history(editor, feature, asOf=every[1]["recorded"][0])["versions"]
    assert [one["version"] for one in then] == [1, 2]
    assert then[1]["valid"] == ["2016-01-01T00:00:00+08:00", None]
    early = editor.client.get(f"{LAMPS}/items/{feature}/versions?asOf=2001-01-01")
    assert early.status_code == 404


def test_what_an_edit_replaced_from_its_beginning_is_told_too(editor: Editor) -> None:
    made = editor.post("lamp", lamp(103, height=4), "2014-01-01")
    feature = int(made.headers["location"].rsplit("/", 1)[1])
    answer = editor.client.patch(
        f"{LAMPS}/items/{feature}?validFrom=2014-01-01",
        json={"properties": {"height": 5}},
        headers={"content-type": "application/merge-patch+json"},
    )
    load = int(answer.headers["link"].partition(">")[0].rsplit("/", 1)[1])
    wrong, right = history(editor, feature)["versions"]
    assert (wrong["held"], wrong["replacedBy"]["load"]) == (False, load)
    assert wrong["recorded"][1] == right["recorded"][0]
    assert right["changes"] == {"height": {"before": 4.0, "after": 5.0}}
    with httpx.Client(base_url=editor.client.base_url) as plain:
        reversal = {"operator": "李工", "reason": "a mistake"}
        assert plain.post(f"/api/loads/{load}/revert", json=reversal).status_code == 201
    last = history(editor, feature)["versions"][-1]
    assert last["changes"] == {"height": {"before": 5.0, "after": 4.0}}
    by = last["recordedBy"]
    assert (by["kind"], by["operator"], by["reason"]) == ("revert", "李工", "a mistake")


def test_a_history_comes_in_pages_as_geojson_and_as_a_page(editor: Editor) -> None:
    feature = edited_lamp(editor, 104)
    body = history(editor, feature, f="geojson", limit=3)
    assert body["type"] == "FeatureCollection"
    assert [one["id"] for one in body["features"]] == [f"{feature}.{n}" for n in (1, 2, 3)]
    assert body["features"][2]["geometry"]["type"] == "Point"
    assert body["features"][1]["properties"]["operator"] == "王工"
    assert body["features"][1]["properties"]["height"] == 6.0
    (following,) = [one["href"] for one in body["links"] if one["rel"] == "next"]
    rest = editor.client.get(following).json()
    assert [one["properties"]["version"] for one in rest["features"]] == [4]
    path = f"{LAMPS}/items/{feature}/versions"
    page = editor.client.get(path, headers={"accept": "text/html"})
    for word in ("<svg", "历史 / history", "变更 / changed", "高 / Height: 4.0 → 6.0", "taller"):
        assert word in page.text
    again = editor.client.get(
        path, headers={"if-none-match": editor.client.get(path).headers["etag"]}
    )
    assert again.status_code == 304
    head = editor.client.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_a_history_hides_what_the_viewer_may_not_see(editor: Editor) -> None:
    plot = editor.find("plot", code="P0301")
    answer = editor.patch("plot", plot["id"], {"properties": {"owner": "赵六"}})
    assert answer.status_code == 204
    path = f"/api/collections/plot/items/{plot['id']}/versions"
    with httpx.Client(base_url=editor.client.base_url) as plain:
        last = plain.get(path).json()["versions"][-1]
        assert "owner" not in last["properties"]
        assert last["changes"] == {}
        assert plain.get("/api/collections/secret/items/1/versions").status_code == 404
        for wrong in ("limit=0", "limit=x", "cursor=-1", "asOf=then", "f=pdf", "colour=red"):
            assert plain.get(f"{path}?{wrong}").status_code == 400, wrong
        assert plain.get("/api/collections/plot/items/x/versions").status_code == 404
        assert plain.get("/api/collections/plot/items/999999/versions").status_code == 404
    seen = editor.client.get(path).json()["versions"][-1]
    assert seen["changes"]["owner"] == {"before": "某人", "after": "赵六"}


def changes(editor: Editor, layer: str = "plot", **parameters: Any) -> dict[str, Any]:
    answer = editor.client.get(f"/api/collections/{layer}/changes", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_between_two_dates_features_were_added_changed_and_removed(editor: Editor) -> None:
    edited_lamp(editor, 105)
    number = {"filter": "number = 105"}

    def kinds(since: str, until: str) -> dict[str, int]:
        body = changes(editor, "lamp", to=until, **{"from": since}, **number)
        (feature,) = body["features"] or [None]
        if feature is not None:
            assert feature["change"] == feature["properties"]["change"]
            assert body["counts"][feature["change"]] == body["numberMatched"] == 1
        counts: dict[str, int] = body["counts"]
        return counts

    nothing = {"added": 0, "changed": 0, "removed": 0}
    assert kinds("2013-01-01", "2015-01-01") == nothing | {"added": 1}
    assert kinds("2015-01-01", "2019-01-01") == nothing | {"changed": 1}
    assert kinds("2015-01-01", "2021-01-01") == nothing | {"removed": 1}
    assert kinds("2013-01-01", "2021-01-01") == nothing
    assert kinds("2021-01-01", "2023-01-01") == nothing | {"added": 1}
    body = changes(editor, "lamp", to="2019-01-01", **{"from": "2015-01-01"}, **number)
    (feature,) = body["features"]
    assert feature["changes"] == {
        "height": {"before": 4.0, "after": 6.0},
        "kind": {"before": None, "after": "07"},
    }
    assert feature["geometryChange"]["moved"] == pytest.approx(11.08, abs=0.05)


def test_changes_come_in_pages_that_hold_each_once(editor: Editor) -> None:
    span = {"from": "2015-01-01", "to": "2019-06-01"}
    first = changes(editor, limit=30, **span)
    assert first["counts"] == {"added": 0, "changed": 80, "removed": 0}
    assert first["features"][0]["changes"]["use"] == {"before": "01", "after": "07"}
    assert first["features"][0]["geometryChanged"] is False
    found, page = [], first
    while True:
        found += [one["id"] for one in page["features"]]
        following = [one["href"] for one in page["links"] if one["rel"] == "next"]
        if not following:
            break
        page = editor.client.get(following[0]).json()
        assert "counts" not in page
    assert len(found) == len(set(found)) == 80
    assert found == sorted(found)
    box = f"{WEST + 0.2 * STEP},{SOUTH + 0.2 * STEP},{WEST + 0.8 * STEP},{SOUTH + 0.8 * STEP}"
    assert changes(editor, bbox=box, **span)["numberMatched"] == 1
    some = changes(editor, filter="code LIKE 'P03%'", **span)
    assert some["numberMatched"] == 10
    assert changes(editor, asOf="2001-01-01", **span)["numberMatched"] == 0


def test_changes_have_tiles_a_page_and_an_entity_tag(editor: Editor) -> None:
    path = "/api/collections/plot/changes?from=2015-01-01&to=2019-06-01"
    answer = editor.client.get(path)
    (tiles,) = [one for one in answer.json()["links"] if one.get("templated")]
    column, row = tile_at(WEST + STEP, SOUTH + STEP, 14)
    place = {"tileMatrix": 14, "tileRow": row, "tileCol": column}
    tile = editor.client.get(tiles["href"].format(**place))
    assert tile.status_code == 200, tile.text
    assert b"changed" in tile.content
    tag = answer.headers["etag"]
    assert editor.client.get(path, headers={"if-none-match": tag}).status_code == 304
    assert editor.client.head(path).content == b""
    page = editor.client.get(f"{path}&limit=40", headers={"accept": "text/html"}).text
    for word in ("变更 / changed: <b>80</b>", "用途 / Use: 01 → 07", "下一页 / next page"):
        assert word in page


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from=",
        "from=2015",
        "from=2015-01-01/2016-01-01",
        "from=2015-01-01&to=2014-01-01",
        "from=2999-01-01",
        "from=2015-01-01&from=2016-01-01",
        "from=2015-01-01&limit=0",
        "from=2015-01-01&cursor=x",
        "from=2015-01-01&bbox=1,2,3",
        "from=2015-01-01&bbox-crs=urn:no",
        "from=2015-01-01&filter=owner%20%3D%20%271%27",
        "from=2015-01-01&filter=((",
        "from=2015-01-01&f=pdf",
        "from=2015-01-01&datetime=2016-01-01",
    ],
)
def test_requests_for_changes_that_cannot_be_are_refused(town: str, query: str) -> None:
    answer = httpx.get(f"{town}/api/collections/plot/changes?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
