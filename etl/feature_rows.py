"""GeoJSON features, one after the other, as batches: the memory needed is that of one batch."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import orjson
import pyarrow as pa
import shapely

from etl.reader import RowProblem, SourceBatch

#: A feature, or what is wrong with the text that should be one.
Feature = dict[str, object] | RowProblem


@dataclass
class Columns:
    """The properties that occur in a file, in the order of their first appearance."""

    names: dict[str, None] = field(default_factory=dict)
    features: int = 0

    def see(self, feature: Feature) -> None:
        """Count one feature and note the names of its properties."""
        self.features += 1
        if isinstance(feature, dict):
            properties = feature.get("properties")
            if isinstance(properties, dict):
                self.names.update(dict.fromkeys(properties))


def check_feature(value: object) -> Feature:
    """Return a parsed JSON value as a feature, or say why it is none."""
    if not isinstance(value, dict) or value.get("type") != "Feature":
        return RowProblem("json", "it is not a GeoJSON feature")
    if not isinstance(value.get("properties"), dict | None):
        return RowProblem("json", "its properties are not an object")
    return value


def batches(
    features: Iterable[Feature], columns: tuple[str, ...], batch_rows: int
) -> Iterator[SourceBatch]:
    """Gather features into batches; every attribute becomes text.

    Args:
        features: The features in the order of the file.
        columns: The names of the properties to keep.
        batch_rows: How many make a batch.
    """
    first_row = 1
    waiting: list[Feature] = []
    for feature in features:
        waiting.append(feature)
        if len(waiting) == batch_rows:
            yield _batch(waiting, columns, first_row)
            first_row += len(waiting)
            waiting = []
    if waiting:
        yield _batch(waiting, columns, first_row)


def _batch(features: list[Feature], columns: tuple[str, ...], first_row: int) -> SourceBatch:
    problems = {
        place: feature for place, feature in enumerate(features) if isinstance(feature, RowProblem)
    }
    whole = [{} if isinstance(feature, RowProblem) else feature for feature in features]
    properties = [_properties(feature) for feature in whole]
    arrays = [
        pa.array([_text(entry.get(name)) for entry in properties], pa.string()) for name in columns
    ]
    table = (
        pa.table(arrays, names=list(columns))
        if columns
        else pa.table({"": pa.nulls(len(features))}).select([])
    )
    texts = np.array([_geometry(feature) for feature in whole], dtype=object)
    with np.errstate(invalid="ignore"):
        shapes = shapely.from_geojson(texts, on_invalid="ignore")
    wkb = pa.array(shapely.to_wkb(shapes), pa.binary())
    return SourceBatch(first_row, table, wkb, problems)


def _properties(feature: dict[str, object]) -> dict[str, object]:
    found = feature.get("properties")
    return found if isinstance(found, dict) else {}


def _geometry(feature: dict[str, object]) -> str | None:
    geometry = feature.get("geometry")
    # Numbers may be too large for orjson.
    return None if geometry is None else json.dumps(geometry)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return orjson.dumps(value).decode()
