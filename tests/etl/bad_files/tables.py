"""Text tables and workbooks: broken rows, wrong columns, hidden entities, huge sheets."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl

from tests.etl.bad_files.case import TEN_GB, BadFile, Maker, content, cut, stretched

HEADER = "BSM,lon,lat"
GOOD = content("p.csv", f"{HEADER}\n" + "".join(f"P{n},114.3,29.8\n" for n in range(20)))
_WGS = {"crs": "EPSG:4490"}
_ENTITY = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'
)


def _csv(*lines: str, header: str = HEADER) -> Maker:
    return content("p.csv", "\n".join([header, *lines]) + "\n")


def _workbook(*rows: Sequence[object], sheets: int = 1) -> Maker:
    def make(folder: Path) -> Path:
        book = openpyxl.Workbook()
        if book.active is not None:
            book.remove(book.active)
        for number in range(sheets):
            sheet = book.create_sheet(f"表{number + 1}")
            for row in rows:
                sheet.append(list(row))
        book.save(folder / "p.xlsx")
        return folder / "p.xlsx"

    return make


BOOK = _workbook(["BSM", "lon", "lat"], *([f"P{n}", 114.3, 29.8] for n in range(20)))


def _with_member(name: str, data: bytes) -> Maker:
    """A good workbook with one of its parts replaced."""

    def make(folder: Path) -> Path:
        path = BOOK(folder)
        parts = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(parts, "w", 8) as new:
            for member in old.namelist():
                new.writestr(member, data if member == name else old.read(member))
        path.write_bytes(parts.getvalue())
        return path

    return make


SHEET = "xl/worksheets/sheet1.xml"
FAR = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    b"</sheetData></worksheet>"
)


def _endless_quote(folder: Path) -> Path:
    path = folder / "p.csv"
    with path.open("wb") as stream:
        stream.write(f'{HEADER}\nP1,114.3,"29.8'.encode())
        for _ in range(300):
            stream.write(b"x" * (1 << 20))
    return path


def _nul_late(folder: Path) -> Path:
    """Two gigabytes of which only the first nine megabytes are text."""
    path = folder / "p.csv"
    with path.open("wb") as stream:
        stream.write(f"{HEADER}\n".encode())
        for number in range(450_000):
            stream.write(b"P%d,114.3,29.800000\n" % number)
        stream.truncate(TEN_GB // 5)
    return path


TABLES = (
    BadFile("CSV without a header", content("p.csv", "\n\n\n"), "not a CSV header"),
    BadFile("CSV of one column", content("p.csv", "BSM\nP1\n"), "with several columns"),
    BadFile("CSV without coordinates", content("p.csv", "BSM,owner\nP1,x\n"),
            "no coordinate columns are recognised among BSM, owner"),
    BadFile("CSV without a reference system", GOOD, "give it with --crs"),
    BadFile("CSV with no rows", _csv(), "the file has no feature", layer="spring", options=_WGS),
    BadFile("CSV, a row is too short", _csv("P1,114.3,29.8", "P2,114.3"), "is broken after row",
            layer="spring", options=_WGS),
    BadFile("CSV, a row is too long", _csv("P1,114.3,29.8", "P2,114.3,29.8,1,2"),
            "is broken after row", layer="spring", options=_WGS),
    BadFile("CSV with two columns lon", _csv("P1,114.3,114.4,29.8", header="BSM,lon,lon,lat"),
            "several columns 'lon'", layer="spring", options=_WGS),
    BadFile("CSV with two key columns", _csv("P1,P2,114.3,29.8", header="BSM,BSM,lon,lat"),
            "several columns 'BSM'", layer="spring", options=_WGS),
    BadFile("CSV with NUL bytes", content("p.csv", f"{HEADER}\nP1\0,114.3,29.8\n"),
            "is not text: it has a NUL byte at 14", layer="spring", options=_WGS),
    BadFile("CSV of ten gigabytes", stretched(GOOD), "is not text: it has a NUL byte",
            layer="spring", options=_WGS),
    BadFile("CSV of two gigabytes, text at first", _nul_late, "is broken after row", layer="spring",
            options=_WGS, seconds=60.0),
    BadFile("CSV in no known encoding", content("p.csv", b"BSM,lon,lat\n\xff\xfe\xff,1,2\n"),
            "neither UTF-8 nor GB18030", layer="spring", options=_WGS),
    BadFile("CSV, a quote that never ends", _endless_quote, "is broken after row", layer="spring",
            options=_WGS),
    BadFile("CSV said to be UTF-8, is GBK",
            content("p.csv", "BSM,name,lon,lat\nP1,咸宁,114.3,29.8\n".encode("gbk")),
            "(is broken|cannot be read as utf-8)", layer="spring",
            options={**_WGS, "encoding": "UTF-8"}),
    BadFile("CSV with coordinates that are none",
            _csv("P1,114.3,29.8", "P2,east,29.8", "P3,NaN,29.8", "P4,inf,29.8", "P5,114°75′,29°",
                 "P6,,", 'P7,"114,3","29,8"', "P8,2020-05-01,29.8"),
            layer="spring", options=_WGS, good=1, rules={"position": 6, "geometry_missing": 7}),
    BadFile("CSV with WKT that is none",
            _csv('P1,"POINT(114.3 29.8)"', 'P2,"POINT(114.3"', "P3,x", "P4,",
                 'P5,"POINT(nan nan)"', 'P6,"POINT EMPTY"', header="BSM,wkt"),
            layer="spring", options=_WGS, good=1,
            rules={"geometry_missing": 5}),
    BadFile("workbook cut in half", cut(BOOK, 0.5), "cannot be read as a workbook"),
    BadFile("workbook of ten gigabytes", stretched(BOOK), "cannot be read as a workbook"),
    BadFile("workbook that is none", content("p.xlsx", b"PK\3\4" + b"x" * 300),
            "cannot be read as a workbook"),
    BadFile("workbook that is text", content("p.xlsx", "BSM,X,Y\n"),
            "(cannot be read as a workbook|it is text)"),
    BadFile("workbook of old Office, damaged",
            content("p.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600),
            "cannot be read as a workbook"),
    BadFile("workbook with an external entity", _with_member(SHEET, _ENTITY.encode()),
            r"DOCTYPE"),
    BadFile("workbook in UTF-16 with an entity", _with_member(SHEET, _ENTITY.encode("utf-16")),
            r"DOCTYPE"),
    BadFile("workbook with an entity in its strings",
            _with_member("xl/workbook.xml", _ENTITY.encode()), r"DOCTYPE"),
    BadFile("workbook whose sheet spans the world", _with_member(SHEET, FAR),
            "spans 17,179,869,184 cells"),
    BadFile("workbook whose sheet is a zip bomb",
            _with_member(SHEET, b"<worksheet>" + b" " * (70 << 20)), "as a zip bomb does"),
    BadFile("workbook with a broken sheet", _with_member(SHEET, b"<worksheet><sheetData><row>"),
            "(cannot be read as a workbook|its sheets are empty)"),
    BadFile("workbook without content", _workbook(), "its sheets are empty"),
    BadFile("workbook of several sheets", _workbook(["BSM", "lon", "lat"], [1, 2, 3], sheets=2),
            r"several sheets \(表1, 表2\)"),
    BadFile("workbook without coordinates", _workbook(["BSM", "owner"], ["P1", "x"]),
            "no coordinate columns are recognised"),
    BadFile("workbook with cells that are no coordinates",
            _workbook(["BSM", "lon", "lat"], ["P1", 114.3, 29.8], ["P2", "#REF!", 29.8],
                      ["P3", "", ""], ["P4", True, 29.8]),
            layer="spring", options=_WGS, good=1, rules={"position": 1, "geometry_missing": 3}),
)  # fmt: skip
