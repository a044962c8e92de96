"""Whole loads into a real PostGIS, read back with SQL."""

from pathlib import Path

import pytest
from sqlalchemy import text

from layers.errors import LoadRefused
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
