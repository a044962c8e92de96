"""A small map of refused rows over the layer's outlines, as SVG made of numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import cos, floor, log10, radians
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

#: Colours of rules, told apart by colour-blind people too (Okabe and Ito, "Color Universal
#: Design", 2008), the commonest rule first.
PALETTE = ("#d55e00", "#0072b2", "#cc79a7", "#009e73", "#8c6d00", "#56b4e9", "#6a3d9a", "#555555")
WIDTH, HEIGHT = 760, 400
#: Metres of a degree of latitude.
_METRES_A_DEGREE = 111_320.0
_LEAST_DEGREES = 0.0008
_MARGIN = 0.14
#: A shape smaller than this many pixels gets a ring around it.
_SMALL = 9.0
_DIGITS = 1


@dataclass(frozen=True)
class Frame:
    """The part of the world that a picture shows, degrees, longitude first."""

    west: float
    south: float
    east: float
    north: float

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        return self.west, self.south, self.east, self.north


def frame_of(bad_shapes: Sequence[Mapping[str, Any]]) -> Frame | None:
    """Return the frame that holds most refused rows; ``None`` if none has a geometry.

    One row that lies at the other end of the world must not shrink the others to a dot: shapes
    whose middle lies far from the median are left outside.
    """
    boxes = np.array([shapely.bounds(_shape(entry)) for entry in bad_shapes])
    if not len(boxes):
        return None
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    away = np.abs(middle - np.median(middle, axis=0)).max(axis=1)
    near = boxes[away <= max(float(np.median(away)) * 8, 0.02)]
    west, south = (float(value) for value in near[:, :2].min(axis=0))
    east, north = (float(value) for value in near[:, 2:].max(axis=0))
    squeeze = max(cos(radians((south + north) / 2)), 0.05)
    wide = max((east - west) * squeeze, _LEAST_DEGREES)
    high = max(north - south, _LEAST_DEGREES)
    high = max(high, wide * HEIGHT / WIDTH) * (1 + 2 * _MARGIN)
    wide = high * WIDTH / HEIGHT / squeeze
    x, y = (west + east) / 2, (south + north) / 2
    return Frame(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


def draw_map(
    bad_shapes: Sequence[Mapping[str, Any]],
    context: Sequence[bytes],
    colors: Mapping[str, str],
    frame: Frame,
) -> str:
    """Draw refused rows over what the layer holds there.

    Args:
        bad_shapes: ``row``, ``rule`` and ``geometry`` (GeoJSON, EPSG:4490), as reports keep them.
        context: WKB (EPSG:4490) of the layer's features.
        colors: Rule → colour, ``#rrggbb``.
        frame: What to show.

    Returns:
        An ``svg`` element.
    """
    pen = _Pen(frame)
    ground = "".join(
        pen.path(shape, "ctx") for wkb in context if (shape := _clipped(wkb, frame)) is not None
    )
    rows = []
    outside = 0
    box = shapely.box(*frame.bbox)
    for entry in bad_shapes:
        shape = _shape(entry)
        if not shapely.intersects(shapely.envelope(shape), box):
            outside += 1
            continue
        color = colors.get(str(entry["rule"]), PALETTE[-1])
        title = f"<title>{int(entry['row'])}: {escape(str(entry['rule']))}</title>"
        drawn = pen.path(shape, "bad") + pen.ring(shape)
        rows.append(f'<g style="--c:{color}">{title}{drawn}</g>')
    told = (
        f'<text x="{WIDTH - 10}" y="18" text-anchor="end" class="away">'
        f"+{outside} 在图外 / outside the picture</text>"
        if outside
        else ""
    )
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="map of refused rows"><rect width="{WIDTH}" height="{HEIGHT}" class="sea"/>'
        f"{ground}{''.join(rows)}{pen.scale_bar()}{pen.corners()}{told}</svg>"
    )


class _Pen:
    """Turns degrees into pixels."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._x = WIDTH / (frame.east - frame.west)
        self._y = HEIGHT / (frame.north - frame.south)

    def _pixels(self, lonlat: np.ndarray) -> np.ndarray:
        x = (lonlat[:, 0] - self._frame.west) * self._x
        y = (self._frame.north - lonlat[:, 1]) * self._y
        return np.column_stack([np.clip(x, -1e5, 1e5), np.clip(y, -1e5, 1e5)]).round(_DIGITS)

    def path(self, shape: BaseGeometry, kind: str) -> str:
        """Return a shape as a path, points as dots."""
        dots, lines = [], []
        for part in shapely.get_parts(shapely.get_parts(shape)):
            if part.is_empty:
                continue
            if part.geom_type == "Point":
                x, y = self._pixels(shapely.get_coordinates(part))[0]
                dots.append(f'<circle cx="{x:g}" cy="{y:g}" r="{4 if kind == "bad" else 1.6}"/>')
                continue
            rings = shapely.get_rings(part) if part.geom_type == "Polygon" else [part]
            for ring in rings:
                pixels = self._pixels(shapely.get_coordinates(ring))
                steps = " ".join(f"{x:g},{y:g}" for x, y in pixels.tolist())
                lines.append(f"M{steps}{'Z' if part.geom_type == 'Polygon' else ''}")
        area = "a" if int(shapely.get_dimensions(shape)) == 2 else "l"
        drawn = f'<path class="{kind} {area}" d="{"".join(lines)}"/>' if lines else ""
        return drawn + (f'<g class="{kind} p">{"".join(dots)}</g>' if dots else "")

    def ring(self, shape: BaseGeometry) -> str:
        """Return a ring around a shape that is too small to be seen."""
        west, south, east, north = shapely.bounds(shape)
        size = max((east - west) * self._x, (north - south) * self._y)
        if size >= _SMALL:
            return ""
        x, y = self._pixels(np.array([[(west + east) / 2, (south + north) / 2]]))[0]
        return f'<circle class="ring" cx="{x:g}" cy="{y:g}" r="8"/>'

    def scale_bar(self) -> str:
        """Return a bar of a round number of metres."""
        metres_a_pixel = _METRES_A_DEGREE / self._y
        wanted = metres_a_pixel * 150
        step = 10.0 ** floor(log10(wanted))
        metres = next(step * n for n in (5, 2, 1) if step * n <= wanted)
        pixels = metres / metres_a_pixel
        told = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
        y = HEIGHT - 14
        return (
            f'<path class="bar" d="M14,{y - 5}v5h{pixels:.1f}v-5"/>'
            f'<text x="{20 + pixels:.1f}" y="{y}" class="note">{told}</text>'
        )

    def corners(self) -> str:
        """Return the coordinates of two corners."""
        frame = self._frame
        return (
            f'<text x="10" y="18" class="note">{frame.west:.4f}°E {frame.north:.4f}°N</text>'
            f'<text x="{WIDTH - 10}" y="{HEIGHT - 14}" text-anchor="end" class="note">'
            f"{frame.east:.4f}°E {frame.south:.4f}°N</text>"
        )


def _shape(entry: Mapping[str, Any]) -> BaseGeometry:
    geometry = entry["geometry"]
    return shapely.geometry.shape(geometry)


def _clipped(wkb: bytes, frame: Frame) -> BaseGeometry | None:
    shape = shapely.force_2d(shapely.from_wkb(wkb))
    shape = shapely.clip_by_rect(shape, *frame.bbox) if shape.geom_type != "Point" else shape
    return None if shape.is_empty else shape
