"""GeoPackage (OGC 12-128r19), with the columns' titles and a spatial index."""

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyogrio

from api.exporting.format import ExportFormat, ExportJob, Rows, UsualFormat
from api.exporting.ogr import titled, write_ogr
from api.negotiation import Representation


class GeoPackage(UsualFormat):
    """One table, named as the layer; titles stand in ``gpkg_data_columns``."""

    name: str = "gpkg"
    representation: Representation = Representation(
        ("gpkg", "geopackage"), ("application/geopackage+sqlite3",)
    )
    extension: str = "gpkg"

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert isinstance(target, Path)  # noqa: S101 -- it is not streamed
        # Nobody reads it before it is whole: no journal, no waiting for the disk.
        pyogrio.set_gdal_config_options(
            {"OGR_SQLITE_SYNCHRONOUS": "OFF", "OGR_SQLITE_JOURNAL": "OFF"}
        )
        write_ogr(
            job,
            titled(job, schema),
            rows,
            target,
            "GPKG",
            IDENTIFIER=job.title,
            DESCRIPTION=job.abstract,
            GEOMETRY_NAME="geom",
        )


EXPORT: ExportFormat = GeoPackage()
