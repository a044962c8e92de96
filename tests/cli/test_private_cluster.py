"""The private cluster: made once, shared, stopped by its last user, and never in anyone's way."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from cli import private_cluster
from cli.postgres_tools import ClusterError, find_tools
from cli.private_cluster import PrivateCluster


def answer(url: str, question: str) -> object:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    try:
        with engine.connect() as connection:
            return connection.execute(text(question)).scalar_one()
    finally:
        engine.dispose()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def port_of(directory: Path) -> int:
    return int((directory / "port").read_text())


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A cluster's folder; for root the server's part of it lies elsewhere and is removed here."""
    yield tmp_path / "one"
    location = tmp_path / "one" / "location"
    if location.is_file():
        shutil.rmtree(location.read_text().strip())


def test_a_life_of_a_cluster(directory: Path) -> None:
    cluster = PrivateCluster(directory, durable=False)
    with cluster.running():
        url = cluster.ensure_database("onemap")
        assert "PROJ" in str(answer(url, "SELECT postgis_full_version()"))
        assert answer(url, "SHOW listen_addresses") == "127.0.0.1"
        assert answer(url, "SHOW jit") == "off"
        assert stat.S_IMODE((directory / "password").stat().st_mode) == 0o600
        port = port_of(directory)
    assert not is_listening(port)

    with PrivateCluster(directory, durable=False).running() as again:
        assert port_of(directory) == port
        assert again.ensure_database("onemap") == url


def test_the_last_user_stops_it(directory: Path) -> None:
    first = PrivateCluster(directory, durable=False)
    second = PrivateCluster(directory, durable=False)
    first.start()
    second.start()
    port = port_of(directory)
    first.stop()
    assert is_listening(port)
    second.stop()
    assert not is_listening(port)


def test_a_taken_port_is_chosen_anew(directory: Path) -> None:
    with PrivateCluster(directory, durable=False).running():
        before = port_of(directory)
    with (
        socket.create_server(("127.0.0.1", before)),
        PrivateCluster(directory, durable=False).running() as cluster,
    ):
        assert port_of(directory) != before
        assert answer(cluster.url("postgres"), "SELECT 1") == 1


def test_a_pid_file_left_by_a_crash_is_stale(directory: Path) -> None:
    with PrivateCluster(directory, durable=False).running():
        pass
    data = Path((directory / "location").read_text().strip()) / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n1\n\n127.0.0.1\n")
    with PrivateCluster(directory, durable=False).running() as cluster:
        assert answer(cluster.url("postgres"), "SELECT 1") == 1


def test_an_interrupted_making_is_begun_anew(directory: Path) -> None:
    with PrivateCluster(directory, durable=False).running():
        server = Path((directory / "location").read_text().strip())
    (server / "data").rename(server / "data.new")
    with PrivateCluster(directory, durable=False).running() as cluster:
        assert answer(cluster.url("postgres"), "SELECT 1") == 1


def test_a_folder_the_server_cannot_reach_is_replaced(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.postgres_tools.PostgresTools.can_reach", lambda *_: False)
    PrivateCluster(directory, durable=False)
    location = Path((directory / "location").read_text().strip())
    assert location.parts[:3] == ("/", "var", "tmp")
    assert stat.S_IMODE(location.stat().st_mode) == 0o700


def test_somebody_elses_folder_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.postgres_tools.PostgresTools.can_reach", lambda *_: True)
    directory.mkdir()
    (directory / "server").symlink_to("/var")
    with pytest.raises(ClusterError, match="belongs to another user"):
        PrivateCluster(directory, durable=False)


def test_a_machine_without_postgresql_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="apt-get install postgresql"):
        find_tools(tmp_path)
    with pytest.raises(ClusterError, match="made by PostgreSQL 14"):
        find_tools(tmp_path, major=14)


def test_memory_settings_stay_within_bounds() -> None:
    settings = private_cluster._settings(5432, durable=True)
    assert 128 <= int(settings["shared_buffers"].removesuffix("MB")) <= 1024
    assert "fsync" not in settings
    assert private_cluster._settings(5432, durable=False)["fsync"] == "off"


def test_databases_of_tests_have_postgis(database_url: str, fresh_database: str) -> None:
    assert database_url != fresh_database
    for url in (database_url, fresh_database):
        assert str(answer(url, "SELECT postgis_version()")).startswith("3")
