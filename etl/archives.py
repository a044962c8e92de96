"""Unpacking archives that strangers made."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layers.errors import LoadRefused

#: Endings of file names that are unpacked.
SUFFIXES = frozenset({".zip"})


@contextmanager
def unpacked(path: Path, limit: int) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed at the end.

    Args:
        path: The archive.
        limit: Bytes above which it is refused.

    Yields:
        The folder.

    Raises:
        LoadRefused: If it cannot be unpacked or is too large.
    """
    with tempfile.TemporaryDirectory(prefix="onemap-") as folder:
        _unpack(path, Path(folder), limit)
        yield Path(folder)


def _unpack(path: Path, folder: Path, limit: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > limit:
                raise LoadRefused(f"{path}: unpacks to more than {limit / 1024**3:.0f} GB")
            for number, member in enumerate(members):
                # Parts such as ".." are left out, so that names inside cannot lead elsewhere.
                inside = Path(_member_name(member))
                target = folder.joinpath(*(part for part in inside.parts if _is_plain(part)))
                target = target if target != folder else folder / str(number)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    # NotImplementedError: a compression that zipfile does not know; RuntimeError: a password.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise LoadRefused(f"{path}: cannot be unpacked: {error}") from error


def _is_plain(part: str) -> bool:
    return part not in ("..", "/", "\\") and ":" not in part


def _member_name(member: zipfile.ZipInfo) -> str:
    """Return the name; Chinese Windows writes GBK without the UTF-8 flag, read as CP437."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return member.filename
