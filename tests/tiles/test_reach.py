"""What styles draw fits into the buffer of tiles, so that nothing breaks at their edges."""

from collections.abc import Iterator
from typing import Any

import pytest

from layers.catalogue import load_catalogue
from tiles.grids import EXTENT

CATALOGUE = load_catalogue()
#: Pixels of a tile of 512 for one of its units.
PIXELS = 512 / EXTENT


def _numbers(value: Any) -> Iterator[float]:
    """The numbers that a style value may come to: the outputs of its stops, or itself."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, list) and value[:1] == ["interpolate"]:
        for output in value[4::2]:
            yield from _numbers(output)
    elif isinstance(value, list) and value[:1] == ["step"]:
        for output in value[2::2]:
            yield from _numbers(output)
    elif isinstance(value, list) and value[:1] in (["case"], ["match"]):
        for output in value[3::2]:
            yield from _numbers(output)
        yield from _numbers(value[-1])
    else:
        assert value is None or isinstance(value, list), value


@pytest.mark.parametrize("name", sorted(CATALOGUE.layers))
def test_strokes_and_circles_stay_within_the_buffer(name: str) -> None:
    layer = CATALOGUE.layer(name)
    reach = layer.tiles.buffer * PIXELS
    for part in layer.style:
        half = max(_numbers(part.paint.get("line-width")), default=0) / 2
        radius = max(_numbers(part.paint.get("circle-radius")), default=0)
        stroke = max(_numbers(part.paint.get("circle-stroke-width")), default=0)
        assert half <= reach, part.id
        assert radius + stroke <= reach, part.id
