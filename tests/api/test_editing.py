"""OGC API Features, part 4: features made, replaced, updated and deleted."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text

from api.edit_tokens import EditTokens
from layers.catalogue import Catalogue
from layers.errors import DefinitionError
from layers.store import Store
from tests.api.editor import (
    GEOJSON,
    LAMPS_ONLY,
    PLOTS_ONLY,
    TOKEN,
    Editor,
    feature,
    lamp,
    tile_at,
    tokens_file,
)
from tests.api.town import (
    FIRST,
    SOUTH,
    STEP,
    WEST,
    lamps,
    load_rows,
)
from tests.api.town_process import town_process
from tests.database import connected, copied_database

#: Whether somebody waits for a row of ``onemap.layer``.
WAITING = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE 'UPDATE onemap.layer%')
"""


def somebody_waits(database: str) -> bool:
    with connected(database) as connection:
        return bool(connection.execute(text(WAITING)).scalar())


def made(answer: httpx.Response) -> int:
    assert answer.status_code == 201, answer.text
    return int(answer.headers["location"].rsplit("/", 1)[1])


def rules(answer: httpx.Response, status: int = 422) -> set[str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {entry["rule"] for entry in answer.json()["violations"]}


def state(database: str) -> tuple[Any, ...]:
    """All that an edit could leave behind."""
    with connected(database) as connection:
        return tuple(
            connection.execute(text(query)).scalar()
            for query in (
                "SELECT count(*) FROM onemap.load",
                "SELECT md5(string_agg(lamp::text, '' ORDER BY lamp::text)) FROM city.lamp",
                "SELECT md5(string_agg(plot::text, '' ORDER BY plot::text)) FROM city.plot",
                "SELECT sum(data_version) FROM onemap.layer",
            )
        )


def test_a_new_feature_has_an_address_a_version_and_a_load(editor: Editor) -> None:
    answer = editor.post("lamp", lamp(1, height=5.5, lit=True, built="2020-02-29"))
    number = made(answer)
    assert answer.content == b""
    found = editor.get("lamp", number)
    body = found.json()
    assert body["properties"]["height"] == 5.5
    assert body["properties"]["built"] == "2020-02-29"
    assert body["properties"]["checked"] is None
    assert body["version"] == 1
    assert body["lineage"]["operator"] == "王工"
    assert found.headers["etag"].startswith(answer.headers["etag"][:-1])
    (load,) = [part for part in answer.headers["link"].split(">") if part.startswith("<")]
    record = editor.client.get(load[1:]).json()
    assert (record["kind"], record["status"], record["operator"]) == ("transaction", "done", "王工")
    assert record["counts"] == {
        "added": 1, "changed": 0, "unchanged": 0, "closed": 0, "quarantined": 0,
    }  # fmt: skip
    assert editor.client.get(f"{load[1:]}/report").json()["report"]["good"] == 1


def test_a_whole_feature_replaces_another_as_a_new_version(editor: Editor) -> None:
    number = made(editor.post("lamp", lamp(2, height=4, lit=True)))
    before = editor.get("lamp", number)
    answer = editor.put("lamp", number, lamp(2, height=6.5), **{"if-match": before.headers["etag"]})
    assert (answer.status_code, answer.content) == (204, b"")
    now = editor.get("lamp", number).json()
    assert (now["properties"]["height"], now["properties"]["lit"]) == (6.5, None)
    assert now["version"] == 2
    then = editor.get("lamp", number, datetime=before.json()["time"]["interval"][0]).json()
    assert then["properties"]["lit"] is True


def test_a_patch_changes_what_it_names_alone(editor: Editor) -> None:
    number = made(editor.post("lamp", lamp(3, height=4, lit=True)))
    was = editor.get("lamp", number).json()
    answer = editor.patch(
        "lamp", number, {"properties": {"lit": None, "kind": "07"}}, prefer="return=representation"
    )
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "return=representation"
    body = answer.json()
    assert body["properties"] == {**was["properties"], "lit": None, "kind": "07"}
    assert body["geometry"] == was["geometry"]
    moved = {"type": "Point", "coordinates": [WEST, SOUTH]}
    assert editor.patch("lamp", number, {"geometry": moved}).status_code == 204
    now = editor.get("lamp", number).json()
    assert now["geometry"]["coordinates"] == [WEST, SOUTH]
    assert (now["version"], now["properties"]) == (3, body["properties"])


def test_a_deleted_feature_ends_and_its_past_stays(editor: Editor) -> None:
    number = made(editor.post("lamp", lamp(4)))
    was = editor.get("lamp", number).json()
    assert editor.delete("lamp", number).status_code == 204
    assert editor.get("lamp", number).status_code == 404
    assert editor.delete("lamp", number).status_code == 404
    then = editor.get("lamp", number, datetime=was["time"]["interval"][0])
    assert then.json()["properties"] == was["properties"]
    assert made(editor.post("lamp", lamp(4))) == number


def test_what_comes_back_as_it_was_sent_changes_nothing(
    editor: Editor, edited_database: str
) -> None:
    plot = editor.find("plot", code="P0101")
    before = state(edited_database)
    answer = editor.put("plot", plot["id"], plot, prefer="return=minimal")
    assert answer.status_code == 204
    assert "link" not in answer.headers
    assert state(edited_database) == before


def test_a_date_says_since_when_it_is_so(editor: Editor) -> None:
    number = made(editor.post("lamp", lamp(5, height=4), "2015-06-01"))
    interval = editor.get("lamp", number).json()["time"]["interval"]
    assert interval == ["2015-05-31T16:00:00Z", ".."]
    answer = editor.client.patch(
        f"/api/collections/lamp/items/{number}?validFrom=2018-01-01",
        content=json.dumps({"properties": {"height": 5}}),
        headers={"content-type": "application/merge-patch+json"},
    )
    assert answer.status_code == 204
    assert editor.get("lamp", number, datetime="2017-01-01").json()["properties"]["height"] == 4
    ending = f"/api/collections/lamp/items/{number}?validFrom=2016-01-01"
    assert editor.client.delete(ending).status_code == 409
    future = editor.post("lamp", lamp(6), "2999-01-01")
    assert future.status_code == 409


def test_coordinates_come_in_the_system_that_the_request_names(editor: Editor) -> None:
    body = lamp(7)
    body["geometry"]["coordinates"].reverse()
    crs = "<http://www.opengis.net/def/crs/EPSG/0/4490>"
    number = made(editor.post("lamp", body, **{"content-crs": crs}))
    lon, lat = editor.get("lamp", number).json()["geometry"]["coordinates"]
    assert (lon, lat) == (pytest.approx(WEST + 7.5 * STEP), pytest.approx(SOUTH + 0.5 * STEP))
    unknown = editor.post("lamp", lamp(8), **{"content-crs": "<urn:no>"})
    assert unknown.status_code == 400
    assert "Content-Crs" in unknown.json()["detail"]


def test_several_new_features_are_made_all_or_none(editor: Editor, edited_database: str) -> None:
    many = {"type": "FeatureCollection", "features": [lamp(20), lamp(21), lamp(22)]}
    answer = editor.post("lamp", many)
    assert answer.status_code == 201
    assert len({entry["id"] for entry in answer.json()["features"]}) == 3
    before = state(edited_database)
    many["features"] = [lamp(23), lamp(24, height="high"), lamp(24)]
    answer = editor.post("lamp", many)
    assert rules(answer) == {"height: type"}
    assert answer.json()["violations"][0]["row"] == 2
    assert state(edited_database) == before
    many["features"] = [lamp(23), lamp(23)]
    assert rules(editor.post("lamp", many)) == {"duplicate_key"}


def test_neighbours_change_together(editor: Editor) -> None:
    left, right = editor.find("plot", code="P0500"), editor.find("plot", code="P0501")
    middle = WEST + STEP * 1.25
    south = SOUTH + 5 * STEP

    def box(west: float, east: float) -> dict[str, Any]:
        ring = [[west, south], [east, south], [east, south + STEP], [west, south + STEP]]
        return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}

    edits = [
        {"operation": "update", "id": left["id"], "feature": {"geometry": box(WEST, middle)}},
        {
            "operation": "update",
            "id": right["id"],
            "feature": {"geometry": box(middle, WEST + 2 * STEP)},
        },
    ]
    address = "/api/collections/plot/transactions"
    answer = editor.client.post(address, json={"edits": edits})
    assert answer.status_code == 200, answer.text
    assert [entry["id"] for entry in answer.json()["features"]] == [left["id"], right["id"]]
    halves = [
        {"operation": "delete", "id": left["id"]},
        {"operation": "create", "feature": feature(box(WEST, WEST + STEP / 2), code="P0500a")},
        {"operation": "create", "feature": feature(box(WEST + STEP / 2, middle), code="P0500b")},
    ]
    answer = editor.client.post(address, json={"edits": halves})
    assert answer.status_code == 200, answer.text
    child = answer.json()["features"][1]["id"]
    lineage = editor.client.get(f"/api/collections/plot/items/{child}/lineage").json()
    parents = [kin for kin in lineage["ancestors"] if kin["generation"] == 1]
    assert [(kin["feature"], kin["kind"]) for kin in parents] == [(left["id"], "split")]
    for wrong in ([], [{"operation": "merge"}], [{"operation": "delete", "id": "x"}], [3]):
        assert editor.client.post(address, json={"edits": wrong}).status_code == 422
    twice = [{"operation": "delete", "id": right["id"]}] * 2
    assert editor.client.post(address, json={"edits": twice}).status_code == 422


def test_fields_that_an_editor_may_not_see_stay_as_they_are(
    edited_town: str, edited_database: str, editor: Editor
) -> None:
    plot = editor.find("plot", code="P0202")
    assert plot["properties"]["owner"] == "某人"
    editor.patch("plot", plot["id"], {"properties": {"owner": "张三"}})
    with Editor(edited_town, LAMPS_ONLY) as lamps:
        shown = lamps.get("plot", plot["id"]).json()["properties"]
        assert "owner" not in shown
        assert lamps.patch("plot", plot["id"], {"properties": {"use": "07"}}).status_code == 403
        assert made(lamps.post("lamp", lamp(30))) > 0
    with Editor(edited_town, PLOTS_ONLY) as plots:
        body = plots.get("plot", plot["id"]).json()
        assert (
            plots.put(
                "plot", plot["id"], {**body, "properties": {**body["properties"], "use": "01"}}
            ).status_code
            == 204
        )
        answer = plots.patch("plot", plot["id"], {"properties": {"owner": "李四"}})
        assert rules(answer) == {"unknown_field"}
    after = editor.get("plot", plot["id"]).json()["properties"]
    assert (after["owner"], after["use"]) == ("张三", "01")


BAD_LAMPS: list[tuple[dict[str, Any], set[str]]] = [
    (lamp(40, height="5"), {"height: type"}),
    (lamp(40, height=True), {"height: type"}),
    (lamp(40, lit="true"), {"lit: type"}),
    (lamp(40, built="2020-02-30"), {"built: type"}),
    (lamp(40, built=20200201), {"built: type"}),
    (lamp(40, checked="yesterday"), {"checked: type"}),
    (lamp(40, kind="99"), {"kind: codes"}),
    (lamp(40, kind=["01"], lit=0), {"kind: type", "lit: type"}),
    (lamp(40, colour="red", height=[]), {"unknown_field", "height: type"}),
    ({**lamp(40), "properties": {"number": 40}}, {"zone: required"}),
    ({**lamp(40), "properties": None}, {"zone: required", "number: required"}),
    ({**lamp(40), "geometry": None}, {"geometry_missing"}),
    ({**lamp(40), "geometry": {"type": "Point", "coordinates": []}}, {"geometry_unreadable"}),
    ({**lamp(40), "geometry": {"type": "Point", "coordinates": [1, "2"]}}, {"geometry_unreadable"}),
    ({**lamp(40), "geometry": {"type": "Circle", "coordinates": [1, 2]}}, {"geometry_unreadable"}),
    ({**lamp(40), "geometry": {"type": "Point", "coordinates": [[1, 2]]}}, {"geometry_unreadable"}),
    ({**lamp(40), "geometry": [114.3, 29.8]}, {"geometry_unreadable"}),
    ({**lamp(40), "geometry": {"type": "Point", "coordinates": [2.3, 48.8]}}, {"geometry_outside"}),
    ({**lamp(40), "geometry": {"type": "Point", "coordinates": [1e300, 0]}}, {"geometry_outside"}),
    (
        {**lamp(40), "geometry": {"type": "LineString", "coordinates": [[114, 29], [115, 30]]}},
        {"geometry_type"},
    ),
    (
        {**lamp(40), "geometry": {"type": "MultiPoint", "coordinates": [[114, 29], [115, 30]]}},
        {"geometry_parts"},
    ),
]


def test_what_breaks_a_rule_is_refused_with_every_rule(
    editor: Editor, edited_database: str
) -> None:
    before = state(edited_database)
    for body, broken in BAD_LAMPS:
        answer = editor.post("lamp", body)
        assert rules(answer) == broken, body
        for entry in answer.json()["violations"]:
            assert entry["message"]
            assert entry["title"]["zh"]
            assert entry["title"]["en"]
    known = editor.find("lamp", zone="北", number=1)
    for properties in ({"zone": "南"}, {"number": 2}, {"zone": None}):
        answer = editor.patch("lamp", known["id"], {"properties": properties})
        assert "key_changed" in rules(answer)
    other = lamp(1)
    assert rules(editor.put("lamp", known["id"], other)) == {"key_changed"}
    taken = feature(lamp(1)["geometry"], zone="北", number=1)
    assert rules(editor.post("lamp", taken), 409) == {"duplicate_key"}
    assert state(edited_database) == before


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", GEOJSON, 400),
        (b"", GEOJSON, 400),
        (b"\xff\xfe", GEOJSON, 400),
        (b'{"type": "Feature", "properties": {"height": NaN}}', GEOJSON, 400),
        (b"[" * 50_000, GEOJSON, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, GEOJSON, 400),
        (b"[" * 900 + b"]" * 900, GEOJSON, 422),
        (b"null", GEOJSON, 422),
        (b'"Feature"', GEOJSON, 422),
        (b'{"type": "FeatureCollection", "features": []}', GEOJSON, 422),
        (b'{"type": "FeatureCollection", "features": [1]}', GEOJSON, 422),
        (b'{"type": "FeatureCollection", "features": [' + b"1," * 50 + b"1]}", GEOJSON, 413),
        (b'{"type": "Feature", "properties": [], "geometry": null}', GEOJSON, 422),
        (b" " * 100_001, GEOJSON, 413),
        (b"{}", "text/plain", 415),
        (b"{}", "application/merge-patch+json", 415),
        (b"<Feature/>", "application/gml+xml", 415),
    ],
)
def test_bodies_that_are_no_features_are_refused(
    editor: Editor, content: bytes, media_type: str, status: int
) -> None:
    answer = editor.client.post(
        "/api/collections/lamp/items", content=content, headers={"content-type": media_type}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_deep_geometry_and_long_bodies_are_refused_quickly(editor: Editor) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    body = {**lamp(41), "geometry": {"type": "MultiPolygon", "coordinates": deep}}
    content = json.dumps(body).encode()
    headers = {"content-type": GEOJSON}
    path = "/api/collections/lamp/items"
    assert rules(editor.client.post(path, content=content, headers=headers)) == {
        "geometry_unreadable"
    }

    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            yield b" " * 1_000

    assert editor.client.post(path, content=endless(), headers=headers).status_code == 413


def test_who_writes_says_who_and_why(
    edited_town: str, editor: Editor, edited_database: str
) -> None:
    before = state(edited_database)
    for token in (None, "no-such-token"):
        with Editor(edited_town, token) as stranger:
            answer = stranger.post("lamp", lamp(42))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert editor.post("secret", feature(lamp(1)["geometry"], code="S2")).status_code == 404
    assert editor.post("no_such_layer", lamp(42)).status_code == 404
    for reason in ("", "%20", "x" * 501, "a%09b", "%ff"):
        answer = editor.post("lamp", lamp(42), **{"x-change-reason": reason})
        assert answer.status_code == 400, reason
    assert state(edited_database) == before
    answer = editor.post("lamp", lamp(42), **{"x-change-reason": quote("路灯更换 100%")})
    load = answer.headers["link"].partition(">")[0][1:]
    with connected(edited_database) as connection:
        kept = connection.execute(
            text("SELECT request ->> 'reason' FROM onemap.load WHERE load_id = :load"),
            {"load": int(load.rsplit("/", 1)[1])},
        ).scalar()
    assert kept == "路灯更换 100%"


def test_without_a_file_of_tokens_nobody_edits(town: str) -> None:
    with Editor(town) as reader:
        assert reader.post("lamp", lamp(1)).status_code == 403
        allowed = reader.client.options("/api/collections/lamp/items").headers["allow"]
    assert allowed == "GET, HEAD, OPTIONS"


def test_what_is_possible_is_told(editor: Editor) -> None:
    answer = editor.client.options("/api/collections/lamp/items")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    answer = editor.client.options("/api/collections/lamp/items/1")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, PUT, PATCH, DELETE"
    assert answer.headers["accept-patch"] == "application/merge-patch+json"
    classes = editor.client.get("/api/conformance").json()["conformsTo"]
    assert any(entry.endswith("features-4/1.0/conf/update") for entry in classes)


def test_an_edit_of_an_older_version_is_refused(editor: Editor) -> None:
    number = made(editor.post("lamp", lamp(43)))
    old = editor.get("lamp", number).headers["etag"]
    assert not old.startswith("W/")
    again = editor.client.get(
        f"/api/collections/lamp/items/{number}", headers={"if-none-match": old}
    )
    assert again.status_code == 304
    assert editor.patch("lamp", number, {"properties": {"height": 5}}).status_code == 204
    for wrong in (old, f"W/{old}", '"x"', "nonsense"):
        answer = editor.patch("lamp", number, {"properties": {"lit": True}}, **{"if-match": wrong})
        assert answer.status_code == 412, wrong
        assert editor.delete("lamp", number, **{"if-match": wrong}).status_code == 412
    now = editor.get("lamp", number, f="html").headers["etag"]
    assert editor.delete("lamp", number, **{"if-match": f'"x", {now}'}).status_code == 204
    exists = editor.find("lamp", zone="北", number=3)["id"]
    assert editor.delete("lamp", exists, **{"if-none-match": "*"}).status_code == 412


def test_of_many_who_edit_one_version_one_succeeds(editor: Editor, edited_town: str) -> None:
    number = made(editor.post("lamp", lamp(44, height=0)))
    tag = editor.get("lamp", number).headers["etag"]
    statuses: list[int] = []

    def write(height: int, match: dict[str, str]) -> None:
        with Editor(edited_town) as one:
            answer = one.patch("lamp", number, {"properties": {"height": height}}, **match)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=write, args=(n, {"if-match": tag})) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [204, *[412] * 7]
    assert editor.get("lamp", number).json()["version"] == 2
    statuses.clear()
    threads = [threading.Thread(target=write, args=(n, {})) for n in range(20, 28)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * 8
    assert editor.get("lamp", number).json()["version"] == 10


def test_a_load_that_writes_the_layer_is_not_waited_for_long(
    editor: Editor, edited_database: str
) -> None:
    lock = "SELECT pg_advisory_xact_lock(:kind, hashtext('lamp'))"
    with connected(edited_database) as connection:
        connection.execute(text(lock), {"kind": 0x6F6E656D})
        answer = editor.post("lamp", lamp(45))
    assert answer.status_code == 409
    assert answer.headers["retry-after"]


def test_an_edit_is_taken_back_like_any_load(editor: Editor, edited_database: str) -> None:
    number = made(editor.post("lamp", lamp(46, height=4)))
    was = editor.get("lamp", number).json()
    answer = editor.patch("lamp", number, {"properties": {"height": 9}})
    load = int(answer.headers["link"].partition(">")[0].rsplit("/", 1)[1])
    ended = editor.delete("lamp", number)
    end = int(ended.headers["link"].partition(">")[0].rsplit("/", 1)[1])
    with httpx.Client(base_url=editor.client.base_url) as plain:
        assert plain.post(f"/api/loads/{load}/revert").status_code == 409
        assert plain.post(f"/api/loads/{end}/revert").status_code == 201
        assert editor.get("lamp", number).json()["properties"]["height"] == 9
        assert plain.post(f"/api/loads/{load}/revert").status_code == 201
    now = editor.get("lamp", number).json()
    assert (now["properties"], now["geometry"]) == (was["properties"], was["geometry"])
    assert now["time"] == was["time"]


def test_tiles_at_the_place_show_the_edit(editor: Editor) -> None:
    number = made(editor.post("lamp", lamp(47)))
    lon, lat = editor.get("lamp", number).json()["geometry"]["coordinates"]
    zoom = 16
    column, row = tile_at(lon, lat, zoom)
    there = f"/tiles/town/{zoom}/{column}/{row}.mvt"
    away = f"/tiles/town/{zoom}/{column + 8}/{row - 8}.mvt"
    first, far = editor.client.get(there), editor.client.get(away)
    assert first.status_code == 200, first.text
    assert editor.patch("lamp", number, {"properties": {"lit": True}}).status_code == 204
    now = editor.client.get(there, headers={"if-none-match": first.headers["etag"]})
    assert now.status_code == 200
    assert now.content != first.content
    same = editor.client.get(away, headers={"if-none-match": far.headers["etag"]})
    assert same.status_code == 304


def test_the_file_of_tokens_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tokens_file(tmp_path)
    tokens = EditTokens(path)
    found = tokens.bearer(f"Bearer {TOKEN}")
    assert found is not None
    assert (found.name, found.roles) == ("王工", {"editor", "registry"})
    assert tokens.bearer(f"Basic {TOKEN}") is None
    path.write_text("# nobody\n", "utf-8")
    os.utime(path, ns=(1, 1))
    assert tokens.bearer(f"Bearer {TOKEN}") is None
    path.write_text("wang: abc\n", "utf-8")
    assert tokens.bearer(f"Bearer {TOKEN}") is None
    with pytest.raises(DefinitionError, match=r"editors:1: write NAME"):
        EditTokens(path)
    with pytest.raises(DefinitionError, match="cannot be read"):
        EditTokens(tmp_path / "nowhere")


def test_a_server_killed_while_it_writes_leaves_nothing_half_written(
    cluster: str,
    postgis_template: str,
    catalogue: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONEMAP_EDIT_TOKENS", str(tokens_file(tmp_path)))
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue)
        store.migrate()
        load_rows(store, catalogue.layer("lamp"), lamps(), FIRST)
        store.close()
        before = state(url)
        with town_process(url, tmp_path / "tiles") as server, Editor(server.address) as editor:
            number = editor.find("lamp", zone="北", number=1)["id"]

            def write() -> None:
                with suppress(httpx.TransportError):
                    editor.patch("lamp", number, {"properties": {"height": 9}})

            writing = threading.Thread(target=write)
            with connected(url) as connection:
                # An edit raises the layer's version last, when its rows are written.
                connection.execute(
                    text("SELECT 1 FROM onemap.layer WHERE name = 'lamp' FOR UPDATE")
                )
                writing.start()
                deadline = time.monotonic() + 20
                while not somebody_waits(url):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                server.kill()
                writing.join()
        deadline = time.monotonic() + 20
        while (after := state(url)) != before:
            assert time.monotonic() < deadline, (before, after)
            time.sleep(0.1)
        with town_process(url, tmp_path / "more") as server, Editor(server.address) as editor:
            answer = editor.patch("lamp", number, {"properties": {"height": 9}})
            assert answer.status_code == 204, answer.text
