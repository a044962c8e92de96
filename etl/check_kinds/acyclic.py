"""References within a layer that never lead back to where they began."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from layers.definition import Bilingual, LayerDefinition

#: Links of a circle that a message shows.
_SHOWN = 6


class Acyclic(Parameters):
    """``parent`` names the feature above by its ``key``."""

    parent: str
    key: str

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.parent, self.key)


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: Acyclic

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        key, parent = self.parameters.key, self.parameters.parent
        state = view.state(view.layer.name, (key, parent))
        statement = select(state.c.source_row, state.c[key], state.c[parent]).where(
            state.c[parent].is_not(None), state.c[parent] != ""
        )
        rows = view.fetch(statement)
        above = {row[1]: row[2] for row in rows}
        row_of = {row[1]: row[0] for row in rows}
        for circle in _circles(above):
            shown = " → ".join(str(one) for one in [*circle[:_SHOWN], circle[0]])
            for member in circle:
                if row_of[member] is not None:
                    yield Finding(row_of[member], f"{parent} leads round in a circle: {shown}")


def _circles(above: dict[object, object]) -> Iterable[list[object]]:
    """Give the circles of a graph in which each node has at most one link."""
    state: dict[object, int] = {}
    for number, start in enumerate(above):
        way: list[object] = []
        node = start
        while node in above and node not in state:
            state[node] = number
            way.append(node)
            node = above[node]
        if node in above and state[node] == number:
            yield way[way.index(node) :]


def _make(parameters: Acyclic, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="引用不成环", en="references that do not run in a circle"), Acyclic, _make
)
