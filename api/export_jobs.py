"""From a request for features to the job of writing them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from api.errors import InvalidParameter
from api.exporting.format import CRS84 as CRS84_CODE
from api.exporting.format import Column, ExportFormat, ExportJob
from gis.systems import CGCS2000, CRS84, CRS84H, CoordinateSystem, coordinate_systems
from layers.definition import FieldDefinition, LayerDefinition
from layers.feature_query import FeatureQuery
from layers.feature_selection import selected_fields

_OWN = (
    Column("feature_id", "integer", "要素标识", "Feature id"),
    Column("version", "integer", "版本", "Version"),
    Column("valid_from", "datetime", "生效时间", "Valid from"),
    Column("valid_to", "datetime", "失效时间", "Valid to"),
)


def export_job(
    chosen: ExportFormat,
    query: FeatureQuery,
    options: Mapping[str, str],
    asked: CoordinateSystem | None,
    zones: Sequence[int],
) -> tuple[ExportJob, FeatureQuery]:
    """Return the job of writing the features of a query, and the query in the job's system.

    Args:
        chosen: The format.
        query: Which features.
        options: Parameter → value, of those that were given.
        asked: The reference system that was asked for; ``None`` is the format's own.
        zones: EPSG codes of the city's plane systems, the usual one first.

    Raises:
        InvalidParameter: If the format has no such option or reference system.
        UnknownLayer, UnknownField: From the query.
    """
    layer = query.layer
    system = _system(chosen, asked, zones)
    fields = selected_fields(query)
    name = layer.label.zh if layer.label is not None else layer.key[0]
    job = ExportJob(
        format=chosen.name,
        layer=layer.name,
        zh=layer.title.zh,
        en=layer.title.en,
        abstract=f"{layer.abstract.zh}\n{layer.abstract.en}",
        theme=layer.theme.value,
        geometry=layer.geometry.type.value,
        z=layer.geometry.z,
        columns=(*_OWN, *(_column(layer.field(field)) for field in fields)),
        layer_fields=layer.field_names,
        label=name if name in fields else None,
        crs=CRS84_CODE if system in (CRS84, CRS84H) else system.srid,
        north_first=system.north_first,
        with_geometry=query.with_geometry,
        options=_options(chosen, options),
    )
    return job, replace(query, system=system)


def _system(
    chosen: ExportFormat, asked: CoordinateSystem | None, zones: Sequence[int]
) -> CoordinateSystem:
    if asked is not None:
        if chosen.is_fixed_system and asked not in (CRS84, CRS84H):
            raise InvalidParameter(
                f"crs: f={chosen.name} is always in longitude and latitude (CRS84): leave crs out"
            )
        return asked
    if chosen.system == "plane" and zones:
        return next(system for system in coordinate_systems(zones) if system.srid == zones[0])
    return CRS84 if chosen.system == "crs84" else CGCS2000


def _options(chosen: ExportFormat, given: Mapping[str, str]) -> dict[str, str]:
    found = {name: values[0] for name, values in chosen.options.items()}
    for name, text in given.items():
        values = chosen.options.get(name)
        if values is None:
            raise InvalidParameter(f"{name}: means nothing for f={chosen.name}")
        by_name = {value.casefold(): value for value in values}
        if text.casefold() not in by_name:
            raise InvalidParameter(f"{name}: '{text}' is not one of {', '.join(values)}")
        found[name] = by_name[text.casefold()]
    return found


def _column(field: FieldDefinition) -> Column:
    return Column(
        field.name,
        field.type.value,
        field.title.zh,
        field.title.en,
        field.unit,
        field.length,
        field.codes,
    )


def file_name(layer: LayerDefinition, day: str, extension: str) -> tuple[str, str]:
    """Return an export's file name in ASCII and in Chinese."""
    return f"{layer.name}-{day}.{extension}", f"{layer.title.zh}-{day}.{extension}"
