"""Sums by class for a report: how many features of which size changed from what to what."""

from layers.class_changes import class_changes, class_field
from layers.definition import LayerDefinition
from layers.store import LoadOutcome, LoadSession

#: More features than this are not measured within a load: it would hold the layer for seconds.
MOST_MEASURED = 100_000


def sum_classes(
    session: LoadSession, layer: LayerDefinition, outcome: LoadOutcome
) -> list[dict[str, object]] | None:
    """Sum up by class what a load has just changed.

    Args:
        session: The load, applied but not yet ended.
        layer: The layer.
        outcome: What it did.

    Returns:
        For each class its number of features and their size (m² or m) before and after, the
        greatest first; only of features that changed. ``None`` where they are too many.
    """
    changed = outcome.added + outcome.changed + outcome.closed
    if changed > MOST_MEASURED:
        return None
    if not changed:
        return []
    rows = session.fetch(class_changes(layer, first=False))
    if not rows:
        # The layer held nothing, so that nothing was compared.
        rows = session.fetch(class_changes(layer, first=True))
    sums: dict[str | None, dict[str, object]] = {}
    for row in rows:
        side, code, features, size = tuple(row)
        name = None if code is None else str(code)
        entry = sums.setdefault(
            name,
            {"class": name, "features_before": 0, "features_after": 0, "before": 0.0, "after": 0.0},
        )
        entry[f"features_{side}"] = int(features)
        entry[side] = round(float(size or 0.0), 3)
    by = class_field(layer)
    ordered = sorted(
        sums.values(), key=lambda entry: -float(str(entry["after"])) - float(str(entry["before"]))
    )
    return [{"by": by, **entry} for entry in ordered]
