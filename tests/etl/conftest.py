"""Small layers of one's own, a store over an empty database, and a way to write survey files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas
import pytest
import shapely
from hypothesis import settings
from sqlalchemy import make_url

from etl.load import LoadRequest, load
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue, load_catalogue
from layers.code_list import Code, CodeList
from layers.definition import LayerDefinition
from layers.store import Store
from tests.database import copied_database

# A busy machine is no fault of the code: property tests are not timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

USES = CodeList(
    "uses",
    "TEST",
    "2017",
    {
        code: Code(code, None, name, name, "#aabbcc", None)
        for code, name in (("0101", "水田"), ("0301", "乔木林地"))
    },
)


def _layer(name: str, geometry: dict[str, Any], fields: list[dict[str, Any]]) -> LayerDefinition:
    both = {"zh": "测试", "en": "Test"}
    document = {
        "name": name,
        "title": both,
        "abstract": both,
        "theme": "land",
        "geometry": geometry,
        "key": ["bsm"],
        "fields": [{"title": both, **field} for field in fields],
    }
    return LayerDefinition.model_validate(document)


PLOT = _layer(
    "plot",
    {"type": "multipolygon"},
    [
        {"name": "bsm", "required": True, "length": 18, "aliases": ["PLOT_NO"]},
        {"name": "dlbm", "codes": "uses", "aliases": ["CLASS"]},
        {"name": "owner", "length": 10},
        {"name": "floors", "type": "integer", "min": 0, "max": 99},
        {"name": "area", "type": "number", "unit": "m2"},
        {"name": "village", "pattern": "4212[0-9]{2}"},
        {"name": "built", "type": "boolean"},
        {"name": "surveyed", "type": "date"},
        {"name": "changed_at", "type": "datetime"},
    ],
)
PIPE = _layer(
    "pipe",
    {"type": "linestring", "z": True},
    [
        {"name": "bsm", "required": True},
        {"name": "material"},
        {"name": "start_height", "type": "number", "unit": "m"},
    ],
)
WELL = _layer("well", {"type": "point", "z": True}, [{"name": "bsm", "required": True}])
SPRING = _layer("spring", {"type": "point"}, [{"name": "bsm", "required": True}, {"name": "name"}])


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue(
        MappingProxyType({layer.name: layer for layer in (PLOT, PIPE, WELL, SPRING)}),
        MappingProxyType({}),
        MappingProxyType({"uses": USES}),
    )


@contextmanager
def migrated(cluster: str, template: str, catalogue: Catalogue) -> Iterator[str]:
    """The name of a database that has the tables of ``catalogue``, to copy from."""
    with copied_database(cluster, template) as url:
        made = Store(url, catalogue)
        made.migrate()
        made.close()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def small_template(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[str]:
    with migrated(cluster, postgis_template, catalogue) as name:
        yield name


@pytest.fixture(scope="session")
def city() -> Catalogue:
    """The layers that are shipped."""
    return load_catalogue()


@pytest.fixture(scope="session")
def city_template(cluster: str, postgis_template: str, city: Catalogue) -> Iterator[str]:
    with migrated(cluster, postgis_template, city) as name:
        yield name


@pytest.fixture
def city_database(cluster: str, city_template: str) -> Iterator[str]:
    """A database of one's own with the tables of all layers shipped, empty."""
    with copied_database(cluster, city_template) as url:
        yield url


@pytest.fixture
def small_database(cluster: str, small_template: str) -> Iterator[str]:
    """A database of one's own with the tables of the layers above, empty."""
    with copied_database(cluster, small_template) as url:
        yield url


@pytest.fixture
def store(small_database: str, catalogue: Catalogue) -> Iterator[Store]:
    opened = Store(small_database, catalogue)
    yield opened
    opened.close()


Loader = Callable[..., LoadReport]


@pytest.fixture
def load_file(store: Store, catalogue: Catalogue) -> Loader:
    """Return a function that loads a file as the command line would."""

    def run(path: Path, layer: str | None = "plot", **options: Any) -> LoadReport:
        options.setdefault("valid_from", datetime(2020, 5, 1, tzinfo=BEIJING))
        batch_rows = options.pop("batch_rows", 4)
        request = LoadRequest(path, layer, **options)
        return load(request, store, catalogue, EtlSettings(batch_rows=batch_rows))

    return run


def square(x: float, y: float, size: float = 0.001) -> shapely.Polygon:
    return shapely.box(x, y, x + size, y + size)


def plots(count: int = 6, **columns: list[Any]) -> geopandas.GeoDataFrame:
    """Plots in a row near Xianning, EPSG:4490, with the columns given beside ``BSM``."""
    data: dict[str, Any] = {"BSM": [f"P{number}" for number in range(count)]}
    shapes = [square(114.3 + 0.001 * number, 29.84) for number in range(count)]
    return geopandas.GeoDataFrame(data | columns, geometry=shapes, crs="EPSG:4490")
