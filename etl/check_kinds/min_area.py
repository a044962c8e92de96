"""Areas not smaller than their class allows, computed on the ellipsoid."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class MinArea(Parameters):
    """The least area in m², by the longest beginning of a code that is listed."""

    default: float = Field(gt=0)
    #: The field with the class; without one ``default`` holds for all.
    by: str | None = None
    #: Code, or the beginning of codes, to m².
    classes: dict[str, float] = Field(default_factory=dict)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.by,) if self.by else ()

    def least(self, code: str | None) -> float:
        """Return the least area of a class, m²."""
        for end in range(len(code or ""), 0, -1):
            if (code or "")[:end] in self.classes:
                return self.classes[(code or "")[:end]]
        return self.default


@dataclass(frozen=True)
class _Check:
    parameters: MinArea

    def breaches(self, rows: CheckRows) -> Breach:
        by = self.parameters.by
        least = np.full(rows.count, self.parameters.default)
        if by is not None:
            coded = rows.text(by).dictionary_encode()
            limits = [self.parameters.least(code) for code in coded.dictionary.to_pylist()]
            places = coded.indices.fill_null(len(limits)).to_numpy(zero_copy_only=False)
            least = np.array([*limits, self.parameters.default])[places]

        def describe(row: int) -> str:
            of = f" of {by} {rows.shown(by, row)}" if by else ""
            return f"the area is {rows.area[row]:.2f} m2; the least{of} is {least[row]:g} m2"

        return Breach(rows.area < least, describe)


def _make(parameters: MinArea, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension != 2:
        raise ValueError("only layers of areas have a least area")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="最小上图面积", en="areas not too small for their class"), MinArea, _make
)
