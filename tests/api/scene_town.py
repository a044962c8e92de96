"""The test town with imagery scenes and administrative divisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import MappingProxyType

import shapely

from api.settings import ApiSettings
from layers.catalogue import Catalogue, load_catalogue
from layers.store import Store
from tests.api.town import (
    FIRST,
    HERE,
    SECOND,
    SOUTH,
    STEP,
    WEST,
    load_rows,
    plots,
    read_catalogue,
    serving,
)


def scenes() -> list[dict[str, object]]:
    """Six scenes of two sensors and one of an unknown one, side by side."""
    sensors = ("GF-1", "GF-2", "GF-1", "GF-2", "GF-1", None)
    return [
        {
            "scene_id": f"S/{number}",
            "name": f"第{number}景",
            "kind": "satellite",
            "sensor": sensor,
            "acquired": date(2014, 3, 10 + number),
            "gsd": 2.0 - number / 10,
            "bands": "B,G,R,NIR",
            "cloud": float(number),
            "off_nadir": -12.5,
            "crs": "EPSG:4490",
            "file": f"{number}.tif",
            "provider": "遥感中心",
            "geometry": shapely.MultiPolygon(
                [shapely.box(WEST + number / 100, SOUTH, WEST + (number + 1) / 100, SOUTH + 0.01)]
            ),
        }
        for number, sensor in enumerate(sensors)
    ]


def divisions() -> list[dict[str, object]]:
    """Two districts side by side, of which the first has the plots."""
    return [
        {"xzqdm": "421202", "name": "咸安区", "name_en": "Xian'an", "level": "county",
         "geometry": shapely.MultiPolygon([shapely.box(WEST, SOUTH, WEST + 0.1, SOUTH + 0.1)])},
        {"xzqdm": "421221", "name": "嘉鱼县", "name_en": "Jiayu", "level": "county",
         "geometry": shapely.MultiPolygon([shapely.box(WEST + 1, SOUTH, WEST + 1.1, SOUTH + 0.1)])},
    ]  # fmt: skip


def scene_catalogue() -> Catalogue:
    """The town's layers with the shipped ones of scenes and of administrative divisions."""
    town, shipped = read_catalogue(), load_catalogue()
    layers = dict(town.layers)
    for name in ("imagery_scene", "admin_division"):
        layers[name] = shipped.layer(name)
    codes = {**shipped.codes, **town.codes}
    return Catalogue(MappingProxyType(layers), town.maps, MappingProxyType(codes))


@contextmanager
def serving_scenes(database: str) -> Iterator[str]:
    """A live server over plots, scenes, divisions, and a layer that is kept secret."""
    catalogue = scene_catalogue()
    store = Store(database, catalogue)
    store.migrate()
    for name, rows, day in (
        ("plot", plots(), FIRST),
        ("plot", plots("07")[:3], SECOND),
        ("imagery_scene", scenes(), SECOND),
        ("admin_division", divisions(), FIRST),
        ("secret", [{"code": "S1", "geometry": shapely.Point(WEST + STEP, SOUTH)}], FIRST),
    ):
        load_rows(store, catalogue.layer(name), rows, day)
    store.close()
    settings = ApiSettings(default_map="town", web_root=HERE / "no-such-folder")
    with serving(settings, database, catalogue) as address:
        yield address
