"""Requests for records: from a query string to a plain ``RecordSearch``."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from api.errors import InvalidParameter
from api.query import read_query
from api.record_index import SORT_KEYS, RecordSearch, plain
from api.records import OPEN_NAMES, THEME_NAMES, RecordType
from api.search_parameters import DEFAULT_LIMIT, MAX_LIMIT, box, names, whole_number
from api.times import valid_time
from gis.systems import CRS84
from layers.definition import Bilingual, ShareLevel, Theme

_K = TypeVar("_K", bound=StrEnum)
_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_LONGEST_QUESTION = 1_000
_MOST_TERMS = 50
_FURTHEST = 10**9
#: What else people call the levels of opening.
_OPEN_WORDS: dict[str, ShareLevel] = {
    "公开": ShareLevel.UNCONDITIONAL,
    "无条件开放": ShareLevel.UNCONDITIONAL,
    "受控": ShareLevel.CONDITIONAL,
    "有条件开放": ShareLevel.CONDITIONAL,
    "不公开": ShareLevel.CLOSED,
    "不予开放": ShareLevel.CLOSED,
}


def _values(kind: type[StrEnum]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": [entry.value for entry in kind]}}


#: Name → schema and description.
RECORD_PARAMETERS: MappingProxyType[str, tuple[dict[str, Any], str]] = MappingProxyType(
    {
        "q": (
            _TEXTS,
            "Words in Chinese or English: any of those with commas between; words with spaces "
            "between stand together in this order.",
        ),
        "type": (_values(RecordType), "What the records are about."),
        "theme": (_values(Theme), "Themes of the city map, by id or by name."),
        "open": (_values(ShareLevel), "Level of opening to the public, or 公开, 受控, 不公开."),
        "bbox": (
            {
                "type": "array",
                "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
                "items": {"type": "number"},
            },
            "Only records about what meets this box, and those about no place.",
        ),
        "bbox-crs": ({"type": "string", "enum": [CRS84.uri]}, "Reference system of bbox."),
        "place": (_TEXT, "Name or code of an administrative division that the records meet."),
        "datetime": (
            _TEXT,
            "The time that records are about, an instant or an interval; those about none, too.",
        ),
        "ids": (_TEXTS, "Ids of records."),
        "externalIds": (_TEXTS, "Ids that others gave, as value, scheme:value or scheme:."),
        "limit": (
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            "The most records in the answer.",
        ),
        "offset": (
            {"type": "integer", "minimum": 0, "default": 0},
            "Records left out at the beginning; take it from the links of a page.",
        ),
        "sortby": (
            {
                "type": "array",
                "items": {"type": "string", "pattern": f"[+-]?({'|'.join(SORT_KEYS)})"},
            },
            f"What to sort by, a minus before what descends: {', '.join(SORT_KEYS)}.",
        ),
        "crs": ({"type": "string", "enum": [CRS84.uri]}, "Reference system of the answer."),
        "f": ({"type": "string", "enum": ["json", "html"]}, "Format of the answer."),
    }
)


@dataclass(frozen=True)
class RecordRequest:
    """What was asked for, read and checked; the place is yet to be found."""

    search: RecordSearch
    place: str | None
    limit: int
    offset: int
    format: str | None
    #: The parameters as they came, without empty ones, for links and forms.
    parameters: dict[str, str]


def record_request(query_string: bytes) -> RecordRequest:
    """Read a request for records; a parameter without a value is as if it were not there.

    Raises:
        UnknownParameter, InvalidParameter: The message names the parameter.
    """
    given = read_query(query_string, RECORD_PARAMETERS)
    parameters = {name: text for name, text in given.items() if text.strip()}
    for name in ("crs", "bbox-crs"):
        if given.get(name, CRS84.uri) != CRS84.uri:
            raise InvalidParameter(f"{name}: records come in {CRS84.uri} only")
    said = parameters.get
    search = RecordSearch(
        terms=_terms(said("q")),
        types=_chosen("type", said("type"), RecordType, {}),
        themes=_chosen("theme", said("theme"), Theme, _by_name(THEME_NAMES)),
        opens=_chosen("open", said("open"), ShareLevel, _OPEN_WORDS | _by_name(OPEN_NAMES)),
        bbox=box("bbox", parameters["bbox"]) if "bbox" in parameters else None,
        at=valid_time(said("datetime")),
        ids=names("ids", parameters["ids"]) if "ids" in parameters else None,
        external_ids=_external(said("externalIds")),
        sort=_sort(said("sortby")),
    )
    return RecordRequest(
        search,
        said("place"),
        whole_number("limit", said("limit", str(DEFAULT_LIMIT)), least=1, most=MAX_LIMIT),
        whole_number("offset", said("offset", "0"), least=0, most=_FURTHEST),
        said("f"),
        parameters,
    )


def _terms(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    if len(text) > _LONGEST_QUESTION:
        raise InvalidParameter(f"q: longer than {_LONGEST_QUESTION} characters")
    terms = tuple(term for part in text.replace("，", ",").split(",") if (term := plain(part)))
    if len(terms) > _MOST_TERMS:
        raise InvalidParameter(f"q: more than {_MOST_TERMS} terms")
    return terms or None


def _by_name(titles: Mapping[_K, Bilingual]) -> dict[str, _K]:
    return {plain(text): key for key, title in titles.items() for text in (title.zh, title.en)}


def _chosen(
    name: str, text: str | None, kind: type[_K], words: Mapping[str, _K]
) -> tuple[_K, ...] | None:
    if text is None:
        return None
    found = []
    for part in names(name, text):
        try:
            found.append(words.get(plain(part)) or kind(part))
        except ValueError as error:
            known = ", ".join(kind)
            raise InvalidParameter(f"{name}: '{part}' is not one of {known}") from error
    return tuple(found)


def _external(text: str | None) -> tuple[tuple[str | None, str | None], ...] | None:
    if text is None:
        return None
    found: list[tuple[str | None, str | None]] = []
    for part in names("externalIds", text):
        scheme, colon, value = part.partition(":")
        found.append((scheme, value or None) if colon else (None, part))
    return tuple(found)


def _sort(text: str | None) -> tuple[tuple[str, bool], ...]:
    if text is None:
        return ()
    keys: dict[str, bool] = {}
    for part in names("sortby", text):
        # An unescaped plus arrives as a space, which reading has stripped.
        name = part[1:] if part[0] in "+-" else part
        if name not in SORT_KEYS:
            raise InvalidParameter(f"sortby: '{part}' is not one of {', '.join(SORT_KEYS)}")
        if name in keys:
            raise InvalidParameter(f"sortby: '{name}' is given twice")
        keys[name] = part.startswith("-")
    return tuple(keys.items())
