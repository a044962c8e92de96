"""Workbooks of strangers: checked before the library that reads a whole sheet at once does."""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from etl.archives import BROKEN, checked_members
from etl.xml_heads import check_prolog
from layers.errors import LoadRefused

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Unpacked size above which a workbook is refused; a full sheet of ten columns has some 400 MB.
_MAX_UNPACKED = 4 << 30
#: Cells of the rectangle around a sheet's content: the library needs 24 bytes for each.
_MAX_CELLS = 40_000_000
_REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_CHUNK = 1 << 20
_OVERLAP = 64


@contextmanager
def open_workbook(path: Path) -> Iterator[CalamineWorkbook]:
    """Open an XLSX or XLS workbook.

    Raises:
        LoadRefused: If it is none, is encrypted, or would not fit into memory.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(_ZIP):
        about = path.stat()
        _check(path, about.st_size, about.st_mtime_ns)
    elif head != _OLE:
        raise LoadRefused(f"{path}: cannot be read as a workbook: it is neither XLSX nor XLS")
    try:
        workbook = CalamineWorkbook.from_path(str(path))
    except (CalamineError, OSError, ValueError) as error:
        raise _refusal(path, error) from error
    with workbook:
        try:
            yield workbook
        except CalamineError as error:
            raise _refusal(path, error) from error


@lru_cache(maxsize=16)
def _check(path: Path, size: int, changed: int) -> None:
    """Check a workbook, once as long as it does not change."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member, place in checked_members(archive, path, _MAX_UNPACKED):
                if place.suffix in (".xml", ".rels"):
                    with archive.open(member) as stream:
                        check_prolog(stream, f"{path}: {place}")
                if place.match("xl/worksheets/*.xml"):
                    _check_sheet(path, archive, member)
    except BROKEN as error:
        raise LoadRefused(f"{path}: cannot be read as a workbook: {error}") from error


def _check_sheet(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Find how large a rectangle its cells span; the sheet's own word for it may be wrong."""
    columns: set[bytes] = set()
    first, last = 1 << 30, 0
    tail = b""
    with archive.open(member) as stream:
        while block := stream.read(_CHUNK):
            found = _REFERENCE.findall(tail + block)
            tail = block[-_OVERLAP:]
            if found:
                columns.update(column for column, _ in found)
                rows = [int(row) for _, row in found]
                first, last = min(first, *rows), max(last, *rows)
    if not columns:
        return
    numbers = [_number(column) for column in columns]
    cells = (last - first + 1) * (max(numbers) - min(numbers) + 1)
    if cells > _MAX_CELLS:
        raise LoadRefused(
            f"{path}: a sheet of it spans {cells:,} cells, more than {_MAX_CELLS:,}: "
            "save the survey as CSV"
        )


def _number(column: bytes) -> int:
    number = 0
    for letter in column:
        number = number * 26 + letter - ord("A") + 1
    return number


def _refusal(path: Path, error: Exception) -> LoadRefused:
    text = str(error).strip()
    reason = text.splitlines()[0] if text else "it is damaged"
    return LoadRefused(f"{path}: cannot be read as a workbook: {reason}")
