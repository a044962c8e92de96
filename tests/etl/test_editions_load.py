"""Surveys in codes of older editions, through a whole load and back."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from etl.load import LoadRequest, RefusedLoad, load
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.store import Store
from tests.database import connected
from tests.etl.conftest import plots

Load = Callable[..., LoadReport]


@pytest.fixture
def load_parcels(city_database: str, city: Catalogue, tmp_path: Path) -> Iterator[Load]:
    store = Store(city_database, city)

    def run(codes: list[str], mapping: str | None = None, **options: Any) -> LoadReport:
        path = tmp_path / "DLTB.gpkg"
        plots(len(codes), DLBM=codes).to_file(path, engine="pyogrio")
        file = None
        if mapping is not None:
            file = tmp_path / "m.yaml"
            file.write_text(mapping, encoding="utf-8")
        start = datetime(2014, 1, 1, tzinfo=BEIJING)
        request = LoadRequest(path, "land_parcel", file, start, **options)
        return load(request, store, city, EtlSettings(batch_rows=4))

    yield run
    store.close()


def kept(database: str) -> list[tuple[Any, ...]]:
    statement = text(
        "SELECT bsm, dlbm, dlbm_source, class_scheme FROM city.land_parcel ORDER BY bsm"
    )
    with connected(database) as connection:
        return [tuple(row) for row in connection.execute(statement)]


def test_an_older_edition_is_found_out_translated_and_kept(
    load_parcels: Load, city_database: str
) -> None:
    report = load_parcels(["011", "071", "111", "033", "117"])
    assert (report.good, report.bad) == (5, 0)
    assert any("land_use_2007" in note and "translated" in note for note in report.notes)
    assert kept(city_database) == [
        ("P0", "0101", "011", "gb2007"),
        ("P1", "0701", "071", "gb2007"),
        ("P2", "1101", "111", "gb2007"),
        ("P3", "0307", "033", "gb2007"),
        ("P4", "1107", "117", "gb2007"),
    ]


def test_codes_that_may_be_several_wait_for_a_choice(
    load_parcels: Load, city_database: str
) -> None:
    with pytest.raises(RefusedLoad, match=r"031.*may be 0301, 0302, 0303, 0304"):
        load_parcels(["011", "031", "031"])
    report = load_parcels(
        ["011", "031", "031", "9999"],
        "layer: land_parcel\nsource: x\nfields:\n  dlbm:\n    from: DLBM\n"
        '    codes: {from: land_use_2007, choose: {"031": "0301"}}\n',
        max_bad=0.5,
    )
    assert (report.good, report.bad) == (3, 1)
    assert [row[1] for row in kept(city_database)] == ["0101", "0301", "0301"]
    (broken,) = report.rules.values()
    assert broken.rule == "dlbm: translation"
    assert "'9999' is no code of land_use_2007" in str(broken.examples[0]["message"])


def test_an_expression_that_fails_sends_its_row_to_quarantine(load_parcels: Load) -> None:
    report = load_parcels(
        ["0101", "0301", "0701"],
        "layer: land_parcel\nsource: x\nfields:\n"
        '  tbmj: {expression: "area() / abs(number(right(BSM, 1)) - 1)"}\n',
        max_bad=0.5,
    )
    assert (report.good, report.bad) == (2, 1)
    assert list(report.rules) == ["tbmj: expression"]
