"""Boxes that a statement planned once is given as ready geometries, each time it runs.

``ST_MakeEnvelope`` of bound numbers would be a plan of its own at every place it stands in. The
database reads a geometry once, as it comes.
"""

import struct
from typing import Any

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.types import UserDefinedType

from layers.feature_query import BBox

#: EWKB (PostGIS' extension of OGC 06-103r4, 8.2): little-endian, polygon with SRID, one ring of
#: five points.
_HEAD = struct.Struct("<BIIII")
_RING = struct.Struct("<10d")
_POLYGON_WITH_SRID = 0x20000003


class _GeometryText(UserDefinedType[str]):
    """A geometry as the database reads it from text, not as a call of a function on text."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        """Return its name."""
        return "geometry"


def bound_box(name: str) -> BindParameter[Any]:
    """Return the place in a statement of a box that is given later, by ``box_text``."""
    return bindparam(name, None, _GeometryText())


def box_text(bbox: BBox, srid: int) -> str:
    """Return a box as PostGIS reads geometries: EWKB in hexadecimal digits.

    Args:
        bbox: West, south, east, north in the coordinates of ``srid``.
        srid: The EPSG code.
    """
    west, south, east, north = bbox
    head = _HEAD.pack(1, _POLYGON_WITH_SRID, srid, 1, 5)
    ring = _RING.pack(west, south, west, north, east, north, east, south, west, south)
    return (head + ring).hex()
