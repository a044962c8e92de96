"""Every bad file of the table is refused in one clear sentence, or its bad rows are kept aside.

The table is ``tests/etl/bad_files``; ``benchmarks/faults.py`` prints it.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from layers.catalogue import Catalogue
from tests.database import connected, copied_database
from tests.etl.bad_files import BAD_FILES, BadFile
from tests.etl.bad_files.trial import seeded, tried
from tests.etl.test_real_files import FILES

#: Bytes by which a refusal may raise the most memory ever held.
MEMORY = 700 << 20


@pytest.fixture(scope="module")
def map_url(cluster: str, small_template: str, catalogue: Catalogue) -> Iterator[str]:
    """A map that holds a survey, and must hold just that after every refusal."""
    with copied_database(cluster, small_template) as url:
        seeded(url, catalogue)
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
    files = sorted(entry.name for entry in folder.rglob("*"))
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    outcome = tried(bad, path, map_url, catalogue)
    says = outcome.says
    assert re.search(str(bad.says), says), says or "it was accepted"
    assert "\n" not in says
    assert path.name in says or path.stem in says or str(bad.options.get("crs")) in says, says
    assert str(work) not in says, "a temporary folder says nothing to people"
    assert len(says) < 600, says
    assert outcome.seconds < bad.seconds
    assert outcome.grown < MEMORY
    assert outcome.unchanged
    assert not list(work.iterdir()), "temporary files are left"
    assert sorted(entry.name for entry in folder.rglob("*")) == files


@pytest.mark.parametrize("bad", [bad for bad in BAD_FILES if not bad.says], ids=lambda b: b.name)
def test_bad_rows_are_kept_aside_and_the_good_ones_loaded(
    bad: BadFile, small_database: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    skip_if_not_there(bad)
    outcome = tried(bad, bad.make(tmp_path), small_database, catalogue)
    report = outcome.report
    assert report is not None, outcome.says
    assert {rule.rule: rule.rows for rule in report.rules.values()} == dict(bad.rules)
    # Where no row is good, the load is refused, with the rules in its report.
    assert bool(outcome.says) is (bad.good == 0)
    assert (report.good, report.bad) == (bad.good, report.rows - bad.good)
    with connected(small_database) as connection:
        kept = connection.execute(
            text("SELECT count(*), count(*) FILTER (WHERE message = '') FROM onemap.quarantine")
        ).one()
    assert tuple(kept) == ((report.bad if bad.good else 0), 0)


def test_the_table_is_large_and_names_are_given_once() -> None:
    names = [bad.name for bad in BAD_FILES]
    assert len(names) >= 240
    assert sorted(set(names)) == sorted(names)
