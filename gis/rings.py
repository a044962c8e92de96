"""Areas from loose rings, as exchange formats of surveys list them."""

from collections.abc import Sequence

import shapely

Ring = Sequence[tuple[float, float]]


class RingError(ValueError):
    """Rings do not make an area."""


def area_of_rings(rings: Sequence[Ring]) -> shapely.Polygon | shapely.MultiPolygon:
    """Make an area of rings whose roles nobody states: within another ring, a ring is a hole.

    A ring within a hole is an island again (even-odd). Touching rings are apart.

    Args:
        rings: Each closed or not, at least three different corners, planar coordinates.

    Returns:
        One polygon, or several where rings lie beside each other. A ring that is alone is not
        checked for crossing itself, so that it can still be repaired.

    Raises:
        RingError: If rings cross each other, or one of several itself; it names the ring by its
            number, counted from 1.
    """
    if len(rings) == 1:
        return shapely.Polygon(rings[0])
    shells = [_polygon(number, ring) for number, ring in enumerate(rings, start=1)]
    depth = [0] * len(shells)
    parent: list[int | None] = [None] * len(shells)
    # From large to small: what holds a ring comes before it, and the closest holder last.
    order = sorted(range(len(shells)), key=lambda place: -shells[place].area)
    for position, place in enumerate(order):
        for other in order[:position]:
            if _holds(shells[other], shells[place], (other + 1, place + 1)):
                depth[place] += 1
                parent[place] = other
    holes: dict[int, list[shapely.LinearRing]] = {}
    for place, outer in enumerate(parent):
        if depth[place] % 2 and outer is not None:
            holes.setdefault(outer, []).append(shells[place].exterior)
    parts = [
        shapely.Polygon(shells[place].exterior, holes.get(place))
        for place in range(len(shells))
        if depth[place] % 2 == 0
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def area_of_signed_rings(
    rings: Sequence[tuple[Ring, bool]],
) -> shapely.Polygon | shapely.MultiPolygon:
    """Make an area of rings that say whether they add area or take it away.

    Args:
        rings: Each with ``True`` for area or ``False`` for a hole; at least three corners each.

    Raises:
        RingError: If there is no area, a hole lies in none, or rings cross.
    """
    if len(rings) == 1 and rings[0][1]:
        return shapely.Polygon(rings[0][0])
    areas = [
        (number, _polygon(number, ring)) for number, (ring, adds) in enumerate(rings, 1) if adds
    ]
    if not areas:
        raise RingError("no ring adds area")
    holes: dict[int, list[shapely.LinearRing]] = {}
    for number, (ring, adds) in enumerate(rings, 1):
        if adds:
            continue
        hole = _polygon(number, ring)
        around = [place for place, (_, area) in enumerate(areas) if area.covers(hole)]
        if not around:
            raise RingError(f"ring {number} is a hole, but lies in no ring that adds area")
        smallest = min(around, key=lambda place: areas[place][1].area)
        holes.setdefault(smallest, []).append(hole.exterior)
    for place, (number, area) in enumerate(areas):
        for other_number, other in areas[place + 1 :]:
            if area.intersects(other) and not area.touches(other):
                raise RingError(f"rings {number} and {other_number} overlap, but both add area")
    parts = [
        shapely.Polygon(area.exterior, holes.get(place)) for place, (_, area) in enumerate(areas)
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _polygon(number: int, ring: Ring) -> shapely.Polygon:
    if len(set(ring)) < 3:
        raise RingError(f"ring {number} has fewer than 3 corners")
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid:
        raise RingError(f"ring {number} crosses itself: {shapely.is_valid_reason(polygon)}")
    return polygon


def _holds(outer: shapely.Polygon, inner: shapely.Polygon, numbers: tuple[int, int]) -> bool:
    if not outer.intersects(inner) or outer.touches(inner):
        return False
    if outer.covers(inner) and outer.area > inner.area:
        return True
    raise RingError(f"rings {min(numbers)} and {max(numbers)} cross or repeat each other")
