"""Whether parcels are a coverage in tiles: no gap, no overlap, across the tiles' edges too.

What is looked at are our tiles as clients decode them. Blocks of two by two neighbouring tiles are
put together on the grid of tile units, each tile's features cut at its own edge.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mapbox_vector_tile
import morecantile
import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import SecretStr
from sqlalchemy import func, select

from layers.catalogue import load_catalogue
from layers.definition import LayerDefinition
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.tables import city_table
from tests.database import connected
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import TileRequest
from tiles.tileset import layer_tiles

HEAD = [
    "zoom",
    "blocks",
    "features",
    "widest gap, units",
    "where",
    "widest overlap, units",
    "where",
]
_EXTENT = 4096
_LAYER = "land_parcel"
_MOST_ROWS = 1_000_000
_GRID = morecantile.tms.get("WebMercatorQuad")
#: How precisely widths are measured, in units.
_FINE = 0.02

Place = tuple[int, int, int]


@dataclass
class Worst:
    """The widest flaws of a zoom, in tile units, and the upper left tile of the block."""

    blocks: int = 0
    features: int = 0
    gap: float = 0.0
    gap_at: Place | None = None
    overlap: float = 0.0
    overlap_at: Place | None = None

    def take(self, place: Place, shapes: NDArray[np.object_]) -> None:
        """Look at a block's shapes, in units from its upper left corner."""
        self.blocks += 1
        self.features += len(shapes)
        gap, overlap = widest(gaps(shapes)), widest(overlaps(shapes))
        if gap > self.gap:
            self.gap, self.gap_at = gap, place
        if overlap > self.overlap:
            self.overlap, self.overlap_at = overlap, place


def gaps(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return what areas leave bare within the ground that they cover together.

    That is every hole of their union, and what a closing by two units fills: a gap that is open at
    the block's edge.
    """
    union = shapely.union_all(shapes)
    closed = shapely.buffer(union, 2, join_style="mitre")
    closed = shapely.buffer(closed, -2, join_style="mitre")
    outlines = shapely.polygons(shapely.get_exterior_ring(shapely.get_parts(closed)))
    whole = shapely.union_all(outlines)
    return _areas(shapely.difference(whole, union))


def overlaps(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return where two areas lie over each other."""
    left, right = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = left < right
    return _areas(shapely.intersection(shapes[left[pairs]], shapes[right[pairs]]))


def _areas(shapes: object) -> NDArray[np.object_]:
    parts = shapely.get_parts(shapely.get_parts(np.atleast_1d(np.asarray(shapes, object))))
    return np.asarray(parts[shapely.area(parts) > 0], object)


def widest(parts: NDArray[np.object_]) -> float:
    """Return the diameter of the largest circle within any of some areas."""
    best = 0.0
    for part in parts[np.argsort(-shapely.area(parts))]:
        # No circle within is wider than that of the same area.
        if 2 * np.sqrt(part.area / np.pi) > best:
            circle = shapely.maximum_inscribed_circle(part, tolerance=_FINE)
            best = max(best, 2 * float(shapely.length(circle)))
    return best


def tile_shapes(data: bytes, column: int, row: int) -> NDArray[np.object_]:
    """Return a tile's areas, cut at its edge, in units from the block's upper left corner."""
    if not data:
        return np.empty(0, object)
    options = {"y_coord_down": True}
    features = mapbox_vector_tile.decode(data, default_options=options)[_LAYER]["features"]
    shapes = np.array([shapely.geometry.shape(f["geometry"]) for f in features], dtype=object)
    broken = ~shapely.is_valid(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken], method="structure")
    cut = shapely.intersection(shapes, shapely.box(0, 0, _EXTENT, _EXTENT))
    cut = cut[shapely.area(cut) > 0]
    start = np.array([column, row]) * _EXTENT
    return np.asarray(shapely.transform(cut, lambda xy: xy + start), object)


def blocks(points: Sequence[tuple[float, float]], zoom: int) -> Iterator[Place]:
    """Return the upper left tile of a block for each point, which lies in it; each block once."""
    for column, row in dict.fromkeys(
        (tile.x, tile.y) for tile in (_GRID.tile(lon, lat, zoom) for lon, lat in points)
    ):
        yield zoom, column, row


def random_points(url: str, layer: LayerDefinition, count: int) -> list[tuple[float, float]]:
    """Return the same random points on features every time."""
    held = city_table(layer)
    step = max(_MOST_ROWS // (count * 7), 1)
    middle = func.ST_PointOnSurface(held.c.geom)
    chosen = (
        select(func.ST_X(middle), func.ST_Y(middle))
        .where(held.c.feature_id % step == 0)
        .order_by(func.hashint8(held.c.feature_id))
        .limit(count)
    )
    with connected(url) as connection:
        return [(float(lon), float(lat)) for lon, lat in connection.execute(chosen)]


async def _looked_at(url: str, each: int, zooms: Sequence[int]) -> dict[int, Worst]:
    catalogue = load_catalogue()
    layer = catalogue.layer(_LAYER)
    points = random_points(url, layer, each)
    settings = LayersSettings(database_url=SecretStr(url), pool_size=2)
    reader = await CityReader.open(settings, catalogue)
    found: dict[int, Worst] = {}
    try:
        renderer = TileRenderer(reader, tile_formats()["mvt"])
        for zoom in zooms:
            worst = found[zoom] = Worst()
            for z, x, y in blocks(points, zoom):
                shapes = [np.empty(0, object)]
                for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
                    request = TileRequest(layer_tiles(layer), (z, x + column, y + row))
                    tile = await renderer.render(request)
                    shapes.append(tile_shapes(tile.data, column, row))
                worst.take((z, x, y), np.concatenate(shapes))
    finally:
        await reader.close()
    return found


def rows(url: str, each: int = 12, zooms: Sequence[int] = range(6, 16)) -> list[list[str]]:
    """Return a line of the table for each zoom.

    Args:
        url: The database.
        each: At how many random places to look; at low zooms some lie in the same block.
        zooms: The zooms.
    """
    lines = []
    for zoom, worst in asyncio.run(_looked_at(url, each, zooms)).items():
        gap_at, overlap_at = (
            "-" if place is None else "/".join(map(str, place))
            for place in (worst.gap_at, worst.overlap_at)
        )
        numbers = [f"z{zoom}", str(worst.blocks), f"{worst.features:,}"]
        lines.append([*numbers, f"{worst.gap:.2f}", gap_at, f"{worst.overlap:.2f}", overlap_at])
    return lines
