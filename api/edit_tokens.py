"""Who may edit features: names, roles and digests of tokens, in a file.

Until users have identities of their own. Only digests are kept, so the file tells nobody a token;
tokens must be long and random, since a plain digest of a guessable one could be found.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

import structlog

from layers.access import Viewer
from layers.definition import LayerDefinition
from layers.errors import DefinitionError

#: May edit every layer; ``editor:LAYER`` that one alone.
EDITOR = "editor"
_LINE = re.compile(
    r"(?P<name>[^:#\s][^:#]{0,99}?)\s*:\s*(?P<digest>[0-9a-fA-F]{64})(?:\s+(?P<roles>[\w.,:-]+))?"
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: bytes
    viewer: Viewer


class EditTokens:
    """The tokens of those who may edit. The file is read again when it has been changed."""

    def __init__(self, path: Path | None) -> None:
        """Read the file, if there is one.

        Raises:
            DefinitionError: If it cannot be read; the message names the line.
        """
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._entries: tuple[_Entry, ...] = ()
        if path is not None:
            self._read(path)

    @property
    def is_open(self) -> bool:
        """Whether anybody may edit."""
        return self._path is not None

    def bearer(self, authorization: str | None) -> Viewer | None:
        """Return who bears the token of an ``Authorization`` header, if anybody known does."""
        scheme, _, token = (authorization or "").partition(" ")
        if self._path is None or scheme.lower() != "bearer":
            return None
        self._look(self._path)
        given = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        # All are compared, each in the same time, whichever it is.
        found = [one for one in self._entries if compare_digest(one.digest, given)]
        return found[0].viewer if found else None

    def _look(self, path: Path) -> None:
        try:
            if _stamp(path) != self._stamp:
                self._read(path)
        except (OSError, DefinitionError) as error:
            # Nobody gets in by a file that cannot be read.
            self._entries, self._stamp = (), None
            _log.error("edit_tokens.unreadable", reason=str(error))

    def _read(self, path: Path) -> None:
        try:
            stamp, text = _stamp(path), path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DefinitionError(f"ONEMAP_EDIT_TOKENS: {path} cannot be read") from error
        entries = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                entries.append(_entry(line.strip(), f"{path}:{number}"))
        self._entries, self._stamp = tuple(entries), stamp


def may_edit(viewer: Viewer, layer: LayerDefinition) -> bool:
    """Tell whether a viewer may edit features of a layer."""
    wanted = {EDITOR, f"{EDITOR}:{layer.name}"}
    return viewer.name is not None and not viewer.roles.isdisjoint(wanted)


def _entry(line: str, where: str) -> _Entry:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DefinitionError(
            f"{where}: write NAME: SHA-256 OF THE TOKEN (64 digits), then roles, if any, "
            "with commas between"
        )
    roles = frozenset(filter(None, (match["roles"] or EDITOR).split(",")))
    return _Entry(bytes.fromhex(match["digest"]), Viewer(match["name"], roles))


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
