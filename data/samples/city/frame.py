"""The core's own frame: u across the river, v along it, bent so that streets follow the river."""

import numpy as np
import numpy.typing as npt

from city import gazetteer as gaz
from city.noise import Floats, fractal

#: Centre of the surveyed core (EPSG:4547) and half its side, metres.
CENTRE = gaz.metric(114.32, 29.84)
HALF_M = 3000.0
#: Clockwise turn of the along-river axis from north, degrees.
TURN_DEG = -24.0
#: Half width of the river in the core, metres.
RIVER_HALF_M = 38.0


def to_city(u: npt.ArrayLike, v: npt.ArrayLike) -> Floats:
    """Return EPSG:4547 positions (…, 2) of frame coordinates (metres from the core's centre)."""
    across, along = np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(v, np.float64))
    fade = np.exp(-((across / 1500) ** 2))
    bend = 230 * np.sin(along / 820 + 0.5) + 120 * np.sin(along / 370 + 2.1)
    x = across + bend * fade + 95 * fractal(across, along, 1900, 31, 2)
    y = along + 95 * fractal(across, along, 1700, 32, 2) + 0.05 * across * np.sin(along / 1500)
    y = y - across**2 * 2.2e-5 + 160 * (fade - 1) * np.sin(across / 1100)
    angle = np.radians(TURN_DEG)
    east = CENTRE[0] + x * np.cos(angle) + y * np.sin(angle)
    north = CENTRE[1] - x * np.sin(angle) + y * np.cos(angle)
    return np.stack([east, north], axis=-1)


def core_river() -> Floats:
    """Return the Gan river's course through the core (n, 2), from south to north."""
    along = np.arange(-4300.0, 4301.0, 60.0)
    return to_city(0.0, along)
