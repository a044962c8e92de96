"""``onemap export``, and that loads read what it writes as the very same features."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shapely
from click.testing import Result
from typer.testing import CliRunner

from cli.main import build_app
from layers.catalogue import load_catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.api.town import FIRST, load_rows
from tests.database import copied_database

Command = Callable[..., Result]
_PLACES = 40


@pytest.fixture(scope="module")
def city(cluster: str, postgis_template: str) -> Iterator[str]:
    """A city of places; its address."""
    catalogue = load_catalogue()
    kinds = list(catalogue.codes["place_kind"].codes)[:4]
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue)
        store.migrate()
        places: list[dict[str, object]] = [
            {
                "place_id": f"4201{number:08d}",
                "name": f"{number}号地",
                "kind": kinds[number % len(kinds)],
                "rank": number,
                "elev": None if number % 3 else number / 4,
                "geometry": shapely.Point(round(114.3 + number / 1000, 9), 30.5),
            }
            for number in range(_PLACES)
        ]
        load_rows(store, catalogue.layer("place_name"), places, FIRST)
        store.close()
        yield url


@pytest.fixture
def onemap(city: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("ONEMAP_DATABASE_URL", city)

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(build_app(), [str(argument) for argument in arguments])
        if isinstance(result.exception, Exception) and not isinstance(
            result.exception, (OneMapError, SystemExit)
        ):
            raise result.exception
        return result

    return run


@pytest.mark.parametrize(
    "ending", ["csv", "fgb", "geojsons", "gpkg", "kml", "parquet", "shp.zip", "xlsx"]
)
def test_a_load_of_what_was_exported_changes_nothing(
    onemap: Command, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"places.{ending}"
    done = onemap("export", "place_name", "--out", file)
    assert done.exit_code == 0, done.output
    report = tmp_path / "report.json"
    crs = ["--crs", "EPSG:4490"] if ending in ("csv", "xlsx", "geojsons", "kml") else []
    if ending == "xlsx":
        # Its headings are the fields' titles, for people.
        mapping = tmp_path / "mapping.yaml"
        mapping.write_text(
            "layer: place_name\nsource: An export\nsource_layer: 地名\nfields:\n"
            "  place_id: 地名编号\n  name: 地名\n"
            "  kind: 地名类别\n  rank: 重要程度\n  elev: 高程(m)\n",
            encoding="utf-8",
        )
        crs += ["--mapping", str(mapping)]
    loaded = onemap(
        "load", file, "-l", "place_name", "--valid-from", "2012-05-01", "--report", report,
        "--no-pyramid", *crs,
    )  # fmt: skip
    assert loaded.exit_code == 0, f"{loaded.output} {loaded.exception}"
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["good"] == _PLACES
    assert told["outcome"]["unchanged"] == _PLACES, told["outcome"]


def test_parts_are_exported(onemap: Command, tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    done = onemap(
        "export", "place_name", "-o", file, "--bbox", "114.3,30,114.305,31", "--at", "2013-01-01",
        "--crs", "EPSG:4547", "--option", "encoding=UTF-8-BOM", "--limit", 3,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].endswith(",x,y")
    assert len(lines) == 4
    before = onemap("export", "place_name", "-o", file, "--at", "1900-01-01")
    assert before.exit_code == 0
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "docx"], "--format: 'docx' is not one of"),
        (["--filter", "no_such = 1"], "no_such"),
        (["--option", "colour=red"], "--option: 'colour'"),
        (["--option", "encoding=GBK"], "encoding: 'GBK' is not one of"),
    ],
)
def test_what_fails_leaves_the_old_file(
    onemap: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    file = tmp_path / "places.csv"
    file.write_text("old")
    done = onemap("export", "place_name", "-o", file, *arguments)
    assert done.exit_code != 0
    assert words in str(done.exception)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
