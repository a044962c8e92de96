"""Requests that edit features (OGC API Features, part 4): headers and bodies, read strictly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import Request

from api.crs import Systems
from api.errors import (
    ContentTooLarge,
    InvalidParameter,
    PreconditionRequired,
    UnreadableBody,
    UnsupportedContent,
    UnusableRequest,
)
from api.geojson_geometry import UnreadableGeometry, read_geometry
from api.query import read_query
from api.settings import ApiSettings
from api.times import valid_instant
from etl.editing import Edit, EditRequest, Operation
from gis.systems import CoordinateSystem
from layers.access import Viewer, access_class
from layers.definition import LayerDefinition
from layers.errors import EditRefused, VersionConflict

GEOJSON_TYPES = ("application/geo+json", "application/json", "application/vnd.geo+json")
PATCH_TYPE = "application/merge-patch+json"
#: Name → schema and description of the query parameters of edits.
EDIT_PARAMETERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "reason": (
        {"type": "string", "maxLength": 500},
        "Why, in 1 to 500 characters, where the header X-Change-Reason does not say it.",
    ),
    "validFrom": (
        {"type": "string"},
        "From when on it is so: an instant or a date; without it, from now on.",
    ),
}
_LONGEST_REASON = 500
_FEATURE, _COLLECTION = "Feature", "FeatureCollection"


@dataclass(frozen=True, slots=True)
class EditHeaders:
    """What is said of an edit beside its body."""

    reason: str
    valid_from: datetime | None
    crs: CoordinateSystem

    @property
    def label(self) -> str:
        """The reference system of the body as the ETL knows it."""
        return f"EPSG:{self.crs.srid}"


@dataclass(frozen=True, slots=True)
class EditBody:
    """A body: the JSON in it, and its digest."""

    value: Any
    checksum: str


def read_headers(request: Request, systems: Systems) -> EditHeaders:
    """Read reason, date and reference system of an edit.

    Raises:
        UnknownParameter, InvalidParameter: The message names the parameter or header.
    """
    given = read_query(request.scope["query_string"], EDIT_PARAMETERS)
    header = request.headers.get("x-change-reason")
    reason = (given.get("reason") if header is None else _header_text(header)) or ""
    if not (0 < len(reason.strip()) <= _LONGEST_REASON and reason.strip().isprintable()):
        raise InvalidParameter(
            "reason: say why, in 1 to 500 characters of one line, in the header X-Change-Reason "
            "or the parameter reason"
        )
    uri = request.headers.get("content-crs")
    crs = systems.read("Content-Crs", None if uri is None else uri.strip().strip("<>"))
    return EditHeaders(reason.strip(), valid_instant(given.get("validFrom"), "validFrom"), crs)


def _header_text(value: str) -> str:
    """Return the text of a header: UTF-8, as it is or percent-encoded."""
    try:
        return unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
    except ValueError:
        raise InvalidParameter("X-Change-Reason: is not UTF-8") from None


async def read_body(request: Request, settings: ApiSettings, types: Sequence[str]) -> EditBody:
    """Read a body of JSON.

    Raises:
        UnsupportedContent: If it is of no type of ``types``.
        ContentTooLarge: If it is larger than the settings allow.
        UnreadableBody: If it is not JSON.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in types:
        raise UnsupportedContent(f"send the body as {' or '.join(types)}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedContent("send the body as it is, without a content coding")
    most = settings.edit_max_bytes
    too_large = ContentTooLarge(f"an edit is not larger than {most:,} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    try:
        value = orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise UnreadableBody(f"the body is not JSON: {error.msg[:100]}") from error
    return EditBody(value, sha256(body).hexdigest())


class EditReader:
    """Makes edits of what one request says."""

    def __init__(
        self, layer: LayerDefinition, viewer: Viewer, headers: EditHeaders, settings: ApiSettings
    ) -> None:
        self.layer = layer
        self._viewer = viewer
        self._headers = headers
        self._settings = settings
        self._unreadable: list[dict[str, Any]] = []

    def created(self, value: Any) -> list[Edit]:
        """Return the new features of a Feature, or of a FeatureCollection."""
        features = [value]
        if isinstance(value, dict) and value.get("type") == _COLLECTION:
            found = value.get("features")
            if not isinstance(found, list) or not found:
                raise UnusableRequest("features: the collection has none")
            features = found
        self._refuse_many(features)
        return self._readable(
            [self._whole(Operation.CREATE, one, n) for n, one in enumerate(features, 1)]
        )

    def replaced(self, value: Any, feature_id: int, match: "Suits") -> list[Edit]:
        """Return the edit that puts a whole feature in the place of one."""
        return self._readable([self._whole(Operation.REPLACE, value, 1, feature_id, match)])

    def updated(self, value: Any, feature_id: int, match: "Suits") -> list[Edit]:
        """Return the edit that changes some of a feature (RFC 7396)."""
        return self._readable([self._patch(value, 1, feature_id, match)])

    def deleted(self, feature_id: int, match: "Suits") -> list[Edit]:
        """Return the edit that lets a feature end."""
        return [Edit(Operation.DELETE, feature_id, suits=match)]

    def several(self, value: Any) -> list[Edit]:
        """Return edits of any kinds: ``{"edits": [{"operation", "id", "feature", "ifMatch"}]}``."""
        entries = value.get("edits") if isinstance(value, dict) else None
        if not isinstance(entries, list) or not entries:
            raise UnusableRequest('edits: write {"edits": [{"operation": …}, …]}')
        self._refuse_many(entries)
        return self._readable(
            [self._one_of_several(entry, n) for n, entry in enumerate(entries, 1)]
        )

    def request(self, edits: Sequence[Edit], checksum: str) -> EditRequest:
        """Return the request for edits."""
        return EditRequest(
            self.layer,
            tuple(edits),
            self._headers.label,
            self._viewer.name or "",
            self._headers.reason,
            checksum,
            access_class(self.layer, self._viewer).fields,
            self._headers.valid_from,
        )

    def _one_of_several(self, entry: Any, number: int) -> Edit:
        if not isinstance(entry, dict):
            raise UnusableRequest(f"edits: entry {number} is not an object")
        unknown = sorted(set(entry) - {"operation", "id", "feature", "ifMatch"})
        if unknown:
            raise UnusableRequest(
                f"edits: entry {number} has '{unknown[0][:80]}', which is unknown"
            )
        try:
            operation = Operation(str(entry.get("operation")))
        except ValueError:
            kinds = ", ".join(Operation)
            raise UnusableRequest(f"operation: entry {number} has none of {kinds}") from None
        feature, tags = entry.get("feature"), entry.get("ifMatch")
        if operation is Operation.CREATE:
            return self._whole(operation, feature, number)
        feature_id = entry.get("id")
        if isinstance(feature_id, bool) or not isinstance(feature_id, int) or feature_id < 1:
            raise UnusableRequest(f"id: entry {number} names no feature")
        if tags is not None and not isinstance(tags, str):
            raise UnusableRequest(f"ifMatch: entry {number} has no entity tag")
        match = wanted_version(tags, None, self._settings)
        if operation is Operation.DELETE:
            return Edit(operation, feature_id, suits=match)
        if operation is Operation.REPLACE:
            return self._whole(operation, feature, number, feature_id, match)
        return self._patch(feature, number, feature_id, match)

    def _whole(
        self,
        operation: Operation,
        value: Any,
        number: int,
        feature_id: int | None = None,
        match: "Suits" = None,
    ) -> Edit:
        if not isinstance(value, dict) or value.get("type") != _FEATURE:
            raise UnusableRequest(f"feature {number} is not a GeoJSON Feature")
        self._refuse_other_id(value, feature_id)
        wkb = None
        if value.get("geometry") is not None:
            wkb = self._geometry(value["geometry"], number)
        return Edit(operation, feature_id, self._properties(value, number), wkb, suits=match)

    def _patch(self, value: Any, number: int, feature_id: int, match: "Suits") -> Edit:
        if not isinstance(value, dict) or value.get("type", _FEATURE) != _FEATURE:
            raise UnusableRequest(f"feature {number} is not a part of a GeoJSON Feature")
        self._refuse_other_id(value, feature_id)
        moves, wkb = "geometry" in value, None
        if value.get("geometry") is not None:
            wkb = self._geometry(value["geometry"], number)
        values = self._properties(value, number)
        if "properties" in value and value["properties"] is None:
            values = dict.fromkeys(access_class(self.layer, self._viewer).fields)
        return Edit(Operation.UPDATE, feature_id, values, wkb, moves, match)

    def _properties(self, value: Mapping[str, Any], number: int) -> dict[str, Any]:
        properties = value.get("properties")
        if properties is None:
            return {}
        if not isinstance(properties, dict):
            raise UnusableRequest(f"properties: those of feature {number} are not an object")
        return properties

    def _geometry(self, value: Any, number: int) -> bytes | None:
        try:
            return read_geometry(value, north_first=self._headers.crs.north_first)
        except UnreadableGeometry as error:
            self._unreadable.append(
                {
                    "row": number,
                    "rule": "geometry_unreadable",
                    "title": {"zh": "几何图形无法读取", "en": "unreadable geometry"},
                    "field": "geometry",
                    "message": str(error),
                }
            )
            return None

    def _readable(self, edits: list[Edit]) -> list[Edit]:
        if self._unreadable:
            raise EditRefused(str(self._unreadable[0]["message"]), tuple(self._unreadable))
        return edits

    def _refuse_many(self, entries: Sequence[Any]) -> None:
        most = self._settings.edit_max_features
        if len(entries) > most:
            raise ContentTooLarge(f"an edit has at most {most:,} features: hand in a load instead")

    @staticmethod
    def _refuse_other_id(value: Mapping[str, Any], feature_id: int | None) -> None:
        given = value.get("id")
        if feature_id is not None and given is not None and str(given) != str(feature_id):
            raise UnusableRequest(f"id: the body is of another feature than {feature_id}")


#: Tells whether a version (its tag) is the one wanted; ``None``: any is.
Suits = Callable[[str], bool] | None


def version_etag(tag: str, variant: str = "") -> str:
    """Return the strong entity tag of a version, in one of its representations."""
    return f'"{tag}-{variant}"' if variant else f'"{tag}"'


def wanted_version(if_match: str | None, if_none_match: str | None, settings: ApiSettings) -> Suits:
    """Return what the preconditions of a request ask of a feature's version (RFC 9110, 13.1).

    Raises:
        PreconditionRequired: If the settings want one and there is none.
        VersionConflict: If the feature should not exist.
    """
    if if_none_match is not None and if_none_match.strip() == "*":
        raise VersionConflict("If-None-Match: the feature exists")
    if if_match is None:
        if settings.edit_requires_match:
            raise PreconditionRequired(
                "If-Match: send the entity tag of the version that the edit was made for"
            )
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if "*" in tags:
        return None
    # Strong comparison; of each tag the part that names the version, whatever its representation.
    versions = {
        tag[1:-1].partition("-")[0]
        for tag in tags
        if tag.startswith('"') and tag.endswith('"') and len(tag) > 1
    }
    return versions.__contains__
