"""``onemap load`` as an operator meets it: the report, and one clear line for what is wrong."""

import json
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas
import pytest
import shapely
import typer
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from cli.commands.load import register
from etl.load import Progress
from tests.database import connected, copied_database

Command = Callable[..., Result]


@pytest.fixture
def city_in_use(city_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty city that the environment names; its address."""
    monkeypatch.setenv("ONEMAP_DATABASE_URL", city_database)
    return city_database


@pytest.fixture(scope="module")
def empty_city(cluster: str, city_template: str) -> Iterator[str]:
    """An empty city for all tests that must leave it so."""
    with copied_database(cluster, city_template) as url:
        yield url


@pytest.fixture
def onemap() -> Command:
    """Return a function that runs ``onemap`` with its arguments."""
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def places(path: Path, count: int = 10, **columns: list[object]) -> Path:
    data: dict[str, list[object]] = {
        "PLACEID": [f"D{number}" for number in range(count)],
        "BZMC": [f"地名{number}" for number in range(count)],
        "DMLB": ["village"] * count,
    }
    shapes = [shapely.Point(114.3 + number / 100, 29.8) for number in range(count)]
    frame = geopandas.GeoDataFrame(data | columns, geometry=shapes, crs="EPSG:4490")
    frame.to_crs(4547).to_file(path)
    return path


def count_of(database: str, table: str) -> int:
    with connected(database) as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def test_a_load_prints_its_report_and_writes_it_as_json(
    tmp_path: Path, onemap: Command, city_in_use: str
) -> None:
    report = tmp_path / "report.json"
    result = onemap(
        "load", places(tmp_path / "p.gpkg"), "--layer", "place_name", "--valid-from", "2014-05-01",
        "--operator", "王工", "--report", report,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "10 rows: 10 good, 0 bad" in result.stdout
    assert "10 added, 0 changed, 0 unchanged, 0 closed" in result.stdout
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["outcome"]["added"] == 10
    assert written["operator"] == "王工"
    assert written["crs"] == "EPSG:4547"
    assert written["valid_from"] == "2014-05-01T00:00:00+08:00"
    assert len(written["checksum"]) == 64
    assert written["rows_per_second"] > 0
    assert written["peak_memory_bytes"] > 1_000_000
    with connected(city_in_use) as connection:
        kept = connection.execute(text("SELECT report, operator FROM onemap.load")).one()
    assert kept.report["rows"] == 10
    assert kept.operator == "王工"


def test_the_same_survey_again_changes_nothing_and_a_full_one_ends_what_it_misses(
    tmp_path: Path, onemap: Command, city_in_use: str
) -> None:
    first = ("load", places(tmp_path / "a.gpkg"), "--layer", "place_name")
    onemap(*first, "--valid-from", "2012-05-01")
    again = onemap(*first, "--valid-from", "2012-05-01")
    assert "0 added, 0 changed, 10 unchanged, 0 closed" in again.stdout
    later = onemap(
        "load", places(tmp_path / "b.gpkg", 7), "--layer", "place_name", "--full",
        "--valid-from", "2014-05-01",
    )  # fmt: skip
    assert "0 added, 0 changed, 7 unchanged, 3 closed" in later.stdout


def test_bad_rows_within_the_limit_are_kept_apart(
    tmp_path: Path, onemap: Command, city_in_use: str
) -> None:
    file = places(tmp_path / "p.gpkg", 4, DMLB=["village", "nonsense", "town", "city"])
    refused = onemap("load", file, "--layer", "place_name", "--report", tmp_path / "r.json")
    assert refused.exit_code == 1
    assert "1 of 4 rows are bad, more than 5%: kind: codes (1); row 2" in refused.stderr
    assert json.loads((tmp_path / "r.json").read_text())["refused"]
    assert count_of(city_in_use, "city.place_name") == 0
    assert count_of(city_in_use, "onemap.quarantine") == 0
    accepted = onemap("load", file, "--layer", "place_name", "--max-bad", "25%")
    assert accepted.exit_code == 0
    assert "1 × kind: codes" in accepted.stdout
    assert count_of(city_in_use, "city.place_name") == 3
    assert count_of(city_in_use, "onemap.quarantine") == 1


def missing(folder: Path) -> Path:
    return folder / "missing.gpkg"


def corrupt(folder: Path) -> Path:
    path = folder / "corrupt.gpkg"
    path.write_bytes(b"SQLite format 3\0 and then nothing")
    return path


def torn(folder: Path) -> Path:
    path = places(folder / "torn.shp", 50)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def empty_zip(folder: Path) -> Path:
    path = folder / "empty.zip"
    zipfile.ZipFile(path, "w").close()
    return path


def no_zip(folder: Path) -> Path:
    path = folder / "no.zip"
    path.write_bytes(b"PK\x03\x04 broken")
    return path


def unknown_format(folder: Path) -> Path:
    path = folder / "drawing.dwg"
    path.write_bytes(b"AC1015")
    return path


def no_rows(folder: Path) -> Path:
    return places(folder / "none.gpkg", 0)


def no_projection(folder: Path) -> Path:
    path = places(folder / "noprj.shp")
    path.with_suffix(".prj").unlink()
    return path


def xian_1980(folder: Path) -> Path:
    path = folder / "xian.shp"
    shape = [shapely.Point(38530925, 3302420)]
    geopandas.GeoDataFrame({"DM": ["a"]}, geometry=shape, crs="EPSG:2362").to_file(path)
    return path


def swapped(folder: Path) -> Path:
    path = folder / "swapped.csv"
    path.write_text("PLACEID,DM,DMLB,lon,lat\n1,甲,town,29.8,114.3\n", encoding="utf-8")
    return path


def good(folder: Path) -> Path:
    return places(folder / "good.gpkg")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (missing, ("--layer", "place_name"), "missing.gpkg: there is no such file"),
        (corrupt, ("--layer", "place_name"), "corrupt.gpkg: is truncated"),
        (torn, ("--layer", "place_name"), "is truncated"),
        (empty_zip, ("--layer", "place_name"), "empty.zip: holds no data set"),
        (no_zip, ("--layer", "place_name"), "no.zip: cannot be unpacked"),
        (unknown_format, ("--layer", "place_name"), "drawing.dwg: its format is not known"),
        (no_rows, ("--layer", "place_name"), "none.gpkg: the file has no feature"),
        (no_projection, ("--layer", "place_name"), "give it with --crs"),
        (no_projection, ("--layer", "place_name", "--crs", "EPSG:4526"),
         "EPSG:4526 wants the zone number in front of the easting"),
        (no_projection, ("--layer", "place_name", "--crs", "4490"),
         "they are not degrees: say the projected CRS with --crs"),
        (no_projection, ("--layer", "place_name", "--crs", "nowhere"),
         "'nowhere' is not a reference system: write it like EPSG:4547"),
        (xian_1980, ("--layer", "place_name"), "EPSG:2362 is on Xi'an 1980"),
        (good, ("--layer", "place_name", "--crs", "EPSG:2414"), "EPSG:2414 is on Beijing 1954"),
        (swapped, ("--layer", "place_name", "--crs", "EPSG:4490"), "the two axes look swapped"),
        (swapped, ("--layer", "place_name"), "give it with --crs"),
        (good, (), "say the layer with --layer"),
        (good, ("--layer", "nothing"), "there is no layer 'nothing'"),
        (good, ("--layer", "building"), "required field building_id of layer building"),
        (good, ("--layer", "place_name", "--mapping", "none.yaml"),
         "none.yaml: there is no such mapping"),
        (good, ("--layer", "place_name", "--source-layer", "x"), "has no layer 'x'; it has good"),
        (good, ("--layer", "place_name", "--valid-from", "2999-01-01"), "lies in the future"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    tmp_path: Path, onemap: Command, empty_city: str, make: Callable[[Path], Path],
    options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("ONEMAP_DATABASE_URL", empty_city)
    result = onemap("load", make(tmp_path), *options)
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("onemap load: ")
    assert message in lines[0]
    assert "Traceback" not in result.output
    assert count_of(empty_city, "city.place_name") == 0


def test_a_database_that_is_not_there_is_said_in_one_line(
    tmp_path: Path, onemap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = good(tmp_path)
    for address, message in (
        ("postgresql://nobody@127.0.0.1:1/nothing", "127.0.0.1"),
        ("mysql://elsewhere/db", "must be PostgreSQL"),
        (None, "ONEMAP_DATABASE_URL is not set"),
    ):
        if address is None:
            monkeypatch.delenv("ONEMAP_DATABASE_URL", raising=False)
        else:
            monkeypatch.setenv("ONEMAP_DATABASE_URL", address)
        result = onemap("load", file, "--layer", "place_name")
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1
        assert message in result.stderr


def test_a_report_that_cannot_be_written_is_told_before_anything_is_loaded(
    tmp_path: Path, onemap: Command, city_in_use: str
) -> None:
    nowhere = tmp_path / "no" / "r.json"
    result = onemap("load", good(tmp_path), "--layer", "place_name", "--report", nowhere)
    assert result.exit_code == 1
    assert "the report cannot be written: there is no folder" in result.stderr
    result = onemap("load", good(tmp_path), "--layer", "place_name", "--report", tmp_path)
    assert result.exit_code == 1
    assert "the report cannot be written: it is a folder" in result.stderr
    assert count_of(city_in_use, "city.place_name") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_load_changes_nothing_and_is_recorded_as_failed(
    tmp_path: Path, onemap: Command, city_in_use: str, number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def interrupt(_bar: object, state: Progress) -> None:
        if state.rows:
            signal.raise_signal(number)

    monkeypatch.setattr("cli.load_bar.LoadBar.tell", interrupt)
    result = onemap("load", good(tmp_path), "--layer", "place_name")
    assert result.exit_code == 130
    assert result.stderr == "onemap load: interrupted: nothing was changed\n"
    assert count_of(city_in_use, "city.place_name") == 0
    with connected(city_in_use) as connection:
        found = connection.execute(text("SELECT status FROM onemap.load")).scalar_one()
    assert found == "failed"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--max-bad", "many", "not a share"), ("--max-bad", "120%", "not a share"),
     ("--valid-from", "yesterday", "not a time")],
)  # fmt: skip
def test_an_option_that_cannot_be_read_is_told(
    tmp_path: Path, onemap: Command, option: str, value: str, message: str
) -> None:
    result = onemap("load", tmp_path / "x.gpkg", "--layer", "poi", option, value)
    assert result.exit_code == 2
    assert message in result.stderr
