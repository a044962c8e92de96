"""Imagery scenes: which layers hold them, their series, and how they are searched.

A layer of scenes is one of the imagery theme with areas and the date ``acquired``; the other fields
that are told of a scene have the names of ``SCENE_FIELDS``. The scenes of one sensor are a series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import shapely
from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    String,
    Subquery,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from gis.systems import CRS84
from gis.times import BEIJING, Interval
from layers.access import Viewer, access_class, may_know
from layers.catalogue import Catalogue
from layers.definition import FieldType, GeometryType, LayerDefinition, Theme
from layers.feature_query import BBox
from layers.queries import layer_rows
from layers.tables import STORAGE_SRID

ACQUIRED = "acquired"
SENSOR = "sensor"
#: Names of the fields that say something of a scene.
SCENE_FIELDS = (
    ACQUIRED, SENSOR, "name", "name_en", "kind", "gsd", "bands", "cloud", "off_nadir", "level",
    "plan_rmse", "crs", "file", "provider",
)  # fmt: skip
#: The series of scenes whose sensor is not known.
UNKNOWN_SENSOR = "unknown"
_AREAS = (GeometryType.POLYGON, GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, slots=True)
class SceneSeries:
    """The scenes of one sensor in one layer."""

    layer: str
    sensor: str | None
    count: int
    bbox: BBox
    #: When the first and the last were taken.
    first: datetime
    last: datetime
    #: Finest and coarsest ground resolution, metres.
    gsd: tuple[float, float] | None
    #: Kinds of imagery, as their code list has them.
    kinds: tuple[str, ...]

    @property
    def id(self) -> str:
        """The series' name, unique over all layers."""
        return f"{self.layer}.{self.sensor or UNKNOWN_SENSOR}"


@dataclass(frozen=True)
class Scene:
    """One scene."""

    layer: str
    id: str
    feature_id: int
    #: GeoJSON, longitude first, EPSG:4490.
    geometry_json: bytes
    bbox: BBox
    #: Field → value, of those that the viewer may see.
    values: Mapping[str, Any]
    valid_from: datetime

    @property
    def series(self) -> str:
        """The name of its series."""
        return f"{self.layer}.{self.values.get(SENSOR) or UNKNOWN_SENSOR}"


@dataclass(frozen=True)
class SceneQuery:
    """Which scenes of a layer are wanted, youngest first."""

    layer: LayerDefinition
    viewer: Viewer
    #: Sensors, of which ``None`` is the unknown; ``None`` for all is any.
    sensors: tuple[str | None, ...] | None = None
    ids: tuple[str, ...] | None = None
    bbox: BBox | None = None
    #: In degrees, longitude first.
    intersects: shapely.Geometry | None = None
    at: datetime | Interval | None = None
    limit: int = 10
    #: Day and feature id where the page before ended.
    after: tuple[date | datetime, int] | None = None


def scene_layers(catalogue: Catalogue, viewer: Viewer) -> list[LayerDefinition]:
    """Return the layers of scenes that a viewer may know of, by name."""
    return [
        layer
        for name in catalogue.layer_names
        if _holds_scenes(layer := catalogue.layers[name])
        and may_know(layer, viewer)
        and ACQUIRED in access_class(layer, viewer).fields
    ]


def _holds_scenes(layer: LayerDefinition) -> bool:
    if layer.theme is not Theme.IMAGERY or layer.geometry.type not in _AREAS:
        return False
    dates = (FieldType.DATE, FieldType.DATETIME)
    return any(field.name == ACQUIRED and field.type in dates for field in layer.fields)


def scene_id_field(layer: LayerDefinition, viewer: Viewer) -> str | None:
    """Return the field whose text is a scene's id; ``None`` where it is the feature's number."""
    if len(layer.key) != 1 or layer.key[0] not in access_class(layer, viewer).fields:
        return None
    return layer.key[0] if layer.field(layer.key[0]).type is FieldType.TEXT else None


def shown_fields(layer: LayerDefinition, viewer: Viewer) -> tuple[str, ...]:
    """Return what is told of a layer's scenes to a viewer."""
    visible = access_class(layer, viewer).fields
    return tuple(name for name in SCENE_FIELDS if name in visible)


def series_query(layer: LayerDefinition, viewer: Viewer) -> Select[Any]:
    """Return the statement for the series of a layer."""
    rows = layer_rows(layer, access_class(layer, viewer))
    shown = shown_fields(layer, viewer)
    box = func.ST_Extent(rows.c.geom)
    sensor = rows.c[SENSOR] if SENSOR in shown else literal(None, String)
    gsd = rows.c.gsd if "gsd" in shown else literal(None)
    kind = rows.c.kind if "kind" in shown else literal(None, String)
    edges = [getattr(func, name)(box) for name in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax")]
    return (
        select(
            sensor.label("sensor"),
            func.count().label("count"),
            *(edge.label(name) for name, edge in zip(_EDGES, edges, strict=True)),
            func.min(rows.c[ACQUIRED]).label("first"),
            func.max(rows.c[ACQUIRED]).label("last"),
            func.min(gsd).label("finest"),
            func.max(gsd).label("coarsest"),
            func.array_agg(kind.distinct()).label("kinds"),
        )
        .select_from(rows)
        .where(rows.c[ACQUIRED].is_not(None), ~func.ST_IsEmpty(rows.c.geom))
        .group_by(sensor)
        .order_by(sensor)
    )


_EDGES = ("west", "south", "east", "north")


def read_series(layer: LayerDefinition, rows: Sequence[Mapping[Any, Any]]) -> list[SceneSeries]:
    """Return the rows of ``series_query``."""
    return [
        SceneSeries(
            layer.name,
            row["sensor"],
            row["count"],
            (row["west"], row["south"], row["east"], row["north"]),
            moment(row["first"]),
            moment(row["last"]),
            None if row["finest"] is None else (row["finest"], row["coarsest"]),
            tuple(sorted(kind for kind in row["kinds"] if kind is not None)),
        )
        for row in rows
    ]


def moment(taken: date | datetime) -> datetime:
    """Return when a scene was taken; a day alone begins at 00:00 in Beijing."""
    if isinstance(taken, datetime):
        return taken.astimezone(UTC)
    return datetime.combine(taken, time(), BEIJING).astimezone(UTC)


def scenes_query(query: SceneQuery) -> Select[Any]:
    """Return the statement for a page of scenes, with one more to tell of a next page."""
    rows, conditions = _matching(query)
    taken = rows.c[ACQUIRED]
    if query.after is not None:
        day, feature_id = query.after
        place = tuple_(literal(day), literal(feature_id))
        conditions.append(tuple_(taken, rows.c.feature_id) < place)
    box = func.Box2D(rows.c.geom)
    edges = [getattr(func, name)(box) for name in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax")]
    name = scene_id_field(query.layer, query.viewer)
    return (
        select(
            rows.c.feature_id,
            rows.c.valid_from,
            (rows.c[name] if name else rows.c.feature_id).label("scene_name"),
            func.ST_AsGeoJSON(
                func.ST_ForcePolygonCCW(func.ST_Force2D(rows.c.geom)), CRS84.decimals, 0
            ).label("geometry"),
            *(edge.label(side) for side, edge in zip(_EDGES, edges, strict=True)),
            *(rows.c[field] for field in shown_fields(query.layer, query.viewer)),
        )
        .where(*conditions)
        .order_by(taken.desc(), rows.c.feature_id.desc())
        .limit(query.limit + 1)
    )


def scene_count(query: SceneQuery) -> Select[Any]:
    """Return the statement for the number of scenes of a query, whatever its page."""
    rows, conditions = _matching(query)
    return select(func.count()).select_from(rows).where(*conditions)


def read_scenes(query: SceneQuery, rows: Sequence[Mapping[Any, Any]]) -> list[Scene]:
    """Return the rows of ``scenes_query``."""
    shown = shown_fields(query.layer, query.viewer)
    return [
        Scene(
            query.layer.name,
            str(row["scene_name"]),
            row["feature_id"],
            row["geometry"].encode(),
            (row["west"], row["south"], row["east"], row["north"]),
            {name: row[name] for name in shown},
            row["valid_from"],
        )
        for row in rows
    ]


def _matching(query: SceneQuery) -> tuple[Subquery, list[ColumnElement[bool]]]:
    rows = layer_rows(query.layer, access_class(query.layer, query.viewer), bbox=query.bbox)
    taken = rows.c[ACQUIRED]
    conditions: list[ColumnElement[bool]] = [taken.is_not(None), ~func.ST_IsEmpty(rows.c.geom)]
    if query.bbox is not None:
        parts = [_shape(shapely.box(*part)) for part in parts_of(query.bbox)]
        conditions.append(or_(*(func.ST_Intersects(rows.c.geom, part) for part in parts)))
    if query.intersects is not None:
        conditions.append(func.ST_Intersects(rows.c.geom, _shape(query.intersects)))
    if query.sensors is not None and SENSOR in rows.c:
        known = [name for name in query.sensors if name is not None]
        either = [rows.c[SENSOR].in_(known)]
        if None in query.sensors:
            either.append(rows.c[SENSOR].is_(None))
        conditions.append(or_(*either))
    if query.ids is not None:
        conditions.append(_has_id(query, rows))
    return rows, [*conditions, *_taken_then(query, taken)]


def parts_of(bbox: BBox) -> list[BBox]:
    """Return a box as boxes that do not cross the antimeridian."""
    west, south, east, north = bbox
    if west <= east:
        return [bbox]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def _shape(shape: shapely.Geometry) -> ColumnElement[Any]:
    return func.ST_GeomFromWKB(literal(shapely.to_wkb(shape), LargeBinary), STORAGE_SRID)


def _has_id(query: SceneQuery, rows: Subquery) -> ColumnElement[bool]:
    name = scene_id_field(query.layer, query.viewer)
    ids = query.ids or ()
    if name is not None:
        return rows.c[name].in_(ids)
    numbers = [int(text) for text in ids if text.isascii() and text.isdigit() and len(text) <= 18]
    return rows.c.feature_id.in_(numbers)


def _taken_then(query: SceneQuery, taken: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Return the conditions on when scenes were taken; a day counts from 00:00 to 24:00."""
    at = query.at
    if at is None:
        return []
    span = at if isinstance(at, Interval) else Interval(at, at)
    by_day = query.layer.field(ACQUIRED).type is FieldType.DATE
    start: Any = span.start
    end: Any = span.end
    if by_day:
        start = None if start is None else start.astimezone(BEIJING).date()
        end = None if end is None else end.astimezone(BEIJING).date()
    conditions = []
    if start is not None:
        conditions.append(taken >= start)
    if end is not None:
        conditions.append(taken <= end)
    return conditions


def end_of_day(start: datetime) -> datetime:
    """Return the last second of a day that begins at ``start``."""
    return start + timedelta(days=1) - timedelta(seconds=1)
