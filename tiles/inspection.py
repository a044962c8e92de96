"""Looking into a tile: what is in it, layer by layer, and what each layer costs."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from time import perf_counter

from isal import igzip

from layers.definition import LayerDefinition
from tiles.contents import LayerContents, Value, cut_layers, tile_contents
from tiles.request import RenderedTile, TileRequest

Render = Callable[[TileRequest], Awaitable[RenderedTile]]
#: A layer is rendered so often, and the quickest time counts: the first ones prepare.
_TIMES = 4
#: So many values of an attribute are told.
_MOST_VALUES = 5


@dataclass(frozen=True, slots=True)
class AttributeReport:
    """What features of a tile have in one attribute."""

    name: str
    #: How many features have a value, and how many different ones there are.
    features: int
    distinct: int
    #: The most frequent values, with the number of features.
    values: tuple[tuple[Value, int], ...]


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer of a tile."""

    name: str
    features: int
    #: How many there are, where the tile could not hold them all.
    of: int | None
    vertices: int
    #: Bytes before compression, and compressed alone.
    bytes: int
    gzip_bytes: int
    #: Time of rendering the layer alone.
    milliseconds: float | None
    #: What it is cut from.
    source: str | None
    least_id: int | None
    greatest_id: int | None
    attributes: tuple[AttributeReport, ...]


@dataclass(frozen=True, slots=True)
class TileReport:
    """A tile."""

    tileset: str
    #: Zoom, column, row.
    place: tuple[int, int, int]
    #: West, south, east, north in degrees.
    box: tuple[float, float, float, float]
    #: Where it came from: ``rendered``, or a level of a server's cache.
    level: str
    version: int | None
    milliseconds: float | None
    bytes: int
    gzip_bytes: int
    layers: tuple[LayerReport, ...]


async def timed(request: TileRequest, render: Render) -> tuple[RenderedTile, float]:
    """Render a tile several times; returns it and the shortest time in milliseconds."""
    best = float("inf")
    for _ in range(_TIMES):
        start = perf_counter()
        rendered = await render(request)
        best = min(best, perf_counter() - start)
    return rendered, best * 1000


async def layer_times(request: TileRequest, render: Render) -> dict[str, float]:
    """Return layer → milliseconds of rendering it alone, as the tile set has it."""
    found = {}
    for layer in request.layers:
        alone = replace(
            request.tileset,
            path=f"{request.tileset.path}/{layer.name}",
            layers=tuple(e for e in request.tileset.layers if e.definition.name == layer.name),
        )
        found[layer.name] = (await timed(replace(request, tileset=alone), render))[1]
    return found


def layer_reports(
    data: bytes,
    times: dict[str, float],
    sources: dict[str, str],
    layers: tuple[LayerDefinition, ...] = (),
) -> tuple[LayerReport, ...]:
    """Return the reports of a tile's layers, and of ``layers`` of which it has nothing.

    Args:
        data: The tile.
        times: Layer → milliseconds.
        sources: Layer → what it is cut from.
        layers: Those it might have.

    Raises:
        ValueError: If the bytes are no vector tile.
    """
    there = cut_layers(data)
    held = {layer.name: layer for layer in tile_contents(data)}
    names = dict.fromkeys([*(layer.name for layer in layers), *held])
    return tuple(
        _report(held.get(name, LayerContents(name)), there, times, sources) for name in names
    )


def gzip_size(data: bytes) -> int:
    """Return how many bytes a tile has as it is sent."""
    return len(igzip.compress(data, 2)) if data else 0


def _report(
    layer: LayerContents,
    there: dict[str, int],
    times: dict[str, float],
    sources: dict[str, str],
) -> LayerReport:
    return LayerReport(
        layer.name,
        layer.features,
        there.get(layer.name),
        layer.vertices,
        layer.bytes,
        layer.gzip_bytes,
        times.get(layer.name),
        sources.get(layer.name),
        layer.least_id,
        layer.greatest_id,
        tuple(_attribute(name, counts) for name, counts in layer.attributes.items()),
    )


def _attribute(name: str, counts: Counter[Value]) -> AttributeReport:
    return AttributeReport(
        name, counts.total(), len(counts), tuple(counts.most_common(_MOST_VALUES))
    )
