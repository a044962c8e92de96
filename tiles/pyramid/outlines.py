"""Outlines in one form, whatever surveyed them.

Two surveys may begin the outline of the same ground at different corners, or go round it the other
way. Some methods of generalisation would make different shapes of it, so areas are brought into
one form before they are compared and before they are generalised.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.definition import LayerDefinition


def in_one_form(layer: LayerDefinition, shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the shapes of a layer; areas that cover the same by the same corners are equal.

    Lines and points stay as they are: a line has a direction.

    Args:
        layer: The layer.
        shapes: shapely geometries, or ``None``.
    """
    if layer.geometry.dimension != 2 or len(shapes) == 0:
        return shapes
    return np.asarray(shapely.normalize(shapes), dtype=object)
