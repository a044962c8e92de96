"""Rows of an edit: values as JSON has them, taken strictly by their type, as columns of a layer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from etl.columns import Column, Measure
from etl.convert import ARROW_TYPES, to_text
from etl.prepare import Preparer
from etl.reader import SourceBatch
from gis.crs import ToStorage
from gis.geometry import to_multi
from gis.times import parse_instant
from layers.definition import FieldType, LayerDefinition

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Whole numbers that a column of 64 bits holds, and those that a double tells apart.
_LARGEST, _EXACT = 2**63, 2**53
_LONGEST = 200


#: What GeoJSON leaves of a position, with the error of a transformation there and back, degrees
#: (0.2 mm), and of a height (metres): a geometry that comes back like this has not been moved.
_ROUNDED, _ROUNDED_HEIGHT = 2e-9, 1e-3


@dataclass(frozen=True)
class EditRow:
    """What a feature is to be."""

    #: Its place in what was sent, from 1.
    number: int
    #: Field to value: as JSON has it, or as the database gave it.
    values: dict[str, Any]
    #: WKB, or ``None`` where there is no geometry.
    wkb: bytes | None


@dataclass(frozen=True)
class EditBatch(SourceBatch):
    """Rows of an edit whose columns are the layer's fields already."""

    columns: tuple[Column, ...] = ()


class EditPreparer(Preparer):
    """Checks rows of an edit as rows of a survey are checked."""

    def _columns(self, batch: SourceBatch, measures: Measure) -> list[Column]:
        assert isinstance(batch, EditBatch)  # noqa: S101 -- narrows the type
        return list(batch.columns)


def edit_batch(layer: LayerDefinition, rows: Sequence[EditRow]) -> EditBatch:
    """Return rows as a batch."""
    columns = tuple(_column(layer, name, rows) for name in layer.field_names)
    return EditBatch(
        first_row=rows[0].number,
        attributes=pa.table(
            [column.source for column in columns], names=[column.field.name for column in columns]
        ),
        wkb=pa.array([row.wkb for row in rows], pa.binary()),
        numbers=np.array([row.number for row in rows], dtype=np.int64),
        columns=columns,
    )


def _column(layer: LayerDefinition, name: str, rows: Sequence[EditRow]) -> Column:
    field = layer.field(name)
    given = [row.values.get(name) for row in rows]
    read = [read_value(value, field.type) for value in given]
    values = pa.array([value for value, _ in read], ARROW_TYPES[field.type])
    if field.type is FieldType.TEXT:
        # As in surveys: trimmed, and nothing where nothing is left.
        values = to_text(values)
    source = pa.array([_shown(value) for value in given], pa.string())
    return Column(field, values, np.array([bad for _, bad in read], dtype=bool), source)


def is_unmoved(wkb: bytes | None, held: bytes, way: ToStorage) -> bool:
    """Tell whether a geometry is one that the map holds, as it came back from a client.

    Args:
        wkb: What came.
        held: What the map holds, EPSG:4490.
        way: From the reference system of what came.
    """
    if wkb is None:
        return False
    came, known = shapely.from_wkb([wkb, held], on_invalid="ignore")
    if came is None or shapely.is_empty(came) or shapely.has_z(came) != shapely.has_z(known):
        return False
    points = shapely.get_coordinates(came, include_z=shapely.has_z(came))
    if not np.isfinite(points).all():
        return False
    points[:, 0], points[:, 1] = way(points[:, 0], points[:, 1])
    if not np.isfinite(points).all():
        return False
    pair = np.array([shapely.set_coordinates(came, points), known], dtype=object)
    one, other = shapely.normalize(to_multi(pair))
    if not shapely.equals_exact(one, other, _ROUNDED):
        return False
    low, high = (shapely.get_coordinates(shape, include_z=True)[:, 2] for shape in (one, other))
    return bool(np.allclose(low, high, rtol=0, atol=_ROUNDED_HEIGHT, equal_nan=True))


def read_value(value: Any, kind: FieldType) -> tuple[Any, bool]:
    """Return a JSON value as the type of a field, and whether it is not of that type.

    Values that the database gave pass as they are.
    """
    if value is None:
        return None, False
    found = _READ[kind](value)
    return found, found is None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_LARGEST <= value < _LARGEST else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


_READ = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _moment,
}


def _shown(value: Any) -> str | None:
    return None if value is None else str(value)[:_LONGEST]
