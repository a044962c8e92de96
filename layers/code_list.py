"""Code lists: ``layers/codes/SCHEME.csv``, each a scheme of codes with its edition.

The columns are ``scheme,edition,code,parent,name_zh,name_en,color,note``; the first two say which
standard and edition, the same on every row. ``parent`` makes a hierarchy; a code without a colour
takes its parent's.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from layers.errors import DefinitionError

COLUMNS = ("scheme", "edition", "code", "parent", "name_zh", "name_en", "color", "note")


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a scheme; ``color`` is ``#rrggbb``."""

    code: str
    parent: str | None
    name_zh: str
    name_en: str
    color: str | None
    note: str | None


@dataclass(frozen=True)
class CodeList:
    """A scheme of codes, such as GB/T 21010 in its 2017 edition."""

    name: str
    scheme: str
    edition: str
    codes: dict[str, Code]

    def color(self, code: str) -> str | None:
        """Return the colour of ``code``, or of its nearest ancestor that has one."""
        entry = self.codes.get(code)
        while entry is not None:
            if entry.color:
                return entry.color
            entry = self.codes.get(entry.parent) if entry.parent else None
        return None


def read_code_list(path: Path) -> CodeList:
    """Read one code list.

    Raises:
        DefinitionError: If the file is not such a CSV; the message names file and line.
    """
    codes: dict[str, Code] = {}
    schemes: set[tuple[str, str]] = set()
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DefinitionError(f"{path}:1: the columns must be {','.join(COLUMNS)}")
            for row in reader:
                code = _read_code(path, reader.line_num, row)
                if code.code in codes:
                    raise DefinitionError(f"{path}:{reader.line_num}: {code.code} is given twice")
                codes[code.code] = code
                schemes.add((row["scheme"], row["edition"]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DefinitionError(f"{path}: cannot be read: {error}") from error
    if len(schemes) != 1:
        raise DefinitionError(f"{path}: scheme and edition must be the same on every row")
    for code in codes.values():
        if code.parent and code.parent not in codes:
            raise DefinitionError(f"{path}: {code.code}: its parent {code.parent} is not listed")
        _refuse_cycle(path, code, codes)
    scheme, edition = schemes.pop()
    return CodeList(path.stem, scheme, edition, codes)


def _read_code(path: Path, line: int, row: dict[str, str]) -> Code:
    if None in row or None in row.values():
        raise DefinitionError(f"{path}:{line}: the row has not {len(COLUMNS)} columns")
    for column in ("scheme", "edition", "code", "name_zh", "name_en"):
        if not row[column].strip():
            raise DefinitionError(f"{path}:{line}: {column} is empty")
    color = row["color"] or None
    if color and not (len(color) == 7 and color[0] == "#" and _is_hex(color[1:])):
        raise DefinitionError(f"{path}:{line}: color: '{color}' is not #rrggbb")
    return Code(
        row["code"],
        row["parent"] or None,
        row["name_zh"],
        row["name_en"],
        color,
        row["note"] or None,
    )


def _is_hex(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


def _refuse_cycle(path: Path, code: Code, codes: dict[str, Code]) -> None:
    seen = {code.code}
    parent = code.parent
    while parent:
        if parent in seen:
            raise DefinitionError(f"{path}: {code.code}: its parents run in a circle")
        seen.add(parent)
        parent = codes[parent].parent
