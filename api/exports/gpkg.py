"""GeoPackage (OGC 12-128r19), with the columns' titles and a spatial index."""

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyogrio

from api.exporting.format import NO_OPTIONS, ExportFormat, ExportJob, OwnSystem, Rows
from api.exporting.ogr import titled, write_ogr
from api.negotiation import Representation


class GeoPackage:
    """One table, named as the layer; titles stand in ``gpkg_data_columns``."""

    name: str = "gpkg"
    representation: Representation = Representation(
        ("gpkg", "geopackage"), ("application/geopackage+sqlite3",)
    )
    extension: str = "gpkg"
    is_streamed: bool = False
    system: OwnSystem = "cgcs2000"
    is_fixed_system: bool = False
    most: int | None = None
    options: Mapping[str, tuple[str, ...]] = NO_OPTIONS

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
