"""CityJSON 1.0 to 2.0, as one document or as a sequence (CityJSONSeq)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from etl.cityjson import Body, plain
from etl.cityjson_files import CityFile, Found, Survey, open_city_file
from etl.reader import Reader, RowProblem, Source, SourceInfo, SourceOptions
from etl.rows import Row, RowSource
from layers.errors import LoadRefused

_LOOKED_AT = 1 << 16
_SIGNS = (b'"CityJSON', b'"CityObjects"')
_BUILDING = "Building"
#: Columns that are computed, beside the attributes under their own names.
_ANY = {
    "id": pa.string(),
    "z_min": pa.float64(),
    "z_max": pa.float64(),
    "lod": pa.string(),
    "address": pa.string(),
}
#: Those of buildings: number, height above ground, elevation of the ground, storeys above and
#: below it and in all, kind of roof.
_OF_BUILDING = {
    "building_id": pa.string(),
    "jzwgd": pa.float64(),
    "base_elev": pa.float64(),
    "dscs": pa.int64(),
    "dxcs": pa.int64(),
    "zcs": pa.int64(),
    "roof_type": pa.string(),
}
_HEIGHT = ("measuredHeight", "height")
_ROOF = ("roofType", "dak_type", "b3_dak_type")


@dataclass(frozen=True)
class CityJsonReader(Reader):
    """Reads city objects of one type (``Building`` unless ``--source-layer`` says another).

    One row an object, with the footprint of it and its parts as geometry, its attributes as text,
    and for buildings height, ground elevation, storeys and roof. An object whose geometry is
    broken is a row without geometry and with the reason.
    """

    name: str = "CityJSON"
    suffixes: frozenset[str] = frozenset({".json", ".jsonl"})
    priority: int = 10

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Look for CityJSON's own words at both ends; see :class:`etl.reader.Reader`."""
        if path.name.lower().endswith((".city.json", ".city.jsonl")):
            return True
        with path.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
            stream.seek(max(path.stat().st_size - _LOOKED_AT, 0))
            return any(sign in head or sign in tail for tail in [stream.read()] for sign in _SIGNS)

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a CityJSON file; see :class:`etl.reader.Reader`."""
        city = open_city_file(path)
        survey = city.survey()
        kind = _kind(path, survey, options)
        computed = {**_OF_BUILDING, **_ANY} if kind == _BUILDING else _ANY
        taken = {name.casefold() for name in computed}
        own = [name for name in survey.attributes[kind] if name.casefold() not in taken]
        schema = pa.schema([*computed.items(), *((name, pa.string()) for name in own)])
        crs = city.header.crs
        notes = [f"the footprints of {survey.types[kind]} objects of type {kind} are read"]
        if crs is not None:
            notes.append(f"elevations are in the file's own height system ({crs})")
        info = SourceInfo(
            format=self.name,
            layer=kind,
            crs=crs,
            columns=tuple(schema.names),
            features=survey.types[kind],
            notes=tuple(notes),
        )
        yield RowSource(info, _rows(city, kind), schema, options.batch_rows)


def _kind(path: Path, survey: Survey, options: SourceOptions) -> str:
    listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(survey.types.items()))
    if not survey.types:
        raise LoadRefused(f"{path}: holds no city objects")
    if options.layer is not None:
        if options.layer not in survey.types:
            raise LoadRefused(f"{path}: has no objects of type '{options.layer}'; it has {listed}")
        return options.layer
    if _BUILDING in survey.types:
        return _BUILDING
    if len(survey.types) == 1:
        return next(iter(survey.types))
    raise LoadRefused(f"{path}: has objects of several types ({listed}); say --source-layer")


def _rows(city: CityFile, kind: str) -> Iterator[Row]:
    for found in city.objects(kind):
        attributes = found.city_object.get("attributes")
        attributes = attributes if isinstance(attributes, dict) else {}
        values: dict[str, Any] = {name: plain(value) for name, value in attributes.items()}
        values |= _computed(found, attributes, is_building=kind == _BUILDING)
        shape = found.body.footprint if found.body is not None else None
        problem = None
        if found.error is not None:
            problem = RowProblem(found.error.rule, f"{found.identifier}: {found.error}")
        yield Row(values, shape, problem)


def _computed(found: Found, attributes: Mapping[str, Any], *, is_building: bool) -> dict[str, Any]:
    body = found.body or Body(None, np.nan, np.nan, 0.0)
    ground, top = _finite(body.ground), _finite(body.top)
    values: dict[str, Any] = {
        "id": found.identifier,
        "z_min": ground,
        "z_max": top,
        "lod": f"LOD{int(body.lod)}" if found.body is not None else None,
        "address": plain(found.city_object.get("address")),
    }
    if not is_building:
        return values
    measured = next((n for n in map(_number(attributes), _HEIGHT) if n is not None), None)
    above = _number(attributes)("storeysAboveGround")
    below = _number(attributes)("storeysBelowGround")
    rises = top - ground if ground is not None and top is not None and body.lod >= 1 else None
    return values | {
        "building_id": found.identifier,
        "jzwgd": measured if measured is not None else rises,
        "base_elev": ground,
        "dscs": _whole(above),
        "dxcs": _whole(below),
        "zcs": _whole(None if above is None else above + (below or 0)),
        "roof_type": next((plain(attributes[name]) for name in _ROOF if name in attributes), None),
    }


def _number(attributes: Mapping[str, Any]) -> Any:
    """Return a function that gives an attribute as a number, where it is one."""

    def read(name: str) -> float | None:
        value = attributes.get(name)
        if isinstance(value, dict):
            value = value.get("value")
        try:
            return _finite(float(value)) if value is not None else None
        except (TypeError, ValueError):
            return None

    return read


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and value == int(value) else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


READER: Reader = CityJsonReader()
