"""Every version of a feature knows its load, file, row, repair and kin."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import shapely
from sqlalchemy import insert

from etl.repair import RepairRequest, retry
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.errors import FeatureNotFound
from layers.lineage_reading import find_feature, lineage_of
from layers.quarantine import Mend, Selection, mend, read_refused, refused_rows
from layers.store import Store
from layers.system_tables import ancestry_table
from tests.etl.conftest import PLOT, Loader, plots

LATER = datetime(2022, 5, 1, tzinfo=BEIJING)


def test_each_version_knows_its_load_file_and_row(
    load_file: Loader, store: Store, tmp_path: Path
) -> None:
    mapping = tmp_path / "plots.yaml"
    mapping.write_text(
        "layer: plot\nsource: test\nfields:\n  floors: {from: F, scale: 2}\n", encoding="utf-8"
    )
    plots(4, F=[1.0, 2.0, 3.0, 4.0]).to_crs(4526).to_file(tmp_path / "a.gpkg")
    first = load_file(tmp_path / "a.gpkg", mapping=mapping, operator="张工")
    plots(4, F=[1.0, 9.0, 3.0, 4.0]).iloc[::-1].to_file(tmp_path / "b.gpkg")
    second = load_file(tmp_path / "b.gpkg", mapping=mapping, valid_from=LATER, operator="李工")
    found = lineage_of(store, PLOT, find_feature(store, PLOT, "P1"))
    assert found.key == {"bsm": "P1"}
    told = [
        (
            v.version,
            v.load.load_id,
            v.load.source,
            v.source_row,
            v.load.operator,
            v.fields["floors"],
        )
        for v in found.versions
    ]
    # As it was first believed, as it is believed of the time before, and as it is now.
    assert told == [
        (1, first.load_id, "a.gpkg", 2, "张工", 4),
        (1, first.load_id, "a.gpkg", 2, "张工", 4),
        (2, second.load_id, "b.gpkg", 3, "李工", 18),
    ]
    assert [v.is_held for v in found.versions] == [False, True, True]
    assert found.versions[1].valid_to == LATER == found.versions[2].valid_from
    load = found.versions[0].load
    assert load.crs == "EPSG:4526"
    assert load.checksum == first.checksum
    assert "Gauss-Kruger" in str(load.transformation)
    assert (load.format, load.accuracy_m, load.mapping_name) == ("GeoPackage", 0.0, "plots.yaml")
    assert load.mapping["fields"]["floors"]["from"] == "F"
    assert {v.geometry_repaired for v in found.versions} == {False}
    (then,) = found.at(datetime(2021, 1, 1, tzinfo=UTC)).versions
    assert (then.version, then.is_held) == (1, True)


def test_a_repaired_geometry_is_told(load_file: Loader, store: Store, tmp_path: Path) -> None:
    frame = plots(3)
    frame.loc[1, "geometry"] = shapely.from_wkt(
        "POLYGON((114.3 29.84,114.301 29.841,114.301 29.84,114.3 29.841,114.3 29.84))"
    )
    frame.to_file(tmp_path / "bow.gpkg")
    load_file(tmp_path / "bow.gpkg")
    repaired = [
        lineage_of(store, PLOT, find_feature(store, PLOT, f"P{number}")).versions[0]
        for number in range(3)
    ]
    assert [version.geometry_repaired for version in repaired] == [False, True, False]


def test_a_mended_row_tells_what_was_wrong_and_who_mended_it(
    load_file: Loader, store: Store, catalogue: Catalogue, tmp_path: Path
) -> None:
    plots(3, CLASS=["0101", "xx", "0301"]).to_file(tmp_path / "a.gpkg")
    survey = load_file(tmp_path / "a.gpkg", max_bad=0.5)
    row = read_refused(store.fetch(refused_rows(Selection()))[0])
    with store.writing() as connection:
        mend(connection, [Mend(row.quarantine_id, {"dlbm": "0301"}, note="after a visit")])
    request = RepairRequest(Selection(load_id=survey.load_id), "王工")
    (report,) = retry(request, store, catalogue, EtlSettings())
    (version,) = lineage_of(store, PLOT, find_feature(store, PLOT, "P1")).versions
    assert (version.load.kind, version.load.repairs) == ("repair", survey.load_id)
    assert (version.load.source, version.source_row, version.load.operator) == ("a.gpkg", 2, "王工")
    assert version.load.load_id == report.load_id
    assert version.repair is not None
    assert version.repair.refused_by == survey.load_id
    assert version.repair.rules[0][0] == "dlbm: codes"
    assert (version.repair.fixed, version.repair.note) == ({"dlbm": "0301"}, "after a visit")
    (other,) = lineage_of(store, PLOT, find_feature(store, PLOT, "P0")).versions
    assert other.repair is None


def test_ancestry_is_followed_both_ways(load_file: Loader, store: Store, tmp_path: Path) -> None:
    plots(4).to_file(tmp_path / "a.gpkg")
    load = load_file(tmp_path / "a.gpkg")
    ids = [find_feature(store, PLOT, f"P{number}") for number in range(4)]
    links = [(ids[1], ids[0], "split", 0.4), (ids[2], ids[1], "redraw", 0.9),
             (ids[0], ids[2], "merge", 0.1)]  # fmt: skip
    with store.writing() as connection:
        connection.execute(
            insert(ancestry_table),
            [
                {
                    "layer": "plot", "child_id": child, "parent_id": parent, "kind": kind,
                    "share": share, "load_id": load.load_id, "valid_from": LATER,
                    "recorded_from": LATER,
                }
                for child, parent, kind, share in links
            ],
        )  # fmt: skip
    found = lineage_of(store, PLOT, ids[2])
    assert [(kin.feature_id, kin.of, kin.generation, kin.kind) for kin in found.ancestors] == [
        (ids[1], ids[2], 1, "redraw"),
        (ids[0], ids[1], 2, "split"),
    ]
    assert [(kin.feature_id, kin.generation) for kin in found.descendants] == [
        (ids[0], 1), (ids[1], 2),
    ]  # fmt: skip
    assert lineage_of(store, PLOT, ids[3]).ancestors == ()


def test_features_are_found_by_key_or_id(load_file: Loader, store: Store, tmp_path: Path) -> None:
    frame = plots(2)
    frame["BSM"] = ["2", "B"]
    frame.to_file(tmp_path / "a.gpkg")
    load_file(tmp_path / "a.gpkg")
    by_key = find_feature(store, PLOT, "2")
    assert lineage_of(store, PLOT, by_key).key == {"bsm": "2"}
    other = find_feature(store, PLOT, "B")
    assert {by_key, other} == {1, 2}
    assert find_feature(store, PLOT, "1") == 1
    for text in ("C", "99", "9" * 30):
        with pytest.raises(FeatureNotFound, match=f"never had a feature '{text}'"):
            find_feature(store, PLOT, text)
    with pytest.raises(FeatureNotFound, match="has no feature 99"):
        lineage_of(store, PLOT, 99)
