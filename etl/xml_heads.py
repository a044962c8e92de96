"""What stands at the beginning of an XML file, read before any other parser gets it.

A document type declaration is refused: it is the only place where entities can be declared, which
read the server's files (XXE) or grow without end ("billion laughs"). No survey format needs one.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.parsers import expat

from layers.errors import LoadRefused

_DECLARATION = re.compile(
    rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["'][^>]*\?>"""
)
_CHUNK = 1 << 14
#: The root element comes before that.
_MAX_PROLOG = 1 << 20


@dataclass(frozen=True)
class Root:
    """The root element of a document."""

    #: Its namespace, empty if it has none.
    namespace: str
    name: str
    #: Attributes by name, namespaces before a blank.
    attributes: dict[str, str]
    #: The namespaces that are declared there.
    namespaces: tuple[str, ...]


class _Found(Exception):
    """The root element was found."""


def check_prolog(stream: IO[bytes], named: str) -> Root:
    """Read an XML document up to its root element.

    Args:
        stream: The document, from its beginning.
        named: What to call it.

    Raises:
        LoadRefused: If it is no XML, or has a document type declaration.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    root: list[Root] = []
    spaces: list[str] = []

    def refuse(*_: object) -> None:
        raise LoadRefused(
            f"{named}: has a document type declaration (DOCTYPE), which may hide entities: "
            "it is not read"
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        root.append(Root(namespace, local, attributes, tuple(spaces)))
        raise _Found

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.StartNamespaceDeclHandler = lambda prefix, space: spaces.append(space or "")
    seen = 0
    try:
        while seen < _MAX_PROLOG and (block := stream.read(_CHUNK)):
            seen += len(block)
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except _Found:
        return root[0]
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, str(error))
        raise LoadRefused(
            f"{named}: is not well-formed XML: {reason} in line {error.lineno}"
        ) from error
    raise LoadRefused(f"{named}: is not XML: it has no root element")


def check_file(path: Path) -> Root:
    """Read an XML file up to its root element; see :func:`check_prolog`."""
    with path.open("rb") as stream:
        return check_prolog(stream, str(path))


def declared_encoding(path: Path) -> str | None:
    """Return the encoding that an XML file declares, if it does."""
    with path.open("rb") as stream:
        match = _DECLARATION.match(stream.read(1024).removeprefix(b"\xef\xbb\xbf"))
    return match[1].decode("ascii") if match else None


def without_declaration(text: str) -> str:
    """Return the beginning of a document without its XML declaration."""
    return re.sub(r"^\ufeff?\s*<\?xml[^>]*\?>", "", text, count=1)
