"""Files damaged at random: every reader reads them or refuses them, and never fails otherwise."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layers.errors import LoadRefused
from tests.etl import test_mining_corners as mining
from tests.etl import test_plot_exchange as plot
from tests.etl import test_rasters as raster
from tests.etl.sources import read_source
from tests.etl.test_cityjson import CORNERS, document, solid
from tests.etl.test_osm_and_dxf import CODEPAGE, OSM, drawing

DAMAGES = 120


def write_plots(folder: Path) -> Path:
    return plot.write(folder, [*plot.plot(plot.points(100)), *plot.plot(plot.points(9, ring=2))])


def write_corners(folder: Path) -> Path:
    return mining.write(folder, {"A": mining.ring(1, 0, 0, 9), "B": mining.ring(1, 50, 0, 9)})


def write_city(folder: Path) -> Path:
    path = folder / "a.city.json"
    attributes = {"measuredHeight": 5, "name": "楼"}
    building = {"type": "Building", "attributes": attributes, "geometry": [solid()]}
    path.write_text(json.dumps(document({"B": building}), ensure_ascii=False), encoding="utf-8")
    return path


def write_features(folder: Path) -> Path:
    path = folder / "a.city.jsonl"
    objects = {"B": {"type": "Building", "geometry": [solid()]}}
    feature = {"type": "CityJSONFeature", "CityObjects": objects, "vertices": CORNERS}
    lines = [document({}, vertices=[]), feature, feature]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def write_drawing(folder: Path) -> Path:
    path = folder / "a.dxf"
    path.write_text(drawing(CODEPAGE), encoding="gbk")
    return path


def write_osm(folder: Path) -> Path:
    path = folder / "a.osm"
    path.write_text(OSM, encoding="utf-8")
    return path


def write_raster(folder: Path) -> Path:
    noise = np.random.default_rng(3).integers(0, 9, (1, 64, 64), dtype=np.uint8)
    return raster.write(folder, noise, compress="lzw", tiled=True, blockxsize=32, blockysize=32)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut, overwrite, repeat or remove a piece."""
    start = chance.randrange(len(content))
    size = chance.choice((1, 2, 8, 60))
    way = chance.randrange(5)
    if way == 0:
        return content[:start]
    if way == 1:
        return content[:start] + chance.randbytes(size) + content[start + size :]
    if way == 2:
        return content[:start] + content[start + size :]
    if way == 3:
        return content[: start + size] + content[start:]
    digits = bytes(chance.choice(b"0123456789.-,eN\xff") for _ in range(size))
    return content[:start] + digits + content[start + size :]


@pytest.mark.parametrize(
    ("write", "layer"),
    [
        (write_plots, None),
        (write_corners, None),
        (write_city, None),
        (write_features, None),
        (write_drawing, None),
        (write_osm, "multipolygons"),
        (write_raster, None),
    ],
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, write: Callable[[Path], Path], layer: str | None
) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    read_source(path, layer=layer)
    chance = random.Random(path.name)  # noqa: S311
    refusals: list[str] = []
    for _ in range(DAMAGES):
        path.write_bytes(damaged(whole, chance))
        try:
            read_source(path, layer=layer)
        except LoadRefused as error:
            refusals.append(str(error))
    assert len(refusals) > DAMAGES // 20
    assert not [text for text in refusals if "\n" in text]
