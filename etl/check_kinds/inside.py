"""Features lie inside the area of another layer, and in the one that their code names."""

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field
from sqlalchemy import func, select

from etl.check_kind import CheckKind, Parameters
from etl.check_rows import CheckRows, Numbers
from etl.check_survey import Finding, SurveyView
from etl.faults import Mask
from gis.geometry import Geometries, inner_points
from layers.definition import Bilingual, LayerDefinition


class Inside(Parameters):
    """Each feature's middle lies in one of the areas; with ``code``, in the one of that code."""

    layer: str
    #: The code of an area.
    field: str
    #: Only areas with these values.
    where: dict[str, str] = Field(default_factory=dict)
    #: The field whose first characters are the code of the area that the feature lies in.
    code: str | None = None
    #: How many characters.
    length: int | None = Field(default=None, ge=1)
    #: Features outside all areas are passed over: only the code is checked.
    outside: bool = False

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.code,) if self.code else ()

    def other_fields(self) -> tuple[tuple[str, str], ...]:
        """Return layer and field of what is named there."""
        return ((self.layer, self.field), *((self.layer, name) for name in self.where))


class _Check:
    def __init__(self, parameters: Inside) -> None:
        self._parameters = parameters
        self._areas: Geometries = np.zeros(0, dtype=object)
        self._codes: NDArray[np.object_] = np.zeros(0, dtype=object)
        self._found: list[Finding] = []

    def begin(self, view: SurveyView) -> None:
        """Fetch the areas; they are few."""
        parameters = self._parameters
        if parameters.layer == view.layer.name or view.is_empty(parameters.layer):
            return
        held = view.held(parameters.layer)
        rows = view.fetch(
            select(held.c[parameters.field], func.ST_AsBinary(held.c.geom)).where(
                *(held.c[name] == value for name, value in parameters.where.items())
            )
        )
        self._codes = np.array([row[0] for row in rows], dtype=object)
        self._areas = shapely.from_wkb([bytes(row[1]) for row in rows])
        shapely.prepare(self._areas)

    def look(self, rows: CheckRows) -> None:
        """Place the middles of a batch."""
        if len(self._areas):
            rows.kept[self] = self._area_of(*rows.middles)

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Tell of the rows of a batch that lie elsewhere."""
        if not len(self._areas):
            return
        places = np.flatnonzero(good & rows.present)
        area = rows.kept[self][places]
        wrong = self._wrong(area, places, rows)
        if wrong.any():
            # The middle of a bent shape may lie outside of it.
            inner = inner_points(rows.geometries[places[wrong]])
            area[wrong] = self._area_of(shapely.get_x(inner), shapely.get_y(inner))
            wrong = self._wrong(area, places, rows)
        for entry in np.flatnonzero(wrong).tolist():
            self._tell(int(area[entry]), int(places[entry]), rows)

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        """Return what was found while the rows passed."""
        if not len(self._areas):
            said = f"the layer {self._parameters.layer} has no such area at that date"
            return [Finding(None, f"not checked: {said}")]
        return self._found

    def _area_of(self, x: Numbers, y: Numbers) -> NDArray[np.int64]:
        found = np.full(len(x), -1, dtype=np.int64)
        for number, area in enumerate(self._areas):
            west, south, east, north = area.bounds
            near = np.flatnonzero(
                (found < 0) & (x >= west) & (x <= east) & (y >= south) & (y <= north)
            )
            if len(near):
                hit = shapely.contains_xy(area, x[near], y[near])
                found[near[hit]] = number
        return found

    def _wrong(
        self, area: NDArray[np.int64], places: NDArray[np.int64], rows: CheckRows
    ) -> NDArray[np.bool_]:
        wrong = area < 0
        if self._parameters.outside:
            wrong = np.zeros(len(area), dtype=bool)
        code = self._parameters.code
        if code is None:
            return wrong
        given = rows.texts(code)[places]
        length = self._parameters.length
        start = np.array([text[:length] if text else "" for text in given], dtype=object)
        lies_in = np.append(self._codes, "")[area]
        return np.asarray(wrong | ((area >= 0) & (start != "") & (start != lies_in)), dtype=bool)

    def _tell(self, area: int, place: int, rows: CheckRows) -> None:
        parameters = self._parameters
        number = int(rows.numbers[place])
        if area < 0:
            point = shapely.get_coordinates(inner_points(rows.geometries[[place]]))[0]
            message = (
                f"({point[0]:.6f}, {point[1]:.6f}) lies outside all areas of {parameters.layer}"
            )
        else:
            code = str(parameters.code)
            message = f"{code} = {rows.shown(code, place)}, but it lies in {self._codes[area]}"
        self._found.append(Finding(number, message))


def _make(parameters: Inside, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(
        zh="位于行政区内且编码相符", en="features inside an area, and in the one of their code"
    ),
    Inside,
    _make,
)
