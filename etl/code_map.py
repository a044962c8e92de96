"""Translate the codes of a column from one code list to another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.faults import Fault
from layers.code_list import CodeList
from layers.code_translation import CodeTranslation


@dataclass(frozen=True)
class CodeMap:
    """What every known value becomes; and why, where it becomes nothing."""

    #: The rule that a value breaks which cannot be translated.
    rule: str
    #: Every known value.
    values: pa.Array
    #: The code of each, null where none can be told.
    targets: pa.Array
    #: For each value without a code, why.
    reasons: Mapping[str, str]
    #: Why a value that is not known is refused, after ``field = 'value'``.
    unknown: str
    #: Values are compared without regard to case.
    folded: bool = False

    def translate(self, texts: pa.Array, otherwise: str | None) -> tuple[pa.Array, list[Fault]]:
        """Translate a column.

        Args:
            texts: The values as text.
            otherwise: What stands for values that cannot be translated, where the mapping says.

        Returns:
            The codes, null where there is none, and the rows refused.
        """
        place = pc.index_in(pc.utf8_lower(texts) if self.folded else texts, self.values)
        codes = self.targets.take(place)
        if otherwise is not None:
            return pc.if_else(pc.is_valid(texts), pc.fill_null(codes, otherwise), None), []
        refused = pc.and_(pc.is_valid(texts), pc.is_null(codes)).to_numpy(zero_copy_only=False)
        if not refused.any():
            return codes, []
        field = self.rule.partition(":")[0]

        def describe(row: int) -> str:
            value = texts[row].as_py()
            known = value.lower() if self.folded else value
            return f"{field} = '{value[:60]}' {self.reasons.get(known, self.unknown)}"

        return codes, [Fault(self.rule, np.asarray(refused, dtype=bool), describe)]


def scheme_map(field: str, translation: CodeTranslation, choose: Mapping[str, object]) -> CodeMap:
    """Return the map of a translation between code lists.

    Args:
        field: The name of the field.
        translation: The translation.
        choose: The mapping's own decisions, which come first.
    """
    source, target = translation.source, translation.target
    targets: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    for code, counterpart in translation.counterparts.items():
        targets[code] = str(choose[code]) if code in choose else counterpart.code
        if targets[code] is None:
            name = f"({source.codes[code].name_zh}) of {source.name}"
            if counterpart.others:
                listed = ", ".join(counterpart.others)
                reasons[code] = (
                    f"{name} may be {listed} in {target.name}: the mapping must choose one, "
                    f'as in choose: {{"{code}": "{counterpart.others[0]}"}}'
                )
            else:
                reasons[code] = f"{name} has no counterpart in {target.name}: {counterpart.note}"
    return CodeMap(
        f"{field}: translation",
        pa.array(list(targets), pa.string()),
        pa.array(list(targets.values()), pa.string()),
        reasons,
        f"is no code of {source.name} ({source.scheme}, {source.edition})",
    )


def name_map(field: str, codes: CodeList, choose: Mapping[str, object]) -> CodeMap:
    """Return the map from the names of codes, Chinese or English, to the codes."""
    found: dict[str, list[str]] = {}
    for code in codes.codes.values():
        for name in {code.name_zh.lower(), code.name_en.lower()}:
            found.setdefault(name, []).append(code.code)
    decided = {name.lower(): str(code) for name, code in choose.items()}
    targets = {name: named[0] if len(named) == 1 else None for name, named in found.items()}
    reasons = {
        name: f"is the name of {', '.join(named)} in {codes.name}: the mapping must choose one"
        for name, named in found.items()
        if len(named) > 1
    }
    targets |= decided
    return CodeMap(
        f"{field}: translation",
        pa.array(list(targets), pa.string()),
        pa.array(list(targets.values()), pa.string()),
        reasons,
        f"is no name of a code of {codes.name}",
        folded=True,
    )
