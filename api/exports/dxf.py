"""DXF drawing (AutoCAD 2000) in a plane system: lines, closed polylines, points and their names."""

import codecs
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from api.exporting.dxf_frame import APPLICATION, FIRST_HANDLE, MODEL_SPACE, head, tags, tail
from api.exporting.format import (
    GEOMETRY,
    ExportFormat,
    ExportJob,
    ExportRefused,
    OwnSystem,
    Rows,
    UsualFormat,
)
from api.exporting.shapes import Paths, Shapes, decimals, paths_of, shapes_of
from api.exporting.text import joined, number_text, plain_text, replaced
from api.negotiation import Representation

_COLORS = {"land": 3, "mineral": 1, "hazard": 6, "pipeline": 4, "building": 2, "tourism": 30}
_WHITE = 7
#: Height of names on the ground: metres, and about as much in degrees.
_TEXT_M, _TEXT_DEGREES = 2.0, 0.00002
#: Bytes of a text beside an entity (DXF reference, group 1000: 255).
_LONGEST_TEXT = 250
_ENTITY = f"330\n{MODEL_SPACE}\n100\nAcDbEntity\n  8\n"
_ESCAPES = "onemap-dxf"


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Write what GBK lacks as AutoCAD does: ``\U+`` and the number of the UTF-16 unit."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be").hex().upper()
    return "".join(f"\\U+{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


codecs.register_error(_ESCAPES, _escape)


class Dxf(UsualFormat):
    """The values of a feature stand beside its entities as extended data of ``ONEMAP``."""

    name: str = "dxf"
    representation: Representation = Representation(("dxf",), ("image/vnd.dxf", "application/dxf"))
    extension: str = "dxf"
    is_streamed: bool = True
    system: OwnSystem = "plane"

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert not isinstance(target, Path)  # noqa: S101 -- it is streamed
        if not job.with_geometry:
            raise ExportRefused("skipGeometry: a drawing is of nothing else: take csv or xlsx")
        name = f"{job.theme}-{job.layer}".upper()
        color = _COLORS.get(job.theme, _WHITE)
        layers = [("0", _WHITE), (name, color)]
        if job.label:
            layers.append((f"{name}-TEXT", color))
        target.write(head(layers, metres=not job.is_geographic).encode("ascii"))
        drawing = _Drawing(job, name)
        for batch in rows:
            for text in drawing.entities(batch):
                whole = "".join(text.to_pylist())
                target.write(whole.encode("gbk", _ESCAPES))
        target.write(tail().encode("ascii"))


class _Drawing:
    """Writes entities, each with a handle of its own."""

    def __init__(self, job: ExportJob, layer: str) -> None:
        self._job = job
        self._layer = layer
        self._digits = decimals(job)
        self._next = FIRST_HANDLE

    def entities(self, batch: pa.RecordBatch) -> list[pa.StringArray]:
        """Return the entities of a batch, as texts."""
        shapes = shapes_of(batch.column(GEOMETRY))
        paths = paths_of(shapes)
        beside = self._beside(batch).take(pa.array(paths.rows))
        hole = pa.array(["", "1000\nring=hole\n"]).take((paths.kinds == 3).astype(np.int64))
        beside = pc.binary_join_element_wise(beside, hole, "")
        found = []
        points = np.flatnonzero(paths.kinds == 0)
        lines = np.flatnonzero(paths.kinds > 0)
        if len(points):
            found.append(self._points(paths, points, beside))
        if len(lines):
            draw = self._tall_lines if self._job.z else self._flat_lines
            found.append(draw(paths, lines, beside))
        if self._job.label:
            found.append(self._names(shapes, batch.column(self._job.label)))
        return found

    def _handles(self, count: int) -> pa.StringArray:
        first, self._next = self._next, self._next + count
        return pa.array([f"{number:X}" for number in range(first, self._next)], pa.string())

    def _beside(self, batch: pa.RecordBatch) -> pa.StringArray:
        """Return each row's extended data: every value that is short enough."""
        lines: list[pa.Array | str] = [f"1001\n{APPLICATION}\n"]
        for place, column in enumerate(self._job.columns):
            text = _one_line(plain_text(batch.column(place)))
            line = pc.binary_join_element_wise("1000\n", f"{column.name}=", text, "\n", "")
            short = pc.less(pc.binary_length(line), _LONGEST_TEXT)
            lines.append(pc.fill_null(pc.if_else(short, line, None), ""))
        return joined(lines, batch.num_rows)

    def _coordinates(self, paths: Paths, chosen: NDArray[np.int64]) -> pa.StringArray:
        """Return vertices, with height where the layer has it."""
        codes = (" 10\n", " 20\n", " 30\n") if self._job.z else (" 10\n", " 20\n")
        parts: list[pa.Array | str] = []
        for axis, code in enumerate(codes):
            values = np.nan_to_num(paths.coordinates[chosen, axis])
            parts += [code, number_text(values, self._digits), "\n"]
        return joined(parts, len(chosen))

    def _points(
        self, paths: Paths, chosen: NDArray[np.int64], beside: pa.StringArray
    ) -> pa.StringArray:
        parts = ["  0\nPOINT\n  5\n", self._handles(len(chosen)), f"\n{_ENTITY}{self._layer}\n"]
        place = self._coordinates(paths, paths.starts[chosen])
        parts += ["100\nAcDbPoint\n", place, beside.take(pa.array(chosen))]
        return joined(parts, len(chosen))

    def _vertices(
        self, paths: Paths, chosen: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the vertices of paths, without a ring's last one, and where each path begins."""
        counts = paths.starts[chosen + 1] - paths.starts[chosen] - (paths.kinds[chosen] >= 2)
        starts = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        return np.repeat(paths.starts[chosen], counts) + within, starts

    def _flat_lines(
        self, paths: Paths, chosen: NDArray[np.int64], beside: pa.StringArray
    ) -> pa.StringArray:
        vertices, starts = self._vertices(paths, chosen)
        texts = self._coordinates(paths, vertices)
        whole = pc.binary_join(pa.ListArray.from_arrays(pa.array(starts, pa.int32()), texts), "")
        closed = pa.array(["0", "1"]).take((paths.kinds[chosen] >= 2).astype(np.int64))
        counts = pa.array(np.diff(starts)).cast(pa.string())
        parts = ["  0\nLWPOLYLINE\n  5\n", self._handles(len(chosen))]
        parts += [f"\n{_ENTITY}{self._layer}\n100\nAcDbPolyline\n 90\n", counts]
        parts += ["\n 70\n", closed, "\n", whole, beside.take(pa.array(chosen))]
        return joined(parts, len(chosen))

    def _tall_lines(
        self, paths: Paths, chosen: NDArray[np.int64], beside: pa.StringArray
    ) -> pa.StringArray:
        vertices, starts = self._vertices(paths, chosen)
        own = self._handles(len(chosen))
        entity = f"\n100\nAcDbEntity\n  8\n{self._layer}\n"
        owner = own.take(pa.array(np.repeat(np.arange(len(chosen)), np.diff(starts))))
        parts = ["  0\nVERTEX\n  5\n", self._handles(len(vertices)), "\n330\n", owner, entity]
        parts += ["100\nAcDbVertex\n100\nAcDb3dPolylineVertex\n"]
        parts += [self._coordinates(paths, vertices), " 70\n32\n"]
        each = joined(parts, len(vertices))
        whole = pc.binary_join(pa.ListArray.from_arrays(pa.array(starts, pa.int32()), each), "")
        flags = pa.array(["8", "9"]).take((paths.kinds[chosen] >= 2).astype(np.int64))
        lines = ["  0\nPOLYLINE\n  5\n", own, f"\n{_ENTITY}{self._layer}\n 66\n1\n"]
        lines += ["100\nAcDb3dPolyline\n 10\n0.0\n 20\n0.0\n 30\n0.0\n 70\n", flags, "\n"]
        lines += [beside.take(pa.array(chosen)), whole, "  0\nSEQEND\n  5\n"]
        lines += [self._handles(len(chosen)), "\n330\n", own, entity]
        return joined(lines, len(chosen))

    def _names(self, shapes: Shapes, names: pa.Array) -> pa.StringArray:
        text = _one_line(plain_text(names))
        places = shapely.point_on_surface(shapes)
        axes = [shapely.get_x(places), shapely.get_y(places)]
        named = pc.and_(names.is_valid(), pa.array(~np.isnan(axes[0])))
        text = text.filter(named)
        x, y = (number_text(axis[np.asarray(named)], self._digits) for axis in axes)
        height = _TEXT_DEGREES if self._job.is_geographic else _TEXT_M
        parts = ["  0\nTEXT\n  5\n", self._handles(len(text))]
        parts += [f"\n{_ENTITY}{self._layer}-TEXT\n100\nAcDbText\n 10\n", x, "\n 20\n", y]
        parts += ["\n 30\n0.0\n" + tags((40, height)) + "  1\n", text, "\n100\nAcDbText\n"]
        return joined(parts, len(text))


def _one_line(text: pa.StringArray) -> pa.StringArray:
    return replaced(text, (("\r", " "), ("\n", " ")))


EXPORT: ExportFormat = Dxf()
