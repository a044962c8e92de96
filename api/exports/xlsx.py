"""Excel workbook (ISO/IEC 29500), written row by row: Chinese headings, real dates and numbers."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pyarrow.compute as pc

from api.exporting.flat import flat_columns, form_of
from api.exporting.format import ExportFormat, ExportJob, ExportRefused, Rows, UsualFormat
from api.exporting.text import each_changed, joined, write_text, xml_text
from api.negotiation import Representation

#: Rows of a sheet, of which one is the headings; characters of a cell; digits Excel keeps.
_MOST_ROWS = 1_048_576
_LONGEST_CELL = 32_767
_EXACT = 10**15
#: Days from Excel's day 0 to 1970-01-01; Excel has a 29 February 1900, so days before are wrong.
_EPOCH_DAY, _FIRST_DAY = 25_569, 61
_BEIJING_S = 8 * 3600
_DAY_S = 86_400
_PLAIN, _HEADING, _DATE, _TIME = range(4)
_ESCAPE = "_x[0-9A-Fa-f]{4}_"
_SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MIME = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class Workbook(UsualFormat):
    """A sheet of the features, and one that tells which field each column is."""

    name: str = "xlsx"
    representation: Representation = Representation(("xlsx",), (f"{_MIME}.sheet",))
    extension: str = "xlsx"
    most: int | None = _MOST_ROWS - 1
    options: Mapping[str, tuple[str, ...]] = MappingProxyType(
        {"geometry": ("auto", "xy", "wkt", "none")}
    )

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        form = form_of(job, usual="none")
        with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=1) as archive:
            for name, text in _parts(job).items():
                archive.writestr(name, _XML + text)
            archive.writestr("xl/worksheets/sheet2.xml", _XML + _legend(job))
            with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
                _write_sheet(job, form, rows, sheet)


def _write_sheet(job: ExportJob, form: str, rows: Rows, sheet: IO[bytes]) -> None:
    axes = [name for name, _ in flat_columns(job, form, ())]
    headings = [f"{column.heading}" for column in job.columns] + axes
    widths = "".join(
        f'<col min="{place}" max="{place}" width="{_width(heading)}" customWidth="1"/>'
        for place, heading in enumerate(headings, 1)
    )
    head = "".join(_text_cell(heading, _HEADING) for heading in headings)
    sheet.write(
        f'{_XML}<worksheet {_SHEET}><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        f"</sheetView></sheetViews><cols>{widths}</cols><sheetData><row>{head}</row>\n".encode()
    )
    for batch in rows:
        cells = [
            _cells(column.name, batch.column(place), batch)
            for place, column in enumerate(job.columns)
        ]
        cells += [_cells(name, column, batch) for name, column in flat_columns(job, form, [batch])]
        write_text(sheet, joined(["<row>", *cells, "</row>\n"], batch.num_rows))
    sheet.write(b"</sheetData></worksheet>")


def _width(heading: str) -> int:
    return 4 + sum(2 if ord(char) > 255 else 1 for char in heading)


def _text_cell(text: str, style: int = _PLAIN) -> str:
    return f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _cells(name: str, column: pa.Array, batch: pa.RecordBatch) -> pa.StringArray:
    """Return a column's cells; an empty one where there is no value."""
    kind = column.type
    if pa.types.is_boolean(kind):
        found = joined(['<c t="b"><v>', column.cast(pa.int8()).cast(pa.string()), "</v></c>"], 0)
    elif pa.types.is_date(kind):
        days = pc.add(column.cast(pa.int32()).cast(pa.int64()), _EPOCH_DAY)
        found = _day_cells(column, days, days, _DATE)
    elif pa.types.is_timestamp(kind):
        seconds = pc.add(pc.divide(column.cast(pa.int64()), 1_000_000), _BEIJING_S)
        days = pc.add(pc.divide(seconds.cast(pa.float64()), float(_DAY_S)), float(_EPOCH_DAY))
        found = _day_cells(column, days, days, _TIME)
    elif pa.types.is_integer(kind):
        exact = pc.less(pc.abs(column), _EXACT)
        # Excel would round it: its digits stay as text.
        found = pc.if_else(exact, _number_cells(column), _text_cells(name, column, batch))
    elif pa.types.is_floating(kind):
        found = pc.if_else(pc.is_finite(column), _number_cells(column), None)
    else:
        found = _text_cells(name, column, batch)
    return pc.fill_null(found, "<c/>")


def _number_cells(column: pa.Array) -> pa.StringArray:
    return pc.binary_join_element_wise("<c><v>", column.cast(pa.string()), "</v></c>", "")


def _day_cells(column: pa.Array, days: pa.Array, shown: pa.Array, style: int) -> pa.StringArray:
    number = pc.binary_join_element_wise(
        f'<c s="{style}"><v>', shown.cast(pa.string()), "</v></c>", ""
    )
    known = pc.and_(pc.greater_equal(days, _FIRST_DAY), pc.less(days, 2_958_466))
    text = pc.binary_join_element_wise(
        '<c t="inlineStr"><is><t>', xml_text(column), "</t></is></c>", ""
    )
    return pc.if_else(known, number, text)


def _text_cells(name: str, column: pa.Array, batch: pa.RecordBatch) -> pa.StringArray:
    text = xml_text(column)
    long = pc.greater(pc.utf8_length(text), _LONGEST_CELL)
    if pc.any(long).as_py():
        row = pc.index(long, True).as_py()
        instead = "geometry=none" if name == "wkt" else "properties without it"
        raise ExportRefused(
            f"f: '{name}' of feature {batch.column('feature_id')[row]} has more than the "
            f"{_LONGEST_CELL:,} characters of an Excel cell: take {instead}, or f=csv"
        )
    # Excel reads _x0041_ as A.
    text = each_changed(text, _ESCAPE, lambda value: value.replace("_x", "_x005F_x"))
    return pc.binary_join_element_wise(
        '<c t="inlineStr"><is><t xml:space="preserve">', text, "</t></is></c>", ""
    )


def _legend(job: ExportJob) -> str:
    def lines() -> Iterator[Sequence[str]]:
        yield ("字段 / field", "中文名", "Name", "类型 / type", "单位 / unit", "代码表 / codes")
        for column in job.columns:
            kind = f"{column.type} (北京时间 / UTC+8)" if column.type == "datetime" else column.type
            unit, codes = column.unit or "", column.codes or ""
            yield (column.name, column.zh, column.en, kind, unit, codes)

    rows = "".join(
        f"<row>{''.join(_text_cell(cell, _PLAIN if place else _HEADING) for cell in line)}</row>"
        for place, line in enumerate(lines())
    )
    return f"<worksheet {_SHEET}><sheetData>{rows}</sheetData></worksheet>"


def _parts(job: ExportJob) -> dict[str, str]:
    """Return the parts of the package beside the sheets."""
    sheets = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" '
        f'ContentType="{_MIME}.worksheet+xml"/>'
        for number in (1, 2)
    )
    title = escape("".join(char for char in job.zh if char not in "[]:*?/\\'")[:31] or job.layer)
    return {
        "[Content_Types].xml": (
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_MIME}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_MIME}.styles+xml"/>{sheets}'
            "</Types>"
        ),
        "_rels/.rels": (
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
        ),
        "xl/workbook.xml": (
            f'<workbook {_SHEET} xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name="{title}" sheetId="1" r:id="rId1"/>'
            '<sheet name="字段 fields" sheetId="2" r:id="rId2"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="rId2" Type="{_OFFICE}/worksheet" Target="worksheets/sheet2.xml"/>'
            f'<Relationship Id="rId3" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
        ),
        "xl/styles.xml": (
            f'<styleSheet {_SHEET}><numFmts count="2"><numFmt numFmtId="164" '
            'formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="165" '
            'formatCode="yyyy\\-mm\\-dd hh:mm:ss"/></numFmts><fonts count="2"><font><sz val="11"/>'
            '<name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font>'
            '</fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill>'
            '<patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/>'
            '<right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1">'
            '<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
            '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
            '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
            '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" '
            'applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" '
            'applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" '
            'xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        ),
    }


EXPORT: ExportFormat = Workbook()
