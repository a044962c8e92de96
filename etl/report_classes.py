"""Sums by class for a report: how many features of which size changed from what to what."""

import shapely

from gis.geometry import ellipsoidal_area, geodesic_length
from layers.class_changes import anything_compared, class_field, compared_features, first_features
from layers.definition import LayerDefinition
from layers.store import LoadOutcome, LoadSession

#: More features than this are not measured within a load, which would hold the layer for longer:
#: ten thousand changed parcels take about a tenth of a second.
MOST_MEASURED = 20_000


def sum_classes(
    session: LoadSession, layer: LayerDefinition, outcome: LoadOutcome
) -> list[dict[str, object]] | None:
    """Sum up by class what a load has just changed.

    Args:
        session: The load, applied but not yet ended.
        layer: The layer.
        outcome: What it did.

    Returns:
        For each class its number of features and their size on the ellipsoid (m² or m; 0 for
        points) before and after, the greatest first; only of features that changed. ``None``
        where they are too many.
    """
    changed = outcome.added + outcome.changed + outcome.closed
    if changed > MOST_MEASURED:
        return None
    if not changed:
        return []
    if session.fetch(anything_compared()):
        rows = session.fetch(compared_features(layer, session.surveyed))
    else:
        rows = session.fetch(first_features(layer, session.load_id))
    sums: dict[str | None, _Sum] = {}
    for row in rows:
        name = None if row.code is None else str(row.code)
        sums.setdefault(name, _Sum()).add(row.side, row.features, _size(row.geometry, layer))
    by = class_field(layer)
    ordered = sorted(sums.items(), key=lambda entry: -sum(entry[1].size.values()))
    return [{"by": by, "class": name, **entry.as_dict()} for name, entry in ordered]


class _Sum:
    def __init__(self) -> None:
        self.features = {"before": 0, "after": 0}
        self.size = {"before": 0.0, "after": 0.0}

    def add(self, side: str, features: int, size: float) -> None:
        self.features[side] += features
        self.size[side] += size

    def as_dict(self) -> dict[str, object]:
        return {
            "features_before": self.features["before"],
            "features_after": self.features["after"],
            "before": round(self.size["before"], 3),
            "after": round(self.size["after"], 3),
        }


def _size(wkb: bytes | None, layer: LayerDefinition) -> float:
    """Return the size of a collection of features."""
    if wkb is None:
        return 0.0
    parts = shapely.get_parts(shapely.get_parts(shapely.from_wkb(bytes(wkb))))
    measure = ellipsoidal_area if layer.geometry.dimension == 2 else geodesic_length
    return float(measure(parts).sum())
