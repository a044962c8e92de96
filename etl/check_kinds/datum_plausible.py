"""Positions fit the map as they are, rather than with the shift of a commercial web map undone."""

from collections.abc import Callable, Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field
from sqlalchemy import func, select

from etl.check_kind import CheckKind, Parameters
from etl.check_rows import CheckRows
from etl.check_survey import Finding, SurveyView
from etl.faults import Mask
from gis.datum_offsets import bd_to_wgs, gcj_to_wgs
from gis.geometry import Geometries
from gis.paths import METRES_A_DEGREE
from layers.definition import Bilingual, LayerDefinition

Array = NDArray[np.float64]

#: Vertices that are looked at in each batch and in all, and features of the map beside them.
_A_BATCH, _IN_ALL, _FEATURES = 500, 5_000, 5_000
#: Fewer vertices than this say nothing.
_FEWEST = 20
#: How far beyond the survey the map is looked at, degrees: more than the largest shift.
_BEYOND = 0.03
#: The map outside China knows no shift (degrees).
_CHINA = (73.0, 3.0, 136.0, 54.0)
_SHIFTS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "GCJ-02": gcj_to_wgs,
    "BD-09": bd_to_wgs,
}


class DatumPlausible(Parameters):
    """Features of ``against`` are where the survey's are, or have their borders in common."""

    against: tuple[str, ...] = Field(min_length=1)
    #: Suspicion begins where undoing a shift brings the median distance below this share.
    share: float = Field(default=0.5, gt=0, lt=1)
    #: Surveys as near to the map as this are right as they are, metres.
    near: float = Field(default=20.0, gt=0)


class _Check:
    def __init__(self, parameters: DatumPlausible) -> None:
        self._parameters = parameters
        self._seen: list[Array] = []

    def begin(self, view: SurveyView) -> None:
        """Nothing is needed before the rows."""

    def look(self, rows: CheckRows) -> None:
        """Nothing is needed out of order."""

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Take a sample of vertices, evenly over the batch."""
        if len(self._seen) * _A_BATCH >= 20 * _IN_ALL:
            return
        # A few rows have vertices enough, wherever they lie in the batch.
        few = good & (np.arange(rows.count) % max(1, rows.count // _A_BATCH) == 0)
        vertices = rows.vertices(few)
        if len(vertices):
            step = max(1, len(vertices) // _A_BATCH)
            # A copy: a view would keep all vertices of the batch.
            self._seen.append(vertices[::step][:_A_BATCH].copy())

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        """Compare how well the sample fits the map as it is and with each shift undone."""
        sample = self._sample()
        if len(sample) < _FEWEST:
            return
        features = [self._features(view, layer, sample) for layer in self._parameters.against]
        known = np.concatenate(features)
        if not len(known):
            return
        lon, lat = sample.T
        parallel = float(np.cos(np.radians(lat.mean())))
        tree = shapely.STRtree(_flat(known, parallel))
        fits = {"": _median_distance(tree, lon, lat, parallel)}
        for name, undo in _SHIFTS.items():
            fits[name] = _median_distance(tree, *undo(lon, lat), parallel)
        as_is, best = fits[""], min(fits, key=lambda name: fits[name])
        if as_is > self._parameters.near and fits[best] < self._parameters.share * as_is:
            against = ", ".join(self._parameters.against)
            yield Finding(
                None,
                f"the positions look like {best}: the median distance of {len(sample)} vertices "
                f"from {against} is {as_is:.0f} m as they are, and {fits[best]:.0f} m if they are "
                f"taken as {best} (--crs {best})",
            )

    def _sample(self) -> Array:
        if not self._seen:
            return np.zeros((0, 2))
        whole = np.concatenate(self._seen)
        sample = whole[:: max(1, len(whole) // _IN_ALL)]
        west, south, east, north = _CHINA
        x, y = sample.T
        return np.asarray(sample[(x > west) & (x < east) & (y > south) & (y < north)])

    def _features(self, view: SurveyView, layer: str, sample: Array) -> Geometries:
        if view.is_empty(layer):
            return np.zeros(0, dtype=object)
        held = view.held(layer)
        low, high = sample.min(axis=0) - _BEYOND, sample.max(axis=0) + _BEYOND
        box = func.ST_MakeEnvelope(*low.tolist(), *high.tolist(), 4490)
        rows = view.fetch(
            select(func.ST_AsBinary(func.ST_Force2D(held.c.geom)))
            .where(held.c.geom.bool_op("&&")(box))
            .limit(_FEATURES)
        )
        shapes = shapely.from_wkb([bytes(row[0]) for row in rows])
        areal = shapely.get_dimensions(shapes) == 2
        shapes[areal] = shapely.boundary(shapes[areal])
        return np.asarray(shapely.get_parts(shapes))


def _flat(shapes: Geometries, parallel: float) -> Geometries:
    scale = np.array([parallel, 1.0]) * METRES_A_DEGREE
    return np.asarray(shapely.transform(shapes, lambda lonlat: lonlat * scale))


def _median_distance(tree: shapely.STRtree, lon: Array, lat: Array, parallel: float) -> float:
    points = shapely.points(lon * parallel * METRES_A_DEGREE, lat * METRES_A_DEGREE)
    _, distances = tree.query_nearest(points, return_distance=True, all_matches=False)
    return float(np.median(distances))


def _make(parameters: DatumPlausible, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="坐标基准可疑（GCJ-02、BD-09 偏移）", en="positions that bear a web map's shift"),
    DatumPlausible,
    _make,
)
