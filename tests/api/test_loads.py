"""Loads over HTTP: handed in, followed, cancelled, tried again; and who may do so."""

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from api.settings import ApiSettings
from etl.jobs import Tools, run_job
from etl.settings import EtlSettings
from layers.catalogue import Catalogue, load_catalogue
from layers.load_desk import LoadDesk
from layers.store import Store
from tests.api.town import serving, wait_until_ready
from tests.cli.worker_process import apply_hangs, rows, survey, worker
from tests.database import connected, copied_database

TOKEN = "a-token-of-the-tests"  # noqa: S105 -- opens nothing
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def city() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def template(cluster: str, postgis_template: str, city: Catalogue) -> Iterator[str]:
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, city)
        store.migrate()
        store.close()
        yield str(make_url(url).database)


@pytest.fixture
def url(cluster: str, template: str) -> Iterator[str]:
    with copied_database(cluster, template) as made:
        yield made


@pytest.fixture
def etl(tmp_path: Path) -> EtlSettings:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return EtlSettings.model_construct(
        spool_dir=tmp_path / "spool",
        inbox_dir=inbox,
        max_upload_bytes=1_000_000,
        harvest_hosts=("maps.example.cn",),
        retry_s=0.1,
    )


@pytest.fixture
def service(url: str, city: Catalogue, etl: EtlSettings) -> Iterator[httpx.Client]:
    """A client of a server that has no token."""
    with serving(ApiSettings(), url, city, etl) as address:
        with httpx.Client(base_url=address, timeout=30) as client:
            wait_until_ready(client)
            yield client


@pytest.fixture
def work(url: str, city: Catalogue, etl: EtlSettings) -> Iterator[Callable[[], int]]:
    """Return a function that works the queue off in this process and returns how much it did."""
    store, desk = Store(url, city), LoadDesk(url)
    tools = Tools(store, desk, city, etl)

    def work_off() -> int:
        done = 0
        while True:
            with connected(url) as connection:
                found = connection.execute(
                    text("SELECT id, payload FROM onemap.job ORDER BY id LIMIT 1")
                ).first()
                if found is None:
                    return done
                connection.execute(text("DELETE FROM onemap.job WHERE id = :id"), {"id": found.id})
            run_job(int(bytes(found.payload).decode()), int(found.id), tools)
            done += 1

    yield work_off
    store.close()
    desk.close()


def places(tmp_path: Path, count: int = 12) -> bytes:
    return survey(tmp_path / "places.gpkg", count).read_bytes()


def hand_in(service: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    return service.post(
        "/api/loads",
        files={"file": ("地名.gpkg", content)},
        data={"layer": "place_name", "operator": "王工", "validFrom": "2014-05-01"},
        headers=headers,
    )


def test_an_uploaded_survey_is_loaded(
    service: httpx.Client, tmp_path: Path, work: Callable[[], int], url: str, etl: EtlSettings
) -> None:
    answer = hand_in(service, places(tmp_path))
    assert answer.status_code == 202, answer.text
    waiting = answer.json()
    assert answer.headers["location"] == f"{service.base_url}/api/loads/{waiting['id']}"
    assert (waiting["status"], waiting["source"], waiting["operator"]) == (
        "queued",
        "地名.gpkg",
        "王工",
    )
    assert waiting["validFrom"] == "2014-05-01T00:00:00+08:00"
    assert work() == 1
    load = service.get(answer.headers["location"]).json()
    assert (load["status"], load["final"], load["failure"]) == ("done", True, None)
    assert load["counts"] == {
        "added": 12,
        "changed": 0,
        "unchanged": 0,
        "closed": 0,
        "quarantined": 0,
    }
    rels = {entry["rel"] for entry in load["links"]}
    assert rels == {"self", "monitor", "collection", "describedby", "related", "revert"}
    assert rows(url) == 12
    assert str(etl.spool_dir) not in answer.text + json.dumps(load)


def test_a_zip_is_loaded_with_its_mapping(
    service: httpx.Client, tmp_path: Path, work: Callable[[], int], url: str
) -> None:
    survey(tmp_path / "places.shp", 5)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part in tmp_path.glob("places.*"):
            archive.write(part, part.name)
    mapping = b"source: the tests\nlayer: place_name\n"
    files = {"file": ("places.zip", packed.getvalue()), "mapping": ("places.yaml", mapping)}
    answer = service.post("/api/loads", files=files)
    assert answer.status_code == 202, answer.text
    assert answer.json()["layer"] == "place_name"
    work()
    load = service.get(answer.headers["location"]).json()
    assert load["status"] == "done", load
    assert rows(url) == 5


def test_the_parts_of_a_shapefile_may_come_one_by_one(
    service: httpx.Client, tmp_path: Path, work: Callable[[], int]
) -> None:
    survey(tmp_path / "places.shp", 5)
    files = [("file", (part.name, part.read_bytes())) for part in sorted(tmp_path.glob("places.*"))]
    answer = service.post("/api/loads", files=files, data={"layer": "place_name"})
    assert answer.status_code == 202, answer.text
    work()
    assert service.get(answer.headers["location"]).json()["status"] == "done"


def test_a_file_of_the_inbox_is_loaded(
    service: httpx.Client, etl: EtlSettings, work: Callable[[], int]
) -> None:
    assert etl.inbox_dir is not None
    (etl.inbox_dir / "2014").mkdir()
    survey(etl.inbox_dir / "2014" / "places.gpkg", 3)
    order = {"file": "2014/places.gpkg", "layer": "place_name", "maxBad": 0}
    answer = service.post("/api/loads", json=order)
    assert answer.status_code == 202, answer.text
    work()
    load = service.get(answer.headers["location"]).json()
    assert (load["status"], load["counts"]["added"]) == ("done", 3)


def test_the_same_request_twice_is_one_load(service: httpx.Client, tmp_path: Path) -> None:
    content = places(tmp_path)
    key = {"idempotency-key": "night-42"}
    first, second = hand_in(service, content, **key), hand_in(service, content, **key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["location"] == second.headers["location"]
    other = hand_in(service, content + b"\0", **key)
    assert (other.status_code, other.headers["content-type"]) == (422, PROBLEM)
    assert len(service.get("/api/loads").json()["loads"]) == 1


def test_loads_are_listed_in_pages(service: httpx.Client, tmp_path: Path) -> None:
    content = places(tmp_path)
    made = [hand_in(service, content).json()["id"] for _ in range(3)]
    service.post(f"/api/loads/{made[0]}/cancel")
    first = service.get("/api/loads?limit=2&layer=place_name").json()
    assert [load["id"] for load in first["loads"]] == [made[2], made[1]]
    assert [load["ahead"] for load in first["loads"]] == [1, 0]
    following = next(entry["href"] for entry in first["links"] if entry["rel"] == "next")
    second = service.get(following).json()
    assert [load["id"] for load in second["loads"]] == [made[0]]
    assert not [entry for entry in second["links"] if entry["rel"] == "next"]
    cancelled = service.get("/api/loads?status=cancelled").json()["loads"]
    assert [load["id"] for load in cancelled] == [made[0]]
    assert service.get("/api/loads?layer=building").json()["loads"] == []
    assert service.get("/api/loads?layer=nothing").status_code == 404
    for bad in ("status=lost", "limit=0", "limit=x", "before=-1", "colour=red"):
        assert service.get(f"/api/loads?{bad}").status_code == 400, bad


def test_cancel_and_retry(
    service: httpx.Client, tmp_path: Path, work: Callable[[], int], url: str
) -> None:
    load_id = hand_in(service, places(tmp_path)).json()["id"]
    path = f"/api/loads/{load_id}"
    assert service.post(f"{path}/retry").status_code == 409
    answer = service.post(f"{path}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert {entry["rel"] for entry in answer.json()["links"]} >= {"retry"}
    assert work() == 1
    assert rows(url) == 0
    answer = service.post(f"{path}/retry")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    work()
    assert service.get(path).json()["status"] == "done"
    for action in ("cancel", "retry"):
        answer = service.post(f"{path}/{action}")
        assert (answer.status_code, answer.headers["content-type"]) == (409, PROBLEM)
    assert service.post("/api/loads/4711/cancel").status_code == 404


def test_a_load_is_taken_back(
    service: httpx.Client, tmp_path: Path, work: Callable[[], int]
) -> None:
    load_id = hand_in(service, places(tmp_path)).json()["id"]
    path = f"/api/loads/{load_id}/revert"
    assert service.post(path).status_code == 409, "it is not done yet"
    work()
    assert service.post(path, content=b"[]").status_code == 400
    answer = service.post(path, json={"operator": "李工", "reason": "the wrong year"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"].endswith(f"/api/loads/{made['id']}")
    assert (made["kind"], made["reverts"], made["operator"]) == ("revert", load_id, "李工")
    assert made["counts"]["closed"] == 12
    assert service.get(f"/api/loads/{load_id}").json()["revertedBy"] == made["id"]
    assert service.post(path).status_code == 409, "it was taken back already"
    assert service.post(f"/api/loads/{made['id']}/retry").status_code == 409


def test_where_there_is_no_room_for_an_upload_that_is_said(
    url: str, city: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("not a folder", encoding="ascii")
    settings = EtlSettings.model_construct(spool_dir=tmp_path / "spool")
    with serving(ApiSettings(), url, city, settings) as address:
        answer = httpx.post(f"{address}/api/loads", files={"file": ("a.csv", b"x")})
    assert (answer.status_code, answer.headers["content-type"]) == (507, PROBLEM)
    assert str(tmp_path) not in answer.text


def test_a_refused_load_says_why_without_the_server_s_folders(
    service: httpx.Client, work: Callable[[], int], etl: EtlSettings
) -> None:
    answer = hand_in(service, b"no survey")
    work()
    answer = service.get(answer.headers["location"])
    load = answer.json()
    assert (load["status"], load["final"]) == ("failed", True)
    assert "地名.gpkg" in load["failure"]
    assert str(etl.spool_dir) not in answer.text
    assert str(etl.spool_dir.parent) not in answer.text


def part(name: str, value: str | bytes, filename: str | None = None) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    named = "" if filename is None else f'; filename="{filename}"'
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


FORM = {"content-type": "multipart/form-data; boundary=b"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "content", "status", "words"),
    [
        ({"content-type": "text/csv"}, b"a,b", 415, "multipart/form-data"),
        ({"content-type": "multipart/form-data"}, b"", 415, "with a boundary"),
        (FORM, b"", 400, "ends before its last boundary"),
        (FORM, b"nonsense", 400, "no well-formed"),
        (FORM, part("layer", "poi") + b"--b--\r\n", 422, "no file came"),
        (FORM, part("file", "x", "a.csv"), 400, "ends before its last boundary"),
        (FORM, part("file", "x", "a.csv") + part("colour", "red") + b"--b--\r\n", 400, "colour"),
        (FORM, part("other", "x", "a.csv") + b"--b--\r\n", 400, "'other'"),
        (FORM, part("file", "x", "..") + b"--b--\r\n", 400, "has no name"),
        (FORM, part("file", "x", "a.csv") * 2 + b"--b--\r\n", 400, "two files are called a.csv"),
        (FORM, part("file", "x", "a.csv") + b"--b--\r\n", 422, "say the layer"),
        (FORM, part("file", b"x" * 1_100_000, "a.csv") + b"--b--\r\n", 413, "1,000,000 bytes"),
        (JSON, b"{", 400, "no JSON"),
        (JSON, b"[]", 400, "an object"),
        (JSON, b"{}", 422, "either file or url"),
        (JSON, b'{"file": "a", "colour": 1}', 400, "colour"),
        (JSON, b'{"file": "a", "maxBad": 2}', 400, "maxBad"),
        (JSON, b'{"file": "a", "validFrom": "once"}', 400, "validFrom"),
        (JSON, b'{"file": "nothing.gpkg"}', 422, "the inbox has no 'nothing.gpkg'"),
        (JSON, b'{"file": "../secret.csv"}', 422, "below the inbox"),
        (JSON, b'{"file": "/etc/passwd"}', 422, "below the inbox"),
        (JSON, b'{"file": "way-out/secret.csv"}', 422, "below the inbox"),
        (JSON, b'{"file": "."}', 422, "below the inbox"),
        (JSON, b'{"file": "a.csv", "mapping": "../secret.csv"}', 422, "below the inbox"),
        (JSON, b'{"file": "a.csv", "layer": "nothing"}', 422, "no layer 'nothing'"),
        (JSON, b'{"file": "a.csv", "layer": "poi", "crs": "EPSG:2414"}', 422, "Beijing 1954"),
        (JSON, b'{"file": "a.csv", "layer": "poi", "crs": "nowhere"}', 422, "'nowhere'"),
        (JSON, b'{"file": "a.csv", "layer": "poi", "mapping": "a.csv"}', 422, "a.csv"),
        (JSON, b'{"url": "file:///etc/passwd", "layer": "poi"}', 422, "http or https"),
        (JSON, b'{"url": "http://127.0.0.1/collections/a", "layer": "poi"}', 422, "127.0.0.1"),
        (JSON, b'{"url": "http://u:p@maps.example.cn/a", "layer": "poi"}', 422, "http or https"),
        (JSON, b"{" + b" " * 1_000_001 + b"}", 413, "1,000,000 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_refused_at_once(
    refusing: tuple[httpx.Client, Path], headers: dict[str, str], content: bytes, status: int,
    words: str,
) -> None:  # fmt: skip
    client, spool = refusing
    answer = client.post("/api/loads", headers=headers, content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    assert words in answer.json()["detail"]
    assert str(spool.parent) not in answer.text
    assert client.get("/api/loads").json()["loads"] == []
    assert not spool.exists() or not list(spool.iterdir()), "nothing stays of it"


@pytest.fixture(scope="module")
def refusing(
    cluster: str, template: str, city: Catalogue, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, Path]]:
    """A client of a server with an inbox, and the server's spool."""
    folder = tmp_path_factory.mktemp("refusing")
    inbox = folder / "inbox"
    inbox.mkdir()
    (inbox / "a.csv").write_text("poi_id,x,y\n1,114.3,29.8\n", encoding="utf-8")
    (folder / "secret.csv").write_text("secret\n", encoding="utf-8")
    (inbox / "way-out").symlink_to(folder, target_is_directory=True)
    settings = EtlSettings.model_construct(
        spool_dir=folder / "spool",
        inbox_dir=inbox,
        max_upload_bytes=1_000_000,
        harvest_hosts=("maps.example.cn",),
    )
    with copied_database(cluster, template) as url:
        with serving(ApiSettings(), url, city, settings) as address:
            with httpx.Client(base_url=address, timeout=30) as client:
                wait_until_ready(client)
                yield client, folder / "spool"


def test_without_an_inbox_no_file_may_be_named(url: str, city: Catalogue, tmp_path: Path) -> None:
    settings = EtlSettings.model_construct(spool_dir=tmp_path / "spool")
    with serving(ApiSettings(), url, city, settings) as address:
        answer = httpx.post(f"{address}/api/loads", json={"file": "a.csv", "layer": "poi"})
    assert answer.status_code == 422
    assert "no inbox" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer another-token-altogether"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": f"Bearer {TOKEN}"}, 404),
        ({"authorization": f"bearer {TOKEN}", "origin": "https://evil.example"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "sec-fetch-site": "cross-site"}, 403),
        ({"authorization": f"Bearer {TOKEN}", "origin": "https://city.example"}, 404),
        ({"authorization": f"Bearer {TOKEN}", "x-forwarded-for": "10.0.0.1"}, 404),
    ],
)
def test_a_token_opens_the_door(
    guarded: httpx.Client, headers: dict[str, str], status: int
) -> None:
    answer = guarded.post("/api/loads/4711/cancel", headers=headers)
    assert answer.status_code == status, answer.text
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert TOKEN not in answer.text


@pytest.fixture(scope="module")
def guarded(cluster: str, template: str, city: Catalogue) -> Iterator[httpx.Client]:
    settings = ApiSettings(
        host="0.0.0.0",  # noqa: S104 -- only said, not listened on
        api_token=SecretStr(TOKEN),
        cors_origins=("https://city.example",),
    )
    with copied_database(cluster, template) as url:
        with serving(settings, url, city) as address:
            with httpx.Client(base_url=address, timeout=30) as client:
                wait_until_ready(client)
                yield client


def test_another_site_s_page_may_ask_with_the_token_where_it_is_allowed(
    guarded: httpx.Client,
) -> None:
    preflight = guarded.options(
        "/api/loads",
        headers={
            "origin": "https://city.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type, idempotency-key",
        },
    )
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert guarded.get("/api/loads").status_code == 200, "reading needs no token"


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({"host": "0.0.0.0"}, {}),  # noqa: S104 -- only said, not listened on
        ({"public_url": "https://map.example.cn"}, {}),
        ({}, {"host": "map.example.cn"}),
        ({}, {"x-forwarded-for": "10.0.0.1"}),
        ({}, {"forwarded": "for=10.0.0.1"}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"origin": "null"}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"sec-fetch-site": "same-site"}),
    ],
)
def test_without_a_token_only_this_machine_may_write(
    url: str, city: Catalogue, settings: dict[str, Any], headers: dict[str, str]
) -> None:
    with serving(ApiSettings(**settings), url, city) as address:
        answer = httpx.post(f"{address}/api/loads/4711/cancel", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM), answer.text
    if not {"origin", "sec-fetch-site"} & set(headers):
        assert "ONEMAP_API_TOKEN" in answer.json()["detail"]


Event = dict[str, Any]


def listen(client: httpx.Client, path: str, events: list[Event], last_id: str = "") -> None:
    """Read a stream of events to its end."""
    headers = {"last-event-id": last_id} if last_id else {}
    with client.stream("GET", path, headers=headers) as answer:
        events.append({"status": answer.status_code, **answer.headers})
        found: Event = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if not line:
                if "data" in found:
                    events.append(found)
                found = {}
            elif name in ("event", "id", "data"):
                found[name] = json.loads(value) if name == "data" else value


def test_progress_comes_as_events_until_the_end(
    service: httpx.Client, tmp_path: Path, url: str
) -> None:
    load_id = hand_in(service, places(tmp_path, 50)).json()["id"]
    path = f"/api/loads/{load_id}/events"
    events: list[Event] = []
    thread = threading.Thread(target=listen, args=(service, path, events))
    thread.start()
    with worker(url, tmp_path / "log", ETL_SPOOL_DIR=tmp_path / "spool"):
        thread.join(60)
    assert not thread.is_alive()
    assert events[0]["content-type"].startswith("text/event-stream")
    assert events[0]["cache-control"] == "no-store"
    told = events[1:]
    statuses = [event["data"]["status"] for event in told]
    assert statuses[0] == "queued"
    assert "running" in statuses
    assert [event["event"] for event in told[:-1]] == ["progress"] * (len(told) - 1)
    assert told[-1]["event"] == "end"
    assert told[-1]["data"]["counts"]["added"] == 50
    # Who comes back after the end hears that there is nothing more; who missed it hears it.
    again: list[Event] = []
    listen(service, path, again, told[-1]["id"])
    assert again[0]["status"] == 204
    late: list[Event] = []
    listen(service, path, late, told[0]["id"])
    assert [event["event"] for event in late[1:]] == ["end"]


def test_a_client_that_comes_back_hears_only_what_is_new(
    service: httpx.Client, tmp_path: Path
) -> None:
    load_id = hand_in(service, places(tmp_path)).json()["id"]
    path = f"/api/loads/{load_id}/events"
    with service.stream("GET", path) as answer:
        lines = answer.iter_lines()
        identity = next(line for line in lines if line.startswith("id: ")).removeprefix("id: ")
    events: list[Event] = []
    thread = threading.Thread(target=listen, args=(service, path, events, identity))
    thread.start()
    time.sleep(1)
    service.post(f"/api/loads/{load_id}/cancel")
    thread.join(20)
    assert [(event["event"], event["data"]["status"]) for event in events[1:]] == [
        ("end", "cancelled")
    ]
    assert service.head(path).status_code == 200


def test_a_running_load_tells_its_stage_and_is_cancelled(
    service: httpx.Client, tmp_path: Path, url: str
) -> None:
    load_id = hand_in(service, places(tmp_path)).json()["id"]
    path = f"/api/loads/{load_id}"
    with apply_hangs(url), worker(url, tmp_path / "log", ETL_SPOOL_DIR=tmp_path / "spool"):
        deadline = time.monotonic() + 60
        while (load := service.get(path).json())["stage"] != "applying":
            assert time.monotonic() < deadline, load
            time.sleep(0.05)
        assert (load["status"], load["rows"], load["total"]) == ("running", 12, 12)
        answer = service.post(f"{path}/cancel").json()
        assert answer["cancelRequested"]
        while not (load := service.get(path).json())["final"]:
            assert time.monotonic() < deadline, load
            time.sleep(0.05)
    assert load["status"] == "cancelled"
    assert rows(url) == 0


def test_people_see_pages(service: httpx.Client, tmp_path: Path) -> None:
    location = hand_in(service, places(tmp_path)).headers["location"]
    page = service.get(location, headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "取消 / Cancel" in page.text
    assert "地名.gpkg" in page.text
    table = service.get("/api/loads?f=html").text
    assert "排队 / queued" in table
    assert "王工" in table


def test_a_page_shows_a_file_s_name_as_text(service: httpx.Client) -> None:
    content = part("file", "x", "</script><b>.gpkg") + part("layer", "poi")
    operator = part("operator", "<script>alert(1)</script>")
    answer = service.post("/api/loads", headers=FORM, content=content + operator + b"--b--\r\n")
    assert answer.status_code == 202, answer.text
    for address in (answer.headers["location"], "/api/loads"):
        page = service.get(address, params={"f": "html"}).text
        assert "<script>alert" not in page
        assert "</script><b>" not in page
