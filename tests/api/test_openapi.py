"""The API definition: valid in both versions, and true of what the service answers."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

VERSIONS = {"3.0": "3.0.3", "3.1": "3.1.0"}
#: What the paths' parameters may be in the test town.
PLACES = {
    "layer": "plot",
    "feature_id": "1",
    "name": "town",
    "grid": "WebMercatorQuad",
    "z": "14",
    "row": "6767",
    "column": "13394",
    "scheme": "use",
    "load_id": "1",
    "file": "onemap.png",
    "record_id": "layer.plot",
    "style_id": "town",
    "collection_id": "imagery",
    "item_id": "1",
}
#: The queries that cannot be left out, each with one that is answered.
REQUIRED = {"from": "2012-06-01"}
#: What is not in the test town: archives, imagery, and reports of loads that came another way.
ABSENT = ("{name}.pmtiles", "{load_id}", "/stac/collections/", "/sprites/icons/")
#: They answer whoever asks, whatever he adds: checks of a server's life are no place for errors.
OPEN = {"/healthz", "/metrics"}


def media_type(version: str) -> str:
    return f"application/vnd.oai.openapi+json;version={version}"


@pytest.fixture(scope="module")
def definition(client: httpx.Client) -> dict[str, Any]:
    body: dict[str, Any] = client.get("/api/openapi.json").json()
    return body


def operations(definition: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in definition["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                yield path, method, operation


def address(definition: dict[str, Any], path: str) -> str:
    servers = definition["paths"][path].get("servers", definition["servers"])
    filled = path
    for name in re.findall(r"{(\w+)}", path):
        value = "layer.plot" if name == "style_id" and "{layer}" in path else PLACES[name]
        filled = filled.replace(f"{{{name}}}", value)
    return f"{servers[0]['url'].rstrip('/')}{filled}"


def required(operation: dict[str, Any]) -> dict[str, str]:
    names = [entry["name"] for entry in operation.get("parameters", ()) if entry["required"]]
    return {name: REQUIRED[name] for name in names if name in REQUIRED}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_valid(client: httpx.Client, version: str) -> None:
    by_query = client.get("/api/openapi.json", params={"version": version})
    by_accept = client.get("/api/openapi.json", headers={"accept": media_type(version)})
    assert by_query.content == by_accept.content
    assert by_accept.headers["content-type"] == media_type(version)
    body = by_query.json()
    assert body["openapi"] == VERSIONS[version]
    validate(body)
    # What the other version says otherwise is not there.
    others = {"3.0": ('"const":', '"type":"null"', '"examples":', '"type":["'),
              "3.1": ('"nullable":', '"exclusiveMinimum":true')}  # fmt: skip
    for word in others[version]:
        assert word not in by_query.text


def test_the_landing_page_links_both_versions(client: httpx.Client) -> None:
    links = client.get("/api").json()["links"]
    found = [entry for entry in links if entry["rel"] == "service-desc"]
    assert [entry["type"] for entry in found] == [media_type(version) for version in VERSIONS]
    for entry, said in zip(found, VERSIONS.values(), strict=True):
        assert client.get(entry["href"]).json()["openapi"] == said


def test_a_version_that_is_not_there_is_refused(client: httpx.Client) -> None:
    answer = client.get("/api/openapi.json?version=2.0")
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("version:")


def test_paths_are_those_of_the_standards(definition: dict[str, Any], town: str) -> None:
    assert definition["servers"] == [{"url": f"{town}/api"}]
    standard = {"/", "/conformance", "/collections", "/collections/{layer}/items", "/tiles/{grid}"}
    assert standard <= set(definition["paths"])
    assert definition["paths"]["/healthz"]["servers"] == [{"url": town}]


def test_every_parameter_is_described(definition: dict[str, Any]) -> None:
    for path, method, operation in operations(definition):
        assert operation["summary"], path
        parameters = {entry["name"]: entry for entry in operation.get("parameters", ())}
        assert set(re.findall(r"{(\w+)}", path)) <= set(parameters), path
        for name, entry in parameters.items():
            if entry["in"] == "query":
                assert entry["description"], (path, name)
                assert entry["style"] == "form", (path, name)
                assert not entry["required"] or name in REQUIRED, (path, name)
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert "422" not in operation["responses"], (path, method)


def test_the_parameters_of_features_are_the_standard_s(definition: dict[str, Any]) -> None:
    operation = definition["paths"]["/collections/{layer}/items"]["get"]
    parameters = {entry["name"]: entry for entry in operation["parameters"]}
    kinds = {
        name: (parameters[name]["schema"]["type"], parameters[name]["explode"])
        for name in ("bbox", "limit", "datetime")
    }
    assert kinds == {"bbox": ("array", False), "limit": ("integer", False),
                     "datetime": ("string", False)}  # fmt: skip
    assert parameters["bbox"]["schema"]["items"] == {"type": "number"}
    assert parameters["limit"]["schema"]["minimum"] == 1
    fields = definition["components"]["schemas"]["Queryables"]
    assert fields["properties"]["code"] == {"type": "string"}
    assert "owner" not in fields["properties"]
    assert fields["additionalProperties"] is False


def test_answers_have_the_media_types_that_are_described(
    definition: dict[str, Any], client: httpx.Client
) -> None:
    compared = 0
    for path, method, operation in operations(definition):
        content = operation["responses"].get("200", {}).get("content", {})
        if method != "get" or "text/event-stream" in content or "/archives/" in path:
            continue
        assert content, f"{path} does not say what it answers"
        known = {kind.partition(";")[0] for kind in content}
        query = required(operation)
        for wanted in content:
            answer = client.get(address(definition, path), params=query, headers={"accept": wanted})
            if answer.status_code == 404 and any(word in path for word in ABSENT):
                continue
            assert answer.status_code == 200, (path, answer.text)
            assert answer.headers["content-type"].partition(";")[0] in known, (path, wanted)
            compared += 1
    assert compared > 40


def test_unknown_parameters_are_refused_everywhere(
    definition: dict[str, Any], client: httpx.Client
) -> None:
    for path, method, _ in operations(definition):
        if method != "get" or path in OPEN:
            continue
        answer = client.get(address(definition, path), params={"no-such-parameter": "1"})
        assert answer.status_code in (400, 404), path
        if answer.status_code == 400:
            assert answer.json()["title"] == "Unknown parameter", path
        else:
            assert any(word in path for word in ABSENT), path
