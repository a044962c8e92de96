"""FlatGeobuf 3, with its packed Hilbert R-tree where every feature has a geometry."""

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from api.exporting.format import ExportFormat, ExportJob, Rows, UsualFormat
from api.exporting.ogr import titled, write_ogr
from api.negotiation import Representation


class FlatGeobuf(UsualFormat):
    """With the index, features stand in its order, not in the one that was asked for."""

    name: str = "fgb"
    representation: Representation = Representation(
        ("fgb", "flatgeobuf"), ("application/flatgeobuf", "application/vnd.flatgeobuf")
    )
    extension: str = "fgb"

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert isinstance(target, Path)  # noqa: S101 -- it is not streamed
        # The index has no place for a feature without geometry; mixed layers have such.
        indexed = job.with_geometry and job.geometry != "geometry"
        write_ogr(
            job,
            titled(job, schema),
            rows,
            target,
            "FlatGeobuf",
            TITLE=job.title,
            DESCRIPTION=job.abstract,
            SPATIAL_INDEX="YES" if indexed else "NO",
        )


EXPORT: ExportFormat = FlatGeobuf()
