"""The parcels of the benchmark, as our store and the peers have them, without history and with."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, Table, func, select, text

from benchmarks.load import survey
from benchmarks.tiles.city import ONEMAP, SCHEMA, City
from benchmarks.tiles.peers import ROOT
from cli.private_cluster import PrivateCluster
from layers.catalogue import load_catalogue
from layers.definition import LayerDefinition
from layers.tables import city_table, geometry_type, is_closed, is_current
from tests.database import connected

LAYER = "land_parcel"
#: The fields that the survey has: what every server is asked for.
FIELDS = (
    "bsm", "ysdm", "tbbh", "dlbm", "qsxz", "qsdwdm", "qsdwmc", "zldwdm", "zldwmc",
    "tbmj", "kcmj", "tbdlmj", "sjnf",
)  # fmt: skip
#: The surveys after the first; each changes every parcel.
_LATER = ("2021-05-01", "2022-05-01", "2023-05-01")


@dataclass
class Parcels(City):
    """The parcels in a database of their own."""

    #: Whether every parcel has three closed states besides the current one.
    history: bool = False

    @property
    def database(self) -> str:
        """The database's name."""
        kind = "features_history" if self.history else "features"
        return f"{kind}_{self.scale:g}".replace(".", "_")


def cluster() -> PrivateCluster:
    """Return the benchmark's cluster, with the settings that One Map gives its own."""
    return PrivateCluster(ROOT / ".onemap" / "feature-benchmark-cluster")


@cache
def parcel_layer() -> LayerDefinition:
    """Return the layer that is asked for."""
    return load_catalogue().layer(LAYER)


def loaded(server: PrivateCluster, scale: float, *, fresh: bool, history: bool = False) -> Parcels:
    """Return the parcels of a scale, generated and loaded unless they were before.

    Args:
        server: The running cluster.
        scale: 1 for 1,000,000 parcels.
        fresh: Load them anew.
        history: With three later surveys, each of which changes every parcel.
    """
    city = Parcels(server, scale, history=history)
    with connected(server.url("postgres"), autocommit=True) as connection:
        if fresh:
            connection.execute(text(f"DROP DATABASE IF EXISTS {city.database} WITH (FORCE)"))
        names = set(connection.execute(text("SELECT datname FROM pg_database")).scalars())
    if city.database not in names:
        server.ensure_database(city.database)
    city.maps.mkdir(parents=True, exist_ok=True)
    subprocess.run([ONEMAP, "migrate"], check=True, env=city.environment(), stdout=sys.stderr)
    _load(city)
    if history:
        _load_later(city)
    else:
        _prepare_peers(city)
    table = city_table(parcel_layer())
    with connected(city.url) as connection:
        for name, condition in (("current", is_current(table)), ("closed", is_closed(table))):
            counted = select(func.count()).select_from(table).where(condition)
            city.rows[name] = int(connection.execute(counted).scalar_one())
    return city


def _loads(city: Parcels) -> int:
    table = city_table(parcel_layer())
    with connected(city.url) as connection:
        return int(connection.execute(select(func.max(table.c.load_id))).scalar() or 0)


def _onemap_load(city: Parcels, file: Path, date: str) -> None:
    sys.stderr.write(f"loading {file.name} of {date} into {city.database} …\n")
    command = [ONEMAP, "load", str(file), "--layer", LAYER, "--valid-from", date, "--no-pyramid"]
    subprocess.run(command, check=True, env=city.environment(), stdout=subprocess.DEVNULL)


def _load(city: Parcels) -> None:
    if not _loads(city):
        _onemap_load(city, survey(city.scale), "2020-05-01")
        _settle(city, (f"city.{LAYER}",))


def _load_later(city: Parcels) -> None:
    done = _loads(city) - 1
    if done >= len(_LATER):
        return
    later = city.folder / "later.gpkg"
    shutil.copyfile(survey(city.scale), later)
    try:
        for date in _LATER[done:]:
            _change_owners(later, date[:4])
            _onemap_load(city, later, date)
    finally:
        later.unlink()
    _settle(city, (f"city.{LAYER}",))


def _change_owners(file: Path, year: str) -> None:
    """Give every parcel of a GeoPackage another owner."""
    with closing(sqlite3.connect(file)) as connection, connection:
        # The triggers of the spatial index name functions that are not here; none will run.
        for name, result in (("ST_IsEmpty", 0), ("ST_MinX", 0.0), ("ST_MaxX", 0.0),
                             ("ST_MinY", 0.0), ("ST_MaxY", 0.0)):  # fmt: skip
            connection.create_function(name, 1, lambda _, told=result: told)
        owner = f"substr(qsdwmc || '（', 1, instr(qsdwmc || '（', '（') - 1) || '（{year}）'"
        connection.execute(f"UPDATE {LAYER} SET qsdwmc = {owner}")  # noqa: S608 -- a constant


def _settle(city: Parcels, tables: Iterable[str]) -> None:
    with connected(city.url, autocommit=True) as connection:
        for name in tables:
            connection.execute(text(f"VACUUM (ANALYZE) {name}"))


def peer_table(layer: LayerDefinition) -> Table:
    """Return the peers' table: current rows, the survey's fields, WGS 84."""
    source = city_table(layer)
    shape = geometry_type(layer.geometry)
    return Table(
        layer.name,
        MetaData(schema=SCHEMA),
        Column("feature_id", source.c.feature_id.type, primary_key=True, autoincrement=False),
        *(Column(name, source.c[name].type) for name in FIELDS),
        Column("geom", type(shape)(shape.geometry_type, srid=4326, spatial_index=False)),
    )


def _prepare_peers(city: Parcels) -> None:
    """Give the peers a plain table of the same rows, in map order, vacuumed and analysed."""
    with connected(city.url) as connection:
        if connection.dialect.has_table(connection, LAYER, schema=SCHEMA):
            return
        sys.stderr.write("preparing the peers' table …\n")
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        _fill(connection, parcel_layer())
    _settle(city, (f"{SCHEMA}.{LAYER}",))


def _fill(connection: Connection, layer: LayerDefinition) -> None:
    source, table = city_table(layer), peer_table(layer)
    # The same numbers: WGS 84 and CGCS2000 differ by less than is surveyed.
    shape = func.ST_SetSRID(source.c.geom, 4326)
    wanted = select(source.c.feature_id, *(source.c[name] for name in FIELDS), shape)
    rows = wanted.where(is_current(source)).order_by(source.c.geom)
    table.create(connection)
    connection.execute(table.insert().from_select(["feature_id", *FIELDS, "geom"], rows))
    connection.execute(text(f"CREATE INDEX ON {SCHEMA}.{LAYER} USING gist (geom)"))
