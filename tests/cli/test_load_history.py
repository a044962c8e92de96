"""``onemap loads list``, ``show`` and ``diff``, and the report of a load as a page."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import geopandas
import pytest
import shapely
from click.testing import Result
from sqlalchemy import make_url, select, text
from typer.testing import CliRunner

from cli.main import build_app
from layers.catalogue import load_catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.database import connected, copied_database

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def template(cluster: str, postgis_template: str) -> Iterator[str]:
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, load_catalogue())
        store.migrate()
        store.close()
        yield str(make_url(url).database)


@pytest.fixture
def city(cluster: str, template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with copied_database(cluster, template) as url:
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


def zones(path: Path, levels: list[str], *, shift: float = 0.0) -> Path:
    """Warnings W0, W1 … in a row near Xianning, a square each."""
    count = len(levels)
    frame = geopandas.GeoDataFrame(
        {"YJBH": [f"W{n}" for n in range(count)], "YJDJ": levels, "FBDW": ["张三"] * count},
        geometry=[
            shapely.box(114.3 + n * 0.01, 29.8, 114.305 + n * 0.01 + shift, 29.805)
            for n in range(count)
        ],
        crs="EPSG:4490",
    )
    frame.to_file(path, engine="pyogrio")
    return path


CODES = list(load_catalogue().code_list("warning_level").codes)


@pytest.fixture
def two_loads(city: str, onemap: Command, tmp_path: Path) -> Path:
    """A survey of four zones, and a complete one in which one changes, one ends, two are bad."""
    first = zones(tmp_path / "first.gpkg", [CODES[0]] * 4)
    frame = geopandas.read_file(
        zones(tmp_path / "raw.gpkg", [CODES[1], CODES[0], CODES[0], "purple", "<b>"], shift=0.001)
    )
    frame.loc[1, "geometry"] = shapely.box(114.3 + 0.01, 29.8, 114.305 + 0.01, 29.805)
    frame.drop(index=2).to_file(tmp_path / "second.gpkg", engine="pyogrio")
    for path, date, more in (
        (first, "2014-05-01", []),
        (tmp_path / "second.gpkg", "2016-05-01", ["--full", "--max-bad", "60%"]),
    ):
        done = onemap("load", path, "-l", "hazard_warning", "--valid-from", date, *more)
        assert done.exit_code == 0, (done.output, done.exception)
    return tmp_path


class Checked(HTMLParser):
    """Checks that tags close in order; remembers what a page asks for."""

    VOID = ("meta", "br", "link", "rect", "path", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wanted: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.wanted += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.wanted += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def page_of(path: Path) -> str:
    page = path.read_text(encoding="utf-8")
    checked = Checked()
    checked.feed(page)
    assert checked.open == []
    assert checked.wanted == [], "the page needs nothing beside itself"
    return page


def test_loads_are_listed_and_shown(two_loads: Path, onemap: Command) -> None:
    listed = onemap("loads", "list").output.splitlines()
    assert [line.split()[0] for line in listed[-2:]] == ["2", "1"]
    assert onemap("loads", "list", "--status", "failed").output == "No such load.\n"
    assert "1" in onemap("loads", "list", "--layer", "hazard_warning", "--limit", "1").output
    shown = onemap("loads", "show", "2").output
    assert "second.gpkg → hazard_warning, done" in shown
    assert "0 added, 1 changed, 1 unchanged, 1 closed, 2 quarantined" in shown
    assert "2 × yjdj: codes" in shown
    assert "refused rows today: 2 open" in shown
    whole = json.loads(onemap("loads", "show", "2", "--json").output)
    assert (whole["changed"], whole["report"]["bad"], whole["refused_rows"]) == (1, 2, {"open": 2})


def test_a_diff_tells_before_and_after(two_loads: Path, onemap: Command) -> None:
    lines = onemap("loads", "diff", "2").output.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("- W2") or lines[0].startswith("- W2")
    (changed,) = [line for line in lines if line.startswith("~")]
    assert f"yjdj {CODES[0]} → {CODES[1]}" in changed
    found = re.search(
        r"area ([\d,.]+) → ([\d,.]+) m² \(\+([\d,.]+)\), ([\d,.]+) m² differ", changed
    )
    assert found is not None, changed
    before, after, more, differ = (float(part.replace(",", "")) for part in found.groups())
    assert after / before == pytest.approx(1.2, rel=1e-3)
    assert more == pytest.approx(after - before, abs=0.02)
    assert differ == pytest.approx(more, abs=0.02)
    assert [line[0] for line in onemap("loads", "diff", "1").output.splitlines()] == ["+"] * 4
    records = [json.loads(line) for line in
               onemap("loads", "diff", "2", "--format", "json").output.splitlines()]  # fmt: skip
    assert {record["kind"]: record["key"]["yjbh"] for record in records} == {
        "changed": "W0", "closed": "W2",
    }  # fmt: skip
    whole = json.loads(onemap("loads", "diff", "2", "--format", "geojson").output)
    assert {feature["geometry"]["type"] for feature in whole["features"]} == {"MultiPolygon"}


def test_classes_are_summed_before_and_after(two_loads: Path, onemap: Command) -> None:
    report = json.loads(onemap("loads", "show", "2", "--json").output)["report"]
    sums = {entry["class"]: entry for entry in report["classes"]}
    assert {entry["by"] for entry in report["classes"]} == {"yjdj"}
    old, new = sums[CODES[0]], sums[CODES[1]]
    # W0 leaves the first class for the second, W2 ends.
    assert (old["features_before"], old["features_after"]) == (2, 0)
    assert (new["features_before"], new["features_after"]) == (0, 1)
    assert new["after"] / old["before"] == pytest.approx(0.6, rel=1e-3)
    first = json.loads(onemap("loads", "show", "1", "--json").output)["report"]["classes"]
    assert [(entry["features_before"], entry["features_after"]) for entry in first] == [(0, 4)]
    assert first[0]["after"] == pytest.approx(2 * old["before"], rel=1e-9)


def test_the_page_of_a_load_is_whole_and_escapes_what_files_say(
    two_loads: Path, onemap: Command
) -> None:
    page_file = two_loads / "report.html"
    assert onemap("loads", "show", "2", "--html", page_file).exit_code == 0
    page = page_of(page_file)
    for words in (
        "second.gpkg",
        "EPSG:4490",
        "预警等级：不在代码表中",
        "Level: not in the code list",
        "退回记录的位置",
        "SHA-256",
        "全面测绘",
    ):
        assert words in page, words
    assert "&#39;&lt;b&gt;&#39;" in page
    assert "<b>'" not in page
    drawn = page.split('<svg class="map"')[1].split("</svg>")[0]
    assert drawn.count("<title>") == 2
    assert 'class="ctx a"' in drawn
    assert "2014" not in drawn


def test_a_refused_load_keeps_its_report_and_changes_nothing(
    two_loads: Path, onemap: Command, city: str
) -> None:
    def state() -> list[str]:
        with connected(city) as connection:
            return [
                str(row)
                for table in ("city.hazard_warning", "onemap.quarantine", "onemap.layer")
                for row in connection.execute(select(text("*")).select_from(text(table))).all()
            ]

    before = state()
    page_file = two_loads / "refused.html"
    refused = onemap(
        "load", two_loads / "second.gpkg", "-l", "hazard_warning", "--valid-from", "2017-05-01",
        "--max-bad", "5%", "--report", page_file,
    )  # fmt: skip
    assert refused.exit_code == 1
    assert state() == before
    shown = json.loads(onemap("loads", "show", "3", "--json").output)
    assert shown["status"] == "failed"
    assert shown["report"]["refused"].startswith("2 of 4 rows are bad, more than 5%")
    assert shown["report"]["rules"][0]["examples"][0]["message"].startswith("yjdj = 'purple'")
    assert len(shown["report"]["bad_shapes"]) == 2
    page = page_of(page_file)
    assert "未入库" in page
    assert page.count("<title>") == 3
    assert "changed nothing" in str(onemap("loads", "diff", "3").exception)


def test_unknown_loads_are_told(city: str, onemap: Command) -> None:
    for arguments in (["show", "9"], ["diff", "9"]):
        assert str(onemap("loads", *arguments).exception) == "there is no load 9"
    assert "'sad' is not one of queued" in str(onemap("loads", "list", "--status", "sad").exception)


def test_lineage_tells_where_a_feature_came_from(two_loads: Path, onemap: Command) -> None:
    told = onemap("lineage", "hazard_warning", "W0").output
    assert told.startswith("hazard_warning yjbh W0 (feature ")
    assert "first.gpkg, first, row 1" in told
    assert "second.gpkg, second, row 1" in told
    then = onemap("lineage", "hazard_warning", "W0", "--at", "2015-01-01").output
    assert "second.gpkg" not in then
    ended = onemap("lineage", "hazard_warning", "W2", "--at", "2017-01-01").exception
    assert str(ended) == "hazard_warning W2 was not there at that time"
    whole = json.loads(onemap("lineage", "hazard_warning", "W0", "--json").output)
    assert [version["version"] for version in whole["versions"]] == [1, 1, 2]
    assert "never had a feature 'W99'" in str(onemap("lineage", "hazard_warning", "W99").exception)


def test_a_load_is_taken_back_and_the_lists_say_so(
    two_loads: Path, onemap: Command, city: str
) -> None:
    version = text("SELECT data_version FROM onemap.layer WHERE name = 'quarantine'")
    with connected(city) as connection:
        before = connection.execute(version).scalar_one()
    back = onemap("loads", "revert", "2", "--reason", "wrong file")
    assert back.exit_code == 0, back.exception
    assert back.output.startswith("load 2 was taken back: ")
    assert "taken back by load: 3" in onemap("loads", "show", "2").output
    assert "takes back load: 2" in onemap("loads", "show", "3").output
    diff = onemap("loads", "diff", "3").output.splitlines()
    assert sorted(line[0] for line in diff) == ["+", "~"]
    assert f"yjdj {CODES[1]} → {CODES[0]}" in "".join(diff)
    again = onemap("quarantine", "list", "--state", "open").output
    assert again == "No such row.\n"
    with connected(city) as connection:
        assert connection.execute(version).scalar_one() == before + 1


def test_every_stage_of_a_report_has_its_names(two_loads: Path, onemap: Command) -> None:
    page_file = two_loads / "stages.html"
    onemap("loads", "show", "2", "--html", page_file)
    stages = json.loads(onemap("loads", "show", "2", "--json").output)["report"]["seconds"]
    part = page_of(page_file).split("各阶段用时")[1].split("</table>")[0]
    for name in set(stages) - {"total"}:
        assert f"<td>{name}" not in part, f"{name} has no Chinese name"
