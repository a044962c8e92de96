"""A request for features as a plain value, before any SQL."""

from dataclasses import dataclass
from datetime import datetime

from gis.systems import CRS84, CoordinateSystem
from gis.times import Interval
from layers.access import ANONYMOUS, Viewer
from layers.definition import LayerDefinition
from layers.filters import Filter

#: West, south, east, north in degrees (EPSG:4490, longitude first).
BBox = tuple[float, float, float, float]


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
    #: The outline to search in (WKB, EPSG:4490), where it is not ``bbox`` itself, which is its box.
    outline: bytes | None = None
    #: Lowest and highest height, metres; layers without heights lie at all of them.
    heights: tuple[float, float] | None = None
    at: datetime | Interval | None = None
    as_of: datetime | None = None
    #: The fields wanted, in this order; ``None`` is all that the viewer may see.
    fields: tuple[str, ...] | None = None
    #: The system that GeoJSON comes in, in its authority's axis order, and WKB with longitude or
    #: easting first.
    system: CoordinateSystem = CRS84
    #: Whether geometry is wanted in pages.
    with_geometry: bool = True
    #: Field and the text of its value, all of which must hold.
    equals: tuple[tuple[str, str], ...] = ()
    filter: Filter | None = None
    #: What to sort by, the first key first; features equal in all stand in the order of their ids.
    sort: tuple[SortKey, ...] = ()
    feature_id: int | None = None
    limit: int = 10
    #: The cursor that the page before ended with (``layers.cursors``).
    after: str | None = None
