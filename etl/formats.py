"""The registry of source formats: finds the readers and chooses one for a path."""

import pkgutil
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import etl.readers
from etl.reader import Reader, Source, SourceOptions
from layers.errors import LoadRefused


@cache
def readers() -> MappingProxyType[str, Reader]:
    """Return the readers by suffix, found by scanning ``etl/readers`` in sorted order.

    Raises:
        ValueError: If two readers claim one suffix, or a module has no ``READER``.
    """
    found: dict[str, Reader] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(etl.readers.__path__)):
        reader: Reader | None = getattr(import_module(f"etl.readers.{name}"), "READER", None)
        if reader is None:
            raise ValueError(f"etl/readers/{name}.py has no READER")
        for suffix in sorted(reader.suffixes):
            if suffix in found:
                raise ValueError(f"two readers claim '{suffix}': etl/readers/{name}.py is one")
            found[suffix] = reader
    return MappingProxyType(found)


@contextmanager
def open_source(path: Path, options: SourceOptions, max_unpacked: int) -> Iterator[Source]:
    """Open a file, a folder with one data set, or a zip of either.

    Args:
        path: What to open.
        options: What is known about it beyond what it says itself.
        max_unpacked: Bytes above which an archive is refused.

    Raises:
        LoadRefused: If there is nothing to read, or a choice must be made.
    """
    if not path.exists():
        raise LoadRefused(f"{path}: there is no such file")
    if path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory(prefix="onemap-") as folder:
            _unpack(path, Path(folder), max_unpacked)
            chosen, rest = _choose(Path(folder), path, options)
            with readers()[chosen.suffix.lower()].open(chosen, rest) as source:
                yield source
        return
    chosen, rest = _choose(path, path, options)
    with readers()[chosen.suffix.lower()].open(chosen, rest) as source:
        yield source


def _choose(path: Path, named: Path, options: SourceOptions) -> tuple[Path, SourceOptions]:
    """Choose the one data set; a layer option that chose it is not passed on."""
    known = readers()
    if path.is_file():
        if path.suffix.lower() not in known:
            raise LoadRefused(
                f"{named}: its format is not known; known are {', '.join(sorted(known))} and .zip"
            )
        return path, options
    found = sorted(
        entry for entry in path.rglob("*") if entry.is_file() and entry.suffix.lower() in known
    )
    if not found:
        raise LoadRefused(f"{named}: holds no data set ({', '.join(sorted(known))})")
    if options.layer is not None:
        named_so = [entry for entry in found if entry.stem == options.layer]
        if len(named_so) == 1:
            rest = SourceOptions(
                None, options.encoding, options.crs, options.coordinates, options.batch_rows
            )
            return named_so[0], rest
    if len(found) > 1:
        names = ", ".join(entry.stem for entry in found)
        raise LoadRefused(f"{named}: holds several data sets ({names}); say --source-layer")
    return found[0], options


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
