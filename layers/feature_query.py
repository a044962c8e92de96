"""A request for features as a plain value, before any SQL."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gis.times import Interval
from layers.access import ANONYMOUS, Viewer
from layers.definition import LayerDefinition
from layers.errors import InvalidValue
from layers.filters import Filter

#: West, south, east, north in degrees (EPSG:4490, longitude first).
BBox = tuple[float, float, float, float]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field to sort by; features without a value come last either way."""

    field: str
    descending: bool = False


@dataclass(frozen=True)
class FeatureQuery:
    """Which versions of which features of a layer are wanted, and what of them.

    With neither ``at`` nor ``as_of`` the current state is meant. ``at`` asks for what was so at
    an instant, or at any time of an interval; ``as_of`` for what the map held then, which without
    ``at`` means what it held to be so at that time.
    """

    layer: LayerDefinition
    viewer: Viewer = ANONYMOUS
    bbox: BBox | None = None
    at: datetime | Interval | None = None
    as_of: datetime | None = None
    #: The fields wanted, in this order; ``None`` is all that the viewer may see.
    fields: tuple[str, ...] | None = None
    #: Field and the text of its value, all of which must hold.
    equals: tuple[tuple[str, str], ...] = ()
    filter: Filter | None = None
    #: What to sort by, the first key first; features equal in all stand in the order of their ids.
    sort: tuple[SortKey, ...] = ()
    feature_id: int | None = None
    limit: int = 10
    #: Where the page before ended.
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of feature id and start of validity."""

    feature_id: int
    valid_from: datetime


def write_cursor(cursor: Cursor) -> str:
    """Return ``cursor`` as an opaque text for an address."""
    microseconds = (cursor.valid_from - _EPOCH) // _MICROSECOND
    return (
        base64.urlsafe_b64encode(f"{cursor.feature_id}.{microseconds}".encode())
        .decode()
        .rstrip("=")
    )


def read_cursor(text: str) -> Cursor:
    """Return the cursor that ``text`` stands for.

    Raises:
        InvalidValue: If no page ever ended with this text.
    """
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        feature_id, microseconds = plain.decode("ascii").split(".")
        if not -(2**63) <= int(feature_id) < 2**63:
            raise ValueError
        return Cursor(int(feature_id), _EPOCH + timedelta(microseconds=int(microseconds)))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise InvalidValue("cursor: not one that a page of this server ended with") from error
