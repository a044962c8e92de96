"""The two ways CityJSON comes in: one document, and a sequence of features, one a line."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import orjson

from etl.cityjson import Array, Body, CityObjectError, Header, Object, body_of, united
from gis.late import LateModule
from layers.errors import LoadRefused

if TYPE_CHECKING:
    import ijson
else:
    ijson = LateModule("ijson")

#: Members beside the objects and vertices that are kept.
_KEPT = ("type", "version", "metadata", "transform")
#: No feature is larger; a file without line ends must not fill the memory.
_LINE_BYTES = 256 << 20


@dataclass
class Survey:
    """What a first look at all objects shows."""

    #: Type to the number of objects that are not parts of others.
    types: dict[str, int] = field(default_factory=dict)
    #: Type to the names of its attributes, in the order they come.
    attributes: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, city_object: Object) -> None:
        """Look at one object."""
        kind = str(city_object.get("type"))
        if city_object.get("parents"):
            return
        self.types[kind] = self.types.get(kind, 0) + 1
        names = self.attributes.setdefault(kind, {})
        attributes = city_object.get("attributes")
        if isinstance(attributes, dict):
            names.update(dict.fromkeys(attributes))


@dataclass(frozen=True)
class Found:
    """An object with its body, or with what is wrong with it."""

    identifier: str
    city_object: Object
    body: Body | None
    error: CityObjectError | None = None


class CityFile(Protocol):
    """A CityJSON file, open for several passes."""

    @property
    def header(self) -> Header:
        """What it says of all its objects."""

    def survey(self) -> Survey:
        """Look at all objects once."""

    def objects(self, kind: str) -> Iterator[Found]:
        """Yield the objects of a type, each with the parts that belong to it."""


@dataclass(frozen=True)
class Document:
    """One JSON document. Vertices are kept in memory (24 bytes each), objects are streamed."""

    path: Path
    header: Header
    vertices: Array

    @classmethod
    def of(cls, path: Path) -> "Document":
        """Read what stands beside the objects.

        Raises:
            LoadRefused: If it is not JSON, not CityJSON, or its vertices are broken.
        """
        members: dict[str, Any] = {}
        numbers = array("d")
        seen: set[str] = set()
        with _refusals(path), path.open("rb") as stream:
            for name, value in _members(stream, numbers):
                seen.add(name)
                if name in _KEPT:
                    members[name] = value
            header = Header.of(members)
            if "CityObjects" not in seen or "vertices" not in seen:
                raise LoadRefused("has no CityObjects or no vertices")
            if len(numbers) % 3 or not np.isfinite(np.frombuffer(numbers)).all():
                raise LoadRefused("its vertices are not triples of numbers")
        vertices = np.frombuffer(numbers, dtype=np.float64).reshape(-1, 3)
        return cls(path, header, header.place(vertices))

    def survey(self) -> Survey:
        """Look at all objects; see :class:`CityFile`."""
        survey = Survey()
        for _, city_object in self._objects():
            survey.add(city_object)
        return survey

    def objects(self, kind: str) -> Iterator[Found]:
        """Yield the objects of a type; see :class:`CityFile`."""
        parts = _Parts()
        for identifier, city_object in self._objects():
            parts.add(identifier, city_object, self.vertices)
        for identifier, city_object in self._objects():
            if city_object.get("type") == kind and not city_object.get("parents"):
                yield parts.complete(identifier, city_object, self.vertices)

    def _objects(self) -> Iterator[tuple[str, Object]]:
        with _refusals(self.path), self.path.open("rb") as stream:
            for identifier, city_object in ijson.kvitems(stream, "CityObjects", use_float=True):
                yield identifier, _checked(identifier, city_object)


@dataclass(frozen=True)
class Sequence:
    """CityJSONSeq: a header, then a feature a line with its own vertices."""

    path: Path
    header: Header

    @classmethod
    def of(cls, path: Path) -> "Sequence":
        """Read the first line.

        Raises:
            LoadRefused: If it is not the header of such a file.
        """
        with _refusals(path):
            first = next(_lines(path), (0, {}))[1]
            return cls(path, Header.of(first))

    def survey(self) -> Survey:
        """Look at all objects; see :class:`CityFile`."""
        survey = Survey()
        for objects, _ in self._features():
            for city_object in objects.values():
                survey.add(city_object)
        return survey

    def objects(self, kind: str) -> Iterator[Found]:
        """Yield the objects of a type; see :class:`CityFile`."""
        for objects, vertices in self._features():
            parts = _Parts()
            for identifier, city_object in objects.items():
                parts.add(identifier, city_object, vertices)
            for identifier, city_object in objects.items():
                if city_object.get("type") == kind and not city_object.get("parents"):
                    yield parts.complete(identifier, city_object, vertices)

    def _features(self) -> Iterator[tuple[dict[str, Object], Array]]:
        with _refusals(self.path):
            for number, feature in _lines(self.path):
                if number == 1:
                    continue
                yield self._feature(number, feature)

    def _feature(self, number: int, feature: Mapping[str, Any]) -> tuple[dict[str, Object], Array]:
        if feature.get("type") != "CityJSONFeature":
            raise LoadRefused(f"line {number} is no CityJSONFeature")
        objects = feature.get("CityObjects")
        try:
            vertices = np.array(feature.get("vertices") or np.zeros((0, 3)), dtype=np.float64)
        except (TypeError, ValueError):
            vertices = np.zeros(0)
        if not isinstance(objects, dict) or vertices.ndim != 2 or vertices.shape[1] != 3:
            raise LoadRefused(f"line {number}: its objects or vertices are not formed as they must")
        checked = {name: _checked(name, city_object) for name, city_object in objects.items()}
        return checked, self.header.place(vertices)


class _Parts:
    """The bodies of parts by the object they belong to."""

    def __init__(self) -> None:
        self._bodies: dict[str, list[Body]] = {}
        self._errors: dict[str, CityObjectError] = {}

    def add(self, identifier: str, city_object: Object, vertices: Array) -> None:
        """Keep the body of an object if it is a part."""
        parents = city_object.get("parents")
        if not parents or not str(city_object.get("type")).endswith("Part"):
            return
        parent = str(parents[0]) if isinstance(parents, list) else str(parents)
        try:
            self._bodies.setdefault(parent, []).append(body_of(city_object, vertices))
        except CityObjectError as error:
            told = CityObjectError(error.rule, f"its part {identifier}: {error}")
            self._errors.setdefault(parent, told)

    def complete(self, identifier: str, city_object: Object, vertices: Array) -> Found:
        """Give an object the bodies of its parts: their footprints where it has none itself."""
        if identifier in self._errors:
            return Found(identifier, city_object, None, self._errors[identifier])
        try:
            own = body_of(city_object, vertices)
        except CityObjectError as error:
            return Found(identifier, city_object, None, error)
        bodies = [own, *self._bodies.get(identifier, [])]
        whole = _with_heights(bodies)
        footprint = own.footprint
        if footprint is None:
            footprint = united([body.footprint for body in bodies if body.footprint is not None])
        ground, top = (
            min(body.ground for body in whole) if whole else np.nan,
            max(body.top for body in whole) if whole else np.nan,
        )
        lod = max(body.lod for body in bodies)
        return Found(identifier, city_object, Body(footprint, ground, top, lod))


def open_city_file(path: Path) -> CityFile:
    """Open a CityJSON file of either kind.

    Raises:
        LoadRefused: If it is broken.
    """
    return Sequence.of(path) if path.suffix.lower() == ".jsonl" else Document.of(path)


def _with_heights(bodies: Iterable[Body]) -> list[Body]:
    """Return the bodies that tell the height: the solid ones if there are any."""
    known = [body for body in bodies if body.footprint is not None]
    return [body for body in known if body.lod >= 1] or known


def _checked(identifier: str, city_object: Any) -> Object:
    if not isinstance(city_object, dict):
        raise LoadRefused(f"its object '{identifier}' is not a JSON object")
    return city_object


def _members(stream: Any, numbers: "array[float]") -> Iterator[tuple[str, Any]]:
    """Yield the top members but the objects; collect the vertices' numbers on the way."""
    events = ijson.parse(stream, use_float=True)
    builder: ijson.ObjectBuilder | None = None
    name = ""
    for prefix, event, value in events:
        top = prefix.partition(".")[0]
        if prefix == "" and event == "map_key":
            name, builder = str(value), ijson.ObjectBuilder() if value in _KEPT else None
            yield name, None
        elif top == "vertices":
            if event == "number":
                numbers.append(value)
            elif event in ("string", "boolean", "null", "start_map"):
                raise LoadRefused("its vertices are not triples of numbers")
        elif builder is not None and top == name:
            builder.event(event, value)
            yield name, builder.value


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(_LINE_BYTES):
            number += 1
            if len(line) == _LINE_BYTES:
                raise LoadRefused(f"line {number} is longer than {_LINE_BYTES >> 20} MB")
            if not line.strip():
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise LoadRefused(f"line {number} is not JSON: {error}") from error
            if not isinstance(value, dict):
                raise LoadRefused(f"line {number} is not a JSON object")
            yield number, value


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Name the file in what is refused, and refuse what is not JSON."""
    try:
        yield
    except ijson.JSONError as error:
        text = str(error).strip().splitlines()[0]
        raise LoadRefused(f"{path}: is not complete, valid JSON: {text}") from error
    except LoadRefused as error:
        if str(error).startswith(str(path)):
            raise
        raise LoadRefused(f"{path}: {error}") from error
