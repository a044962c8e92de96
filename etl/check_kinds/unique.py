"""Fields that no two features share, beside the business key."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field
from sqlalchemy import and_, func, select

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from layers.definition import Bilingual, LayerDefinition


class Unique(Parameters):
    """The fields that together are unique; rows with an empty one are passed over."""

    together: tuple[str, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.together


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    names: tuple[str, ...]

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        names, key = self.names, view.layer.key
        state = view.state(view.layer.name, tuple(dict.fromkeys((*names, *key))))
        columns = [state.c[name] for name in names]
        # Only what the survey has can be new; the rest of a large layer need not be sorted.
        fresh = select(*(view.stage.c[name] for name in names)).distinct().subquery("fresh")
        repeated = (
            select(*columns)
            .join(fresh, and_(*(fresh.c[name] == state.c[name] for name in names)))
            .group_by(*columns)
            .having(and_(func.count() > 1, func.count(state.c.source_row) > 0))
            .subquery("repeated")
        )
        statement = select(
            state.c.source_row, *columns, func.concat_ws(", ", *(state.c[name] for name in key))
        ).join(repeated, and_(*(repeated.c[name] == state.c[name] for name in names)))
        groups: dict[tuple[object, ...], list[tuple[int | None, str]]] = {}
        for row in view.fetch(statement):
            groups.setdefault(tuple(row[1:-1]), []).append((row[0], row[-1]))
        for values, holders in groups.items():
            yield from self._told(values, sorted(holders, key=lambda one: (one[0] or 0, one[1])))

    def _told(
        self, values: tuple[object, ...], holders: list[tuple[int | None, str]]
    ) -> Iterable[Finding]:
        said = ", ".join(
            f"{name} = {value}" for name, value in zip(self.names, values, strict=True)
        )
        for place, (row, _) in enumerate(holders):
            if row is not None:
                other = holders[1 if place == 0 else 0][1]
                yield Finding(row, f"{said} is also that of {other}")


def _make(parameters: Unique, layer: LayerDefinition) -> _Check:
    return _Check(parameters.together)


KIND = CheckKind(Bilingual(zh="字段值唯一", en="fields that no two features share"), Unique, _make)
