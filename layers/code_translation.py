"""Translations between code lists: ``layers/codes/translations/FROM__TO.csv``.

The columns are ``code,to,or,note``. Every code of FROM stands in ``code`` once. ``to`` is its code
in TO; ``or`` lists others it may stand for, separated by spaces. Where ``to`` is empty the code is
ambiguous (``or`` lists what it may be) or has no counterpart (``note`` says why): a mapping must
choose, or its rows are refused.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from layers.code_list import CodeList
from layers.errors import DefinitionError, UnknownCodeList

COLUMNS = ("code", "to", "or", "note")


@dataclass(frozen=True, slots=True)
class Counterpart:
    """What a code is in another scheme."""

    #: ``None`` where the translation leaves the choice to the mapping.
    code: str | None
    #: Other codes it may stand for.
    others: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class CodeTranslation:
    """From every code of one code list to a code of another."""

    source: CodeList
    target: CodeList
    counterparts: dict[str, Counterpart] = field(repr=False)


@dataclass(frozen=True)
class Translations:
    """All translations, by the names of their code lists."""

    lists: Mapping[str, CodeList]
    files: Mapping[tuple[str, str], CodeTranslation]

    def between(self, source: str, target: str) -> CodeTranslation:
        """Return how codes of one list become codes of another.

        A translation of that name comes first; then codes that are the same in both; then a
        translation into a list that the target holds whole.

        Raises:
            UnknownCodeList: If there is no such list, or no way from the one to the other.
        """
        for name in (source, target):
            if name not in self.lists:
                raise UnknownCodeList(f"there is no code list '{name}'")
        given, wanted = self.lists[source], self.lists[target]
        if (source, target) in self.files:
            return self.files[source, target]
        if given.codes.keys() <= wanted.codes.keys():
            same = {code: Counterpart(code) for code in given.codes}
            return CodeTranslation(given, wanted, same)
        for (start, end), translation in sorted(self.files.items()):
            if start == source and self.lists[end].codes.keys() <= wanted.codes.keys():
                return CodeTranslation(given, wanted, translation.counterparts)
        ways = sorted(start for start in self.lists if self._leads(start, target))
        raise UnknownCodeList(
            f"there is no translation from '{source}' to '{target}'; "
            + (f"there are some from {', '.join(ways)}" if ways else "there is none to it at all")
        )

    def into(self, target: str) -> list[str]:
        """Return the names of the code lists that a file translates into that list, sorted."""
        return sorted(start for start in self.lists if self._leads(start, target))

    def _leads(self, start: str, target: str) -> bool:
        if target not in self.lists:
            return False
        held = self.lists[target].codes.keys()
        return any(
            one == start and (end == target or self.lists[end].codes.keys() <= held)
            for one, end in self.files
        )


def read_translations(folder: Path, lists: Mapping[str, CodeList]) -> Translations:
    """Read all translations of a folder.

    Raises:
        DefinitionError: If a file is wrong; the message names file and line.
    """
    files: dict[tuple[str, str], CodeTranslation] = {}
    for path in sorted(folder.glob("*.csv")):
        source, separator, target = path.stem.partition("__")
        if not separator or source not in lists or target not in lists:
            raise DefinitionError(f"{path}: the name must be FROM__TO.csv, of two code lists")
        files[source, target] = read_translation(path, lists[source], lists[target])
    return Translations(lists, files)


def read_translation(path: Path, source: CodeList, target: CodeList) -> CodeTranslation:
    """Read one translation.

    Raises:
        DefinitionError: If the file is not such a CSV; the message names file and line.
    """
    counterparts: dict[str, Counterpart] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DefinitionError(f"{path}:1: the columns must be {','.join(COLUMNS)}")
            for row in reader:
                try:
                    code, counterpart = _read_row(row, source, target)
                    if code in counterparts:
                        raise ValueError(f"{code} is given twice")
                except ValueError as error:
                    raise DefinitionError(f"{path}:{reader.line_num}: {error}") from error
                counterparts[code] = counterpart
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DefinitionError(f"{path}: cannot be read: {error}") from error
    missing = [code for code in source.codes if code not in counterparts]
    if missing:
        raise DefinitionError(f"{path}: says nothing of {', '.join(missing[:5])} of {source.name}")
    return CodeTranslation(source, target, counterparts)


def _read_row(row: dict[str, str], source: CodeList, target: CodeList) -> tuple[str, Counterpart]:
    if None in row or None in row.values():
        raise ValueError(f"the row has not {len(COLUMNS)} columns")
    code, to, others = row["code"], row["to"] or None, tuple(row["or"].split())
    if code not in source.codes:
        raise ValueError(f"{source.name} has no code '{code}'")
    for name in (to, *others):
        if name is not None and name not in target.codes:
            raise ValueError(f"{target.name} has no code '{name}'")
    if len({to, *others}) != 1 + len(others):
        raise ValueError(f"{code}: a code is listed twice")
    if to is None and len(others) == 1:
        raise ValueError(f"{code}: the only code it may be belongs in 'to'")
    if (to is None or others) and not row["note"].strip():
        raise ValueError(f"{code}: a note must say why, where there is a choice or nothing")
    return code, Counterpart(to, others, row["note"] or None)
