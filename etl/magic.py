"""What a file is by its first bytes, in words, for the sentence that refuses it."""

from pathlib import Path

from layers.errors import LoadRefused

#: Bytes that are looked at.
_HEAD = 4096
#: Beginning of the file to what it is.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"fgb\x03", "a FlatGeobuf file"),
    (b"\x00\x00\x27\x0a", "a Shapefile"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"II+\x00", "a BigTIFF picture"),
    (b"AC10", "an AutoCAD drawing (DWG)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
#: Beginnings of documents that make GDAL read other files or servers, whatever their name says:
#: virtual formats, pipelines and service descriptions.
_POINTERS = (
    b"<OGRVRTDataSource",
    b"<VRTDataset",
    b"gdal_streamed_alg",
    b"<OGRWFSDataSource",
    b"<GDAL_WMS",
    b"<GDALTileIndexDataset",
    b"<WMS_Capabilities",
    b"<OGRCSWDataSource",
)


def refuse_pointer(path: Path) -> None:
    """Refuse a file that would make GDAL read something else.

    Raises:
        LoadRefused: If it is one.
        OSError: If it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD).replace(b"\0", b"").lower()
    for mark in _POINTERS:
        if mark.lower() in head:
            raise LoadRefused(f"{path}: holds no survey but points elsewhere: it is not read")


def describe(path: Path) -> str:
    """Say what a file is, such as ``a PDF document`` or ``text beginning 'BSM,X,Y'``.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return describe_bytes(head)


def describe_bytes(head: bytes) -> str:
    """Say what a file is that begins with ``head``."""
    if not head:
        return "empty"
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    text = _as_text(head)
    if text is None:
        return f"binary data beginning {head[:8].hex(' ')}"
    plain = text.strip()
    first = plain.splitlines()[0] if plain else ""
    if first.startswith(("{", "[")):
        return "JSON"
    if first.startswith("<"):
        kind = "HTML" if "<html" in text.lower() else "XML"
        return f"{kind} beginning '{_short(first)}'"
    return f"text beginning '{_short(first)}'" if first else "blank text"


def _as_text(head: bytes) -> str | None:
    if b"\0" in head:
        return None
    for codec in ("utf-8-sig", "gb18030"):
        for cut in range(4):
            try:
                text = head[: len(head) - cut].decode(codec)
            except UnicodeDecodeError:
                continue
            return text if all(c.isprintable() or c.isspace() for c in text) else None
    return None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
