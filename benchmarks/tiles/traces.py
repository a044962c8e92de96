"""What is asked of every server: a recorded pan-and-zoom trace, and a uniform one.

A trace is a text file of ``z/x/y`` lines in the order of asking; ``# session N`` begins a session.
Both files beside this module were written by it, and the same seed writes the same bytes:

    .venv/bin/python -m benchmarks.tiles.traces
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Place = tuple[int, int, int]
#: Tiles of one visitor, in the order of asking.
Session = list[Place]

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "recorded.trace"
UNIFORM = HERE / "uniform.trace"

#: West, south, east, north in degrees: where clients ask for tiles, as the map's TileJSON says.
BOUNDS = (113.53, 29.03, 114.97, 30.31)
MIN_ZOOM, MAX_ZOOM = 6, 16
#: A laptop's window, in CSS pixels, and the pixels that a vector tile takes in it.
_VIEWPORT = (1280, 800)
_TILE_PIXELS = 512
#: Longitude, latitude and popularity of what people look for: the seat's centre, its lake and
#: station, and the seats of the other counties.
_PLACES = (
    (114.322, 29.842, 10), (114.305, 29.868, 5), (114.357, 29.825, 4), (114.268, 29.905, 3),
    (113.932, 29.975, 3), (113.898, 29.722, 3), (114.042, 29.548, 2), (114.486, 29.604, 2),
    (114.150, 29.770, 1), (114.620, 29.790, 1),
)  # fmt: skip
_SESSIONS = 24
_SEED = 20200501


def column_and_row(lon: float, lat: float, z: int) -> tuple[float, float]:
    """Return the place of a point in the grid of zoom ``z``, in tiles (EPSG:3857)."""
    size = 2**z
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return (lon + 180) / 360 * size, y * size


def longitude_and_latitude(x: float, y: float, z: int) -> tuple[float, float]:
    """Return the point at ``x`` tiles from the west and ``y`` from the north of zoom ``z``."""
    size = 2**z
    lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / size))))
    return x / size * 360 - 180, lat


@dataclass
class _Visitor:
    """Someone at a window: asks for what comes into view and was not asked for before."""

    lon: float
    lat: float
    zoom: int
    asked: dict[Place, None] = field(default_factory=dict)

    def look(self) -> None:
        """Ask for the tiles in view, those at the middle first."""
        z = min(self.zoom, MAX_ZOOM)
        pixels = _TILE_PIXELS * 2 ** (self.zoom - z)
        x, y = column_and_row(self.lon, self.lat, z)
        wide, high = (side / pixels / 2 for side in _VIEWPORT)
        west, north = column_and_row(BOUNDS[0], BOUNDS[3], z)
        east, south = column_and_row(BOUNDS[2], BOUNDS[1], z)
        columns = range(math.floor(max(x - wide, west)), math.floor(min(x + wide, east)) + 1)
        rows = range(math.floor(max(y - high, north)), math.floor(min(y + high, south)) + 1)
        view = [(z, column, row) for column in columns for row in rows]
        view.sort(key=lambda p: (math.hypot(p[1] + 0.5 - x, p[2] + 0.5 - y), p))
        self.asked.update(dict.fromkeys(view))

    def pan(self, right: float, down: float) -> None:
        """Move the window by shares of its width and height."""
        x, y = column_and_row(self.lon, self.lat, self.zoom)
        wide, high = (side / _TILE_PIXELS for side in _VIEWPORT)
        lon, lat = longitude_and_latitude(x + right * wide, y + down * high, self.zoom)
        self.lon = min(max(lon, BOUNDS[0]), BOUNDS[2])
        self.lat = min(max(lat, BOUNDS[1]), BOUNDS[3])
        self.look()

    def zoom_to(self, zoom: int, lon: float, lat: float, chance: random.Random) -> None:
        """Zoom step by step around a point, which comes to the middle by and by."""
        while self.zoom != zoom:
            step = chance.choice((1, 1, 2))
            ahead = zoom - self.zoom
            self.zoom += max(-step, ahead) if ahead < 0 else min(step, ahead)
            self.lon += (lon - self.lon) * 0.6
            self.lat += (lat - self.lat) * 0.6
            self.look()


def _session(chance: random.Random) -> Session:
    weights = [place[2] for place in _PLACES]
    visitor = _Visitor((BOUNDS[0] + BOUNDS[2]) / 2, (BOUNDS[1] + BOUNDS[3]) / 2, 0)
    visitor.zoom = chance.choice((6, 7, 8))
    visitor.look()
    for _ in range(chance.choice((1, 2, 2, 3))):
        lon, lat, _ = chance.choices(_PLACES, weights)[0]
        lon, lat = lon + chance.gauss(0, 0.012), lat + chance.gauss(0, 0.009)
        visitor.zoom_to(chance.choice((12, 13, 14)), lon, lat, chance)
        _wander(visitor, chance.randint(0, 2), chance)
        visitor.zoom_to(chance.choice((16, 16, 17)), lon, lat, chance)
        _wander(visitor, chance.randint(2, 6), chance)
        visitor.zoom_to(chance.choice((11, 12, 14)), visitor.lon, visitor.lat, chance)
    return list(visitor.asked)


def _wander(visitor: _Visitor, times: int, chance: random.Random) -> None:
    heading = chance.uniform(0, 2 * math.pi)
    for _ in range(times):
        heading += chance.gauss(0, 0.7)
        reach = chance.uniform(0.3, 0.8)
        visitor.pan(math.cos(heading) * reach, math.sin(heading) * reach)


def pan_and_zoom(seed: int = _SEED, sessions: int = _SESSIONS) -> list[Session]:
    """Return sessions of visitors who zoom in from the city to a street, wander, and zoom out.

    A session asks for no tile twice, as a browser does not; zoom 17 is drawn from tiles of 16.
    """
    chance = random.Random(seed)  # noqa: S311 - a trace, not a secret
    return [_session(chance) for _ in range(sessions)]


def uniform(seed: int = _SEED, each: int = 100, zooms: range = range(10, 17)) -> list[Session]:
    """Return sessions of tiles that are equally likely anywhere in the bounds, ``each`` a zoom."""
    chance = random.Random(seed + 1)  # noqa: S311 - a trace, not a secret
    places = [place for z in zooms for place in _anywhere(z, each, chance)]
    chance.shuffle(places)
    return [places[start : start + 25] for start in range(0, len(places), 25)]


def _anywhere(z: int, count: int, chance: random.Random) -> Iterator[Place]:
    west, north = column_and_row(BOUNDS[0], BOUNDS[3], z)
    east, south = column_and_row(BOUNDS[2], BOUNDS[1], z)
    for _ in range(count):
        x, y = chance.uniform(west, east), chance.uniform(north, south)
        yield (z, math.floor(x), math.floor(y))


def distinct(sessions: list[Session], z: int) -> list[Place]:
    """Return the different tiles of zoom ``z``, in the order in which they are first asked for."""
    return list(dict.fromkeys(p for session in sessions for p in session if p[0] == z))


def others(taken: list[Place], z: int, count: int) -> list[Place]:
    """Return up to ``count`` tiles of zoom ``z`` that are not among ``taken``, to warm up with."""
    chance = random.Random(_SEED + z)  # noqa: S311 - a trace, not a secret
    drawn = dict.fromkeys(_anywhere(z, count * 3, chance))
    return [place for place in drawn if place not in set(taken)][:count]


def sampled(places: list[Place], count: int) -> list[Place]:
    """Return at most ``count`` tiles, evenly spread over the list."""
    step = max(len(places) / count, 1.0)
    return [places[int(i * step)] for i in range(min(count, len(places)))]


def written(sessions: list[Session]) -> str:
    """Return the text of a trace."""
    lines = []
    for number, session in enumerate(sessions, start=1):
        lines.append(f"# session {number}")
        lines += [f"{z}/{x}/{y}" for z, x, y in session]
    return "\n".join(lines) + "\n"


def read(path: Path) -> list[Session]:
    """Return the sessions of a trace's file."""
    sessions: list[Session] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            sessions.append([])
        else:
            z, x, y = line.split("/")
            sessions[-1].append((int(z), int(x), int(y)))
    return sessions


if __name__ == "__main__":
    RECORDED.write_text(written(pan_and_zoom()), encoding="utf-8")
    UNIFORM.write_text(written(uniform()), encoding="utf-8")
