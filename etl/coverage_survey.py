"""Overlaps and gaps that a survey would bring into a layer that covers the ground."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from etl.check_rows import CheckRows
from etl.check_survey import Finding, SurveyView
from etl.faults import Mask
from etl.survey_pairs import overlapping
from etl.survey_places import (
    Near,
    held_near,
    moved_shapes,
    remaining_near,
    staged_near,
    staged_shapes,
)
from gis.coverage import (
    Faces,
    Meet,
    PlacedSides,
    SideLedger,
    Sides,
    faces_of,
    left_over,
    mean_width,
    place,
    sides_of,
)
from gis.geometry import Geometries, ellipsoidal_area
from gis.paths import paths_of
from layers.errors import LoadRefused

#: Sides without counterpart from which on the plane is not divided by them any more.
_MOST_SIDES = 600_000
#: Rows near overlaps that are looked at; more of them is a file that lies twice upon itself.
_MOST_NEAR = 200_000
#: Overlaps that are named in a message, largest first.
_NAMED = 3


@dataclass
class Conflicts:
    """What is wrong with a coverage."""

    #: Row of the survey to what it overlaps: key of the other to m².
    overlaps: dict[int, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    #: Row of the survey, m² and the place of a gap beside it.
    gaps: list[tuple[int, float, tuple[float, float]]] = field(default_factory=list)
    #: What could not be looked at.
    note: str | None = None

    def overlap_findings(self) -> list[Finding]:
        """Return the overlaps as findings, one a row."""
        found = []
        for row, others in sorted(self.overlaps.items()):
            largest = sorted(others.items(), key=lambda entry: (-round(entry[1], 2), entry[0]))
            named = ", ".join(f"{key} ({area:.2f} m2)" for key, area in largest[:_NAMED])
            more = f" and {len(largest) - _NAMED} more" if len(largest) > _NAMED else ""
            found.append(Finding(row, f"overlaps {named}{more}"))
        return found

    def gap_findings(self) -> list[Finding]:
        """Return the gaps as findings, each at a row beside it."""
        found = [
            Finding(row, f"beside it {area:.1f} m2 are not covered, near ({lon:.6f}, {lat:.6f})")
            for row, area, (lon, lat) in self.gaps
        ]
        return found if self.note is None else [*found, Finding(None, self.note)]


class CoverageSurvey:
    """Watches the areas of a survey pass, and finds what overlaps or is left open.

    A survey of an empty layer, and a full one, stands alone: its sides are taken in while it
    passes. A partial one is compared with what it replaces: only areas that are new or have moved
    can bring in a conflict, and their sides are read when all rows are staged.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._name = ("coverage", tolerance)
        self._ledger = SideLedger()
        self._alone = False
        self._seen = -1
        self._see: Callable[[CheckRows, Mask], None] | None = None
        self._left: Sides | None = None
        self._conflicts: Conflicts | None = None

    def begin(self, view: SurveyView) -> None:
        """Find out whether the survey stands alone."""
        self._alone = view.full or view.is_empty(view.layer.name)

    @property
    def alone(self) -> bool:
        """Whether the survey is looked at by itself, as it passes."""
        return self._alone

    def tell_meetings(self, see: Callable[[CheckRows, Mask], None], meet: Meet) -> None:
        """Tell of rows that meet along a side, where the survey stands alone.

        Args:
            see: Is shown each batch before its sides are taken in.
            meet: Is told which rows meet; all of them were shown.
        """
        self._see = see
        self._ledger.meet = meet

    def finish(self) -> None:
        """Let all sides that wait find each other; the survey cannot be watched any more."""
        if self._left is None:
            self._left = self._ledger.close()

    def look(self, rows: CheckRows) -> None:
        """Work out which sides of a batch do not cancel among themselves."""
        if self._alone and self._name not in rows.kept:
            sides = sides_of(rows.paths, rows.numbers, self._tolerance)
            rows.kept[self._name] = (sides, *self._cancelled(sides))

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Take in the sides of a batch; a second call for the same batch does nothing."""
        first = int(rows.numbers[0]) if rows.count else self._seen
        if not self._alone or first == self._seen:
            return
        self._seen = first
        if self._see is not None:
            self._see(rows, good)
        self.look(rows)
        sides, rest, meetings = rows.kept[self._name]
        if not good.all():
            kept = np.isin(sides.rows, rows.numbers[good])
            rest, meetings = self._cancelled(Sides(sides.hashes[kept], sides.codes[kept]))
        if self._ledger.meet is not None:
            for one, other in meetings:
                self._ledger.meet(one, other)
        self._ledger.take(rest)

    def _cancelled(
        self, sides: Sides
    ) -> tuple[Sides, list[tuple[NDArray[np.int64], NDArray[np.int64]]]]:
        """Return the sides left over, and which rows meet where sides cancelled."""
        meetings: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        wanted = self._ledger.meet is not None
        rest = left_over(sides, (lambda *rows: meetings.append(rows)) if wanted else None)
        return rest, meetings

    def conflicts(self, view: SurveyView) -> Conflicts:
        """Return what is wrong; computed once.

        Raises:
            LoadRefused: If the survey lies upon itself as a whole.
        """
        if self._conflicts is None:
            self._conflicts = self._found(view)
        return self._conflicts

    def _found(self, view: SurveyView) -> Conflicts:
        if not self._alone:
            for numbers, new, old in moved_shapes(view):
                self._add(numbers, new, against=False)
                known = ~shapely.is_missing(old)
                self._add(numbers[known], old[known], against=True)
        self.finish()
        left = self._left
        if left is None or not len(left):
            return Conflicts()
        if len(left) > _MOST_SIDES:
            return _pair_by_pair(view, self._tolerance)
        placed = self._placed(view, left)
        faces = faces_of(placed)
        conflicts = Conflicts()
        wide = faces.width > self._tolerance
        if self._alone:
            over = faces.geometries[wide & (faces.count >= 2)]
            _overlap_among_staged(conflicts, over, staged_of(view, over), self._tolerance)
            gaps = faces.geometries[wide & (faces.count <= 0)]
        else:
            self._overlaps_with_others(view, faces, wide, conflicts)
            gaps = self._still_open(view, faces.geometries[wide & (faces.count <= -1)])
        _tell_gaps(conflicts, gaps, placed)
        return conflicts

    def _add(self, numbers: NDArray[np.int64], shapes: Geometries, *, against: bool) -> None:
        self._ledger.add(sides_of(paths_of(shapes), numbers, self._tolerance, against=against))

    def _placed(self, view: SurveyView, left: Sides) -> PlacedSides:
        rows = np.unique(left.rows)
        parts: list[PlacedSides] = []
        if self._alone:
            for numbers, shapes in staged_shapes(view, rows):
                parts.append(place(paths_of(shapes), numbers, left, self._tolerance))
        else:
            for numbers, new, old in moved_shapes(view, rows):
                known = ~shapely.is_missing(old)
                for some, shapes, against in (
                    (numbers, new, False),
                    (numbers[known], old[known], True),
                ):
                    paths = paths_of(shapes)
                    parts.append(place(paths, some, left, self._tolerance, against=against))
        return PlacedSides(
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.rows for part in parts]),
        )

    def _overlaps_with_others(
        self, view: SurveyView, faces: Faces, wide: Mask, conflicts: Conflicts
    ) -> None:
        """Find overlaps where the survey put more areas than there were before."""
        more = faces.geometries[wide & (faces.count >= 1)]
        twice = faces.geometries[wide & (faces.count >= 2)]
        near = held_near(view, more)
        pieces = shapely.intersection(near.geometries, more[near.place])
        touched = mean_width(pieces) > self._tolerance
        pieces = pieces[touched]
        others = near.source_row[touched] < 0
        keys = [key for key, hit in zip(near.key, touched.tolist(), strict=True) if hit]
        held = near.geometries[touched]
        staged = staged_of(view, pieces)
        clips = shapely.intersection(staged.geometries, pieces[staged.place])
        hit = np.flatnonzero((mean_width(clips) > self._tolerance) & others[staged.place])
        place_of = staged.place[hit]
        shared = shapely.intersection(staged.geometries[hit], held[place_of])
        for entry, at, area in zip(
            hit.tolist(), place_of.tolist(), ellipsoidal_area(shared).tolist(), strict=True
        ):
            conflicts.overlaps[int(staged.source_row[entry])][keys[at]] = area
        replaced = pieces[~others]
        both = np.concatenate([twice, replaced])
        _overlap_among_staged(conflicts, both, staged_of(view, both), self._tolerance)

    def _still_open(self, view: SurveyView, faces: Geometries) -> Geometries:
        """Return what no area covers of places that fewer areas cover than before."""
        if not len(faces):
            return faces
        open_ = faces.copy()
        for near in (remaining_near(view, faces), staged_of(view, faces)):
            for face in np.unique(near.place).tolist():
                cover = shapely.union_all(near.geometries[near.place == face])
                open_[face] = shapely.difference(open_[face], cover)
        parts = shapely.get_parts(open_)
        parts = parts[shapely.get_dimensions(parts) == 2]
        return np.asarray(parts[mean_width(parts) > self._tolerance])


def coverage_of(view: SurveyView, tolerance: float) -> CoverageSurvey:
    """Return the coverage that all checks of a load with one tolerance look at together."""
    name = ("coverage", tolerance)
    if name not in view.shared:
        view.shared[name] = CoverageSurvey(tolerance)
        view.shared[name].begin(view)
    found: CoverageSurvey = view.shared[name]
    return found


class CoverageCheck:
    """What the checks of overlaps and of gaps share: they look at one coverage together."""

    def __init__(self, tolerance: float) -> None:
        """Make the check.

        Args:
            tolerance: Overlaps and gaps not wider than this are none, metres.
        """
        self._tolerance = tolerance
        self._coverage: CoverageSurvey | None = None

    def begin(self, view: SurveyView) -> None:
        """Get ready."""
        self._coverage = coverage_of(view, self._tolerance)

    def look(self, rows: CheckRows) -> None:
        """Look at a batch."""
        if self._coverage is not None:
            self._coverage.look(rows)

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """See a batch pass."""
        if self._coverage is not None:
            self._coverage.watch(rows, good)

    def conflicts(self, view: SurveyView) -> Conflicts:
        """Return what is wrong."""
        if self._coverage is None:
            return Conflicts()
        return self._coverage.conflicts(view)


def staged_of(view: SurveyView, places: Geometries) -> Near:
    """Return the staged rows near places.

    Raises:
        LoadRefused: If there are so many that the survey must lie upon itself as a whole.
    """
    if not len(places):
        return Near(np.zeros(0, np.int64), np.zeros(0, np.int64), [], np.zeros(0, object))
    near = staged_near(view, places, _MOST_NEAR)
    if len(near.key) > _MOST_NEAR:
        area = float(ellipsoidal_area(places).sum()) / 1e6
        raise LoadRefused(
            f"the survey overlaps itself over {area:.3g} km2: is everything in it twice?"
        )
    return near


def _overlap_among_staged(
    conflicts: Conflicts, places: Geometries, near: Near, tolerance: float
) -> None:
    """Note which staged rows share a place."""
    if not len(near.key):
        return
    clips = shapely.intersection(near.geometries, places[near.place])
    order = np.argsort(near.place, kind="stable")
    borders = np.flatnonzero(np.diff(near.place[order])) + 1
    for group in np.split(order, borders):
        tree = shapely.STRtree(clips[group])
        first, second = tree.query(clips[group])
        keep = first < second
        a, b = group[first[keep]], group[second[keep]]
        hit = mean_width(shapely.intersection(clips[a], clips[b])) > tolerance
        a, b = a[hit], b[hit]
        areas = ellipsoidal_area(shapely.intersection(near.geometries[a], near.geometries[b]))
        for one, other, area in zip(a.tolist(), b.tolist(), areas.tolist(), strict=True):
            conflicts.overlaps[int(near.source_row[one])][near.key[other]] = area
            conflicts.overlaps[int(near.source_row[other])][near.key[one]] = area


def _tell_gaps(conflicts: Conflicts, gaps: Geometries, placed: PlacedSides) -> None:
    if not len(gaps):
        return
    sides = np.asarray(shapely.linestrings(placed.ends.reshape(-1, 2, 2)))
    nearest = shapely.STRtree(sides).nearest(shapely.boundary(gaps))
    areas = ellipsoidal_area(gaps)
    middles = shapely.get_coordinates(shapely.point_on_surface(gaps))
    for row, area, middle in zip(
        placed.rows[nearest].tolist(), areas.tolist(), middles.tolist(), strict=True
    ):
        conflicts.gaps.append((row, area, (middle[0], middle[1])))


def _pair_by_pair(view: SurveyView, tolerance: float) -> Conflicts:
    """Compare every two areas whose boxes meet: where neighbours do not share their vertices."""
    conflicts = Conflicts()
    for pair in overlapping(view, view.layer.name, tolerance):
        conflicts.overlaps[pair.source_row][pair.other_key] = pair.area
        if pair.other_row is not None:
            conflicts.overlaps[pair.other_row][pair.key] = pair.area
    conflicts.note = (
        "gaps were not looked for: neighbours do not share their vertices, on more than "
        f"{_MOST_SIDES} sides"
    )
    return conflicts
