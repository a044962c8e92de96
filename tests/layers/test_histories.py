"""Random histories of surveys, repeats and reverts, against a model of the store in plain Python.

The model keeps, as the store should, what was believed when; it knows nothing of SQL. After each
history the store's rows are the model's, and so is every state: of each day, as believed after
each load.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from layers.access import AccessClass
from layers.definition import LayerDefinition
from layers.errors import LoadStateConflict
from layers.queries import layer_rows
from layers.store import Store
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.surveys import day, load

FOREVER = 10_000
DAYS = range(8)


@dataclass(frozen=True)
class Held:
    """A belief: that a key had a state over some days, held over some loads."""

    key: str
    state: int
    start: int
    end: int
    #: The load whose file said so.
    origin: int
    since: int
    until: int = FOREVER

    @property
    def content(self) -> tuple[str, int, int, int, int]:
        """What is believed, whenever it was recorded."""
        return self.key, self.state, self.start, self.end, self.origin


@dataclass
class Model:
    """What the map holds, and what it ever held."""

    rows: list[Held] = field(default_factory=list)

    def believed(self, tick: int) -> list[Held]:
        """The beliefs after the load of that number."""
        return [row for row in self.rows if row.since <= tick < row.until]

    def survey(self, told: dict[str, int], at: int, tick: int, *, full: bool) -> None:
        """A survey says how things are from a day on."""
        result: list[Held] = []
        surveyed = dict(told)
        for row in self.rows:
            if row.until != FOREVER or not row.start <= at < row.end:
                result.append(row)
                continue
            state = surveyed.pop(row.key, None)
            if state == row.state or (state is None and not full):
                result.append(row)
                continue
            result.append(replace(row, until=tick))
            if row.start < at:
                result.append(replace(row, end=at, since=tick))
            if state is not None:
                result.append(Held(row.key, state, at, row.end, tick, tick))
        for key, state in surveyed.items():
            later = [r.start for r in self.rows if r.key == key and r.until == FOREVER]
            end = min((start for start in later if start > at), default=FOREVER)
            result.append(Held(key, state, at, end, tick, tick))
        self.rows = result

    def revert(self, load: int, tick: int) -> bool:
        """Hold again what was held before a load; false where later loads stand upon it."""
        keys = {row.key for row in self.rows if load in (row.since, row.until)}

        def contents(rows: list[Held]) -> set[tuple[str, int, int, int, int]]:
            return {row.content for row in rows if row.key in keys}

        now = contents(self.believed(tick - 1))
        if now != contents(self.believed(load)):
            return False
        before = contents(self.believed(load - 1))
        self.rows = [
            replace(row, until=tick)
            if row.until == FOREVER and row.content in now - before
            else row
            for row in self.rows
        ]
        self.rows += [Held(*content, tick) for content in before - now]
        return True


SURVEY = st.tuples(
    st.just("survey"),
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3), max_size=5),
    st.integers(0, 6),
    st.booleans(),
)
REPEAT = st.tuples(st.just("repeat"), st.integers(0, 9))
REVERT = st.tuples(st.just("revert"), st.integers(0, 9))
HISTORY = st.lists(SURVEY | REPEAT | REVERT, min_size=1, max_size=9)


@dataclass
class World:
    """A store, the model, and the loads made so far."""

    url: str
    store: Store
    layer: LayerDefinition
    model: Model = field(default_factory=Model)
    #: Number in the model → number in the store, of loads that are done.
    loads: dict[int, int] = field(default_factory=dict)
    surveys: list[tuple[dict[str, int], int, bool]] = field(default_factory=list)
    reverted: dict[int, int] = field(default_factory=dict)
    tick: int = 0

    def do(self, step: tuple[Any, ...]) -> None:
        """Do one thing in the store and in the model."""
        if step[0] == "survey":
            self._survey(*step[1:])
        elif step[0] == "repeat" and self.surveys:
            self._survey(*self.surveys[step[1] % len(self.surveys)])
        elif step[0] == "revert" and self.loads:
            self._revert(sorted(self.loads)[step[1] % len(self.loads)])

    def _survey(self, told: dict[str, int], at: int, full: bool) -> None:
        self.tick += 1
        load(self.store, self.layer, told, day(at), full=full)
        self.loads[self.tick] = _last_load(self.url)
        self.model.survey(told, at, self.tick, full=full)
        self.surveys.append((told, at, full))

    def _revert(self, number: int) -> None:
        self.tick += 1
        possible = number not in self.reverted and self.model.revert(number, self.tick)
        if not possible:
            self.tick -= 1
            with pytest.raises(LoadStateConflict):
                self.store.revert(self.loads[number], "tester", "a test")
            return
        self.store.revert(self.loads[number], "tester", "a test")
        self.loads[self.tick] = _last_load(self.url)
        self.reverted = {a: b for a, b in self.reverted.items() if b != number}
        self.reverted[number] = self.tick


def _last_load(url: str) -> int:
    with connected(url) as connection:
        return int(
            connection.execute(
                text("SELECT max(load_id) FROM onemap.load WHERE status = 'done'")
            ).scalar_one()
        )


def _moments(world: World) -> dict[int, datetime]:
    """Record times of the loads, by their number in the model."""
    with connected(world.url) as connection:
        found = dict(
            connection.execute(text("SELECT load_id, recorded_at FROM onemap.load")).all()  # type: ignore[arg-type]
        )
    return {number: found[load_id] for number, load_id in world.loads.items()}


def _day_of(moment: datetime | float) -> int:
    if not isinstance(moment, datetime):
        return FOREVER
    return (moment.astimezone(UTC) - day(0)).days


def _stored(world: World) -> list[tuple[Any, ...]]:
    """The store's rows as the model writes them, and their ids and versions."""
    ticks = {moment: number for number, moment in _moments(world).items()}
    origins = {load_id: number for number, load_id in world.loads.items()}
    with connected(world.url) as connection:
        found = connection.execute(
            text(
                "SELECT code, floors, valid_from, nullif(valid_to, 'infinity'), load_id,"
                " recorded_from, nullif(recorded_to, 'infinity'), feature_id, version"
                " FROM city.plot"
            )
        ).all()
    return [
        (
            row[0],
            row[1],
            _day_of(row[2]),
            FOREVER if row[3] is None else _day_of(row[3]),
            origins[row[4]],
            ticks[row[5]],
            FOREVER if row[6] is None else ticks[row[6]],
            row[7],
            row[8],
        )
        for row in found
    ]


def _checksum(states: set[tuple[str, int]]) -> str:
    return hashlib.sha256(repr(sorted(states)).encode()).hexdigest()


def _state_of_the_map(world: World, at: int, as_of: datetime) -> str:
    """The checksum of a state, as everybody reads it."""
    access = AccessClass(world.layer.name, world.layer.field_names, None)
    rows = layer_rows(world.layer, access, day(at), as_of)
    found = world.store.fetch(select(rows.c.code, rows.c.floors))
    assert len(found) == len(set(found))
    return _checksum({(row[0], row[1]) for row in found})


def _compare(world: World, asked: int) -> None:
    stored = _stored(world)
    model = [(*row.content, row.since, row.until) for row in world.model.rows]
    assert sorted(row[:7] for row in stored) == sorted(model)
    _ids_are_kept(stored)
    moments = _moments(world)
    places = [(at, tick) for at in DAYS for tick in sorted(moments)]
    # All states are compared row by row above; some are read as everybody reads them.
    for at, tick in places[asked % 7 :: 7]:
        wanted = {
            (row.key, row.state) for row in world.model.believed(tick) if row.start <= at < row.end
        }
        assert _state_of_the_map(world, at, moments[tick]) == _checksum(wanted)
    current = [row for row in world.model.believed(world.tick) if row.end == FOREVER]
    with connected(world.url) as connection:
        kept = connection.execute(text("SELECT current_count FROM onemap.layer")).scalar_one()
    assert kept == len(current)


def _live_through(world: World, history: list[tuple[Any, ...]], asked: int) -> None:
    for step in history:
        world.do(step)
    _compare(world, asked)


def _ids_are_kept(stored: list[tuple[Any, ...]]) -> None:
    ids = {row[0]: row[7] for row in stored}
    assert all(row[7] == ids[row[0]] for row in stored)
    assert len(set(ids.values())) == len(ids)
    # A version stands for one state of a feature; a state that comes back is a new version.
    states: dict[tuple[int, int], tuple[Any, ...]] = {}
    for row in stored:
        assert states.setdefault((row[7], row[8]), (row[1], row[2], row[4])) == (
            row[1],
            row[2],
            row[4],
        )


@pytest.fixture
def world(fresh_database: str) -> Iterator[Callable[[], World]]:
    """A function that begins anew: no rows, no loads."""
    layer = plot_definition()
    store = Store(fresh_database, catalogue_of(layer))
    store.migrate()

    def begin() -> World:
        with connected(fresh_database) as connection:
            connection.execute(text("TRUNCATE city.plot, onemap.load CASCADE"))
            connection.execute(
                text(
                    "UPDATE onemap.layer SET data_version = 0, current_count = 0, west = NULL,"
                    " south = NULL, east = NULL, north = NULL, valid_from = NULL"
                )
            )
        return World(fresh_database, store, layer)

    yield begin
    store.close()


_UNHURRIED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


@settings(max_examples=25, deadline=None, suppress_health_check=_UNHURRIED)
@given(history=HISTORY, asked=st.integers(0, 6))
def test_histories_are_those_of_the_model(
    history: list[tuple[Any, ...]], asked: int, world: Callable[[], World]
) -> None:
    _live_through(world(), history, asked)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=_UNHURRIED)
@given(history=HISTORY, asked=st.integers(0, 6))
def test_five_hundred_histories_are_those_of_the_model(
    history: list[tuple[Any, ...]], asked: int, world: Callable[[], World]
) -> None:
    _live_through(world(), history, asked)
