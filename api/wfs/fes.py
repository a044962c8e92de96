"""Filters in XML (FES 2.0, OGC 09-026r2) as CQL2 JSON, which the rest of the service reads."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from xml.etree import ElementTree as ET

from api.ows.errors import ServiceException
from api.ows.xml import local_name
from api.wfs.gml_reading import Systems, read_gml
from api.wfs.names import GEOMETRY
from layers.definition import FieldType, LayerDefinition

Tree = dict[str, Any]

_COMPARISONS: Mapping[str, str] = {
    "PropertyIsEqualTo": "=",
    "PropertyIsNotEqualTo": "<>",
    "PropertyIsLessThan": "<",
    "PropertyIsLessThanOrEqualTo": "<=",
    "PropertyIsGreaterThan": ">",
    "PropertyIsGreaterThanOrEqualTo": ">=",
}
_SPATIAL: Mapping[str, str] = {
    "BBOX": "s_intersects",
    "Intersects": "s_intersects",
    "Within": "s_within",
    "Contains": "s_contains",
    "Disjoint": "s_disjoint",
    "Equals": "s_equals",
    "Touches": "s_touches",
    "Crosses": "s_crosses",
    "Overlaps": "s_overlaps",
}
_TEMPORAL: Mapping[str, str] = {
    "After": "t_after",
    "Before": "t_before",
    "During": "t_during",
    "TEquals": "t_equals",
}
_LOGICAL: Mapping[str, str] = {"And": "and", "Or": "or"}
OPERATORS = {
    "comparison": (
        *_COMPARISONS,
        "PropertyIsLike",
        "PropertyIsNull",
        "PropertyIsNil",
        "PropertyIsBetween",
    ),
    "spatial": tuple(_SPATIAL),
    "temporal": tuple(_TEMPORAL),
}
_ID = re.compile(r"(?P<layer>.+)\.(?P<number>[0-9]{1,18})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def fes_tree(root: ET.Element, layer: LayerDefinition, systems: Systems) -> Tree:
    """Return a ``fes:Filter`` as CQL2 JSON.

    Args:
        root: The filter.
        layer: The layer that it is for, whose fields decide how literals are read.
        systems: Reads names of reference systems.

    Raises:
        ServiceException: If it cannot be read; the message says what.
    """
    if local_name(root.tag) != "Filter":
        raise _bad(f"a fes:Filter is expected, not {local_name(root.tag)[:60]}")
    conditions = list(root)
    if not conditions:
        raise _bad("the fes:Filter is empty")
    if all(local_name(node.tag) in ("ResourceId", "FeatureId") for node in conditions):
        return ids_tree([_id_of(node) for node in conditions], layer)
    if len(conditions) > 1:
        raise _bad("a fes:Filter holds one condition; combine several with fes:And or fes:Or")
    return _Translator(layer, systems).condition(conditions[0])


def ids_tree(ids: list[str], layer: LayerDefinition) -> Tree:
    """Return the condition of being one of some features.

    Args:
        ids: As in ``gml:id``: the layer's name, a dot and the number.
        layer: Ids of other layers are those of no feature of it.
    """
    numbers = []
    for text in ids:
        match = _ID.fullmatch(text)
        if match and match["layer"] == layer.name:
            numbers.append(int(match["number"]))
    return {"op": "in", "args": [{"property": "id"}, numbers or [-1]]}


def _id_of(node: ET.Element) -> str:
    return node.get("rid") or node.get("fid") or ""


class _Translator:
    def __init__(self, layer: LayerDefinition, systems: Systems) -> None:
        self._layer = layer
        self._systems = systems

    def condition(self, node: ET.Element) -> Tree:
        name = local_name(node.tag)
        if name in _LOGICAL:
            parts = [self.condition(child) for child in node]
            if not parts:
                raise _bad(f"fes:{name} has nothing to combine")
            return {"op": _LOGICAL[name], "args": parts}
        if name == "Not":
            return {"op": "not", "args": [self.condition(_only(node))]}
        if name in ("ResourceId", "FeatureId"):
            return ids_tree([_id_of(node)], self._layer)
        if name in _SPATIAL:
            return self._spatial(node, name)
        if name in _TEMPORAL:
            return self._temporal(node, name)
        made = _BY_NAME.get(name)
        if name in _COMPARISONS:
            return self.comparison(node)
        if made is None:
            raise ServiceException(
                "OperationNotSupported", "filter", f"filter: fes:{name[:60]} is not supported"
            )
        return made(self, node)

    def comparison(self, node: ET.Element) -> Tree:
        left, right = self._two(node)
        kind = self._kind(left, right)
        sides = [self._value(side, kind) for side in (left, right)]
        if node.get("matchCase") == "false" and kind is FieldType.TEXT:
            sides = [{"op": "casei", "args": [side]} for side in sides]
        return {"op": _COMPARISONS[local_name(node.tag)], "args": sides}

    def like(self, node: ET.Element) -> Tree:
        reference, pattern = self._two(node)
        marks = [node.get(name, usual) for name, usual in _LIKE_MARKS]
        if any(len(mark) != 1 for mark in marks):
            raise _bad("wildCard, singleChar and escapeChar are one character each")
        sides: list[Any] = [
            self._value(reference, FieldType.TEXT),
            _like_pattern(pattern.text or "", *marks),
        ]
        if node.get("matchCase") == "false":
            sides = [{"op": "casei", "args": [side]} for side in sides]
        return {"op": "like", "args": sides}

    def null(self, node: ET.Element) -> Tree:
        return {"op": "isNull", "args": [self._value(_only(node), FieldType.TEXT)]}

    def between(self, node: ET.Element) -> Tree:
        parts = {local_name(child.tag): child for child in node}
        try:
            subject = next(child for child in node if _is_reference(child))
            low, high = _only(parts["LowerBoundary"]), _only(parts["UpperBoundary"])
        except (KeyError, StopIteration):
            raise _bad("fes:PropertyIsBetween has a ValueReference and two boundaries") from None
        kind = self._kind(subject)
        return {"op": "between", "args": [self._value(side, kind) for side in (subject, low, high)]}

    def _spatial(self, node: ET.Element, name: str) -> Tree:
        geometry = next((child for child in node if not _is_reference(child)), None)
        reference = next((child for child in node if _is_reference(child)), None)
        if geometry is None:
            raise _bad(f"fes:{name} has no geometry to compare with")
        if reference is not None and self._name(reference) not in (GEOMETRY, "boundedBy"):
            raise _bad(f"fes:{name} is for the feature's geometry, '{GEOMETRY}'")
        return {
            "op": _SPATIAL[name],
            "args": [{"property": GEOMETRY}, read_gml(geometry, self._systems)],
        }

    def _temporal(self, node: ET.Element, name: str) -> Tree:
        reference, moment = self._two(node)
        texts = [
            (part.text or "").strip()
            for part in moment.iter()
            if local_name(part.tag) in ("timePosition", "beginPosition", "endPosition", "Literal")
        ]
        times = [_moment(text) for text in texts]
        value: Any
        if len(times) == 2:
            value = {"interval": [next(iter(time.values())) for time in times]}
        elif len(times) == 1:
            value = times[0]
        else:
            raise _bad(f"fes:{name} compares with a gml:TimeInstant or a gml:TimePeriod")
        return {"op": _TEMPORAL[name], "args": [self._value(reference, FieldType.DATE), value]}

    def _two(self, node: ET.Element) -> tuple[ET.Element, ET.Element]:
        if len(node) != 2:
            raise _bad(f"fes:{local_name(node.tag)} compares two things, not {len(node)}")
        return node[0], node[1]

    def _kind(self, *sides: ET.Element) -> FieldType:
        """Return the type of the first field among some operands."""
        for side in sides:
            if _is_reference(side):
                name = self._name(side)
                return FieldType.INTEGER if name == "id" else self._field(name)
        raise _bad("a comparison needs a fes:ValueReference")

    def _field(self, name: str) -> FieldType:
        if name not in self._layer.field_names:
            # Known fields that the viewer may not see are told in the same words further on.
            raise _bad(f"the layer '{self._layer.name}' has no field '{name[:60]}'")
        return self._layer.field(name).type

    def _name(self, node: ET.Element) -> str:
        steps = [step for step in (node.text or "").strip().split("/") if step]
        if not steps:
            raise _bad("a fes:ValueReference is empty")
        name = steps[-1].rsplit(":", 1)[-1]
        return "id" if name in ("@id", "id") else name

    def _value(self, node: ET.Element, kind: FieldType) -> Any:
        if _is_reference(node):
            return {"property": self._name(node)}
        if local_name(node.tag) != "Literal":
            raise ServiceException(
                "OperationNotSupported",
                "filter",
                f"filter: fes:{local_name(node.tag)[:60]} is not supported in a comparison",
            )
        return literal_value("".join(node.itertext()).strip(), kind)


def literal_value(text: str, kind: FieldType) -> Any:
    """Return a literal of XML as one of CQL2 JSON, read as the field it is compared with.

    Raises:
        ServiceException: If it is not of that type.
    """
    if kind is FieldType.TEXT:
        return text
    if kind in (FieldType.DATE, FieldType.DATETIME):
        return _moment(text)
    if kind is FieldType.BOOLEAN and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    if kind in (FieldType.INTEGER, FieldType.NUMBER) and _NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[+-]?\d{1,19}", text) else float(text)
    raise _bad(f"'{text[:60]}' is not a value of a field of type {kind}")


def _moment(text: str) -> dict[str, str]:
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return {"date": text}
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _bad(f"'{text[:60]}' is neither a date nor a time (ISO 8601)") from None
    return {"timestamp": text if moment.tzinfo else f"{text}Z"}


_LIKE_MARKS = (("wildCard", "*"), ("singleChar", "?"), ("escapeChar", "\\"))


def _like_pattern(text: str, many: str, one: str, escape: str) -> str:
    """Return a pattern of ``PropertyIsLike`` as one of CQL2, where % and _ stand for characters."""
    found, at = [], 0
    while at < len(text):
        character = text[at]
        if character == escape and at + 1 < len(text):
            at += 1
            found.append(_quoted(text[at]))
        elif character == many:
            found.append("%")
        elif character == one:
            found.append("_")
        else:
            found.append(_quoted(character))
        at += 1
    return "".join(found)


def _quoted(character: str) -> str:
    return f"\\{character}" if character in "%_\\" else character


def _is_reference(node: ET.Element) -> bool:
    return local_name(node.tag) in ("ValueReference", "PropertyName")


def _only(node: ET.Element) -> ET.Element:
    if len(node) != 1:
        raise _bad(f"fes:{local_name(node.tag)} holds one thing, not {len(node)}")
    return node[0]


def _bad(text: str) -> ServiceException:
    return ServiceException("InvalidParameterValue", "filter", f"filter: {text}")


_BY_NAME: Mapping[str, Callable[[_Translator, ET.Element], Tree]] = {
    "PropertyIsLike": _Translator.like,
    "PropertyIsNull": _Translator.null,
    "PropertyIsNil": _Translator.null,
    "PropertyIsBetween": _Translator.between,
}
