"""Refused rows are mended and tried again, through the mapping and checks that refused them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
from sqlalchemy import text

from etl.repair import RepairRequest, retry
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.errors import FeatureNotFound, LayerBusy, LoadRefused
from layers.quarantine import Mend, RefusedRow, Selection, discard, mend, read_refused, refused_rows
from layers.store import Store
from tests.database import connected
from tests.etl.conftest import Loader, plots

Retry = Callable[..., list[LoadReport]]
FIRST = datetime(2020, 5, 1, tzinfo=BEIJING)


@pytest.fixture
def run(store: Store, catalogue: Catalogue) -> Retry:
    def again(selection: Selection = Selection(), **options: Any) -> list[LoadReport]:  # noqa: B008
        request = RepairRequest(selection, "mender", **options)
        return retry(request, store, catalogue, EtlSettings(batch_rows=4))

    return again


def refused(store: Store, **wanted: Any) -> list[RefusedRow]:
    return [read_refused(row) for row in store.fetch(refused_rows(Selection(**wanted)))]


def fix(store: Store, number: int, wkt: str | None = None, **values: Any) -> None:
    wkb = None if wkt is None else bytes(shapely.to_wkb(shapely.from_wkt(wkt)))
    with store.writing() as connection:
        mend(connection, [Mend(number, values, wkb)])


def held(url: str) -> list[tuple[Any, ...]]:
    statement = (
        "SELECT bsm, dlbm, load_id, source_row, version, valid_from::date::text FROM city.plot "
        "WHERE valid_to = 'infinity' AND recorded_to = 'infinity' ORDER BY bsm"
    )
    with connected(url) as connection:
        connection.execute(text("SET TIME ZONE 'Asia/Shanghai'"))
        return [tuple(row) for row in connection.execute(text(statement))]


def survey(path: Path, **columns: list[Any]) -> Path:
    columns.setdefault("CLASS", ["0101", "9999", "0301", "0101", "8888", "0301"])
    plots(6, **columns).to_file(path, engine="pyogrio")
    return path


def test_a_mended_row_becomes_a_version_of_the_original_survey(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    report = load_file(survey(tmp_path / "plots.gpkg"), max_bad=0.5)
    bad = refused(store)
    assert [(row.source_row, row.rule) for row in bad] == [(2, "dlbm: codes"), (5, "dlbm: codes")]
    assert bad[0].original == {"BSM": "P1", "CLASS": "9999"}
    fix(store, bad[0].quarantine_id, dlbm="0301")
    assert [row.state for row in refused(store)] == ["fixed", "open"]
    (again,) = run()
    assert (again.rows, again.good, again.bad) == (2, 1, 1)
    assert again.outcome is not None
    assert again.outcome.added == 1
    assert held(small_database)[1] == ("P1", "0301", again.load_id, 2, 1, "2020-05-01")
    (left,) = refused(store)
    assert (left.source_row, left.attempts, left.state) == (5, 1, "open")
    with connected(small_database) as connection:
        row = connection.execute(
            text(
                "SELECT kind, repairs, source, crs, checksum, operator, status FROM onemap.load "
                "ORDER BY load_id DESC LIMIT 1"
            )
        ).one()
    assert tuple(row) == (
        "repair", report.load_id, "plots.gpkg", "EPSG:4490", report.checksum, "mender", "done",
    )  # fmt: skip
    (done,) = refused(store, states=("resolved",))
    assert done.resolved_by == again.load_id


def test_a_row_passes_unchanged_when_what_it_broke_has_changed(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    mapping = tmp_path / "map.yaml"
    rule = "layer: plot\nsource: test\nfields:\n  dlbm: {{from: CLASS, codes: {{{}}}}}\n"
    mapping.write_text(rule.format("'8888': '0301'"), encoding="utf-8")
    load_file(survey(tmp_path / "plots.gpkg"), max_bad=0.5, mapping=mapping)
    assert [row.source_row for row in refused(store)] == [2]
    mapping.write_text(rule.format("'9999': '0101'"), encoding="utf-8")
    (again,) = run(mapping=mapping)
    assert again.good == 1
    assert held(small_database)[1][:2] == ("P1", "0101")
    assert refused(store) == []


def test_a_row_keeps_its_mapping_and_its_number(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    mapping = tmp_path / "map.yaml"
    mapping.write_text(
        "layer: plot\nsource: test\nfields:\n  bsm: {template: 'R{row}'}\n"
        "  area: {geometry: area}\n  floors: {from: F, scale: 2}\n",
        encoding="utf-8",
    )
    source = survey(tmp_path / "plots.gpkg", F=[1.0, 2.0, 3.0, 4.0, 5.0, 90.0])
    load_file(source, max_bad=0.5, mapping=mapping)
    bad = refused(store)
    assert [(row.source_row, row.rule) for row in bad] == [
        (2, "dlbm: codes"), (5, "dlbm: codes"), (6, "floors: max"),
    ]  # fmt: skip
    with store.writing() as connection:
        mend(connection, [Mend(bad[2].quarantine_id, {"source:F": 7.0})])
        mend(connection, [Mend(bad[1].quarantine_id, {"dlbm": "0101", "floors": "9"})])
    run()
    with connected(small_database) as connection:
        rows = connection.execute(
            text("SELECT bsm, floors, round(area)::int FROM city.plot ORDER BY bsm")
        ).all()
    assert [tuple(row)[:2] for row in rows] == [
        ("R1", 2), ("R3", 6), ("R4", 8), ("R5", 9), ("R6", 14),
    ]  # fmt: skip
    assert len({row[2] for row in rows}) == 1
    assert rows[0][2] > 9_000


def test_a_missing_geometry_can_be_given(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    frame = plots(4)
    frame.loc[2, "geometry"] = None
    frame.to_file(tmp_path / "plots.gpkg", engine="pyogrio")
    load_file(tmp_path / "plots.gpkg", max_bad=0.5)
    (bad,) = refused(store)
    assert (bad.rule, bad.wkb) == ("geometry_missing", None)
    (again,) = run()
    assert (again.good, refused(store)[0].rule) == (0, "geometry_missing")
    fix(store, bad.quarantine_id, "POLYGON((114.3 29.8,114.4 29.8,114.4 29.9,114.3 29.8))")
    (again,) = run()
    assert again.good == 1
    assert [row[0] for row in held(small_database)] == ["P0", "P1", "P2", "P3"]


def test_a_repeated_key_needs_another_key(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    frame = plots(4)
    frame["BSM"] = ["P0", "P1", "P0", "P3"]
    frame.to_file(tmp_path / "plots.gpkg", engine="pyogrio")
    load_file(tmp_path / "plots.gpkg", max_bad=0.5)
    before = held(small_database)
    (bad,) = refused(store)
    assert bad.rule == "duplicate_key"
    (again,) = run()
    assert (again.good, again.bad) == (0, 1)
    fix(store, bad.quarantine_id, bsm="P3")
    (again,) = run()
    assert (again.good, again.bad) == (0, 1)
    assert (refused(store)[0].state, refused(store)[0].fixed) == ("open", {"bsm": "P3"})
    assert refused(store)[0].message == ("the key bsm = 'P3' already stands in row 4 of the survey")
    assert held(small_database) == before
    fix(store, bad.quarantine_id, bsm="P7")
    (again,) = run()
    assert again.good == 1
    assert held(small_database)[-1][:1] == ("P7",)


def test_what_a_later_survey_says_stands(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    load_file(survey(tmp_path / "plots.gpkg"), max_bad=0.5)
    later = datetime(2022, 5, 1, tzinfo=BEIJING)
    load_file(survey(tmp_path / "later.gpkg", CLASS=["0301"] * 6), valid_from=later)
    first = refused(store)[0]
    fix(store, first.quarantine_id, dlbm="0101")
    run(Selection(ids=(first.quarantine_id,)))
    assert {row[1] for row in held(small_database)} == {"0301"}
    with connected(small_database) as connection:
        past = connection.execute(
            text(
                "SELECT dlbm, valid_from, valid_to FROM city.plot WHERE bsm = 'P1' "
                "AND recorded_to = 'infinity' ORDER BY valid_from"
            )
        ).all()
    assert [row[0] for row in past] == ["0101", "0301"]
    assert past[0][2] == later == past[1][1]


def test_each_load_is_repaired_for_itself_in_their_order(
    load_file: Loader, run: Retry, store: Store, tmp_path: Path
) -> None:
    first = load_file(survey(tmp_path / "a.gpkg"), max_bad=0.5)
    second = load_file(survey(tmp_path / "b.gpkg"), max_bad=0.5)
    for row in refused(store):
        fix(store, row.quarantine_id, dlbm="0101")
    assert [row.format for row in run()] == [
        f"repair of load {first.load_id}", f"repair of load {second.load_id}",
    ]  # fmt: skip
    with pytest.raises(LoadRefused, match="no such refused row waits"):
        run()


def test_two_operators_take_a_row_in_once(
    load_file: Loader, run: Retry, store: Store, small_database: str, tmp_path: Path
) -> None:
    load_file(survey(tmp_path / "plots.gpkg"), max_bad=0.5)
    for row in refused(store):
        fix(store, row.quarantine_id, dlbm="0301")

    def attempt(_: int) -> str:
        try:
            return str(run()[0].good)
        except (LayerBusy, LoadRefused) as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(attempt, range(4)))
    assert ends.count("2") == 1, ends
    assert set(ends) <= {"2", "LayerBusy", "LoadRefused"}
    assert len(held(small_database)) == 6
    with connected(small_database) as connection:
        versions = connection.execute(text("SELECT count(*) FROM city.plot")).scalar_one()
    assert versions == 6


def test_a_row_that_does_not_wait_cannot_be_mended_or_discarded(
    load_file: Loader, run: Retry, store: Store, tmp_path: Path
) -> None:
    load_file(survey(tmp_path / "plots.gpkg"), max_bad=0.5)
    one, two = (row.quarantine_id for row in refused(store))
    with store.writing() as connection:
        discard(connection, [one], "the owner sold it")
    fix(store, two, dlbm="0301")
    (done,) = run()
    for number, words in ((one, "was discarded already"), (two, f"by load {done.load_id} already")):
        with pytest.raises(LoadRefused, match=words):
            fix(store, number, dlbm="0101")
    with pytest.raises(FeatureNotFound, match="there is no refused row 999"):
        fix(store, 999, dlbm="0101")
    (given_up,) = refused(store, states=("discarded",))
    assert given_up.note == "the owner sold it"


def test_a_mend_of_an_older_state_is_refused(
    load_file: Loader, store: Store, tmp_path: Path
) -> None:
    load_file(survey(tmp_path / "plots.gpkg"), max_bad=0.5)
    row, other = refused(store)
    fix(store, row.quarantine_id, dlbm="0301")
    stale = Mend(row.quarantine_id, {"dlbm": "0101"}, seen_at=row.updated_at)
    fresh = Mend(other.quarantine_id, {"dlbm": "0101"}, seen_at=other.updated_at)
    with pytest.raises(LoadRefused, match="was changed by somebody since"):
        with store.writing() as connection:
            mend(connection, [fresh, stale])
    assert [row.state for row in refused(store)] == ["fixed", "open"]
