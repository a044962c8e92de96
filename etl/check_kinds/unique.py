"""Fields that no two features share, beside the business key."""

from collections.abc import Iterable

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field
from sqlalchemy import Subquery, and_, func, or_, select

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_rows import CheckRows, as_mask
from etl.check_survey import Finding, SurveyView
from etl.faults import Mask
from layers.definition import Bilingual, LayerDefinition
from layers.key_hashes import key_hashes


class Unique(Parameters):
    """The fields that together are unique; rows with an empty one are passed over."""

    together: tuple[str, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.together


class _Check(SurveyCheckBase):
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._alone = False
        #: Hashes of the values of the good rows, where the survey stands alone.
        self._hashes: list[NDArray[np.uint64]] = []

    def begin(self, view: SurveyView) -> None:
        """Find out whether the survey stands alone."""
        self._alone = view.full or view.is_empty(view.layer.name)

    def look(self, rows: CheckRows) -> None:
        """Hash the values of a batch, and tell where all are there."""
        if self._alone:
            parts = [rows.values(name) for name in self.names]
            known = np.logical_and.reduce([as_mask(pc.is_valid(part)) for part in parts])
            rows.kept[self] = key_hashes(parts), known

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Remember the values of a batch, 8 bytes a row."""
        if not self._alone:
            return
        if self not in rows.kept:
            self.look(rows)
        hashes, known = rows.kept[self]
        self._hashes.append(hashes[good & known])

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        names, key = self.names, view.layer.key
        if self._alone:
            # Equal values have equal hashes: only then is the database asked.
            hashes = np.sort(np.concatenate(self._hashes)) if self._hashes else np.empty(0)
            if not (hashes[1:] == hashes[:-1]).any():
                return
        state = view.state(view.layer.name, tuple(dict.fromkeys((*names, *key))))
        columns = [state.c[name] for name in names]
        # Counted beside the rows and not joined with their counts: where all values are repeated,
        # and the planner believes in few, a join would compare each with each.
        alike = select(
            state.c.source_row,
            *columns,
            func.concat_ws(", ", *(state.c[name] for name in key)).label("holder"),
            func.count().over(partition_by=columns).label("alike"),
            func.count(state.c.source_row).over(partition_by=columns).label("surveyed"),
        ).where(*(column.is_not(None) for column in columns))
        if not self._alone:
            fresh = self._fresh(view)
            if fresh is None:
                return
            same = and_(*(fresh.c[name] == state.c[name] for name in names))
            alike = alike.join(fresh, same)
        counted = alike.subquery("counted")
        statement = select(
            counted.c.source_row, *(counted.c[name] for name in names), counted.c.holder
        ).where(counted.c.alike > 1, counted.c.surveyed > 0)
        groups: dict[tuple[object, ...], list[tuple[int | None, str]]] = {}
        for row in view.fetch(statement):
            groups.setdefault(tuple(row[1:-1]), []).append((row[0], row[-1]))
        for values, holders in groups.items():
            yield from self._told(values, sorted(holders, key=lambda one: (one[0] or 0, one[1])))

    def _fresh(self, view: SurveyView) -> Subquery | None:
        """Return the values that may be somebody else's too; ``None`` where there are none.

        Only what the survey has can be new; the rest of a large layer need not be sorted.
        """
        stage, held = view.stage, view.held_by_key()
        before = and_(*(stage.c[name] == held.c[name] for name in view.layer.key))
        other = or_(*(stage.c[name].is_distinct_from(held.c[name]) for name in self.names))
        values = select(*(stage.c[name] for name in self.names))
        values = values.select_from(stage.outerjoin(held, before)).where(other)
        # Counted, not looked for: a limit would make the planner walk the whole layer.
        if not view.fetch(select(func.count()).select_from(values.subquery()))[0][0]:
            return None
        return values.distinct().subquery("fresh")

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
