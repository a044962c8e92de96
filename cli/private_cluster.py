"""A private PostgreSQL + PostGIS cluster under the project's own folder.

It is for demonstrations and tests: one folder, one free TCP port on 127.0.0.1, one random password,
no service of the system touched. Several processes may share it: the first starts it, the last one
stops it (each holds a shared lock on the file ``users`` while it needs the server).

Folder (``directory``, the invoker's own)::

    password    one line in libpq's passfile format, mode 0600
    port        the TCP port, kept from one start to the next while it is free
    location    where the server's folder is
    lock users  lock files
    server/     data/ and server.log, owned by the system user who runs the server
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cli.postgres_tools import ClusterError, PostgresTools, find_tools

USER = "onemap"
HOST = "127.0.0.1"
_MEGABYTE = 1024 * 1024
_START_TIMEOUT_S = 120


class PrivateCluster:
    """One private cluster.

    Args:
        directory: The cluster's folder; it is made when missing.
        durable: False for tests: commits are not forced to disk, so a crash of the machine may
            lose the cluster, and everything is faster.

    Raises:
        ClusterError: PostgreSQL with PostGIS is not installed; the message has the command.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.resolve()
        self.durable = durable
        self._users: IO[str] | None = None
        self.directory.mkdir(parents=True, exist_ok=True)
        tools = find_tools()
        self._server = _server_folder(self.directory, tools)
        self._data = self._server / "data"
        self._tools = self._tools_of_data() or tools

    def url(self, database: str = "onemap") -> str:
        """The address of one database, with the password in it.

        Raises:
            ClusterError: The cluster was never made.
        """
        return f"postgresql://{USER}:{self._password()}@{HOST}:{self._port()}/{database}"

    def running_url(self, database: str) -> str:
        """The address of one database of a cluster that somebody else runs.

        Raises:
            ClusterError: Nobody runs it.
        """
        with self._alone():
            if not self._running():
                raise ClusterError(
                    f"the private cluster in {self.directory} does not run: start it with make demo"
                )
        return self.url(database)

    def ensure_created(self) -> None:
        """Make the cluster unless it is there. An interrupted making is begun anew."""
        if (self._data / "PG_VERSION").is_file():
            return
        unfinished = self._server / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        self._keep_password(password)
        given = self._server / "initial-password"
        given.touch(mode=0o600)
        given.write_text(password + "\n", encoding="utf-8")
        self._tools.give(given, 0o600)
        try:
            self._tools.demand(
                "initdb",
                [
                    *("-D", str(unfinished), "-U", USER, f"--pwfile={given}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
                    # The same order as that of C.UTF-8, told by the bytes alone.
                    "--lc-collate=C",
                    *(
                        ["--no-instructions"]
                        if self.durable
                        else ["--no-instructions", "--no-sync"]
                    ),
                ],
                "make the private cluster",
            )
        finally:
            given.unlink()
        unfinished.rename(self._data)

    def start(self) -> None:
        """Start the server, or take the one that already runs; return when it answers.

        The caller counts as a user of the server until :meth:`stop`.

        Raises:
            ClusterError: It does not start; the message has the last line of its log.
        """
        with self._alone():
            if self._users is None:
                self._users = self._lock_file("users")
                fcntl.flock(self._users, fcntl.LOCK_SH)
            self.ensure_created()
            if not self._running():
                self._start_server()

    def stop(self) -> None:
        """End this process's use of the server, and stop it when no other process uses it."""
        if self._users is None:
            return
        with self._alone():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                self._stop_server()
            finally:
                self._users.close()
                self._users = None

    @contextmanager
    def running(self) -> Iterator["PrivateCluster"]:
        """The cluster, running inside the ``with`` block."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def ensure_database(self, name: str) -> str:
        """Make database ``name`` with PostGIS unless it is there; return its address.

        Raises:
            ClusterError: The server refuses.
        """
        listed = self._sql("postgres", "SELECT datname FROM pg_database", "list databases")
        if name not in listed.split():
            self._tools.demand(
                "createdb",
                [f"--maintenance-db={self._conninfo('postgres')}", name],
                f"make database {name}",
            )
        self._sql(name, "CREATE EXTENSION IF NOT EXISTS postgis", "install PostGIS")
        return self.url(name)

    def _sql(self, database: str, statement: str, purpose: str) -> str:
        arguments = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return self._tools.demand("psql", [*arguments, self._conninfo(database)], purpose)

    def _conninfo(self, database: str) -> str:
        passfile = self._server / "passfile"
        return (
            f"host={HOST} port={self._port()} user={USER} dbname={database} "
            f"passfile='{passfile}' connect_timeout=10 client_encoding=UTF8 "
            "options='-c client_min_messages=warning'"
        )

    def _keep_password(self, password: str) -> None:
        """Write the password twice, each 0600: for the invoker and for the server's user."""
        for path in (self.directory / "password", self._server / "passfile"):
            path.unlink(missing_ok=True)
            path.touch(mode=0o600)
            path.write_text(f"*:*:*:{USER}:{password}\n", encoding="utf-8")
        self._tools.give(self._server / "passfile", 0o600)

    def _password(self) -> str:
        return self._kept("password").rsplit(":", 1)[1]

    def _port(self) -> int:
        return int(self._kept("port"))

    def _kept(self, name: str) -> str:
        try:
            return (self.directory / name).read_text(encoding="utf-8").strip()
        except PermissionError as error:
            raise ClusterError(
                f"The private cluster in {self.directory} belongs to another user: "
                "run as that user, or use a checkout of your own."
            ) from error
        except FileNotFoundError as error:
            raise ClusterError(
                f"The private cluster in {self.directory} has lost its file {name!r}: "
                f"remove {self.directory} and {self._server} to begin anew."
            ) from error

    def _tools_of_data(self) -> PostgresTools | None:
        """The programs of the version that made the data, if it was made."""
        try:
            major = int((self._data / "PG_VERSION").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return find_tools(major=major)

    def _lock_file(self, name: str) -> IO[str]:
        try:
            return (self.directory / name).open("a", encoding="utf-8")
        except PermissionError as error:
            raise ClusterError(
                f"The private cluster in {self.directory} belongs to another user: "
                "run as that user, or use a checkout of your own."
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process at a time starts or stops the server."""
        with self._lock_file("lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _running(self) -> bool:
        """Whether our server runs; a stale ``postmaster.pid`` is removed, the port remembered."""
        pid_file = self._data / "postmaster.pid"
        try:
            lines = pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        if not _is_server(int(lines[0]), self._data):
            # After a crash the number may belong to any other process by now, and PostgreSQL
            # would then refuse to start.
            pid_file.unlink()
            return False
        port = lines[3].strip() if len(lines) > 3 else self._kept("port")
        (self.directory / "port").write_text(f"{port}\n", encoding="utf-8")
        self._await_answer()
        return True

    def _await_answer(self) -> None:
        self._tools.demand(
            "pg_isready",
            ["-h", HOST, "-p", str(self._port()), "-t", str(_START_TIMEOUT_S)],
            "reach the private cluster",
        )

    def _start_server(self) -> None:
        for last_try in (False, True):
            self._choose_port(anew=last_try)
            self._write_settings()
            log = self._server / "server.log"
            result = self._tools.run(
                "pg_ctl",
                [
                    *("start", "-D", str(self._data), "-l", str(log)),
                    *("-w", "-s", "-t", str(_START_TIMEOUT_S)),
                ],
            )
            if result.returncode == 0:
                return
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = next((line for line in reversed(lines) if "FATAL" in line), "no message")
        raise ClusterError(f"The private cluster does not start: {told} (log: {log}).")

    def _stop_server(self) -> None:
        if not self._running():
            return
        for mode in ("fast", "immediate"):
            arguments = ["stop", "-D", str(self._data), "-m", mode, "-w", "-s", "-t", "60"]
            if self._tools.run("pg_ctl", arguments).returncode == 0:
                return
        raise ClusterError(f"The private cluster in {self._data} does not stop.")

    def _choose_port(self, *, anew: bool) -> None:
        """Keep the last start's port while it is free; else let the system choose a free one."""
        kept = self.directory / "port"
        if not anew and kept.is_file() and _is_free(self._port()):
            return
        with socket.create_server((HOST, 0)) as listener:
            kept.write_text(f"{listener.getsockname()[1]}\n", encoding="utf-8")

    def _write_settings(self) -> None:
        settings = "".join(
            f"{name} = {value}\n"
            for name, value in _settings(self._port(), durable=self.durable).items()
        )
        ours = self._data / "onemap.conf"
        ours.write_text(settings, encoding="utf-8")
        self._tools.give(ours, 0o600)
        main = self._data / "postgresql.conf"
        include = "include = 'onemap.conf'\n"
        if include not in main.read_text(encoding="utf-8"):
            with main.open("a", encoding="utf-8") as configuration:
                configuration.write(include)


def _server_folder(directory: Path, tools: PostgresTools) -> Path:
    """The folder for ``data/`` and the log, made with mode 0700 for the server's user.

    It is ``directory/server`` unless the server's user cannot get there (root's own checkout under
    /root): then a folder of /var/tmp named after ``directory``.

    Raises:
        ClusterError: Somebody else owns the folder.
    """
    folder = directory / "server"
    if not tools.can_reach(directory):
        digest = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
        folder = Path("/var/tmp") / f"onemap-{digest}"  # noqa: S108 - owner and mode are checked
    owner = tools.user.pw_uid if tools.user else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
        tools.give(folder, 0o700)
        (directory / "location").write_text(f"{folder}\n", encoding="utf-8")
    except FileExistsError:
        pass
    except PermissionError as error:
        raise ClusterError(
            f"Cannot write into {directory}, where the private cluster is kept: it belongs to "
            "another user. Use a checkout of your own."
        ) from error
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        raise ClusterError(
            f"{folder} belongs to another user, so the private cluster cannot live there: run as "
            "that user, or use a checkout of your own."
        )
    return folder


def _is_server(pid: int, data: Path) -> bool:
    """Whether process ``pid`` is the PostgreSQL server of this data folder.

    The command line is asked, not the working folder: any user may read it, even root in a
    container without the right to trace processes.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(data) in arguments


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def _settings(port: int, *, durable: bool) -> dict[str, str]:
    """The server's settings, scaled to the machine's memory."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEGABYTE
    shared_mb = min(max(memory_mb // 8, 128), 1024)
    settings = {
        "listen_addresses": f"'{HOST}'",
        "port": str(port),
        # TCP with a password is the only way in: no socket that other users could find.
        "unix_socket_directories": "''",
        "max_connections": "60",
        "shared_buffers": f"{shared_mb}MB",
        "effective_cache_size": f"{max(memory_mb // 2, 256)}MB",
        "maintenance_work_mem": f"{min(max(memory_mb // 32, 64), 512)}MB",
        "work_mem": "32MB",
        "max_wal_size": "4GB",
        # Short spatial queries lose more to compilation than they win from it.
        "jit": "off",
        "random_page_cost": "1.1",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
    }
    if durable:
        # A large load writes a gigabyte of log: its files are kept, not made anew each time. Full
        # pages go into it as they are, as is PostgreSQL's default: pglz took half of the time of
        # building an index.
        settings |= {
            "min_wal_size": "1GB",
            "wal_buffers": f"{max(min(shared_mb // 16, 64), 4)}MB",
        }
    else:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return settings
