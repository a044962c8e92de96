"""Finding PostgreSQL's own programs and running them as the right system user.

PostgreSQL refuses to run as root, so root runs it as the system user ``postgres``; anybody else
runs it as themselves. No program started here shares the terminal's process group: Ctrl-C reaches
One Map alone, which then stops its cluster in order.
"""

import os
import pwd
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from layers.errors import OneMapError

OLDEST_MAJOR = 15
INSTALL_HINT = (
    "run scripts/bootstrap.sh, or: sudo apt-get install postgresql postgresql-postgis "
    "(Debian 12, Ubuntu 24.04)"
)


class ClusterError(OneMapError):
    """The private PostgreSQL cluster cannot be made, started or stopped."""


@dataclass(frozen=True)
class PostgresTools:
    """The programs of one installed PostgreSQL.

    Attributes:
        major: PostgreSQL's major version, such as 15.
        bin_dir: The folder that holds ``initdb``, ``pg_ctl`` and the rest.
        user: The system user who runs them; None for the user who runs One Map.
    """

    major: int
    bin_dir: Path
    user: pwd.struct_passwd | None

    def run(
        self, program: str, arguments: Sequence[str], *, timeout_s: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run one program to its end and return its result, whatever its exit status.

        Args:
            program: A program of ``bin_dir``, or any other program's absolute path.
            arguments: Its arguments.
            timeout_s: Seconds after which it is killed.

        Raises:
            ClusterError: It took longer than ``timeout_s``.
        """
        command = [str(self.bin_dir / program), *arguments]
        try:
            return subprocess.run(  # noqa: S603 - fixed programs, no shell
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                start_new_session=True,
                user=self.user.pw_uid if self.user else None,
                group=self.user.pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{program} did not end within {timeout_s:.0f} s.") from error

    def demand(self, program: str, arguments: Sequence[str], purpose: str) -> str:
        """Run one program that must succeed, and return what it printed.

        Raises:
            ClusterError: It failed; the message has the purpose and the program's own last line.
        """
        result = self.run(program, arguments)
        if result.returncode != 0:
            told = (result.stderr.strip() or result.stdout.strip() or "no message").splitlines()
            raise ClusterError(f"Cannot {purpose}: {told[-1]}")
        return result.stdout

    def can_reach(self, directory: Path) -> bool:
        """Whether the server's user can enter ``directory``."""
        return self.run("/usr/bin/test", ["-x", str(directory)]).returncode == 0

    def give(self, path: Path, mode: int) -> None:
        """Make ``path`` the server user's own, with ``mode``."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)
        path.chmod(mode)


def find_tools(root: Path = Path("/usr/lib/postgresql"), major: int | None = None) -> PostgresTools:
    """Find an installed PostgreSQL server.

    Args:
        root: Where Debian and Ubuntu keep one folder for each major version.
        major: The version needed (that of an existing cluster); None for the newest one that has
            PostGIS.

    Raises:
        ClusterError: None fits; the message has the command that installs one.
    """
    found = _installed(root)
    if major is not None:
        if major not in found:
            raise ClusterError(
                f"The private cluster was made by PostgreSQL {major}, which is not installed: "
                f"install postgresql-{major}, or remove the cluster's folder to begin anew."
            )
        return PostgresTools(major, found[major], _server_user())
    if not found:
        raise ClusterError(f"PostgreSQL {OLDEST_MAJOR} or newer is not installed: {INSTALL_HINT}.")
    with_postgis = [number for number in found if _has_postgis(number)]
    if not with_postgis:
        raise ClusterError(f"PostgreSQL is here but PostGIS is not: {INSTALL_HINT}.")
    newest = max(with_postgis)
    return PostgresTools(newest, found[newest], _server_user())


def _installed(root: Path) -> dict[int, Path]:
    """Major version → folder of programs, of every usable server under ``root``."""
    folders = {
        int(path.parent.parent.name): path.parent
        for path in root.glob("*/bin/initdb")
        if re.fullmatch(r"\d+", path.parent.parent.name)
    }
    return {major: folder for major, folder in folders.items() if major >= OLDEST_MAJOR}


def _has_postgis(major: int) -> bool:
    return Path(f"/usr/share/postgresql/{major}/extension/postgis.control").is_file()


def _server_user() -> pwd.struct_passwd | None:
    """The user to run the server as: None for ordinary users, ``postgres`` for root.

    Raises:
        ClusterError: Root runs One Map and the machine has no user ``postgres``.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError as error:
        raise ClusterError(
            "PostgreSQL cannot run as root and there is no system user 'postgres': "
            f"{INSTALL_HINT}, or run One Map as an ordinary user."
        ) from error
