"""Errors of the city map, named in domain words.

They carry no web vocabulary: ``api/problems.py`` maps each class to an HTTP status in one table,
and the command line prints the message as it stands.
"""

from typing import Any


class OneMapError(Exception):
    """Any error whose message is meant for the person who caused it."""


class DefinitionError(OneMapError):
    """A layer, map or code-list file is wrong; the message names file, line and field."""


class UnknownLayer(OneMapError):
    """No layer of that name exists, or the viewer may not know of it."""


class UnknownMap(OneMapError):
    """No map of that name exists."""


class UnknownField(OneMapError):
    """The layer has no such field, or the viewer may not see it."""


class UnknownCodeList(OneMapError):
    """No code list of that scheme exists."""


class FeatureNotFound(OneMapError):
    """The layer has no such feature at the time asked for."""


class InvalidValue(OneMapError):
    """A value cannot be read as the type of the field or parameter it is for."""


class AccessDenied(OneMapError):
    """The viewer may not do this."""


class DatabaseUnavailable(OneMapError):
    """The database cannot be reached or has no PostGIS; the message says which address."""


class DatabaseBusy(OneMapError):
    """No connection became free in time: try again later."""


class QueryTimeout(OneMapError):
    """A query ran into its time limit."""


class SchemaConflict(OneMapError):
    """The database holds a layer's table in a form its definition cannot be reconciled with."""


class LoadRefused(OneMapError):
    """A load was refused as a whole; nothing was changed."""


class LayerBusy(LoadRefused):
    """Another load is writing this layer."""


class LoadNotFound(OneMapError):
    """There is no load of that number."""


class LoadCancelled(OneMapError):
    """A load was cancelled while it ran; nothing was changed."""


class LoadStateConflict(OneMapError):
    """The load's state does not allow it: one that is done cannot be cancelled or retried."""


class EditRefused(OneMapError):
    """An edit breaks rules of its layer; nothing was changed."""

    def __init__(self, message: str, violations: tuple[dict[str, Any], ...]) -> None:
        super().__init__(message)
        #: Each with ``row`` (its place in what was sent, from 1), ``rule``, ``title``, ``field``
        #: (``None`` where none alone is meant) and ``message``.
        self.violations = violations


class KeyTaken(EditRefused):
    """A new feature has the business key of one that is there."""


class VersionConflict(OneMapError):
    """The feature is not in the version any more that the edit was made for."""


class IdempotencyConflict(OneMapError):
    """The same idempotency key came with another request."""


class DiskFull(LoadRefused):
    """There is no room on a disk that the load needs; nothing was changed."""
