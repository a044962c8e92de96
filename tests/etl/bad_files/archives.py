"""Archives that do harm, hide something, or are damaged (all kinds: ``test_archives.py``)."""

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.etl.bad_files.case import BadFile, Maker, content, cut, stretched, survey
from tests.etl.bad_files.xml_files import _LAUGHS


def _packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return sink.getvalue()


def _zip(*members: tuple[str | zipfile.ZipInfo, bytes]) -> Maker:
    return content("survey.zip", _packed(*members))


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("parcels.gpkg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _good(folder: Path) -> Path:
    parts = folder / "parts"
    parts.mkdir()
    survey().to_file(parts / "parcels.shp")
    path = folder / "survey.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(parts.iterdir()):
            archive.write(part, f"成果/{part.name}")
    return path


def _several(change: Callable[[Path], None]) -> Maker:
    """A zip of two GeoPackages, the second of which is changed."""

    def make(folder: Path) -> Path:
        path = folder / "survey.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("a", "b"):
                part = folder / f"{name}.gpkg"
                survey().to_file(part)
                if name == "b":
                    change(part)
                archive.write(part, part.name)
        return path

    return make


def _other_columns(part: Path) -> None:
    part.unlink()
    survey(6, OWNER=["x"] * 6).to_file(part)


def _other_crs(part: Path) -> None:
    part.unlink()
    survey().to_crs(4547).to_file(part)


def _damaged(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:5000])


def _lost(part: Path) -> None:
    part.unlink()
    part.write_bytes(b"%PDF-1.7")


ARCHIVES = (
    BadFile("zip that climbs out", _zip(("../../p.csv", b"a,b")), "'../../p.csv' leads outside"),
    BadFile("zip with an absolute path", _zip(("/etc/p.csv", b"a,b")), "leads outside"),
    BadFile("zip with a drive letter", _zip(("C:\\p.csv", b"a,b")), "leads outside"),
    BadFile("zip with a link", _zip((_link(), b"/etc/passwd")), "is a symbolic link"),
    BadFile("zip bomb", _zip(("p.csv", bytes(80 << 20))), "as a zip bomb does"),
    BadFile("zip in a zip", _zip(("inner.zip", _packed(("p.csv", b"a,b")))),
            r"other archives \(inner.zip\): unpack them first"),
    BadFile("zip without a data set", _zip(("readme.txt", b"hello")), "holds no data set"),
    BadFile("zip cut in half", cut(_good, 0.5), "cannot be unpacked"),
    BadFile("zip that lost its last byte", cut(_good, 0.999), "cannot be unpacked"),
    BadFile("zip of ten gigabytes", stretched(_good), "cannot be unpacked"),
    BadFile("zip that is none", content("survey.zip", b"Rar!\x1a\x07"), "cannot be unpacked"),
    BadFile("zip with a KML full of laughter",
            _zip(("p.kml", f"{_LAUGHS}<kml>&a9;</kml>".encode())),
            r"survey\.zip: p\.kml: .*DOCTYPE"),
    BadFile("zip of parts with other columns", _several(_other_columns), "whose columns differ"),
    BadFile("zip of parts in other systems", _several(_other_crs), "reference systems differ"),
    BadFile("zip with one damaged part", _several(_damaged),
            r"survey\.zip: b\.gpkg: is truncated"),
    BadFile("zip with a part that is no survey", _several(_lost),
            r"survey\.zip: b\.gpkg: .* it is a PDF"),
)  # fmt: skip
