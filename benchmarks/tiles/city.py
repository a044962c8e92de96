"""The benchmark city in a private cluster: our store, and what the peers are best served with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Column as Field
from sqlalchemy import Connection, MetaData, Table, func, literal, select, text

from benchmarks.tiles.peers import ROOT
from cli.private_cluster import PrivateCluster
from layers.catalogue import load_catalogue
from layers.definition import LayerDefinition
from layers.pyramid_bands import bands_of
from layers.pyramid_store import PyramidStore
from layers.tables import city_table, geometry_type, is_current
from layers.tile_fields import used_fields
from tests.database import connected

ONEMAP = str(Path(sys.executable).parent / "onemap")
#: The schema of the peers' tables, and the name of the map that is compared.
SCHEMA = MAP = "bench"
#: Layers of the map from bottom to top, and their first zooms where the comparison wants others
#: than the definitions say: parcels at every zoom are what low zooms are about.
LAYERS = ("land_parcel", "road", "building", "pipe_line", "pipe_node", "hazard_point")
_FIRST_ZOOM = {"land_parcel": 6}
#: A map of ours alone whose tiles are far larger than any map should have them, and its layers
#: with their first zooms: for large files among those that are kept.
LARGE = "bench_large"
_LARGE_FIRST_ZOOM = {"land_parcel": 6, "pipe_node": 10}
_LARGE_LIMITS = "tile_limits: {features: 200000, bytes: 3000000}\n"

_MAP = """\
name: {map}
title: {{zh: 瓦片对比, en: Tiles compared}}
abstract: {{zh: 与其他瓦片服务器对比所用的图层。, en: The layers that are compared with peers.}}
center: [114.322, 29.842]
zoom: 13
bounds: [113.53, 29.03, 114.97, 30.31]
min_zoom: 6
max_zoom: 16
groups:
  - id: all
    title: {{zh: 全部, en: All}}
    layers:
{layers}
"""


@dataclass
class City:
    """A loaded city."""

    cluster: PrivateCluster
    scale: float
    #: Layer → rows that are current.
    rows: dict[str, int] = field(default_factory=dict)
    #: Layer → seconds that its pyramid took to build, band by band.
    pyramids: dict[str, list[float]] = field(default_factory=dict)
    #: Layer → columns of the peers' table, besides ``feature_id`` and ``geom``.
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def database(self) -> str:
        """The database's name."""
        return f"tiles_{self.scale:g}".replace(".", "_")

    @property
    def url(self) -> str:
        """The database's address."""
        return self.cluster.url(self.database)

    @property
    def folder(self) -> Path:
        """Where its surveys and its map lie."""
        return ROOT / ".onemap" / "benchmarks" / f"scale-{self.scale:g}"

    @property
    def maps(self) -> Path:
        """The folder of the map definition, for ONEMAP_EXTRA_MAPS."""
        return self.folder / "maps"

    def environment(self) -> dict[str, str]:
        """The environment of our commands."""
        ours = {"ONEMAP_DATABASE_URL": self.url, "ONEMAP_EXTRA_MAPS": str(self.maps)}
        return {**os.environ, "PYTHONPATH": str(ROOT), **ours}


def cluster() -> PrivateCluster:
    """Return the benchmark's cluster, with the settings that One Map gives its own."""
    return PrivateCluster(ROOT / ".onemap" / "tile-benchmark-cluster")


def loaded(server: PrivateCluster, scale: float, *, fresh: bool, peers: bool = True) -> City:
    """Return the city of a scale, generated and loaded unless it was before.

    Args:
        server: The running cluster.
        scale: 1 for 1,000,000 parcels and the rest.
        fresh: Load it anew.
        peers: Make the peers' tables too.
    """
    city = City(server, scale)
    _write_maps(city)
    with connected(server.url("postgres"), autocommit=True) as connection:
        if fresh:
            connection.execute(text(f"DROP DATABASE IF EXISTS {city.database} WITH (FORCE)"))
        names = connection.execute(text("SELECT datname FROM pg_database")).scalars()
        known = city.database in set(names)
    if not known:
        server.ensure_database(city.database)
    subprocess.run([ONEMAP, "migrate"], check=True, env=city.environment(), stdout=sys.stderr)
    _load(city)
    _build_pyramids(city)
    with connected(city.url) as connection:
        for name in LAYERS:
            table = city_table(_layer(name))
            current = select(func.count()).select_from(table).where(is_current(table))
            city.rows[name] = int(connection.execute(current).scalar_one())
    if peers:
        _prepare_peers(city)
    return city


def _layer(name: str) -> LayerDefinition:
    return load_catalogue().layer(name)


def _write_maps(city: City) -> None:
    city.maps.mkdir(parents=True, exist_ok=True)
    compared = _MAP.format(map=MAP, layers=_entries(LAYERS, _FIRST_ZOOM))
    (city.maps / f"{MAP}.yaml").write_text(compared, encoding="utf-8")
    large = _MAP.format(map=LARGE, layers=_entries(tuple(_LARGE_FIRST_ZOOM), _LARGE_FIRST_ZOOM))
    large = large.replace("groups:", f"{_LARGE_LIMITS}groups:")
    (city.maps / f"{LARGE}.yaml").write_text(large, encoding="utf-8")


def _entries(layers: tuple[str, ...], first_zooms: dict[str, int]) -> str:
    entries = []
    for name in layers:
        first = first_zooms.get(name)
        zoom = f", min_zoom: {first}" if first is not None else ""
        entries.append(f"      - {{layer: {name}{zoom}}}")
    return "\n".join(entries)


def _load(city: City) -> None:
    """Load the layers that hold nothing yet; roads last, which others would be compared with."""
    for name in sorted(LAYERS, key=lambda name: name == "road"):
        table = city_table(_layer(name))
        with connected(city.url) as connection:
            if connection.execute(select(table.c.feature_id).limit(1)).first():
                continue
        survey = city.folder / f"{name}.gpkg"
        if not survey.exists():
            generate = [sys.executable, str(ROOT / "data/samples/generate.py")]
            options = ["--scale", f"{city.scale:g}", "--out", str(city.folder), "--layers", name]
            subprocess.run([*generate, *options], check=True, stdout=sys.stderr)
        sys.stderr.write(f"loading {survey.name} at scale {city.scale:g} …\n")
        command = [ONEMAP, "load", str(survey), "--layer", name, "--valid-from", "2020-05-01"]
        subprocess.run(command, check=True, env=city.environment(), stdout=subprocess.DEVNULL)


def _build_pyramids(city: City) -> None:
    """Build what pyramids lack (loads build theirs), and note how long each band took."""
    layers = [layer for layer in map(_layer, LAYERS) if bands_of(layer)]
    store = PyramidStore(city.url)
    try:
        behind = store.behind(layers)
        if behind:
            sys.stderr.write(f"building the pyramids of {', '.join(behind)} …\n")
            command = [ONEMAP, "pyramid", "build", *behind]
            subprocess.run(command, check=True, env=city.environment(), stdout=sys.stderr)
        for layer in layers:
            states = store.states(layer, bands_of(layer))
            missing = [state.band.zooms for state in states if not state.built or state.behind]
            if missing:
                raise RuntimeError(f"the pyramid of {layer.name} lacks zooms {missing}")
            city.pyramids[layer.name] = [state.seconds for state in states]
    finally:
        store.close()


def _prepare_peers(city: City) -> None:
    """Give the peers lean tables: current rows, few columns, map order, one GiST index each."""
    with connected(city.url) as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    for name in LAYERS:
        layer = _layer(name)
        fields = list(dict.fromkeys([*layer.key, *layer.tiles.fields, *used_fields(layer)]))
        city.columns[name] = fields
        table = _peer_table(layer, fields)
        with connected(city.url) as connection:
            if connection.dialect.has_table(connection, name, schema=SCHEMA):
                continue
            sys.stderr.write(f"preparing {name} for the peers …\n")
            _fill(connection, table, layer, fields)
        with connected(city.url, autocommit=True) as connection:
            connection.execute(text(f"VACUUM (ANALYZE) {SCHEMA}.{name}"))


def _peer_table(layer: LayerDefinition, fields: list[str]) -> Table:
    source = city_table(layer)
    shape = geometry_type(layer.geometry)
    kind = shape.geometry_type.removesuffix("Z")
    return Table(
        layer.name,
        MetaData(schema=SCHEMA),
        Field("feature_id", source.c.feature_id.type, primary_key=True, autoincrement=False),
        *(Field(name, source.c[name].type) for name in fields),
        Field("geom", type(shape)(kind, srid=3857, spatial_index=False)),
    )


def _fill(connection: Connection, table: Table, layer: LayerDefinition, fields: list[str]) -> None:
    source = city_table(layer)
    shape = source.c.tile_geom
    if layer.geometry.type.startswith("multi"):
        shape = func.ST_Multi(shape)
    wanted = select(source.c.feature_id, *(source.c[name] for name in fields), shape)
    # Map order, as ours: PostGIS sorts geometries along a Hilbert curve.
    rows = wanted.where(is_current(source)).order_by(source.c.tile_geom)
    table.create(connection)
    connection.execute(table.insert().from_select(["feature_id", *fields, "geom"], rows))
    index = f"CREATE INDEX ON {SCHEMA}.{layer.name} USING gist (geom)"
    connection.execute(text(index))


@contextmanager
def parallel_workers(city: City, most: int | None) -> Iterator[None]:
    """Bound the processes that may work on one query of any server; ``None``: PostgreSQL's own."""
    setting = f"ALTER DATABASE {city.database}"
    name = "max_parallel_workers_per_gather"
    if most is not None:
        with connected(city.url, autocommit=True) as connection:
            connection.execute(text(f"{setting} SET {name} = {most}"))
    try:
        yield
    finally:
        with connected(city.url, autocommit=True) as connection:
            connection.execute(text(f"{setting} RESET {name}"))


def sample_points(city: City, each: int = 4) -> dict[str, list[tuple[float, float]]]:
    """Return longitude and latitude of points on some features of each layer."""
    points = {}
    with connected(city.url) as connection:
        for name, columns in city.columns.items():
            rows = _peer_table(_layer(name), columns).tablesample(func.system(5), seed=literal(1))
            place = func.ST_Transform(func.ST_PointOnSurface(rows.c.geom), 4326)
            found = connection.execute(select(func.ST_X(place), func.ST_Y(place)).limit(each))
            points[name] = [(float(lon), float(lat)) for lon, lat in found]
    return points


def summary(city: City) -> str:
    """Return what was loaded, and how long its pyramids took, in a line."""
    rows = ", ".join(f"{name} {count:,}" for name, count in city.rows.items())
    taken = ", ".join(f"{name} {sum(times):.0f}" for name, times in city.pyramids.items())
    return f"{rows}; pyramids, seconds at the building of each: {taken}"
