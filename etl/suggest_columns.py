"""How well a column of a file fits a field of a layer: by its name, and by its values."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property, lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.convert import convert, to_float, to_text
from etl.editions import Detection, detect, editions_of
from layers.catalogue import Catalogue
from layers.code_list import CodeList
from layers.definition import FieldDefinition, FieldType

#: DBF keeps ten bytes of a name: ten letters, or three to five Chinese characters.
_DBF_BYTES = 10
#: Texts that stand for "unknown" in many files.
UNKNOWN = ("n/a", "na", "null", "<null>", "none", "nan", "unknown", "?", "-", "--", "无", "不详",
           "-9999", "-999", "-99", "999999", "99999999")  # fmt: skip
#: Ways to write dates that are not read unasked.
DATE_FORMATS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
                "%Y年%m月", "%Y-%m", "%Y/%m", "%Y")  # fmt: skip
_GOOD = 0.95
_DISTINCT = 3
#: So few values can be translated by hand.
_FEW = 12


@dataclass(frozen=True)
class ColumnProfile:
    """A column of the file and what its first rows hold."""

    name: str
    values: pa.Array
    #: What the values say, by what they were asked.
    known: dict[Any, "Evidence"] = dataclass_field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def texts(self) -> pa.Array:
        """The values as text, without those that stand for unknown."""
        texts = to_text(self.values)
        unknown = pc.is_in(pc.utf8_lower(texts), pa.array(UNKNOWN))
        return pc.if_else(unknown, None, texts)

    @cached_property
    def unknowns(self) -> list[str]:
        """The values that stand for unknown, as the file writes them."""
        texts = to_text(self.values)
        unknown = pc.fill_null(pc.is_in(pc.utf8_lower(texts), pa.array(UNKNOWN)), False)
        return sorted(texts.filter(unknown).unique().to_pylist())

    @cached_property
    def distinct(self) -> pa.Array:
        """Every value once."""
        return self.texts.drop_null().unique()

    @cached_property
    def filled(self) -> int:
        """How many rows have a value."""
        return len(self.texts) - int(self.texts.null_count)

    @cached_property
    def numbers(self) -> pa.Array:
        """The values as numbers, null where they are none."""
        return to_float(self.texts)[0]

    @property
    def is_key(self) -> bool:
        """Every row has a value of its own."""
        return self.filled == len(self.texts) == len(self.distinct) > 0

    def share(self, fitting: Any) -> float:
        """Return the share of the filled rows in which a boolean column is true."""
        return (pc.sum(fitting).as_py() or 0) / self.filled if self.filled else 0.0

    @cached_property
    def examples(self) -> str:
        """A few values, for people."""
        shown = [str(value)[:20] for value in self.distinct.slice(0, _DISTINCT).to_pylist()]
        return ", ".join(shown) + (", …" if len(self.distinct) > _DISTINCT else "")


@dataclass(frozen=True)
class Evidence:
    """What the values say for or against a field."""

    #: From -1 (impossible) over 0 (nothing) to 1 (such values are found nowhere else).
    weight: float
    reasons: tuple[str, ...] = ()
    #: What the rule needs beside ``from``.
    rule: tuple[tuple[str, Any], ...] = ()


def plain(name: str) -> str:
    """Return a name without case, width, accents and signs."""
    wide = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in wide.casefold() if letter.isalnum())


def name_score(column: str, field: FieldDefinition) -> tuple[float, str]:
    """Tell how well a column's name fits a field, 0 to 1, and why."""
    if column.casefold() == field.name:
        return 1.0, "the field's name"
    if column.casefold() in {alias.casefold() for alias in field.aliases}:
        return 0.98, "an alias"
    mine = plain(column)
    if not mine:
        return 0.0, ""
    names = [(field.name, "the field's name"), *((alias, "an alias") for alias in field.aliases)]
    names += [(field.title.zh, "the Chinese title"), (field.title.en, "the English title")]
    for name, what in names:
        if mine == plain(name):
            return 0.94, f"{what} '{name}'"
    for name, what in names:
        if _is_cut(column, name):
            return 0.86, f"{what} '{name}', cut to {_DBF_BYTES} bytes"
    return max((_likeness(column, name, what) for name, what in names), key=lambda found: found[0])


def _is_cut(column: str, name: str) -> bool:
    """Tell whether a column's name is what a DBF leaves of a longer one."""
    long = re.sub(r"[\s\-.]", "_", name)
    if column.isascii():
        return len(column) == _DBF_BYTES < len(long) and (
            long.casefold().startswith(column.casefold()) or plain(name).startswith(plain(column))
        )
    return 3 <= len(column) < len(name) and name.startswith(column)


@lru_cache(maxsize=200_000)
def _likeness(column: str, name: str, what: str) -> tuple[float, str]:
    mine, theirs = _words(column), _words(name)
    if not mine or not theirs:
        return 0.0, ""
    common = len(mine & theirs) / len(mine | theirs)
    ratio = difflib.SequenceMatcher(None, plain(column), plain(name)).ratio()
    score = max(0.8 * common, 0.75 * ratio if ratio > 0.8 else 0.0)
    if mine <= theirs or theirs <= mine:
        score = max(score, 0.56 + 0.2 * common)
    if not name.isascii() and not column.isascii() and (column in name or name in column):
        score = max(score, 0.7)
    return score, f"like {what} '{name}'"


#: Words that say the same in names of columns and titles of fields.
_SAME_WORDS = {
    word: meaning
    for meaning, words in {
        "number": ("id", "no", "num", "key", "identifier"),
        "name": ("nm", "names", "label"),
        "kind": ("type", "class", "category", "classification", "form"),
        "elevation": ("elev", "elv", "altitude", "height", "hgt", "level"),
        "diameter": ("diam", "dia"),
        "material": ("mat", "matl"),
        "address": ("addr", "location", "place"),
        "remarks": ("remark", "note", "notes", "comment", "comments", "description", "desc"),
        "storeys": ("levels", "floors", "stories", "storey"),
        "date": ("year", "yr", "time", "day", "sjnf"),
        "built": ("build", "construction", "constructed", "completion", "installed", "install"),
        "deaths": ("fatality", "fatalities", "dead", "death"),
        "scale": ("size",),
        "length": ("len",),
        "owner": ("ownership", "owned"),
        "status": ("state", "condition"),
        "road": ("street", "highway", "roads"),
        "code": ("pcode", "adcode", "codes"),
    }.items()
    for word in words
}
_FILLERS = frozenset({"of", "the", "and", "a", "in", "on", "by", "to", "for"})


@lru_cache(maxsize=20_000)
def _words(name: str) -> frozenset[str]:
    parted = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = {word.casefold() for word in re.findall(r"[^\W\d_]+", parted)}
    return frozenset(_SAME_WORDS.get(word, word) for word in words - _FILLERS)


def value_evidence(
    profile: ColumnProfile, field: FieldDefinition, catalogue: Catalogue
) -> Evidence:
    """Tell what a column's values say for a field."""
    asked = (field.type, field.codes, field.pattern, field.length, field.min, field.max)
    if asked not in profile.known:
        profile.known[asked] = _value_evidence(profile, field, catalogue)
    return profile.known[asked]


def _value_evidence(
    profile: ColumnProfile, field: FieldDefinition, catalogue: Catalogue
) -> Evidence:
    if not profile.filled:
        return Evidence(-0.7, ("it is empty",))
    if field.codes is not None:
        return _codes_evidence(profile, field, catalogue)
    if field.type in (FieldType.INTEGER, FieldType.NUMBER):
        return _number_evidence(profile, field)
    if field.type in (FieldType.DATE, FieldType.DATETIME):
        return _date_evidence(profile, field)
    if field.type is FieldType.BOOLEAN:
        _, bad = convert(profile.texts, field.type, None)
        share = 1 - float(bad.sum()) / profile.filled
        return Evidence(0.2 if share >= _GOOD else -0.8)
    return _text_evidence(profile, field)


def _text_evidence(profile: ColumnProfile, field: FieldDefinition) -> Evidence:
    if field.pattern is not None:
        matching = pc.match_substring_regex(profile.texts, f"^(?:{field.pattern})$")
        share = profile.share(matching)
        if share >= _GOOD:
            return Evidence(0.9, (f"{share:.0%} of the values have its form",))
        return Evidence(-0.7, (f"only {share:.0%} of the values have its form",))
    if field.length is not None:
        fitting = profile.share(pc.less_equal(pc.utf8_length(profile.texts), field.length))
        if fitting < _GOOD:
            return Evidence(-0.5, (f"{1 - fitting:.0%} of the values are too long",))
    return Evidence(0.0)


def _number_evidence(profile: ColumnProfile, field: FieldDefinition) -> Evidence:
    numeric = profile.share(pc.is_valid(profile.numbers))
    if numeric < _GOOD:
        return Evidence(-0.9, (f"only {numeric:.0%} of the values are numbers",))
    inside = pc.fill_null(pc.is_valid(profile.numbers), False)
    if field.min is not None:
        inside = pc.and_kleene(inside, pc.greater_equal(profile.numbers, field.min))
    if field.max is not None:
        inside = pc.and_kleene(inside, pc.less_equal(profile.numbers, field.max))
    share = profile.share(inside)
    if share < 0.8:
        return Evidence(-0.4, (f"only {share:.0%} of the values are in its range",))
    return Evidence(0.1)


def _date_evidence(profile: ColumnProfile, field: FieldDefinition) -> Evidence:
    if pa.types.is_floating(profile.values.type) or pa.types.is_integer(profile.values.type):
        years = profile.share(
            pc.and_(pc.greater(profile.numbers, 1800), pc.less(profile.numbers, 2101))
        )
        if years < 0.8:
            return Evidence(-0.9, ("its values are no dates",))
    read, _ = convert(profile.texts, field.type, None)
    if profile.share(pc.is_valid(read)) >= _GOOD:
        return Evidence(0.3, ("its values are dates",))
    shares = {
        pattern: profile.share(
            pc.is_valid(pc.strptime(profile.texts, format=pattern, unit="us", error_is_null=True))
        )
        for pattern in DATE_FORMATS
    }
    best = max(shares, key=lambda pattern: shares[pattern])
    if shares[best] >= 0.8:
        return Evidence(0.3, (f"its values are dates as {best}",), (("format", best),))
    return Evidence(-0.9, ("its values are no dates",))


def _codes_evidence(
    profile: ColumnProfile, field: FieldDefinition, catalogue: Catalogue
) -> Evidence:
    lists = editions_of(field, catalogue)
    own = catalogue.code_list(str(field.codes))
    found = detect(profile.texts, lists)
    share = found.shares[own.name]
    specific = 0.9 if _is_telling(profile, own) else 0.3
    if share >= _GOOD and share >= max(found.shares.values()):
        return Evidence(specific, (f"{share:.0%} of the values are codes of {own.name}",))
    if found.best is not None and found.shares[found.best] > share:
        return _other_edition(profile, field, found, catalogue)
    names = pa.array([*(c.name_zh for c in own.codes.values()),
                      *(c.name_en for c in own.codes.values())])  # fmt: skip
    named = profile.share(pc.is_in(profile.texts, names))
    if named >= 0.8:
        return Evidence(
            0.9,
            (f"{named:.0%} of the values are names of codes of {own.name}",),
            (("codes", {"from": "names"}),),
        )
    padded = _padded(profile, own, lists)
    if padded is not None:
        return padded
    if share > 0.5:
        return Evidence(0.1, (f"only {share:.0%} of the values are codes of {own.name}",))
    told = f"{share:.0%} of the values are codes of {own.name}"
    if len(profile.distinct) <= _FEW:
        given = ", ".join(sorted(profile.distinct.to_pylist()))
        wanted = ", ".join(f"{c.code} {c.name_zh}" for c in list(own.codes.values())[:_FEW])
        told += f"; translate with codes: {{…}} from {given} to {wanted}"
    return Evidence(-0.6, (told,))


def _other_edition(
    profile: ColumnProfile, field: FieldDefinition, found: Detection, catalogue: Catalogue
) -> Evidence:
    name = str(found.best)
    edition = catalogue.code_list(name)
    way = catalogue.translations.between(name, str(field.codes))
    reasons = [
        f"{found.shares[name]:.0%} of the values are codes of {name} "
        f"({edition.scheme}, {edition.edition})"
    ]
    for code in sorted(set(profile.distinct.to_pylist()) & set(way.counterparts)):
        counterpart = way.counterparts[code]
        if counterpart.code is None:
            listed = " or ".join(counterpart.others) or "nothing"
            reasons.append(f"choose for {code}: {listed}")
    return Evidence(0.9, tuple(reasons), (("codes", {"from": name}),))


def _padded(profile: ColumnProfile, own: CodeList, lists: Iterable[CodeList]) -> Evidence | None:
    """See whether numbers are codes that lost their leading zeros."""
    if pa.types.is_string(profile.values.type):
        return None
    for codes in (own, *lists):
        for width in sorted({len(code) for code in codes.codes}):
            padded = pc.utf8_lpad(profile.texts, width, "0")
            if profile.share(pc.is_in(padded, pa.array(list(codes.codes)))) >= _GOOD:
                rule: list[tuple[str, Any]] = [
                    ("expression", f"lpad(text([{profile.name}]), {width}, '0')")
                ]
                if codes is not own:
                    rule.append(("codes", {"from": codes.name}))
                reason = f"its numbers are codes of {codes.name} without their leading zeros"
                return Evidence(0.7, (reason,), tuple(rule))
    return None


def _is_telling(profile: ColumnProfile, codes: CodeList) -> bool:
    """Tell whether values could hardly be codes by chance."""
    lengths = pc.mean(pc.utf8_length(profile.distinct)).as_py() or 0
    return len(profile.distinct) >= 2 and lengths >= 2 and len(codes.codes) < 400
