"""Unpacking archives that strangers made: nothing gets outside, and the disk does not fill.

What an archive says of itself is checked before anything is written, and what it really holds while
it is written. An archive inside an archive is left as it is.
"""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gis.scratch import ScratchFolder
from layers.disk_room import is_no_room
from layers.errors import LoadRefused

#: Endings of file names that are unpacked.
SUFFIXES = frozenset({".zip"})
#: Endings of archives, which are not looked into when they are inside another one.
NESTED = frozenset({".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz"})
#: Members above which an archive is refused; a FileGDB has some hundred.
_MAX_MEMBERS = 20_000
#: Bytes for each packed byte above which a large member is refused. Deflate reaches 1032 at most;
#: a survey's emptiest tables, all blanks, stay below this.
_MAX_RATIO = 500
_LARGE = 64 << 20
#: Bytes left free on the disk.
_SPARE = 256 << 20
_CHUNK = 1 << 20
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1
#: What a damaged archive makes zipfile raise; ``NotImplementedError`` is a compression it does not
#: know, ``RuntimeError`` a password.
BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    zlib.error,
    OSError,
)


@contextmanager
def unpacked(path: Path, limit: int) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed at the end.

    Args:
        path: The archive.
        limit: Bytes above which it is refused, as declared and as really found.

    Yields:
        The folder.

    Raises:
        LoadRefused: If it is damaged, encrypted, too large, or has members that no honest survey
            has; the sentence names the member.
    """
    with ScratchFolder() as folder:
        _unpack(path, folder, limit)
        yield folder


def checked_members(
    archive: zipfile.ZipFile, path: Path, limit: int
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Check what an archive says of itself.

    Args:
        archive: The open archive.
        path: Its file, for messages.
        limit: Bytes above which it is refused.

    Returns:
        Its files, and where each belongs, relative to the archive's top.

    Raises:
        LoadRefused: If it should not be unpacked.
    """
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise LoadRefused(f"{path}: holds {len(members):,} members, more than {_MAX_MEMBERS:,}")
    files = [member for member in members if not member.is_dir()]
    declared = sum(member.file_size for member in files)
    if declared > limit:
        raise LoadRefused(f"{path}: unpacks to {_size(declared)}, more than {_size(limit)}")
    if sum(member.compress_size for member in files) > path.stat().st_size:
        raise LoadRefused(f"{path}: its members overlap, as those of a zip bomb do")
    placed: dict[str, PurePosixPath] = {}
    for member in members:
        inside = _place(path, member)
        _refuse_unfit(path, member)
        key = str(inside).casefold()
        if key in placed and not member.is_dir():
            raise LoadRefused(f"{path}: holds the member '{inside}' twice")
        placed[key] = inside
    return [(member, _place(path, member)) for member in files]


def nested_archives(folder: Path) -> list[str]:
    """Return the names of archives inside a folder."""
    return sorted(entry.name for entry in folder.rglob("*") if entry.suffix.lower() in NESTED)


def _unpack(path: Path, folder: Path, limit: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = checked_members(archive, path, limit)
            wanted = sum(member.file_size for member, _ in members)
            free = shutil.disk_usage(folder).free - _SPARE
            if wanted > free:
                raise LoadRefused(
                    f"{path}: unpacks to {_size(wanted)}, but the disk has {_size(max(free, 0))}"
                )
            for member, inside in members:
                unpack_member(path, archive, member, folder / inside)
    except BROKEN as error:
        if is_no_room(error):
            raise
        raise LoadRefused(f"{path}: cannot be unpacked: {_reason(error)}") from error


def unpack_member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path
) -> None:
    """Write one member, and no byte more than it declared."""
    name = _name(member)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with archive.open(member) as source, target.open("xb") as sink:
            while block := source.read(_CHUNK):
                written += len(block)
                if written > member.file_size:
                    raise LoadRefused(f"{path}: the member '{name}' is larger than it declares")
                sink.write(block)
    except BROKEN as error:
        if is_no_room(error):
            raise
        raise LoadRefused(
            f"{path}: the member '{name}' cannot be unpacked: {_reason(error)}"
        ) from error


def _place(path: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    """Return where a member belongs; Windows tools write backslashes.

    Raises:
        LoadRefused: If that is outside the archive, or its name is no name.
    """
    name = _name(member)
    inside = PurePosixPath(name.replace("\\", "/"))
    outside = inside.is_absolute() or ".." in inside.parts or name[1:2] == ":"
    if outside:
        raise LoadRefused(f"{path}: the member '{_shown(name)}' leads outside the archive")
    if (
        not inside.parts
        or not name.isprintable()
        or any(len(part.encode()) > 255 for part in inside.parts)
    ):
        raise LoadRefused(f"{path}: the member '{_shown(name)}' has a name that no file can have")
    return inside


def _refuse_unfit(path: Path, member: zipfile.ZipInfo) -> None:
    name = _shown(_name(member))
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a symbolic link" if kind == stat.S_IFLNK else "a device"
        raise LoadRefused(f"{path}: the member '{name}' is {what}, not a file")
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise LoadRefused(f"{path}: the member '{name}' is encrypted: unpack it with its password")
    if member.file_size > max(_LARGE, member.compress_size * _MAX_RATIO):
        raise LoadRefused(
            f"{path}: the member '{name}' unpacks from {_size(member.compress_size)} to "
            f"{_size(member.file_size)}, as a zip bomb does"
        )


def _name(member: zipfile.ZipInfo) -> str:
    """Return the name; without the UTF-8 flag, zipfile has read its bytes as CP437.

    Chinese Windows writes GBK there, other systems often UTF-8.
    """
    name = member.orig_filename
    if member.flag_bits & _UTF8_FLAG:
        return name
    for codec in ("utf-8", "gb18030"):
        try:
            return name.encode("cp437").decode(codec)
        except UnicodeError:
            continue
    return name


def _shown(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= 80 else plain[:79] + "…"


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or "it ends too early"
