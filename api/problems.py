"""Errors as RFC 9457 problem documents: one table from error class to HTTP status."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson

from api.errors import (
    ContentTooLarge,
    ExportFailed,
    ExportsBusy,
    InvalidParameter,
    NotAuthenticated,
    NotBuilt,
    PreconditionRequired,
    StorageFull,
    TooManyFeatures,
    UnknownParameter,
    UnknownResource,
    UnreadableBody,
    UnsupportedContent,
    UnusableRequest,
)
from layers import errors
from tiles.grids import TileOutOfRange
from tiles.tile_grids import UnknownGrid

MEDIA_TYPE = "application/problem+json"
#: Seconds after which a client may try again where the service is short of something.
RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """How an error class leaves the service."""

    status: int
    title: str
    #: Said instead of the error's own message, where that is for operators only.
    detail: str | None = None
    retry: bool = False
    #: The scheme by which a client can identify itself (RFC 9110, section 11.6.1).
    challenge: str | None = None


_OUT_OF_ORDER = "The service is not set up correctly; its operators can read why in the log."

#: Error class → problem; a class that is not listed is looked up by its nearest ancestor.
PROBLEMS: MappingProxyType[type[Exception], ProblemKind] = MappingProxyType(
    {
        errors.OneMapError: ProblemKind(500, "Internal error", _OUT_OF_ORDER),
        errors.DefinitionError: ProblemKind(500, "Definition at fault", _OUT_OF_ORDER),
        errors.UnknownLayer: ProblemKind(404, "Unknown layer"),
        errors.UnknownMap: ProblemKind(404, "Unknown map"),
        errors.UnknownField: ProblemKind(400, "Unknown field"),
        errors.UnknownCodeList: ProblemKind(404, "Unknown code list"),
        errors.FeatureNotFound: ProblemKind(404, "Feature not found"),
        errors.InvalidValue: ProblemKind(400, "Invalid value"),
        errors.AccessDenied: ProblemKind(403, "Access denied"),
        errors.DatabaseUnavailable: ProblemKind(
            503, "Database unavailable", "The database cannot be reached at present.", retry=True
        ),
        errors.DatabaseBusy: ProblemKind(503, "Database busy", retry=True),
        errors.QueryTimeout: ProblemKind(503, "Query took too long", retry=True),
        errors.SchemaConflict: ProblemKind(
            503,
            "Schema conflict",
            "The database does not fit this version of the service.",
            retry=True,
        ),
        errors.LoadRefused: ProblemKind(409, "Load refused"),
        errors.LayerBusy: ProblemKind(409, "Layer busy", retry=True),
        TileOutOfRange: ProblemKind(404, "Tile out of range"),
        UnknownGrid: ProblemKind(404, "Unknown tile matrix set"),
        UnknownParameter: ProblemKind(400, "Unknown parameter"),
        InvalidParameter: ProblemKind(400, "Invalid parameter"),
        UnknownResource: ProblemKind(404, "Not found"),
        NotBuilt: ProblemKind(503, "Not built", retry=True),
        errors.LoadNotFound: ProblemKind(404, "Unknown load"),
        errors.LoadCancelled: ProblemKind(409, "Load cancelled"),
        errors.LoadStateConflict: ProblemKind(409, "Not possible in this state"),
        errors.IdempotencyConflict: ProblemKind(422, "Idempotency key used before"),
        errors.EditRefused: ProblemKind(422, "Edit refused"),
        errors.KeyTaken: ProblemKind(409, "Key taken"),
        errors.VersionConflict: ProblemKind(412, "Precondition failed"),
        PreconditionRequired: ProblemKind(428, "Precondition required"),
        UnreadableBody: ProblemKind(400, "Unreadable body"),
        NotAuthenticated: ProblemKind(401, "Not authenticated", challenge="Bearer"),
        UnusableRequest: ProblemKind(422, "Unusable request"),
        UnsupportedContent: ProblemKind(415, "Unsupported media type"),
        ContentTooLarge: ProblemKind(413, "Content too large"),
        errors.DiskFull: ProblemKind(507, "Insufficient storage", retry=True),
        StorageFull: ProblemKind(507, "Insufficient storage", retry=True),
        TooManyFeatures: ProblemKind(400, "Too many features"),
        ExportsBusy: ProblemKind(503, "Exports busy", retry=True),
        ExportFailed: ProblemKind(500, "Export failed"),
    }
)

_UNEXPECTED = ProblemKind(
    500, "Internal error", "Something went wrong; the operators can find it by the request id."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document, ready to be sent."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def kind_of(error: Exception) -> ProblemKind:
    """Return how an error leaves the service."""
    for ancestor in type(error).__mro__:
        kind = PROBLEMS.get(ancestor)
        if kind is not None:
            return kind
    return _UNEXPECTED


def problem_of(error: Exception, instance: str, request_id: str) -> Problem:
    """Return the problem document of an error.

    Args:
        error: What went wrong; only the message of a ``OneMapError`` is ever shown.
        instance: The path of the request.
        request_id: The request's id, under which the log has more.
    """
    kind = kind_of(error)
    detail = str(error) if kind.detail is None else kind.detail
    more = {}
    if isinstance(error, errors.EditRefused):
        more = {"violations": list(error.violations)}
    problem = make_problem(
        kind.status, kind.title, detail, instance, request_id, retry=kind.retry, more=more
    )
    if kind.challenge is None:
        return problem
    return replace(problem, headers=(*problem.headers, ("www-authenticate", kind.challenge)))


def make_problem(
    status: int,
    title: str,
    detail: str,
    instance: str,
    request_id: str,
    *,
    retry: bool = False,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Problem:
    """Return a problem document in the service's one form; ``more`` are further members."""
    slug = title.lower().replace(" ", "-")
    body = orjson.dumps(
        {
            "type": f"urn:onemap:problem:{slug}",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": instance,
            "requestId": request_id,
            **more,
        }
    )
    headers = [("content-type", MEDIA_TYPE), ("cache-control", "no-store")]
    if retry:
        headers.append(("retry-after", str(RETRY_AFTER_S)))
    return Problem(status, body, tuple(headers))


def status_title(status: int) -> str:
    """Return the usual name of an HTTP status, such as ``Method not allowed``."""
    return HTTPStatus(status).phrase.capitalize()
