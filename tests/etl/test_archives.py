"""Archives that strangers made: unpacked whole or refused in a sentence that names the member."""

import io
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from etl import archives
from layers.errors import LoadRefused

LIMIT = 1 << 20
Maker = Callable[[zipfile.ZipFile], None]


def put(name: str, content: bytes = b"x") -> Maker:
    return lambda archive: archive.writestr(name, content)


def member(name: str, mode: int) -> Maker:
    def make(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"/etc/passwd")

    return make


def packed(*makers: Maker) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for make in makers:
            make(archive)
    return sink.getvalue()


def encrypted(name: str) -> bytes:
    """A zip whose member says that it is encrypted, in both of its headers."""
    content = bytearray(packed(put(name)))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def lying(name: str) -> bytes:
    """A zip whose member declares one byte of the million that it holds."""
    content = bytearray(packed(put(name, bytes(1 << 20))))
    central = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, central + 24, 1)
    struct.pack_into("<L", content, 22, 1)
    return bytes(content)


def overlapping() -> bytes:
    """A zip whose directory names the same bytes many times, each under its own name."""
    content = packed(put("a", bytes(range(256)) * 64))
    place = content.index(b"PK\x01\x02")
    entry, end = content[place : content.index(b"PK\x05\x06")], content[-22:]
    copies = b"".join(entry[:46] + bytes([97 + number]) for number in range(20))
    end = bytearray(end)
    struct.pack_into("<HHLL", end, 8, 20, 20, len(copies), place)
    return content[:place] + copies + bytes(end)


WHOLE = packed(put("in/parcels.csv", b"a,b\n" * 500), put("in/readme.txt"))
BAD = {
    "traversal": (packed(put("../../escaped.csv")), r"'\.\./\.\./escaped\.csv' leads outside"),
    "absolute": (packed(put("/etc/cron.d/job")), "member '/etc/cron.d/job' leads outside"),
    "backslashes": (packed(put("..\\..\\escaped.csv")), "leads outside"),
    "drive": (packed(put("C:\\escaped.csv")), "leads outside"),
    "symlink": (packed(member("parcels.shp", stat.S_IFLNK | 0o777)), "is a symbolic link"),
    "device": (packed(member("parcels.shp", stat.S_IFCHR | 0o666)), "is a device, not a file"),
    "encrypted": (encrypted("parcels.shp"), "'parcels.shp' is encrypted"),
    "lying": (lying("parcels.shp"), "'parcels.shp' (is larger|cannot be unpacked)"),
    "overlapping": (overlapping(), "its members overlap"),
    "declared": (packed(put("a", bytes(LIMIT)), put("b")), "unpacks to 1 MB, more than 1 MB"),
    "control": (packed(put("par\ncels.shp")), "has a name that no file can have"),
    "long": (packed(put("x" * 300)), "has a name that no file can have"),
    "twice": (packed(put("A.shp"), put("a.SHP")), "holds the member 'a.SHP' twice"),
    "crowd": (packed(*(put(str(n), b"") for n in range(20_001))), "20,001 members"),
    "truncated": (WHOLE[:-30], "cannot be unpacked"),
    "half": (WHOLE[: len(WHOLE) // 2], "cannot be unpacked"),
    "damaged": (WHOLE[:45] + b"\xff" * 10 + WHOLE[55:], "'in/parcels.csv' cannot be unpacked"),
    "file as folder": (packed(put("a"), put("a/b")), "'a/b' cannot be unpacked: (File|Not a)"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_refused_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, says = BAD[name]
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    path = tmp_path / "survey.zip"
    path.write_bytes(content)
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    with pytest.raises(LoadRefused, match=says) as refusal, archives.unpacked(path, LIMIT):
        pass
    assert str(refusal.value).startswith(f"{path}: ")
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["a", "b", "survey.zip"]


def test_a_bomb_is_known_by_what_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros.csv", "w") as sink:
            for _ in range(65):
                sink.write(bytes(1 << 20))
    says = r"'zeros.csv' unpacks from \d+ KB to 65 MB, as a zip bomb does"
    with pytest.raises(LoadRefused, match=says), archives.unpacked(path, 1 << 30):
        pass


def test_a_full_disk_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "survey.zip"
    path.write_bytes(WHOLE)
    monkeypatch.setattr(archives, "_SPARE", 1 << 60)
    with pytest.raises(LoadRefused, match="but the disk has 0 bytes"):
        with archives.unpacked(path, LIMIT):
            pass


@pytest.mark.parametrize("codec", ["gb18030", "utf-8"])
def test_names_without_the_flag_are_gbk_or_utf8(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "survey.zip"
    name = "成果/地类图斑.csv"
    content = packed(put("?" * len(name.encode(codec)), b"a,b"))
    path.write_bytes(content.replace(b"?" * len(name.encode(codec)), name.encode(codec)))
    with archives.unpacked(path, LIMIT) as folder:
        assert (folder / name).read_bytes() == b"a,b"
        kept = folder
    assert not kept.exists()


def test_windows_backslashes_are_folders(tmp_path: Path) -> None:
    path = tmp_path / "survey.zip"
    path.write_bytes(packed(put("in\\parcels.csv", b"a,b")))
    with archives.unpacked(path, LIMIT) as folder:
        assert (folder / "in" / "parcels.csv").read_bytes() == b"a,b"
