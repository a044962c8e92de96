"""Whole loads into a real PostGIS, read back with SQL."""

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from gis.times import BEIJING
from layers.errors import LoadRefused
from layers.store import Store
from tests.database import connected
from tests.etl.conftest import Loader, plots


def rows_in(url: str, statement: str) -> list[tuple[object, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_geopackage_becomes_rows_of_the_layer(
    tmp_path: Path, load_file: Loader, small_database: str
) -> None:
    file = tmp_path / "plots.gpkg"
    plots(10, CLASS=["0101"] * 10, FLOORS=list(range(10))).to_crs(4547).to_file(file)
    report = load_file(file)
    assert (report.rows, report.good, report.bad) == (10, 10, 0)
    assert report.outcome is not None
    assert report.outcome.added == 10
    found = rows_in(
        small_database,
        "SELECT bsm, dlbm, floors, ST_X(ST_Centroid(geom)), ST_Y(ST_Centroid(geom)),"
        " GeometryType(geom), ST_SRID(geom) FROM city.plot WHERE bsm = 'P3'",
    )
    assert found == [
        ("P3", "0101", 3, pytest.approx(114.3035), pytest.approx(29.8405), "MULTIPOLYGON", 4490)
    ]


def test_too_many_bad_rows_refuse_the_load_and_change_nothing(
    tmp_path: Path, load_file: Loader, small_database: str
) -> None:
    file = tmp_path / "plots.gpkg"
    plots(6, DLBM=["0101", "9999", "9999", "0101", "0301", "0101"]).to_file(file)
    with pytest.raises(LoadRefused, match=r"2 of 4 rows are bad.*dlbm: codes.*'9999'"):
        load_file(file, max_bad=0.2)
    assert rows_in(small_database, "SELECT count(*) FROM city.plot") == [(0,)]
    report = load_file(file, max_bad=0.5)
    assert (report.good, report.bad) == (4, 2)
    kept = rows_in(small_database, "SELECT source_row, rule FROM onemap.quarantine ORDER BY 1")
    assert kept == [(2, "dlbm: codes"), (3, "dlbm: codes")]


def _survey(folder: Path, **columns: list[object]) -> Path:
    file = folder / "plots.gpkg"
    plots(5, **columns).to_file(file)
    return file


def test_the_same_file_twice_is_a_no_op(load_file: Loader, store: Store, tmp_path: Path) -> None:
    path = _survey(tmp_path)
    first = load_file(path)
    again = load_file(path)
    assert again.outcome is not None
    assert first.outcome is not None
    assert (again.outcome.added, again.outcome.changed, again.outcome.unchanged) == (0, 0, 5)
    assert again.outcome.data_version == first.outcome.data_version
    assert any(f"since load {first.load_id}" in note for note in again.notes)
    assert "read and check" not in again.seconds


def test_a_file_is_read_again_when_it_may_mean_something_else(
    load_file: Loader, store: Store, tmp_path: Path
) -> None:
    path = _survey(tmp_path)
    first = load_file(path)
    later = load_file(path, valid_from=datetime(2021, 5, 1, tzinfo=BEIJING))
    assert "read and check" in later.seconds
    assert first.load_id is not None
    store.revert(first.load_id, "tester", "wrong")
    back = load_file(path)
    assert back.outcome is not None
    assert back.outcome.added == 5


def test_a_file_with_refused_rows_is_tried_again(load_file: Loader, tmp_path: Path) -> None:
    path = _survey(tmp_path, owner=["x", "x", "x", "x", "a name too long"])
    load_file(path, max_bad=0.5)
    assert "read and check" in load_file(path, max_bad=0.5).seconds
