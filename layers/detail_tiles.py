"""Which tiles a load changes at once: those that are cut from the layer itself.

What the pyramid shows changes when the pyramid follows, and is told then.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from sqlalchemy import (
    Connection,
    DateTime,
    Select,
    func,
    literal,
    or_,
    select,
    true,
)

from gis.tile_cover import tiles_showing
from layers.definition import LayerDefinition
from layers.effective_changes import touched_shapes
from layers.tables import INFINITY, city_table
from layers.tile_changes import ZOOMS, Tiles, live_zooms
from layers.tile_fields import tile_fields

#: Tile units along a tile's edge.
_EXTENT = 4096
#: With more changed tiles than so many, a zoom is forgotten as a whole.
TILE_LIMIT = 200_000
#: With more changed features than so many, every zoom is.
MOST_FEATURES = 100_000
_TIME = DateTime(timezone=True)
#: Columns of a changed row before its fields.
_FIELDS = 5

#: Returns the statement for changed rows with some fields.
Changed = Callable[[Sequence[str]], Select[Any]]


def changed_tiles(
    connection: Connection, layer: LayerDefinition, features: int, changed: Changed
) -> dict[int, Tiles]:
    """Return the tiles whose bytes a transaction changes by its own commit.

    Args:
        connection: The transaction, with the layer's rows changed.
        layer: The layer.
        features: How many features it changed.
        changed: The statement for the rows that it opened or closed.

    Returns:
        Coded tiles by zoom, of the zooms that are cut from the layer itself.
    """
    zooms = detail_zooms(connection, layer)
    if features > MOST_FEATURES:
        return dict.fromkeys(zooms)
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for zoom in zooms:
        alike[shown_fields(layer, zoom)].append(zoom)
    fields = tuple(dict.fromkeys(name for group in alike for name in group))
    rows = connection.execute(changed(fields)).all()
    found: dict[int, Tiles] = {}
    for group, members in alike.items():
        places = [*range(_FIELDS), *(_FIELDS + fields.index(name) for name in group)]
        shapes = touched_shapes([row[place] for place in places] for row in rows)
        found |= tiles_of(layer, shapes, members)
    return found


def tiles_of(layer: LayerDefinition, shapes: set[bytes], zooms: Sequence[int]) -> dict[int, Tiles]:
    """Return the tiles that show any of some shapes (WKB, EPSG:3857), by zoom.

    Args:
        layer: The layer that the shapes are of.
        shapes: The shapes.
        zooms: The zooms wanted.
    """
    read = np.array(shapely.from_wkb(list(shapes)), dtype=object)
    there = read[~shapely.is_empty(read)]
    # How far beyond its edge a tile shows features, as a part of its width: its buffer, and a unit
    # for rounding.
    reach = (layer.tiles.buffer + 1) / _EXTENT
    # How far shapes may be moved before they are shown.
    margin = layer.access.public_precision_m or 0.0
    return dict(tiles_showing(there, zooms, reach, TILE_LIMIT, margin))


def detail_zooms(connection: Connection, layer: LayerDefinition) -> list[int]:
    """Return the zooms whose tiles are cut from the layer itself."""
    return sorted(set(ZOOMS) - live_zooms(connection, layer))


def shown_fields(layer: LayerDefinition, zoom: int) -> tuple[str, ...]:
    """Return what a tile's bytes depend on; importance decides what a full tile leaves out."""
    importance = layer.tiles.importance
    return tuple(dict.fromkeys([*tile_fields(layer, zoom), *([importance] if importance else [])]))


def changed_rows(
    layer: LayerDefinition,
    fields: Sequence[str],
    recorded_at: datetime,
    features: Select[tuple[int]] | None = None,
) -> Select[Any]:
    """Return the statement for the rows that a load opened or closed.

    Args:
        layer: The layer.
        fields: The fields wanted.
        recorded_at: The load's record time.
        features: Only rows of these, which an index finds.

    Returns:
        ``feature_id``, ``valid_from``, ``valid_to`` (null: still so), ``opened``, ``wkb``
        (EPSG:3857) and the fields.
    """
    held = city_table(layer)
    moment = literal(recorded_at, _TIME)
    rows = select(
        held.c.feature_id,
        held.c.valid_from,
        func.nullif(held.c.valid_to, INFINITY).label("valid_to"),
        (held.c.recorded_from == moment).label("opened"),
        func.ST_AsBinary(held.c.tile_geom).label("wkb"),
        *(held.c[name] for name in fields),
    ).where(or_(held.c.recorded_from == moment, held.c.recorded_to == moment))
    if features is None:
        return rows
    mine = features.distinct().subquery("mine")
    # OFFSET 0 keeps PostgreSQL from reading the whole layer: it looks up each feature's rows.
    found = rows.where(held.c.feature_id == mine.c[0]).offset(0).lateral("found")
    return select(found).select_from(mine.join(found, true()))
