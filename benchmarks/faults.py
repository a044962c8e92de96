"""Try every bad file of the table against the whole load, and print what came of it.

    .venv/bin/python benchmarks/faults.py [--only TEXT] [--kills]

The table is ``tests/etl/bad_files``. Each file is loaded into a layer that holds a survey; what is
refused must leave that as it is. With ``--kills`` loads are killed instead, at every point of
``tests/faults/points.py``. The status is 1 if anything came out otherwise than expected.
"""

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import text  # noqa: E402

from cli.private_cluster import PrivateCluster  # noqa: E402
from layers.catalogue import Catalogue  # noqa: E402
from layers.store import Store  # noqa: E402
from tests.database import connected, copied_database  # noqa: E402
from tests.etl.bad_files import BAD_FILES, BadFile  # noqa: E402
from tests.etl.bad_files.trial import Outcome, seeded, tried  # noqa: E402
from tests.etl.conftest import PIPE, PLOT, SPRING, USES, WELL  # noqa: E402
from tests.etl.test_real_files import FILES  # noqa: E402
from tests.faults.matrix import HEAD, row  # noqa: E402
from tests.faults.matrix import tried as killed  # noqa: E402

TEMPLATE = "faults_template"


def template(server: str, url: str, catalogue: Catalogue) -> None:
    """Make the database that each trial copies: migrated, with a survey in it."""
    with connected(server, autocommit=True) as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {TEMPLATE}"))
    store = Store(url, catalogue)
    store.migrate()
    store.close()
    seeded(url, catalogue)


def expected(bad: BadFile) -> str:
    """Return what the table wants, in words."""
    if bad.says is not None:
        return f"refused: `{bad.says}`"
    rules = ", ".join(f"{rule} × {rows}" for rule, rows in bad.rules.items())
    return f"{bad.good} rows loaded, the others kept aside: {rules}"


def found(outcome: Outcome, path: Path) -> str:
    """Return what came of it, without the folder of the trial."""
    if outcome.says:
        return outcome.says.replace(f"{path.parent}/", "")
    if outcome.report is None:
        return "nothing"
    rules = ", ".join(f"{rule.rule} × {rule.rows}" for rule in outcome.report.rules.values())
    return f"{outcome.report.good} good, {outcome.report.bad} bad: {rules}"


def kills(only: str) -> int:
    """Kill a load at each point and print the table."""
    wrong, count, started = 0, 0, time.monotonic()
    cluster = PrivateCluster(ROOT / ".onemap" / "benchmark-cluster")
    with cluster.running():
        print("| " + " | ".join(HEAD) + " |")
        print("| --- " * len(HEAD) + "|")
        for point, outcome, faults in killed(cluster, only):
            print("| " + " | ".join(row(point, outcome, faults)) + " |", flush=True)
            count, wrong = count + 1, wrong + bool(faults)
    print(f"\n{count} kill points, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


def main() -> int:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only the files whose names hold this")
    parser.add_argument("--kills", action="store_true", help="kill loads instead")
    asked = parser.parse_args()
    only = asked.only
    if asked.kills:
        return kills(only)
    layers = MappingProxyType({layer.name: layer for layer in (PLOT, PIPE, WELL, SPRING)})
    catalogue = Catalogue(layers, MappingProxyType({}), MappingProxyType({"uses": USES}))
    chosen = [bad for bad in BAD_FILES if only in bad.name]
    if not FILES.is_dir():
        chosen = [bad for bad in chosen if not bad.name.startswith("real: ")]
    warnings.simplefilter("ignore")
    wrong, started = 0, time.monotonic()
    cluster = PrivateCluster(ROOT / ".onemap" / "benchmark-cluster")
    with cluster.running():
        server = cluster.url("postgres")
        template(server, cluster.url(TEMPLATE), catalogue)
        print("| bad file | expected | what came of it | s | MB more | map as before | |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for bad in chosen:
            with copied_database(server, TEMPLATE) as url, tempfile.TemporaryDirectory() as folder:
                path = bad.make(Path(folder))
                outcome = tried(bad, path, url, catalogue)
            right = outcome.as_expected(bad)
            wrong += not right
            cells = (
                bad.name,
                expected(bad),
                found(outcome, path),
                f"{outcome.seconds:.1f}",
                f"{outcome.grown / 1024**2:.0f}",
                "yes" if outcome.unchanged else "no",
                "✓" if right else "✗",
            )
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    seconds = time.monotonic() - started
    print(f"\n{len(chosen)} bad files, {wrong} otherwise than expected, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
