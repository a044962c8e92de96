"""The rows that tiles are cut from: a layer's own, or those of its pyramid.

A part of the one choke point (``layers.queries``): time and access meet here too.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    ScalarSelect,
    Select,
    Text,
    cast,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from gis.times import Interval
from layers.access import ANONYMOUS, AccessClass, Viewer, access_class
from layers.definition import LayerDefinition, PyramidBand
from layers.filters import Filter, filter_condition
from layers.pyramid_bands import band_at, band_digest, band_fields
from layers.pyramid_tables import band_table
from layers.queries import Box, Moment, held, layer_rows, meets, valid
from layers.system_tables import layer_table, pyramid_table
from layers.tables import column_type, is_closed, is_current


def tile_rows(
    layer: LayerDefinition,
    viewer: Viewer = ANONYMOUS,
    at: Moment | Interval | None = None,
    as_of: Moment | None = None,
    fields: tuple[str, ...] = (),
    bbox: Box | None = None,
    z: int | None = None,
    area: ColumnElement[Any] | None = None,
    wanted: Filter | None = None,
) -> Select[Any]:
    """Return the rows that a tile is cut from.

    Fields that the viewer may not see are left out.

    Args:
        layer: The layer.
        viewer: Who asks.
        at: Valid time, as in ``layer_rows``.
        as_of: Record time.
        fields: The fields wanted.
        bbox: Only features whose box meets this one (degrees).
        z: The tile's zoom: where a band of the layer's pyramid has it, and is built, rows come
            from there. Without it they come from the layer.
        area: The same as ``bbox`` in EPSG:3857; needed with ``z``.
        wanted: Only features that this filter lets through; they come from the layer itself, and
            so do fields that the band has not.

    Returns:
        ``tile_id`` (the MVT id), ``feature_id`` (null where a row is made of several features),
        ``members`` (how many it stands for), ``tile_rank`` (the larger, the more important),
        ``fields``, ``generalised`` (whether the geometry suits the zoom as it is), and
        ``tile_geom`` (EPSG:3857, two-dimensional).

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
        InvalidValue: If the filter does not suit the layer.
    """
    access = access_class(layer, viewer)
    shown = tuple(name for name in fields if name in access.fields)
    surveyed = _surveyed_tile_rows(layer, access, at, as_of, bbox, shown, wanted)
    band = None if z is None or wanted is not None else band_at(layer, z)
    if band is None or not set(shown) <= set(band_fields(layer, band)):
        return surveyed
    # Of the two branches the executor runs one: which, it finds out before the first row.
    built = band_is_built(layer, band)
    rows = _band_rows(layer, band, access, at, as_of, area, shown)
    both = union_all(rows.where(built), surveyed.where(~built)).subquery(layer.name)
    return select(*both.c)


def _surveyed_tile_rows(
    layer: LayerDefinition,
    access: AccessClass,
    at: Moment | Interval | None,
    as_of: Moment | None,
    bbox: Box | None,
    shown: tuple[str, ...],
    wanted: Filter | None,
) -> Select[Any]:
    importance = layer.tiles.importance
    read = dict.fromkeys(shown)
    if importance is not None:
        read[importance] = None
    if wanted is not None:
        read.update(dict.fromkeys(name for name in access.fields if name in wanted.names))
    rows = layer_rows(layer, access, at, as_of, bbox, tuple(read))
    rank: ColumnElement[Any] = literal(0.0, Double)
    if importance is not None:
        rank = func.coalesce(cast(rows.c[importance], Double), 0.0)
    statement = select(
        rows.c.feature_id.label("tile_id"),
        rows.c.feature_id,
        literal(1).label("members"),
        rank.label("tile_rank"),
        *(rows.c[name] for name in shown),
        literal(False).label("generalised"),
        rows.c.tile_geom,
    )
    if wanted is None:
        return statement
    return statement.where(
        filter_condition(wanted, layer, access, dict(rows.c.items()), rows.c.geom)
    )


def band_is_built(layer: LayerDefinition, band: PyramidBand) -> ColumnElement[bool]:
    """Return whether a band was built as the layer's definition has it today."""
    state = pyramid_table.c
    return exists().where(
        state.layer == layer.name,
        state.band == band.zooms[0],
        state.digest == band_digest(layer, band),
    )


def _band_rows(
    layer: LayerDefinition,
    band: PyramidBand,
    access: AccessClass,
    at: Moment | Interval | None,
    as_of: Moment | None,
    area: ColumnElement[Any] | None,
    shown: tuple[str, ...],
) -> Select[Any]:
    """Return a band's rows that hold at a time, each branch over the partial index made for it."""
    table = band_table(layer, band)
    geometry: ColumnElement[Any] = table.c.geom
    if access.precision_m is not None:
        geometry = func.ST_SnapToGrid(geometry, access.precision_m)
    there = band_fields(layer, band)
    wanted = select(
        table.c.tile_id,
        table.c.feature_id,
        table.c.members,
        table.c.tile_rank,
        *(table.c[name] if name in there else _no_value(layer, name) for name in shown),
        literal(True).label("generalised"),
        geometry.label("tile_geom"),
    ).where(*(meets(table.c.geom, area) if area is not None else []))
    current = wanted.where(is_current(table))
    if at is None and as_of is None:
        return current
    holds = [*held(table, as_of), *valid(table, as_of if at is None else at)]
    past = wanted.where(is_closed(table), *holds)
    both = union_all(current.where(*holds), past).subquery("band")
    return select(*both.c)


def _no_value(layer: LayerDefinition, name: str) -> ColumnElement[Any]:
    return cast(null(), column_type(layer.field(name).type)).label(name)


def layer_versions(names: Sequence[str]) -> ScalarSelect[Any]:
    """Return the versions of what tiles show of some layers, as an array in the order of names."""
    wanted = (
        func.unnest(literal(list(names), ARRAY(Text)))
        .table_valued("name", with_ordinality="place", name="wanted")
        .render_derived()
    )
    version = func.coalesce(layer_table.c.tile_version, 0)
    return (
        select(func.array_agg(aggregate_order_by(version, wanted.c.place)))
        .select_from(wanted.outerjoin(layer_table, layer_table.c.name == wanted.c.name))
        .scalar_subquery()
    )
