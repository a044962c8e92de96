"""Find out of which edition the codes of a survey are, from the codes themselves."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from etl.columns import texts_of
from etl.plan import ColumnPlan, translated, with_originals
from etl.reader import SourceBatch
from layers.catalogue import Catalogue
from layers.code_list import CodeList
from layers.definition import FieldDefinition, LayerDefinition

#: Share of the rows that must be codes of an edition before it is believed.
_SURE = 0.9


@dataclass(frozen=True)
class Detection:
    """How well code lists fit the values of a column."""

    #: Share of the rows with a value whose value is a code of the list, by list, best first. Lists
    #: that fit equally well stand in the order they were asked for.
    shares: dict[str, float]
    #: Rows with a value.
    rows: int

    @property
    def best(self) -> str | None:
        """The list that fits best, if it fits nearly every row."""
        name = next(iter(self.shares), None)
        return name if name is not None and self.shares[name] >= _SURE else None


def detect(texts: pa.Array, lists: Iterable[CodeList]) -> Detection:
    """Tell how well code lists fit a column.

    Args:
        texts: The values as text; nulls do not count.
        lists: The code lists to try, the likeliest first.
    """
    counted = pc.value_counts(texts.drop_null())
    values, counts = counted.field(0), counted.field(1)
    rows = pc.sum(counts).as_py() or 0
    shares: dict[str, float] = {}
    for codes in lists:
        known = pc.is_in(values, pa.array(list(codes.codes), pa.string()))
        fitting = pc.sum(counts.filter(known)).as_py() or 0
        shares[codes.name] = fitting / rows if rows else 0.0
    return Detection(dict(sorted(shares.items(), key=lambda item: -item[1])), rows)


def editions_of(field: FieldDefinition, catalogue: Catalogue) -> list[CodeList]:
    """Return the code lists a survey may have used for a field: its own and its other editions."""
    if field.codes is None:
        return []
    named = list(field.editions.lists.values()) if field.editions is not None else []
    names = dict.fromkeys([field.codes, *named, *catalogue.translations.into(field.codes)])
    return [catalogue.code_list(name) for name in names if name in catalogue.codes]


def settle(
    layer: LayerDefinition, plans: list[ColumnPlan], batch: SourceBatch, catalogue: Catalogue
) -> tuple[list[ColumnPlan], list[str]]:
    """Look at the first rows for codes of other editions.

    Args:
        layer: The layer to load into.
        plans: Which column fills which field.
        batch: The first rows.
        catalogue: The code lists and translations.

    Returns:
        The plans, with a translation where the layer's definition wants it unasked, and what a
        person should know.
    """
    settled: list[ColumnPlan] = []
    notes: list[str] = []
    for plan in plans:
        lists = editions_of(plan.field, catalogue) if _is_open(plan) else []
        if len(lists) > 1:
            found = detect(texts_of(plan.rule, batch), lists)
            plan, note = _judge(plan, found, catalogue)
            notes += [note] if note is not None else []
        settled.append(plan)
    return with_originals(layer, settled), notes


def _is_open(plan: ColumnPlan) -> bool:
    return plan.rule.column is not None and not plan.rule.codes


def _judge(
    plan: ColumnPlan, found: Detection, catalogue: Catalogue
) -> tuple[ColumnPlan, str | None]:
    field, own = plan.field, str(plan.field.codes)
    if not found.rows:
        return plan, None
    best = found.best
    if best is None or found.shares[best] <= found.shares[own]:
        return plan, _fitting(field, found, catalogue) if found.shares[own] >= _SURE else None
    edition = catalogue.code_list(best)
    told = (
        f"{field.name}: {found.shares[best]:.0%} of its values are codes of {best} "
        f"({edition.scheme}, {edition.edition})"
    )
    wanted = field.editions is not None and field.editions.translate
    if not wanted or field.editions is None or best not in field.editions.lists.values():
        return plan, (
            f"{told}, {found.shares[own]:.0%} of {own}, which the layer wants: "
            f"translate them with codes: {{from: {best}}} in a mapping"
        )
    kept = f"; as surveyed they are in {field.editions.original}" if field.editions.original else ""
    return translated(plan, best, catalogue), f"{told}: translated to {own}{kept}"


def _fitting(field: FieldDefinition, found: Detection, catalogue: Catalogue) -> str | None:
    """Say of which editions the codes are, where the layer says that there are several."""
    if field.editions is None:
        return None
    top = max(found.shares[name] for name in field.editions.lists.values())
    names = [n for n in field.editions.lists.values() if found.shares[n] == top]
    listed = " and ".join(f"{n} ({catalogue.code_list(n).edition})" for n in names)
    return f"{field.name}: {top:.0%} of its values are codes of {listed}"
