"""Files that GDAL writes, batch by batch from columns."""

from pathlib import Path

import pyarrow as pa
import pyogrio

from api.exporting.format import GEOMETRY, ExportJob, Rows

_GEOMETRIES = {
    "point": "Point",
    "multipoint": "MultiPoint",
    "linestring": "LineString",
    "multilinestring": "MultiLineString",
    "polygon": "Polygon",
    "multipolygon": "MultiPolygon",
    "geometry": "Unknown",
}


def write_ogr(
    job: ExportJob,
    schema: pa.Schema,
    rows: Rows,
    target: Path,
    driver: str,
    *,
    encoding: str | None = None,
    **options: str,
) -> None:
    """Write rows as the one layer of a file.

    Args:
        job: What they are.
        schema: Their schema; a field's metadata may say GDAL's width, other name and comment.
        rows: The rows.
        target: The file to make.
        driver: GDAL's name of the format.
        encoding: Of texts, where the format does not settle it.
        options: The driver's own, for the layer.
    """
    failures: list[BaseException] = []
    suffix = " Z" if job.z and job.geometry != "geometry" else ""
    try:
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(schema, _watched(rows, schema, failures)),
            target,
            layer=job.layer,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type=_GEOMETRIES[job.geometry] + suffix,
            crs=job.authority,
            encoding=encoding,
            layer_options=options or None,
        )
    except Exception:
        if failures:
            raise failures[0] from None
        raise


def _watched(rows: Rows, schema: pa.Schema, failures: list[BaseException]) -> Rows:
    """Hand on rows; what fails on the way is kept, for GDAL only learns that something did."""
    try:
        for batch in rows:
            yield pa.record_batch(batch.columns, schema=schema)
    except Exception as error:
        failures.append(error)
        raise


def titled(job: ExportJob, schema: pa.Schema) -> pa.Schema:
    """Return the schema with the columns' titles and widths, as GDAL reads them."""
    fields = []
    for column in job.columns:
        field = schema.field(column.name)
        told = {"GDAL:OGR:alternative_name": f"{column.zh} / {column.en}"}
        if column.type == "text" and column.length:
            told["GDAL:OGR:width"] = str(column.length)
        comment = "; ".join(part for part in (column.unit, column.codes) if part)
        if comment:
            told["GDAL:OGR:comment"] = comment
        fields.append(field.with_metadata(told))
    return pa.schema([*fields, schema.field(GEOMETRY)])
