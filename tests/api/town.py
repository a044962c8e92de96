"""A small town for tests: its catalogue, its surveys, and a live server over them."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import httpx
import pyarrow as pa
import shapely
import uvicorn
from pydantic import SecretStr

from api.app import create_app
from api.settings import ApiSettings
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.code_list import read_code_list
from layers.copy_binary import ARROW_TYPES
from layers.definition import LayerDefinition
from layers.map_definition import MapDefinition
from layers.settings import LayersSettings
from layers.store import LoadHeader, Store
from layers.yaml_source import load_model
from tests.database import copied_database

HERE = Path(__file__).parent
#: South-west corner of the test town, degrees, and the size of a plot.
WEST, SOUTH, STEP = 114.30, 29.84, 0.002
COLUMNS, ROWS = 20, 15
FIRST = datetime(2012, 5, 1, tzinfo=BEIJING)
SECOND = datetime(2019, 5, 1, tzinfo=BEIJING)


def read_catalogue() -> Catalogue:
    """The test town's catalogue, apart from the one that is shipped."""
    folder = HERE / "catalogue"
    layers = [load_model(path, LayerDefinition) for path in sorted(folder.glob("layers/*.yaml"))]
    maps = [load_model(path, MapDefinition) for path in sorted(folder.glob("maps/*.yaml"))]
    codes = {path.stem: read_code_list(path) for path in sorted(folder.glob("codes/*.csv"))}
    return Catalogue(
        MappingProxyType({layer.name: layer for layer in layers}),
        MappingProxyType({entry.name: entry for entry in maps}),
        MappingProxyType(codes),
    )


def load_rows(
    store: Store,
    layer: LayerDefinition,
    rows: list[dict[str, object]],
    valid_from: datetime,
    *,
    full: bool = False,
) -> int:
    """Load rows (fields and a shapely ``geometry``) and return the layer's data version."""
    header = LoadHeader(
        source="test",
        checksum=secrets.token_hex(32),
        crs="EPSG:4490",
        valid_from=valid_from,
        operator="test",
        mapping={},
        full=full,
    )
    columns = {
        field.name: pa.array([row.get(field.name) for row in rows], ARROW_TYPES[field.type])
        for field in layer.fields
    }
    table = pa.table(
        {
            "source_row": pa.array(range(1, len(rows) + 1), pa.int64()),
            **columns,
            "geometry": pa.array([shapely.to_wkb(row["geometry"]) for row in rows], pa.binary()),
        }
    )
    with store.open_load(layer, header) as session:
        session.stage(table)
        outcome = session.apply()
        session.finish({})
    return outcome.data_version


def plots(use: str = "01") -> list[dict[str, object]]:
    """A coverage of COLUMNS × ROWS squares."""
    found: list[dict[str, object]] = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            west, south = WEST + column * STEP, SOUTH + row * STEP
            box = shapely.box(west, south, west + STEP, south + STEP)
            found.append(
                {
                    "code": f"P{row:02d}{column:02d}",
                    "use": use if column < COLUMNS // 2 else "0101",
                    "area": 40_000.5 + column,
                    "surveyed": date(2012, 5, 1),
                    "owner": "某人",
                    "geometry": shapely.MultiPolygon([box]),
                }
            )
    return found


def lanes() -> list[dict[str, object]]:
    return [
        {
            "number": number,
            "name": f"第{number}巷",
            "name_en": f"Lane {number}" if number % 2 else None,
            "geometry": shapely.LineString(
                [
                    (WEST, SOUTH + number * STEP, 20.0 + number),
                    (WEST + 0.01, SOUTH + number * STEP + 0.0003, 21.0),
                    (WEST + COLUMNS * STEP, SOUTH + number * STEP, 22.5),
                ]
            ),
        }
        for number in range(1, 11)
    ]


def lamps() -> list[dict[str, object]]:
    return [
        {
            "zone": "北" if number % 2 else "南",
            "number": number,
            "height": 4.0 + number / 10,
            "lit": number % 3 == 0,
            "built": date(2010, 1, 1 + number % 28),
            "checked": datetime(2012, 1, 1, 3, 4, 5, tzinfo=UTC),
            "kind": ("01", "07", "0101", None)[number % 4],
            "geometry": shapely.Point(WEST + (number % 20) * STEP, SOUTH + (number // 20) * STEP),
        }
        for number in range(1, 121)
    ]


def fill(store: Store, catalogue: Catalogue) -> None:
    """Load the town as surveyed in 2012 and, where plots changed, in 2019."""
    load_rows(store, catalogue.layer("plot"), plots("01"), FIRST)
    load_rows(store, catalogue.layer("lane"), lanes(), FIRST)
    load_rows(store, catalogue.layer("lamp"), lamps(), FIRST)
    secret: list[dict[str, object]] = [
        {"code": "S1", "geometry": shapely.Point(WEST + STEP, SOUTH + STEP)}
    ]
    load_rows(store, catalogue.layer("secret"), secret, FIRST)
    changed = plots("07")[: COLUMNS * ROWS // 2]
    load_rows(store, catalogue.layer("plot"), changed, SECOND)


@contextmanager
def town_of_ones_own(
    cluster: str, template: str, catalogue: Catalogue
) -> Iterator[tuple[Store, str]]:
    """The test town, surveyed in 2012 and 2019: a store over a database of its own, its address."""
    with copied_database(cluster, template) as url:
        store = Store(url, catalogue)
        store.migrate()
        fill(store, catalogue)
        yield store, url
        store.close()


@contextmanager
def serving(
    settings: ApiSettings,
    database: str | None,
    catalogue: Catalogue,
    etl: EtlSettings | None = None,
    **reading: float,
) -> Iterator[str]:
    """A live server on a free port; yields its address. ``reading``: settings of the pool."""
    secret = SecretStr(database) if database is not None else None
    layers_settings = LayersSettings.model_validate(
        {"database_url": secret, "pool_size": 2, **reading}
    )
    app = create_app(settings, layers_settings, catalogue, etl)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=app.http_protocol, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and thread.is_alive():
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 20
    while (answer := client.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
