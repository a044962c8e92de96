"""Try a bad file against the whole load, and say what came of it."""

import re
import resource
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from etl.load import LoadRequest, RefusedLoad, load
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.database import connected
from tests.etl.bad_files.case import BadFile
from tests.etl.conftest import plots

_STATE = """
SELECT (SELECT md5(coalesce(string_agg(md5(p::text), '' ORDER BY feature_id, version), ''))
        FROM city.plot p),
       (SELECT count(*) FROM city.spring),
       (SELECT count(*) FROM onemap.load WHERE status IN ('running', 'queued')),
       (SELECT count(*) FROM onemap.load WHERE status = 'done'),
       (SELECT count(*) FROM onemap.quarantine),
       (SELECT count(*) FROM pg_class WHERE relpersistence = 't')
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a bad file."""

    #: The refusal; empty if the load was accepted.
    says: str
    #: The report, where rows were looked at.
    report: LoadReport | None
    seconds: float
    #: Bytes by which the most memory ever held grew.
    grown: int
    #: Whether the map, its refused rows and its running loads are as before.
    unchanged: bool

    def as_expected(self, bad: BadFile) -> bool:
        """Say whether that is what the table wants."""
        if bad.says is not None:
            return bool(re.search(bad.says, self.says)) and self.unchanged
        if self.report is None or bool(self.says) is bool(bad.good):
            return False
        rules = {rule.rule: rule.rows for rule in self.report.rules.values()}
        return rules == dict(bad.rules) and self.report.good == bad.good


def seeded(url: str, catalogue: Catalogue) -> None:
    """Put a survey onto the map, which must be there as it is after every refusal."""
    store = Store(url, catalogue)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good.gpkg"
        plots(3).assign(BSM=["kept 1", "kept 2", "kept 3"]).to_file(path)
        load(LoadRequest(path, "plot"), store, catalogue, EtlSettings())
    store.close()


def tried(bad: BadFile, path: Path, url: str, catalogue: Catalogue) -> Outcome:
    """Load the file as the command line would; bad rows are allowed unless the case says so."""
    before = _state_of(url)
    options = {"max_bad": 1.0, **bad.options}
    day = datetime(2021, 5, 1, tzinfo=BEIJING)
    request = LoadRequest(path, bad.layer, valid_from=day, operator="t", **options)
    store = Store(url, catalogue)
    says, report = "", None
    started, memory = time.monotonic(), _peak()
    try:
        report = load(request, store, catalogue, EtlSettings())
    except RefusedLoad as error:
        says, report = str(error), error.report
    except OneMapError as error:
        says = str(error)
    finally:
        store.close()
    seconds, grown = time.monotonic() - started, _peak() - memory
    return Outcome(says, report, seconds, grown, _state_of(url) == before)


def _state_of(url: str) -> tuple[object, ...]:
    """A checksum of the map, and how many loads, refused rows and temporary tables there are."""
    with connected(url) as connection:
        return tuple(connection.execute(text(_STATE)).one())


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
