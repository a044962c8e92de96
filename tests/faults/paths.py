"""What is under way when something dies: loads, repairs and taking back, of land parcels."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import geopandas
import shapely

from etl.jobs import Tools, load_now
from etl.load import LoadRequest
from etl.repair import RepairRequest, retry
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers import row_writers
from layers.catalogue import load_catalogue
from layers.load_desk import LoadDesk
from layers.quarantine import Mend, Selection, mend, read_refused, refused_rows
from layers.store import Store

LAYER = "land_parcel"
#: Small batches: a survey of some hundred parcels has many.
SETTINGS = EtlSettings(batch_rows=40, retry_s=0.5, heartbeat_s=2.0)
_WEST, _SOUTH, _SIDE = 114.0, 29.5, 0.001
_COLUMNS, _ROWS = 16, 15


def tools_of(url: str) -> Tools:
    catalogue = load_catalogue()
    return Tools(Store(url, catalogue), LoadDesk(url), catalogue, SETTINGS)


def close(tools: Tools) -> None:
    tools.store.close()
    tools.desk.close()


def _square(number: int, width: float = 1.0, shift: float = 0.0) -> shapely.Polygon:
    west = _WEST + (number % _COLUMNS + shift) * _SIDE
    south = _SOUTH + number // _COLUMNS * _SIDE
    return shapely.box(west, south, west + width * _SIDE, south + _SIDE)


def _write(path: Path, rows: list[tuple[str, str, shapely.Polygon]]) -> Path:
    codes, classes, areas = zip(*rows, strict=True)
    frame = geopandas.GeoDataFrame(
        {"BSM": codes, "DLBM": classes, "TBBH": codes, "BZ": ["注" * 60] * len(rows)},
        geometry=list(areas),
        crs="EPSG:4490",
    )
    frame.to_file(path, engine="pyogrio")
    return path


def write_surveys(folder: Path) -> None:
    """Write the first survey, plain and packed, and the complete one that follows."""
    numbers = range(_COLUMNS * _ROWS)
    first = [(f"P{n}", "0101", _square(n)) for n in numbers]
    path = _write(folder / "first.gpkg", first)
    with zipfile.ZipFile(folder / "packed.zip", "w") as archive:
        archive.write(path, "packed.gpkg")
    # Half of them changed; one is split, one is gone, one has no class, one lies over another.
    second = [(f"P{n}", "0301" if n % 2 else "0101", _square(n)) for n in numbers[3:]]
    second += [
        ("P0", "0101", _square(0, 0.5)),
        ("P0b", "0101", _square(0, 0.5, 0.5)),
        ("P2", "no class", _square(2)),
        ("Q0", "0301", _square(_COLUMNS * _ROWS)),
        ("Q1", "0301", _square(_COLUMNS * _ROWS, 1.0, 0.4)),
    ]
    _write(folder / "second.gpkg", second)


def request_of(name: str, folder: Path) -> LoadRequest:
    second = name == "second.gpkg"
    return LoadRequest(
        folder / name,
        layer=LAYER,
        valid_from=datetime(2024 if second else 2020, 5, 1, tzinfo=BEIJING),
        operator="tester",
        max_bad=0.5,
        full=second,
    )


def make_ready(path: str) -> None:
    """Let this process do a path's loads as the path has it."""
    if path == "wide":
        # As large surveys are loaded.
        row_writers.SEVERAL_FROM = 1


def _load(name: str) -> Callable[[Tools, Path], None]:
    def act(tools: Tools, folder: Path) -> None:
        load_now(request_of(name, folder), tools)

    return act


def _repair(tools: Tools, folder: Path) -> None:
    retry(RepairRequest(Selection(), "mender"), tools.store, tools.catalogue, tools.settings)


def _revert(tools: Tools, folder: Path) -> None:
    done = [record for record in tools.desk.records() if record.source == "second.gpkg"]
    tools.store.revert(max(record.load_id for record in done if record.kind == "survey"), "tester")


def _mend(tools: Tools, folder: Path) -> None:
    """Give the row without a class one."""
    refused = [read_refused(row) for row in tools.store.fetch(refused_rows(Selection()))]
    (row,) = [row for row in refused if row.rule == "dlbm: codes"]
    with tools.store.writing() as connection:
        mend(connection, [Mend(row.quarantine_id, {"dlbm": "0301"})])


@dataclass(frozen=True)
class Undertaking:
    """Something to do, and what comes before it."""

    act: Callable[[Tools, Path], None]
    before: tuple[Callable[[Tools, Path], None], ...] = ()
    #: The survey that is loaded, where it is a load that can wait in the queue.
    survey: str | None = None


_FIRST, _SECOND = _load("first.gpkg"), _load("second.gpkg")
PATHS = {
    "first": Undertaking(_FIRST, survey="first.gpkg"),
    "wide": Undertaking(_FIRST, survey="first.gpkg"),
    "packed": Undertaking(_load("packed.zip"), survey="packed.zip"),
    "again": Undertaking(_SECOND, (_FIRST,), survey="second.gpkg"),
    "repair": Undertaking(_repair, (_FIRST, _SECOND, _mend)),
    "revert": Undertaking(_revert, (_FIRST, _SECOND)),
}
