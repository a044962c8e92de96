"""What tables without geometry have instead: coordinates as columns, or as WKT."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from api.exporting.format import GEOMETRY, ExportJob, ExportRefused
from api.exporting.shapes import decimals, shapes_of

#: What a cell of text begins with that a spreadsheet may take for a formula, also in full width.
_FORMULA = "^[=+\\-@\\t\\r\uff1d\uff0b\uff0d\uff20]"
_GUARD = "'"


def form_of(job: ExportJob, usual: str) -> str:
    """Return how the geometry is written: ``xy``, ``wkt`` or ``none``.

    Args:
        job: What is written.
        usual: The form of what is not points, where the request does not say.

    Raises:
        ExportRefused: If lines or areas are wanted as two numbers.
    """
    form = job.options["geometry"] if job.with_geometry else "none"
    if form == "auto":
        return "xy" if job.is_point else usual
    if form == "xy" and not job.is_point:
        raise ExportRefused(f"geometry: '{job.layer}' holds no single points: take wkt or none")
    return form


def axis_names(job: ExportJob) -> tuple[str, ...]:
    """Return the names of coordinate columns, as loads know them."""
    plane = ("lon", "lat") if job.is_geographic else ("x", "y")
    return (*plane, "z") if job.z else plane


def flat_columns(
    job: ExportJob, form: str, batches: Sequence[pa.RecordBatch]
) -> list[tuple[str, pa.Array]]:
    """Return name and values of the columns that stand for the geometry of one batch, if any."""
    names = axis_names(job) if form == "xy" else ("wkt",) if form == "wkt" else ()
    if not batches:
        return [(name, pa.nulls(0)) for name in names]
    wkb = batches[0].column(GEOMETRY)
    if form == "wkt":
        text = shapely.to_wkt(shapes_of(wkb), rounding_precision=decimals(job))
        return [("wkt", pa.array(text, pa.string()))]
    if form == "none":
        return []
    shapes = shapes_of(wkb)
    axes = [shapely.get_x(shapes), shapely.get_y(shapes), shapely.get_z(shapes)]
    # To the last bit: what is loaded from the table is then the same place.
    return [
        (name, pa.array(axis, mask=np.isnan(axis))) for name, axis in zip(names, axes, strict=False)
    ]


def guarded(column: pa.StringArray) -> pa.StringArray:
    """Return texts of which none begins like a formula: those that did have an apostrophe first."""
    odd = pc.match_substring_regex(column, _FORMULA)
    if not pc.any(odd).as_py():
        return column
    return pc.if_else(odd, pc.binary_join_element_wise(_GUARD, column, ""), column)
