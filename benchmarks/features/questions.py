"""What is asked: boxes with a condition on an attribute that give so many features."""

import json
import math
import random
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select, text

from benchmarks.features.city import Parcels, parcel_layer
from layers.access import ANONYMOUS, access_class
from layers.queries import layer_rows
from tests.database import connected

#: More features match than are asked for, by this share at most: every server has to look beyond
#: the page, and to say how many there are.
_BEYOND = 0.1
#: Half the side of the first box that is tried, degrees, for one feature.
_HALF = 0.001


@dataclass(frozen=True)
class Question:
    """Parcels of one class in a box."""

    #: Features that the answer is to have.
    limit: int
    bbox: tuple[float, float, float, float]
    land_use: str
    #: Features that match.
    matched: int


def questions(city: Parcels, limit: int, count: int) -> list[Question]:
    """Return ``count`` questions for pages of ``limit`` features, always the same."""
    kept = city.folder / f"questions-{limit}-{count}.json"
    if not kept.exists():
        made = [asdict(question) for question in _made(city, limit, count)]
        kept.write_text(json.dumps(made), encoding="utf-8")
    told = json.loads(kept.read_text(encoding="utf-8"))
    return [Question(**{**entry, "bbox": tuple(entry["bbox"])}) for entry in told]


def _made(city: Parcels, limit: int, count: int) -> list[Question]:
    chosen = random.Random(limit)  # noqa: S311 -- a sample, no secret
    with connected(city.url) as connection:
        # Compiling and other processes would take longer than these short queries.
        connection.execute(text("SET jit = off"))
        connection.execute(text("SET max_parallel_workers_per_gather = 0"))
        west, south, east, north = _extent(connection)
        classes = _classes(connection)
        made: list[Question] = []
        while len(made) < count:
            place = (chosen.uniform(west, east), chosen.uniform(south, north))
            found = _question(connection, limit, place, chosen.choice(classes))
            made += [found] if found is not None else []
    return made


def _extent(connection: Connection) -> tuple[float, float, float, float]:
    """Return the middle of what is surveyed: boxes around any place in it are full."""
    rows = layer_rows(parcel_layer(), access_class(parcel_layer(), ANONYMOUS))
    box = select(func.ST_Extent(rows.c.geom).label("box")).subquery()
    sides = (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)
    west, south, east, north = connection.execute(select(*(f(box.c.box) for f in sides))).one()
    across, up = (east - west) * 0.25, (north - south) * 0.25
    return west + across, south + up, east - across, north - up


def _classes(connection: Connection) -> list[str]:
    """Return the classes that people ask for: each has a twentieth of the parcels or more."""
    rows = layer_rows(parcel_layer(), access_class(parcel_layer(), ANONYMOUS))
    all_rows = select(func.count()).select_from(rows).scalar_subquery()
    statement = select(rows.c.dlbm).group_by(rows.c.dlbm).having(func.count() * 20 >= all_rows)
    return list(connection.execute(statement.order_by(rows.c.dlbm)).scalars())


def _question(
    connection: Connection, limit: int, place: tuple[float, float], land_use: str
) -> Question | None:
    """Return a box around a place with a few more parcels of a class than ``limit``, if one is."""
    low, high, half = 0.0, math.inf, _HALF * math.sqrt(limit)
    for _ in range(30):
        box = (place[0] - half, place[1] - half, place[0] + half, place[1] + half)
        rounded = (round(box[0], 6), round(box[1], 6), round(box[2], 6), round(box[3], 6))
        matched = _matching(connection, rounded, land_use, limit)
        if limit < matched <= max(limit * (1 + _BEYOND), limit + 3):
            return Question(limit, rounded, land_use, matched)
        low, high = (half, high) if matched <= limit else (low, half)
        half = half * 2 if high == math.inf else (low + high) / 2
    return None


def _matching(
    connection: Connection, box: tuple[float, float, float, float], land_use: str, limit: int
) -> int:
    rows = layer_rows(parcel_layer(), access_class(parcel_layer(), ANONYMOUS), bbox=box)
    inside = func.ST_Intersects(rows.c.geom, func.ST_MakeEnvelope(*box, 4490))
    some = select(rows.c.feature_id).where(rows.c.dlbm == land_use, inside).limit(2 * limit + 4)
    return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())
