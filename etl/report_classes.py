"""Sums by class for a report: how many features of which size changed from what to what."""

import numpy as np
import shapely

from gis.geometry import ellipsoidal_area, geodesic_length
from layers.class_changes import anything_compared, class_field, compared_features, first_features
from layers.definition import LayerDefinition
from layers.store import LoadOutcome, LoadSession

#: More features than this are not measured within a load: half a second that it would hold the
#: layer longer.
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
    shapes = shapely.from_wkb(
        [None if row.geometry is None else bytes(row.geometry) for row in rows]
    )
    sizes = _sizes(np.asarray(shapes, dtype=object), layer)
    for row, size in zip(rows, sizes.tolist(), strict=True):
        name = None if row.code is None else str(row.code)
        sums.setdefault(name, _Sum()).add(row.side, size)
    by = class_field(layer)
    ordered = sorted(sums.items(), key=lambda entry: -sum(entry[1].size.values()))
    return [{"by": by, "class": name, **entry.as_dict()} for name, entry in ordered]


class _Sum:
    def __init__(self) -> None:
        self.features = {"before": 0, "after": 0}
        self.size = {"before": 0.0, "after": 0.0}

    def add(self, side: str, size: float) -> None:
        self.features[side] += 1
        self.size[side] += size

    def as_dict(self) -> dict[str, object]:
        return {
            "features_before": self.features["before"],
            "features_after": self.features["after"],
            "before": round(self.size["before"], 3),
            "after": round(self.size["after"], 3),
        }


def _sizes(shapes: np.ndarray, layer: LayerDefinition) -> np.ndarray:
    sizes = np.zeros(len(shapes))
    present = ~shapely.is_missing(shapes)
    if present.any() and layer.geometry.dimension:
        measure = ellipsoidal_area if layer.geometry.dimension == 2 else geodesic_length
        sizes[present] = measure(shapely.force_2d(shapes[present]))
    return sizes
