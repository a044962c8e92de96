"""Random coverages, and the layers and cells that the tests of generalisation share."""

from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from layers.catalogue import load_catalogue
from layers.definition import PyramidBand
from tiles.generaliser import HALF_WORLD, Band, Cell, Features, Generaliser, Rows
from tiles.generaliser_registry import band_of, tile_generalisers

CATALOGUE = load_catalogue()
#: A place in the city, in metres of EPSG:3857, some kilometres from the edges of its cells.
PLACE = (12_705_500.0, 3_468_000.0)
CLASSES = ("0101", "0301", "0702", "1101")


def cell_at(zoom: int, x: float = PLACE[0], y: float = PLACE[1]) -> Cell:
    width = 2 * HALF_WORLD / (1 << zoom)
    return Cell(zoom, int((x + HALF_WORLD) // width), int((HALF_WORLD - y) // width))


def method_of(
    layer: str, zooms: tuple[int, int], method: str, fields: tuple[str, ...], **given: Any
) -> tuple[Generaliser, Band]:
    entry = PyramidBand(zooms=zooms, method=method, **given)
    return tile_generalisers()[method], band_of(CATALOGUE.layer(layer), entry, fields)


def features_of(
    shapes: Any, columns: dict[str, list[Any]], rank: list[float] | None = None
) -> Features:
    count = len(shapes)
    return Features(
        np.asarray(shapes, object),
        np.arange(1, count + 1),
        pa.table(columns),
        np.zeros(count) if rank is None else np.asarray(rank, np.float64),
        np.ones(count, np.int64),
    )


def voronoi(seed: int, count: int, box: tuple[float, float, float, float]) -> Any:
    """Return cells that tile a box, some merged to odd shapes, some pierced by others."""
    random = np.random.default_rng(seed)
    west, south, east, north = box
    points = random.uniform((west, south), (east, north), (count, 2))
    # Some lie close together, so that slivers come about.
    points[: count // 5] = points[count // 5 : 2 * (count // 5)] + random.normal(
        0, (east - west) / 2000, (count // 5, 2)
    )
    edge = shapely.box(*box)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=edge))
    cells = [part for part in shapely.intersection(cells, edge) if part.area > 0]
    middle = next(index for index, part in enumerate(cells) if part.intersects(edge.centroid))
    around = [
        index for index, part in enumerate(cells) if index != middle and part.touches(cells[middle])
    ]
    ring = shapely.union_all([cells[index] for index in around])
    rest = [part for index, part in enumerate(cells) if index not in around]
    return np.array([*rest, ring], object)


def built(method: Generaliser, band: Band, features: Features, cells: list[Cell]) -> list[Rows]:
    """Return each cell's rows, given only the features that a builder would give."""
    found = []
    for cell in cells:
        margin = method.margin_m(band)
        west, south, east, north = cell.box
        near = shapely.box(west - margin, south - margin, east + margin, north + margin)
        boxes = shapely.box(*shapely.bounds(features.shapes).T)
        found.append(method.generalise(features.take(shapely.intersects(boxes, near)), band, cell))
    return found


def spread(width: float) -> tuple[float, float, float, float]:
    """Return a square around a corner where four cells of zooms up to 14 meet."""
    corner = cell_at(12).box
    return (corner[0] - width, corner[1] - width, corner[0] + width, corner[1] + width)


def cells_over(zoom: int, box: tuple[float, float, float, float]) -> list[Cell]:
    first, last = cell_at(zoom, box[0], box[3]), cell_at(zoom, box[2], box[1])
    return [
        Cell(zoom, x, y) for x in range(first.x, last.x + 1) for y in range(first.y, last.y + 1)
    ]
