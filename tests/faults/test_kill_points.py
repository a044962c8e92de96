"""Whatever dies while something is loaded: the map is as it was, and a second try succeeds.

Here the process of a load, a repair or a taking back is killed (``kill -9``) at the points of
``points.py``. Kills while the database works on a statement, and of its session, are in
``tests/cli/test_kill_points.py``; of workers in ``tests/cli/test_worker.py``.
"""

from pathlib import Path

import pytest

from layers.catalogue import Catalogue
from tests.database import copied_database
from tests.faults.conftest import Templates, Undisturbed
from tests.faults.points import KILL_POINTS, KillPoint
from tests.faults.trial import kill

MARKED = [
    pytest.param(point, id=point.id, marks=[] if point.quick else [pytest.mark.slow])
    for point in KILL_POINTS
]


@pytest.mark.parametrize("point", MARKED)
def test_a_kill_leaves_the_map_as_it_was(
    point: KillPoint,
    cluster: str,
    templates: Templates,
    undisturbed: Undisturbed,
    catalogue: Catalogue,
    surveys: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    with copied_database(cluster, templates.before(point.path)) as url:
        outcome = kill(point, url, catalogue, surveys, tmp_path)
    assert outcome.faults(point, undisturbed(point.path)) == []
    if point.path in ("first", "wide"):
        # What is sorted on disk has no name there, and goes with its process.
        assert outcome.left == []


def test_every_kind_of_load_is_killed_at_several_points() -> None:
    paths = [point.path for point in KILL_POINTS if not point.done]
    assert {path: paths.count(path) for path in paths} == {
        "first": 14, "wide": 9, "again": 14, "packed": 2, "repair": 4, "revert": 5,
    }  # fmt: skip
