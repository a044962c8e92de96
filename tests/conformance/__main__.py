"""``make conformance``: the sample city on a loopback port, and OGC's suites against it.

Exit status: 0 where everything passed, 1 where something failed or was skipped without a reason,
3 where a suite could not be had (the abstract tests beside this file run without it).
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import morecantile

from api.settings import ApiSettings
from cli.private_cluster import PrivateCluster
from cli.samples import load_samples
from etl.settings import EtlSettings
from layers.catalogue import load_catalogue
from layers.store import Store
from tests.api.town import serving, wait_until_ready
from tests.conformance.suites import (
    FEATURES,
    SUITES,
    NotToBeHad,
    Suite,
    judge,
    obtain,
    outcomes,
    run,
)
from tests.database import copied_database

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".onemap" / "conformance"
#: Where the sample city is surveyed in detail: a tile there is full at every zoom.
PLACE = (114.325, 29.845)
ZOOM = 14
FAILED, NOT_TO_BE_HAD = 1, 3


@contextmanager
def sample_city() -> Iterator[str]:
    """Serve the sample city from a private cluster; yields the landing page's address."""
    catalogue = load_catalogue()
    with tempfile.TemporaryDirectory(prefix="onemap-conformance-") as folder:
        cluster = PrivateCluster(Path(folder) / "cluster", durable=False)
        with cluster.running(), copied_database(cluster.url("postgres"), "template0") as database:
            store = Store(database, catalogue)
            store.migrate()
            load_samples(ROOT / "data" / "samples", store, catalogue, EtlSettings(), lambda _: None)
            store.close()
            settings = ApiSettings(web_root=ROOT / "web" / "dist")
            with serving(settings, database, catalogue, pool_size=4) as base:
                with httpx.Client(base_url=base) as client:
                    wait_until_ready(client)
                yield f"{base}/api"


def arguments_for(suite: Suite, landing_page: str) -> dict[str, str]:
    """Return a suite's arguments: the landing page, all collections, and a tile that is there."""
    arguments = {"iut": landing_page, "noofcollections": "-1"}
    if suite is not FEATURES:
        tile = morecantile.tms.get("WebMercatorQuad").tile(*PLACE, ZOOM)
        template = f"{landing_page}/tiles/WebMercatorQuad/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"
        arguments |= {
            "tilematrixsetdefinitionuri": (
                "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
            ),
            "urltemplatefortiles": template,
            "tilematrix": str(tile.z),
            "mintilerow": str(tile.y),
            "maxtilerow": str(tile.y),
            "mintilecol": str(tile.x),
            "maxtilecol": str(tile.x),
        }
    return arguments


def tested(suite: Suite, landing_page: str, jars: Path | None) -> int:
    """Fetch, run and judge one suite; print what came of it, and return the exit status."""
    try:
        obtained = obtain(suite, FOLDER, jars)
    except NotToBeHad as error:
        print(f"{suite.title}: NOT RUN\n{error}")
        return NOT_TO_BE_HAD
    results = run(suite, obtained, arguments_for(suite, landing_page), FOLDER)
    verdict = judge(outcomes(results))
    for outcome in verdict.failed:
        print(f"FAILED  {outcome.name}: {outcome.message}")
    for outcome, why in verdict.skipped:
        print(f"SKIPPED {outcome.name}: {outcome.message} [{why or 'no reason known'}]")
    print(f"{suite.title}, {suite.name} {obtained.version}: {verdict.summary()}")
    return 0 if verdict.is_good else FAILED


def main() -> int:
    """Run the abstract tests, then OGC's suites, against the sample city."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--jars", type=Path, help="folder that holds the suites' aio jars already")
    parser.add_argument("--iut", help="landing page of a server that runs already")
    given = parser.parse_args()
    if given.iut is not None:
        return _all(given.iut, given.jars)
    with sample_city() as landing_page:
        return _all(landing_page, given.jars)


def _all(landing_page: str, jars: Path | None) -> int:
    abstract = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent), "--iut", landing_page],
        cwd=ROOT,
        check=False,
    )
    statuses = [tested(suite, landing_page, jars) for suite in SUITES]
    if abstract.returncode != 0 or FAILED in statuses:
        return FAILED
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
