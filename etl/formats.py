"""The registry of source formats: finds the readers and chooses one for a source."""

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path

import etl.readers
from etl import archives
from etl.magic import describe, refuse_pointer
from etl.parts import Part, PartedSource
from etl.reader import AddressReader, Reader, Source, SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

#: Beginnings of addresses.
_SCHEMES = ("http://", "https://")
#: Endings that say little: in a folder, what no reader recognises there is no survey, but a note.
_ANYTHING = (".txt", ".json", ".xml", ".csv", ".tab")


def is_address(source: Path | str) -> bool:
    """Say whether a source is an address of a server rather than a file."""
    return str(source).lower().startswith(_SCHEMES)


@cache
def readers() -> tuple[Reader | AddressReader, ...]:
    """Return the readers, found by scanning ``etl/readers``, in the order they are asked.

    Raises:
        ValueError: If two readers have one name, or a module has no ``READER``.
    """
    found: dict[str, Reader | AddressReader] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(etl.readers.__path__)):
        reader = getattr(import_module(f"etl.readers.{name}"), "READER", None)
        if reader is None:
            raise ValueError(f"etl/readers/{name}.py has no READER")
        if _folded(reader.name) in found:
            raise ValueError(f"two readers have the name '{reader.name}': etl/readers/{name}.py")
        found[_folded(reader.name)] = reader
    return tuple(sorted(found.values(), key=lambda reader: (-reader.priority, reader.name)))


def file_readers() -> list[Reader]:
    """Return the readers of files and folders, in the order they are asked."""
    return [reader for reader in readers() if not _of_addresses(reader)]  # type: ignore[misc]


def address_readers() -> list[AddressReader]:
    """Return the readers of addresses, in the order they are asked."""
    return [reader for reader in readers() if _of_addresses(reader)]  # type: ignore[misc]


@contextmanager
def open_source(source: Path | str, options: SourceOptions, max_unpacked: int) -> Iterator[Source]:
    """Open a file, a folder with one survey, a zip of either, or an address.

    A folder or zip may hold several files of the same columns, which are read as one.

    Args:
        source: What to open.
        options: What is known about it beyond what it says itself.
        max_unpacked: Bytes above which an archive is refused.

    Raises:
        LoadRefused: If there is nothing to read, or a choice must be made.
    """
    if is_address(source):
        address = str(source)
        with _reader_of_address(address, options).open_address(address, options) as opened:
            yield opened
        return
    path = Path(source)
    if not path.exists():
        raise LoadRefused(f"{path}: there is no such file")
    if path.is_file() and path.suffix.lower() in archives.SUFFIXES and not options.format:
        with archives.unpacked(path, max_unpacked) as folder, _named(folder, path):
            with _open(folder, path, options) as opened:
                yield _Renamed(opened, folder, path)
    else:
        with _open(path, path, options) as opened:
            yield opened


@contextmanager
def _open(path: Path, named: Path, options: SourceOptions) -> Iterator[Source]:
    try:
        found, rest = _choose(path, named, options)
    except OSError as error:
        raise LoadRefused(f"{named}: cannot be read: {error.strerror or error}") from error
    if len(found) == 1:
        with found[0].reader.open(found[0].path, rest) as source:
            yield source
    else:
        with PartedSource.open(found, named, rest) as source:
            yield source


def _choose(path: Path, named: Path, options: SourceOptions) -> tuple[list[Part], SourceOptions]:
    """Choose the data sets; a layer option that chose one is not passed on."""
    chosen = [_reader_named(options.format)] if options.format else file_readers()
    if not path.is_dir():
        return [Part(path, path.name, _reader_of_file(path, chosen, options))], options
    whole = _reader_of_folder(path, chosen, options)
    if whole is not None:
        return [Part(path, path.name, whole)], options
    found = sorted(_data_sets(path, path, chosen, options), key=lambda part: part.name)
    if not found:
        raise LoadRefused(_no_data_set(path, named, chosen))
    if options.layer is not None:
        named_so = [part for part in found if part.path.stem == options.layer]
        if len(named_so) == 1:
            return named_so, replace(options, layer=None)
    return found, options


def _no_data_set(folder: Path, named: Path, chosen: list[Reader]) -> str:
    nested = archives.nested_archives(folder)
    if nested:
        return f"{named}: holds no data set but other archives ({nested[0]}): unpack them first"
    return f"{named}: holds no data set; known are {_known(chosen)}"


def _data_sets(
    folder: Path, top: Path, chosen: list[Reader], options: SourceOptions
) -> Iterator[Part]:
    for entry in folder.iterdir():
        name = str(entry.relative_to(top))
        if entry.is_symlink():
            continue
        if entry.is_dir():
            whole = _reader_of_folder(entry, chosen, options)
            if whole is not None:
                yield Part(entry, name, whole)
            else:
                yield from _data_sets(entry, top, chosen, options)
        elif entry.is_file():
            refuse_pointer(entry)
            reader = _first(entry, chosen, options)
            if reader is not None:
                yield Part(entry, name, reader)
            elif not entry.name.lower().endswith(_ANYTHING):
                _refuse_disguised(entry, chosen)


def _reader_of_folder(path: Path, chosen: list[Reader], options: SourceOptions) -> Reader | None:
    for reader in chosen:
        if reader.takes_folders and reader.recognises(path, options):
            return reader
    return None


def _reader_of_file(path: Path, chosen: list[Reader], options: SourceOptions) -> Reader:
    if not path.is_file():
        raise LoadRefused(f"{path}: is neither a file nor a folder")
    refuse_pointer(path)
    if options.format:
        return chosen[0]
    claimed = [reader for reader in chosen if _has_suffix(path, reader)]
    what = describe(path)
    if what == "empty":
        raise LoadRefused(f"{path}: the file is empty")
    reader = _first(path, claimed, options)
    if reader is not None:
        return reader
    _refuse_disguised(path, chosen)
    raise LoadRefused(f"{path}: its format is not known: it is {what}; known are {_known(chosen)}")


def _refuse_disguised(path: Path, chosen: list[Reader]) -> None:
    """Refuse a file that no reader recognises although its name says that one should."""
    claimed = sorted({reader.name for reader in chosen if _has_suffix(path, reader)})
    if claimed:
        names = " or ".join(claimed)
        raise LoadRefused(f"{path}: is not {names}, as its name says: it is {describe(path)}")


def _first(path: Path, chosen: list[Reader], options: SourceOptions) -> Reader | None:
    for reader in chosen:
        if _has_suffix(path, reader) and reader.recognises(path, options):
            return reader
    return None


def _has_suffix(path: Path, reader: Reader) -> bool:
    return path.name.lower().endswith(tuple(reader.suffixes))


def _reader_named(name: str) -> Reader:
    for reader in file_readers():
        if _folded(reader.name) == _folded(name):
            return reader
    names = ", ".join(sorted(reader.name for reader in readers()))
    raise LoadRefused(f"there is no format '{name}'; known are {names}")


def _reader_of_address(address: str, options: SourceOptions) -> AddressReader:
    for reader in address_readers():
        if options.format and _folded(reader.name) != _folded(options.format):
            continue
        if reader.recognises_address(address):
            return reader
    names = ", ".join(sorted(reader.name for reader in address_readers())) or "none"
    raise LoadRefused(f"{address}: no reader knows such an address; those of servers are {names}")


def _known(chosen: list[Reader]) -> str:
    names = sorted(reader.name for reader in chosen)
    return ", ".join([*names, "and a .zip or a folder of them"])


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _of_addresses(reader: Reader | AddressReader) -> bool:
    return hasattr(reader, "open_address")


@contextmanager
def _named(folder: Path, archive: Path) -> Iterator[None]:
    """Let refusals name the archive and its member, not the temporary folder."""
    try:
        yield
    except LoadRefused as error:
        if type(error) is not LoadRefused or str(folder) not in str(error):
            raise
        text = str(error).replace(f"{folder}/", f"{archive}: ").replace(str(folder), str(archive))
        raise LoadRefused(text) from error


@dataclass(frozen=True)
class _Renamed:
    """A source from an archive, whose refusals name the archive."""

    source: Source
    folder: Path
    archive: Path

    @property
    def info(self) -> SourceInfo:
        return self.source.info

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        with _named(self.folder, self.archive):
            yield from self.source.batches()
