"""The recipes of the documentation, run as they stand there, and the Python client."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import City

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
HOME = "http://127.0.0.1:8000"
_BLOCK = re.compile(
    r"^```(?P<kind>sh|python|qgis)\n(?P<text>.*?)^```\n(?:\n<!-- prints: (?P<prints>.*?) -->)?",
    re.MULTILINE | re.DOTALL,
)
sys.path.insert(0, str(CLIENT))
from onemap_client import Refused, features  # noqa: E402 -- as its users do it


@dataclass(frozen=True)
class Recipe:
    name: str
    kind: str
    text: str
    prints: str


def recipes() -> list[Recipe]:
    text = (ROOT / "docs" / "recipes.md").read_text()
    found = []
    for number, match in enumerate(_BLOCK.finditer(text), start=1):
        section = re.findall(r"^## (.+)$", text[: match.start()], re.MULTILINE)[-1]
        found.append(
            Recipe(f"{section}-{number}", match["kind"], match["text"], match["prints"] or "")
        )
    return found


RECIPES = recipes()


def run(recipe: Recipe, url: str, folder: Path) -> str:
    """Run a recipe in a folder of its own, against another address; return what it prints."""
    text = recipe.text.replace(HOME, url)
    commands = {
        "sh": ["bash", "-euo", "pipefail", "-c", text],
        "python": [sys.executable, "-c", text],
        "qgis": ["/usr/bin/python3", "-c", text],
    }
    done = subprocess.run(
        commands[recipe.kind],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stderr, done.stderr
    return done.stdout


def test_every_section_has_a_recipe_that_says_what_it_prints() -> None:
    sections = {recipe.name.rpartition("-")[0] for recipe in RECIPES}
    assert sections == {"curl", "GDAL", "QGIS", "OWSLib", "geopandas", "DuckDB"}
    assert all(recipe.prints for recipe in RECIPES)


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(entry, id=entry.name, marks=pytest.mark.slow if entry.kind == "qgis" else ())
        for entry in RECIPES
    ],
)
def test_a_recipe_does_what_it_says(recipe: Recipe, city: City, tmp_path: Path) -> None:
    if recipe.kind == "qgis" and shutil.which("qgis_process") is None:
        pytest.skip("QGIS is not installed: apt-get install --no-install-recommends qgis")
    printed = run(recipe, city.url, tmp_path)
    assert re.search(recipe.prints, printed, re.MULTILINE), printed


def test_the_client_gives_what_the_service_has(city: City, client: httpx.Client) -> None:
    wanted = "road_class = 'urban_main' AND width > 20"
    query = {"filter": wanted, "datetime": "2014-06-01", "limit": "10000"}
    page = client.get("/api/collections/road/items", params=query).json()
    expected = {entry["id"]: entry["properties"]["name"] for entry in page["features"]}
    assert expected
    table = features(f"{city.url}/api", "road", filter=wanted, at=date(2014, 6, 1))
    assert dict(zip(table.index, table["name"], strict=True)) == expected
    assert table.crs.to_epsg() == 4490
    west, south, east, north = table.total_bounds
    assert 113 < west < east < 116
    assert 29 < south < north < 31


def test_the_client_s_other_arguments(city: City) -> None:
    box = (114.2, 29.7, 114.5, 30.0)
    table = features(
        f"{city.url}/api",
        "road",
        at=("2014-01-01", None),
        bbox=box,
        crs="EPSG:4547",
        fields=["name"],
    )
    assert len(table) > 0
    assert table.crs.to_epsg() == 4547
    assert "name" in table
    assert "width" not in table
    east, north = table.total_bounds[2:]
    assert 400_000 < east < 600_000
    assert 3_200_000 < north < 3_500_000


def test_the_client_says_what_is_refused(city: City) -> None:
    with pytest.raises(Refused, match="widht"):
        features(f"{city.url}/api", "road", filter="widht > 3")
    with pytest.raises(Refused, match="no layer"):
        features(f"{city.url}/api", "rode")
