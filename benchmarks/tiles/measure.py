"""One measurement: a job for the client's process, and what came of it."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from mapbox_vector_tile.Mapbox import vector_tile_pb2  # type: ignore[import-untyped]

from benchmarks.tiles.client import Job, Outcome
from benchmarks.tiles.servers import Columns, Server, get
from benchmarks.tiles.traces import Place, Session

CLIENT = Path(__file__).resolve().parent / "client.py"
_FEATURE_ID = "feature_id"


def asked(
    server: Server,
    sessions: list[Session],
    *,
    clients: int = 1,
    budget: float = 60.0,
    encoding: str = "identity",
) -> Outcome:
    """Replay sessions against a running server, from another process."""
    named = [
        [("/".join(map(str, place)), server.paths(place)) for place in session]
        for session in sessions
    ]
    job = Job(
        "127.0.0.1",
        server.port,
        named,
        clients,
        {"Accept-Encoding": encoding, "User-Agent": "onemap-benchmark"},
        budget,
    )
    return done(job)


def done(job: Job) -> Outcome:
    """Have the client's process do a job."""
    ended = subprocess.run(
        [sys.executable, str(CLIENT)],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=True,
        timeout=job.budget + job.patience * 2,
    )
    told = json.loads(ended.stdout)
    return Outcome(
        [(name, taken, size) for name, taken, size in told["tiles"]],
        Counter(told["statuses"]),
        Counter(told["caches"]),
        told["seconds"],
    )


def errors_of(outcome: Outcome) -> dict[str, int]:
    """Return the answers that are none: statuses other than 200, 204 and 304."""
    return {k: n for k, n in outcome.statuses.items() if k not in ("200", "204", "304")}


@dataclass
class Content:
    """What one tile holds."""

    octets: int = 0
    features: int = 0
    #: Layer → features.
    layers: Counter[str] | None = None
    #: Layer → names of attributes.
    keys: dict[str, set[str]] | None = None


def content(server: Server, place: Place) -> Content:
    """Ask for a tile without compression and look into it.

    Raises:
        RuntimeError: The server answers with an error.
    """
    found = Content(0, 0, Counter(), {})
    for path in server.paths(place):
        status, _, body = get(server.port, path, {"Accept-Encoding": "identity"})
        if status not in (200, 204):
            told = body[:300].decode(errors="replace")
            raise RuntimeError(f"{server.name} answers {status} to {path}: {told}")
        found.octets += len(body)
        tile = vector_tile_pb2.tile()
        tile.ParseFromString(body)
        for layer in tile.layers:
            found.features += len(layer.features)
            if found.layers is not None and found.keys is not None:
                found.layers[layer.name] += len(layer.features)
                found.keys.setdefault(layer.name, set()).update(layer.keys)
    return found


def observed_columns(
    ours: Server, document: str, places: dict[str, list[tuple[float, float]]], known: Columns
) -> tuple[Columns, dict[str, set[str]]]:
    """Look at our tiles: which layers and attributes they carry at each zoom of ``known``.

    Args:
        ours: Our running server.
        document: The path of the map's TileJSON.
        places: Layer → points (columns and rows of zoom 0, 0 to 1) where it has features.
        known: Zoom → layer → columns that the peers' tables have; anything else cannot be asked of
            them.

    Returns:
        The columns by zoom and layer, and by layer what peers cannot be asked for.
    """
    told = json.loads(get(ours.port, document)[2])
    spans = {e["id"]: (e["minzoom"], e["maxzoom"]) for e in told["vector_layers"]}
    columns: Columns = {}
    beyond: dict[str, set[str]] = {}
    for z, tables in known.items():
        shown = [name for name in tables if spans[name][0] <= z <= spans[name][1]]
        tiles = {(z, int(x * 2**z), int(y * 2**z)): None for name in shown for x, y in places[name]}
        seen: dict[str, set[str]] = {}
        for place in tiles:
            for name, keys in (content(ours, place).keys or {}).items():
                seen.setdefault(name, set()).update(keys)
        columns[z] = {}
        for name in shown:
            keys = seen.get(name, set()) - {_FEATURE_ID}
            columns[z][name] = tuple(column for column in tables[name] if column in keys)
            beyond.setdefault(name, set()).update(keys - set(tables[name]))
    return columns, {name: keys for name, keys in beyond.items() if keys}
