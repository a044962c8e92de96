"""``onemap quarantine`` as an operator meets it, and the walk through a repair in the docs."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas
import pandas
import pyogrio
import pytest
import shapely
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from cli.main import build_app
from layers.catalogue import load_catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.database import connected, copied_database

Command = Callable[..., Result]
PAGE = Path(__file__).parents[2] / "docs" / "quarantine.md"


@pytest.fixture(scope="module")
def city_template(cluster: str, postgis_template: str) -> Iterator[str]:
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, load_catalogue())
        store.migrate()
        store.close()
        yield url.rsplit("/", 1)[1].split("?")[0]


@pytest.fixture
def city(cluster: str, city_template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty city that the environment names; its address."""
    with copied_database(cluster, city_template) as url:
        monkeypatch.setenv("ONEMAP_DATABASE_URL", url)
        yield url


@pytest.fixture
def onemap() -> Command:
    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(build_app(), [str(argument) for argument in arguments])
        if isinstance(result.exception, Exception) and not isinstance(
            result.exception, (OneMapError, SystemExit)
        ):
            raise result.exception
        return result

    return run


def table() -> str:
    found = re.search(r"```csv\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def places(city: str, onemap: Command, tmp_path: Path) -> Path:
    """The survey of the docs, loaded with three refused rows."""
    path = tmp_path / "places.csv"
    path.write_text(table(), encoding="utf-8")
    done = onemap(
        "load", path, "-l", "place_name", "--crs", "EPSG:4490", "--valid-from", "2014-05-01",
        "--max-bad", "80%",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return path


def held(url: str) -> dict[str, tuple[str, str]]:
    statement = (
        "SELECT place_id, name, ST_AsText(geom) FROM city.place_name WHERE recorded_to = 'infinity'"
    )
    with connected(url) as connection:
        return {row[0]: (row[1], row[2]) for row in connection.execute(text(statement))}


def test_the_walk_through_a_repair_works(
    city: str, onemap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("places.csv").write_text(table(), encoding="utf-8")
    steps = 0
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        said = ""
        for line in block.splitlines():
            if line.startswith("$ onemap "):
                result = onemap(*shlex.split(line)[2:])
                assert result.exit_code == 0, (line, result.output, result.exception)
                said, steps = said + result.output, steps + 1
            else:
                assert all(word in said for word in line.split(" … ")), (line, said)
    assert steps == 10
    assert {name: place[1] for name, place in held(city).items()} == {
        "XN01": "POINT(114.31 29.85)",
        "XN02": "POINT(114.38 29.9)",
        "XN03": "POINT(114.23 29.94)",
        "XN05": "POINT(114.43 29.76)",
    }


def test_lists_tell_what_is_wrong(places: Path, onemap: Command) -> None:
    said = onemap("quarantine", "list", "--rule", "kind").output
    assert "kind: codes" in said
    assert "geometry_outside" not in said
    assert onemap("quarantine", "list", "--state", "resolved").output == "No such row.\n"
    whole = onemap("quarantine", "show", "1").output
    assert "as it came: DMLB = twon" in whole
    assert "town" in whole.split("would pass")[1].splitlines()[0]
    assert "geometry (EPSG:4490): POINT (114.38" in whole
    assert "POINT (11.423 29.94)" in onemap("quarantine", "show", "2").output


@pytest.mark.parametrize("name", ["rows.gpkg", "rows.geojson", "rows.csv", "rows.xlsx"])
def test_an_export_comes_back_with_what_was_changed(
    city: str, places: Path, onemap: Command, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    assert onemap("quarantine", "export", path, "-l", "place_name").output.endswith(": 3\n")
    untouched = onemap("quarantine", "fix", "--file", path)
    assert untouched.output.startswith("rows mended: 0"), (untouched.output, untouched.exception)
    _edit(path)
    changed = onemap("quarantine", "fix", "--file", path)
    assert changed.output.startswith("rows mended: 3"), (changed.output, changed.exception)
    again = onemap("quarantine", "fix", "--file", path)
    assert again.output.startswith("rows mended: 0"), (again.output, again.exception)
    done = onemap("quarantine", "retry", "--load", 1)
    assert "3 rows: 3 good" in done.output, done.output
    assert held(city)["XN02"][0] == "官埠桥"
    assert held(city)["XN03"][1] == "POINT(114.23 29.94)"
    assert held(city)["XN04"][0] == "八斗角"


def _edit(path: Path) -> None:
    """Change a value, a geometry and an empty value, as QGIS or a spreadsheet would."""
    if path.suffix in (".gpkg", ".geojson"):
        frame = pyogrio.read_dataframe(path, datetime_as_string=True)
        frame.loc[0, "DMLB"] = "town"
        frame.loc[1, "geometry"] = shapely.Point(114.23, 29.94)
        frame.loc[2, "BZMC"] = "八斗角"
        geopandas.GeoDataFrame(frame).to_file(path, layer="quarantine")
        return
    read = pandas.read_csv if path.suffix == ".csv" else pyogrio.read_dataframe
    frame = read(path)
    frame.loc[0, "DMLB"] = "town"
    frame.loc[1, "wkt"] = "POINT (114.23 29.94)"
    frame["BZMC"] = frame["BZMC"].astype(object)
    frame.loc[2, "BZMC"] = "八斗角"
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_excel(path, index=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "99"], "there is no refused row 99"),
        (["fix", "1"], "say what to mend"),
        (["fix", "1", "--set", "kind"], "write FIELD=VALUE"),
        (["fix", "1", "--set", "colour=red"], "row 1 has no 'colour'; it has place_id"),
        (["fix", "1", "--set", "X=114"], "gave the row's position"),
        (["fix", "1", "--geometry", "POINT(x)"], "no well-known text"),
        (["fix", "1", "--geometry", "POINT(500000 3300000)"], "say its --crs"),
        (["fix", "1", "--geometry", "POINT(1 2)", "--crs", "nonsense"], "not a reference system"),
        (["fix", "--file", "none.gpkg"], "there is no such file"),
        (["fix"], "say the id of a row, or --file"),
        (["retry"], "say which rows"),
        (["retry", "--layer", "road"], "no such refused row waits"),
        (["discard", "1", "77"], "there is no refused row 77"),
        (["list", "--state", "sad"], "'sad' is not one of open, fixed"),
        (["export", "rows.doc"], "written as gpkg, geojson, csv or xlsx"),
        (["export", "rows.csv", "--layer", "road"], "no such refused row"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(
    places: Path, onemap: Command, arguments: list[str], words: str
) -> None:
    result = onemap("quarantine", *arguments)
    assert isinstance(result.exception, OneMapError), result.output
    assert words in str(result.exception)
    assert onemap("quarantine", "list", "--state", "open").output.count("geometry_outside") == 2


def test_a_geometry_in_the_survey_s_system_and_a_forced_repair(
    city: str, onemap: Command, tmp_path: Path
) -> None:
    onemap_shape = shapely.from_wkt("POLYGON((114.3 29.8,114.3 29.8,114.3 29.8,114.3 29.8))")
    frame = geopandas.GeoDataFrame(
        {"YJBH": ["W1", "W2"], "YJDJ": ["red", "red"]},
        geometry=[onemap_shape, shapely.box(114.3, 29.8, 114.31, 29.81)],
        crs="EPSG:4490",
    )
    codes = list(load_catalogue().code_list("warning_level").codes)
    frame["YJDJ"] = codes[0]
    path = tmp_path / "warnings.gpkg"
    frame.to_file(path)
    loaded = onemap(
        "load", path, "-l", "hazard_warning", "--max-bad", "60%", "--valid-from", "2014-05-01"
    )
    assert loaded.exit_code == 0, loaded.output
    refused = onemap("quarantine", "fix", 1, "--repair")
    assert "nothing of its geometry would be left" in str(refused.exception)
    wkt = "POLYGON((530000 3300000,531000 3300000,531000 3301000,530000 3300000))"
    assert onemap("quarantine", "fix", 1, "--geometry", wkt, "--crs", "EPSG:4547").exit_code == 0
    assert "2 parts" not in onemap("quarantine", "show", 1).output
    bow = "POLYGON((114.3 29.8,114.4 29.9,114.4 29.8,114.3 29.9,114.3 29.8))"
    assert onemap("quarantine", "fix", 1, "--geometry", bow).exit_code == 0
    forced = onemap("quarantine", "fix", 1, "--repair")
    assert "Self-intersection" in forced.output
    assert "2 part(s)" in forced.output
    assert "1 good" in onemap("quarantine", "retry", 1).output
