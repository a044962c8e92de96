"""A disk without room: a clear sentence, a map as before, and a second try succeeds."""

import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from cli.private_cluster import PrivateCluster
from layers.catalogue import Catalogue
from tests.database import connected, copied_database
from tests.faults.conftest import Templates, Undisturbed
from tests.faults.paths import close, tools_of
from tests.faults.points import BY_ID
from tests.faults.queue_process import ended, hand_in, troubled_worker
from tests.faults.state import checksum, meant
from tests.faults.trial import Trouble, kill

_DATABASE_SAYS = (
    "the database has no room left on its disk; nothing was changed: make some there, "
    "then try again"
)


def _of_own_disk(folder: Path) -> tuple[str, ...]:
    """What runs a command with a disk of 32 kB as its folder of temporary files."""
    mount = f'mount -t tmpfs -o size=32k tmpfs "{folder}" && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    return prefix


def _limited(_: Path) -> tuple[str, ...]:
    """What runs a command whose files may not be larger than 16 kB."""
    return ("prlimit", f"--fsize={16 << 10}")


@pytest.mark.parametrize(
    ("where", "prefix"),
    [
        pytest.param("first-sorting", _limited),
        pytest.param("first-sorting", _of_own_disk, marks=pytest.mark.slow),
        pytest.param("packed-unpacked", _limited, marks=pytest.mark.slow),
    ],
)
def test_no_room_for_temporary_files(
    where: str,
    prefix: Callable[[Path], tuple[str, ...]],
    cluster: str,
    templates: Templates,
    undisturbed: Undisturbed,
    catalogue: Catalogue,
    surveys: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    point = BY_ID[where]
    trouble = Trouble("nothing", prefix(temporary))
    with copied_database(cluster, templates.before(point.path)) as url:
        outcome = kill(point, url, catalogue, surveys, tmp_path, trouble)
    says = (
        f"no room is left for temporary files in {temporary}: "
        "make some, or set TMPDIR to a folder that has more"
    )
    assert outcome.faults(point, undisturbed(point.path), says) == []
    assert outcome.left == []


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    """A disk of 96 MB that the database's user owns."""
    folder = Path(tempfile.mkdtemp(prefix="onemap-disk-", dir="/var/tmp"))
    mounted = False
    with suppress(KeyError, OSError):
        owner = pwd.getpwnam("postgres").pw_uid
        options = f"size=96m,mode=0700,uid={owner}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        if not mounted:
            pytest.skip("this machine lets nobody mount a disk")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture(scope="module")
def database_on_it(
    small_disk: Path, tmp_path_factory: pytest.TempPathFactory, surveys: Path
) -> Iterator[Callable[[str], str]]:
    """Makes a database on the small disk in which a path may begin; return its address."""
    kept = Templates.on(PrivateCluster(tmp_path_factory.mktemp("cluster") / "own"), surveys)
    with kept as (private, templates):
        server = private.url("postgres")
        with connected(server, autocommit=True) as connection:
            space = f"CREATE TABLESPACE small LOCATION '{small_disk}'"
            connection.execute(text(space))

        def made(path: str) -> str:
            with connected(server, autocommit=True) as connection:
                connection.execute(text("DROP DATABASE IF EXISTS tried WITH (FORCE)"))
                template = templates.before(path)
                connection.execute(
                    text(f"CREATE DATABASE tried TEMPLATE {template} TABLESPACE small")
                )
            return private.url("tried")

        yield made
        with connected(server, autocommit=True) as connection:
            connection.execute(text("DROP DATABASE IF EXISTS tried WITH (FORCE)"))
            connection.execute(text("DROP TABLESPACE small"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [
        "first-read",
        "first-copied",
        "wide-made",
        "wide-index",
        "again-staging",
        "again-check",
        "again-different",
        "again-closed",
        "revert-closed",
    ],
)
def test_no_room_in_the_database(
    where: str,
    database_on_it: Callable[[str], str],
    small_disk: Path,
    undisturbed: Undisturbed,
    catalogue: Catalogue,
    surveys: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    point = BY_ID[where]
    filler = small_disk / "filler"
    trouble = Trouble(
        "disk",
        prepare=lambda work: (work / "disk").write_text(str(small_disk), encoding="utf-8"),
        end=filler.unlink,
    )
    try:
        url = database_on_it(point.path)
        outcome = kill(point, url, catalogue, surveys, tmp_path, trouble)
        assert outcome.faults(point, undisturbed(point.path), _DATABASE_SAYS) == []
    finally:
        filler.unlink(missing_ok=True)


@pytest.mark.slow
def test_a_worker_tries_again_when_there_is_room(
    database_on_it: Callable[[str], str],
    small_disk: Path,
    undisturbed: Undisturbed,
    surveys: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    point, filler = BY_ID["again-closed"], small_disk / "filler"
    work = Path(shutil.copytree(surveys, tmp_path / "work"))
    (work / "disk").write_text(str(small_disk), encoding="utf-8")
    url = database_on_it(point.path)
    before, tools = checksum(url), tools_of(url)
    try:
        with troubled_worker(point, "disk", url, work, tmp_path / "log") as worker:
            load_id = hand_in(point, tools, work)
            worker.wait_for("load.postponed")
            assert worker.events("load.postponed")[0]["reason"] == _DATABASE_SAYS
            assert checksum(url) == before
            filler.unlink()
            (work / "go on").touch()
            record = ended(tools, load_id)
    finally:
        filler.unlink(missing_ok=True)
        close(tools)
    assert (record.status, record.attempts) == ("done", 2), record.failure
    assert meant(url) == undisturbed(point.path)
