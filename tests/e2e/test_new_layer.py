"""A department's layer is one new file and no code."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import mapbox_vector_tile
import morecantile

from api.settings import ApiSettings
from layers.catalogue import load_catalogue
from tests.api.town import serving, wait_until_ready

ROOT = Path(__file__).parents[2]

WELL = """
name: public_well
title: {zh: 公共水井, en: Public wells}
abstract: {zh: 街道公用的水井。, en: Wells that a street shares.}
theme: land
geometry: {type: point}
key: [well_no]
fields:
  - {name: well_no, title: {zh: 井号, en: Well number}, required: true, aliases: [JH]}
  - {name: depth, title: {zh: 井深, en: Depth}, type: number, unit: m, min: 0, max: 300}
label: {zh: well_no}
tiles: {min_zoom: 10, fields: [depth]}
style:
  - {id: dot, slot: point, type: circle, paint: {circle-radius: 4, circle-color: "#2266aa"}}
"""
SURVEY = "JH,depth,lon,lat\nW1,12.5,114.3201,29.8401\nW2,31,114.3225,29.8412\nW3,-4,114.3,29.8\n"


def onemap(*arguments: str, database: str, definitions: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "ONEMAP_DATABASE_URL": database,
            "ONEMAP_EXTRA_LAYERS": str(definitions),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_yaml_file_is_a_table_a_load_a_tile_and_features(
    fresh_database: str, tmp_path: Path
) -> None:
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "public_well.yaml").write_text(WELL, encoding="utf-8")
    survey = tmp_path / "wells.csv"
    survey.write_text(SURVEY, encoding="utf-8")
    migrated = onemap("migrate", database=fresh_database, definitions=definitions)
    assert "layer public_well: table created" in migrated.stdout, migrated.stderr
    options = ["--layer", "public_well", "--valid-from", "2016-05-01", "--crs", "EPSG:4490"]
    options += ["--max-bad", "50%"]
    report = tmp_path / "report.json"
    loaded = onemap(
        "load",
        str(survey),
        *options,
        "--report",
        str(report),
        database=fresh_database,
        definitions=definitions,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert "2 added" in loaded.stdout
    assert "depth" in json.dumps(json.loads(report.read_text(encoding="utf-8")))
    catalogue = load_catalogue(extra_layers=definitions)
    with (
        serving(ApiSettings(), fresh_database, catalogue) as address,
        httpx.Client(base_url=address) as client,
    ):
        wait_until_ready(client)
        found = client.get("/api/collections/public_well/items").json()["features"]
        assert {feature["properties"]["well_no"] for feature in found} == {"W1", "W2"}
        tile = morecantile.tms.get("WebMercatorQuad").tile(114.3201, 29.8401, 12)
        path = f"/api/collections/public_well/tiles/WebMercatorQuad/12/{tile.y}/{tile.x}"
        features = mapbox_vector_tile.decode(client.get(path).content)["public_well"]["features"]
        assert {entry["id"] for entry in features} == {entry["id"] for entry in found}
        assert {entry["properties"]["depth"] for entry in features} == {12.5, 31}
