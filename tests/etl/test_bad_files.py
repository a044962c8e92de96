"""Every bad file of the table is refused in one clear sentence, or its bad rows are kept aside.

The table is ``tests/etl/bad_files``; ``benchmarks/faults.py`` prints it.
"""

import re
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from etl.load import LoadRequest, RefusedLoad, load
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.database import connected, copied_database
from tests.etl.bad_files import BAD_FILES, BadFile
from tests.etl.conftest import plots
from tests.etl.test_real_files import FILES

#: Bytes by which a refusal may raise the most memory ever held.
MEMORY = 700 << 20

_STATE = """
SELECT (SELECT md5(coalesce(string_agg(md5(p::text), '' ORDER BY feature_id, version), ''))
        FROM city.plot p),
       (SELECT count(*) FROM city.spring),
       (SELECT count(*) FROM onemap.load WHERE status IN ('running', 'queued')),
       (SELECT count(*) FROM onemap.load WHERE status = 'done'),
       (SELECT count(*) FROM onemap.quarantine),
       (SELECT count(*) FROM pg_class WHERE relpersistence = 't')
"""


def request_of(bad: BadFile, path: Path) -> LoadRequest:
    """What would be asked on the command line; bad rows are allowed unless the case says so."""
    options = {"max_bad": 1.0, **bad.options}
    return LoadRequest(
        path, bad.layer, valid_from=datetime(2021, 5, 1, tzinfo=BEIJING), operator="t", **options
    )


def state_of(url: str) -> tuple[object, ...]:
    """A checksum of the map, and how many loads, refused rows and temporary tables there are."""
    with connected(url) as connection:
        return tuple(connection.execute(text(_STATE)).one())


@pytest.fixture(scope="module")
def map_url(
    cluster: str,
    small_template: str,
    catalogue: Catalogue,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A map that holds a survey, and must hold just that after every refusal."""
    with copied_database(cluster, small_template) as url:
        path = tmp_path_factory.mktemp("good") / "good.gpkg"
        plots(3).assign(BSM=["kept 1", "kept 2", "kept 3"]).to_file(path)
        store = Store(url, catalogue)
        load(LoadRequest(path, "plot"), store, catalogue, EtlSettings())
        store.close()
        yield url


def skip_if_not_there(bad: BadFile) -> None:
    if bad.name.startswith("real: ") and not FILES.is_dir():
        pytest.skip(f"the real files are not here: there is no folder {FILES}")


@pytest.mark.parametrize("bad", [bad for bad in BAD_FILES if bad.says], ids=lambda bad: bad.name)
def test_a_bad_file_is_refused_and_the_map_is_as_it_was(
    bad: BadFile,
    map_url: str,
    catalogue: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    skip_if_not_there(bad)
    folder, work = tmp_path / "in", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    path = bad.make(folder)
    before = state_of(map_url)
    files = sorted(entry.name for entry in folder.rglob("*"))
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    store = Store(map_url, catalogue)
    started, memory = time.monotonic(), peak()
    try:
        with pytest.raises(OneMapError) as refusal:
            load(request_of(bad, path), store, catalogue, EtlSettings())
    finally:
        store.close()
    seconds, grown = time.monotonic() - started, peak() - memory
    says = str(refusal.value)
    assert re.search(str(bad.says), says), says
    assert "\n" not in says
    assert path.name in says or path.stem in says or str(bad.options.get("crs")) in says, says
    assert str(work) not in says, "a temporary folder says nothing to people"
    assert len(says) < 600, says
    assert seconds < bad.seconds
    assert grown < MEMORY
    assert state_of(map_url) == before
    assert not list(work.iterdir()), "temporary files are left"
    assert sorted(entry.name for entry in folder.rglob("*")) == files


@pytest.mark.parametrize("bad", [bad for bad in BAD_FILES if not bad.says], ids=lambda b: b.name)
def test_bad_rows_are_kept_aside_and_the_good_ones_loaded(
    bad: BadFile, store: Store, small_database: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    skip_if_not_there(bad)
    request = request_of(bad, bad.make(tmp_path))
    if bad.good:
        report = load(request, store, catalogue, EtlSettings())
    else:
        # Where no row is good, the load is refused, with the rules in its report.
        with pytest.raises(RefusedLoad) as refusal:
            load(request, store, catalogue, EtlSettings())
        report = refusal.value.report
    assert {rule.rule: rule.rows for rule in report.rules.values()} == dict(bad.rules)
    assert (report.good, report.bad) == (bad.good, report.rows - bad.good)
    with connected(small_database) as connection:
        kept = connection.execute(
            text("SELECT count(*), count(*) FILTER (WHERE message = '') FROM onemap.quarantine")
        ).one()
    assert tuple(kept) == ((report.bad if bad.good else 0), 0)


def test_the_table_is_large_and_names_are_given_once() -> None:
    names = [bad.name for bad in BAD_FILES]
    assert len(names) >= 150
    assert sorted(set(names)) == sorted(names)


def peak() -> int:
    """The most memory this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
