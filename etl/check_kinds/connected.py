"""The separate parts of a network are listed, class by class."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from etl.check_kind import CheckKind, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.network import NetworkParameters, components, network_of
from layers.definition import Bilingual, LayerDefinition

#: Parts of a class that are listed, smallest first: those are the ones to look at.
_LISTED = 5


class Connected(NetworkParameters):
    """Lines of one value of ``by`` should hang together."""

    by: str

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.by,)


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: Connected

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        by = self.parameters.by
        lines = network_of(view, self.parameters, line_fields=(by,)).lines
        for kind, some in lines.groupby(by):
            codes, names = pd.factorize(pd.concat([some["start"], some["end"]], ignore_index=True))
            first, second = np.split(codes.astype(np.int64), 2)
            part = components(first, second, len(names))[first]
            sizes = pd.Series(part).value_counts()
            if len(sizes) < 2:
                continue
            least = sizes.sort_index().sort_values(kind="stable").head(_LISTED)
            listed = ", ".join(
                f"{size} at {point}"
                for point, size in zip(names[least.index.to_numpy()], least.tolist(), strict=True)
            )
            yield Finding(
                None,
                f"{by} {kind} is in {len(sizes)} separate parts, the largest of {sizes.max()} "
                f"lines; the smallest: {listed}",
            )


def _make(parameters: Connected, layer: LayerDefinition) -> _Check:
    if layer.name != parameters.lines.layer:
        raise ValueError(f"lines are of the layer {parameters.lines.layer}")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="各类管网的连通分量", en="the separate parts of a network"), Connected, _make
)
