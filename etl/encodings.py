"""Which encoding a file's text is in, where it does not say so rightly or at all.

Chinese departments deliver GBK (Windows' code page 936), often undeclared; GDAL then assumes
ISO-8859-1 and the text is spoilt. GB18030 contains GBK and GB 2312.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from gis.scratch import ScratchFolder
from layers.errors import LoadRefused

#: Text that is examined before an encoding is believed, in dBASE records.
_RECORDS = 20_000
#: dBASE language driver identifiers that name an encoding for sure (dBASE IV, ESRI).
_LANGUAGE_BYTES = {
    0x4D: "gb18030",
    0x4E: "cp949",
    0x4F: "cp950",
    0x7B: "cp932",
    0xC8: "cp1250",
    0xC9: "cp1251",
}
_CODE_PAGES = {
    "936": "gb18030",
    "54936": "gb18030",
    "65001": "utf-8",
    "950": "cp950",
    "88591": "iso8859-1",
    "88592": "iso8859-2",
}


def known_encoding(name: str) -> str:
    """Return the codec of a name such as ``GBK``, ``OEM 936``, ``65001`` or ``UTF-8``.

    Raises:
        LoadRefused: If there is no such encoding.
    """
    plain = re.sub(r"^(oem|ansi|cp)[ _-]*", "", name.strip().lower())
    plain = _CODE_PAGES.get(plain, plain)
    for candidate in (plain, f"cp{plain}"):
        try:
            codec = codecs.lookup(candidate).name
        except LookupError:
            continue
        # Whoever says GBK or GB 2312 often has characters of the larger set.
        return "gb18030" if codec in ("gbk", "gb2312", "hz") else codec
    raise LoadRefused(f"'{name}' is not an encoding: say --encoding UTF-8 or --encoding GB18030")


def encoding_of_shapefile(path: Path) -> tuple[str, str | None]:
    """Find the encoding of a Shapefile's attributes.

    A ``.cpg`` file is believed; then the language byte of the ``.dbf``; then UTF-8 if all text is
    strictly that, else GB18030.

    Args:
        path: The ``.shp`` file.

    Returns:
        The codec, and a note for the report where it had to be guessed.

    Raises:
        LoadRefused: If the text is neither.
    """
    declared = sibling(path, ".cpg")
    if declared is not None:
        text = declared.read_text(encoding="ascii", errors="replace").strip()
        if text:
            return known_encoding(text), None
    table = sibling(path, ".dbf")
    if table is None:
        return "utf-8", None
    with table.open("rb") as stream:
        header = stream.read(32)
    if len(header) == 32 and header[29] in _LANGUAGE_BYTES:
        return _LANGUAGE_BYTES[header[29]], None
    values = list(islice(_text_values(table), _RECORDS * 10))
    return guess(values, path.name)


def encoding_of_text(path: Path) -> tuple[str, str | None]:
    """Find the encoding of a text file from its first megabytes.

    It is UTF-8 (with or without a byte order mark), UTF-16 with one, or GB18030.

    Returns:
        The codec, and a note for the report where it had to be guessed.

    Raises:
        LoadRefused: If the text is neither.
    """
    with path.open("rb") as stream:
        head = stream.read(8 << 20)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", None
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", None
    if b"\0" in head:
        raise LoadRefused(f"{path}: is not text: it has a NUL byte at {head.index(0):,}")
    return guess([head], path.name)


def text_chunks(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a file piece by piece.

    Raises:
        LoadRefused: If it is not in that encoding.
    """
    place = 0
    try:
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                yield decoder.decode(block)
                place += len(block)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise LoadRefused(
            f"{path}: its text is not {encoding.upper()} near byte {place + error.start:,}: "
            "say --encoding"
        ) from error


@contextmanager
def as_utf8(path: Path, encoding: str | None) -> Iterator[tuple[Path, str | None]]:
    """Give a text file in UTF-8: itself if it is that, else a temporary copy of the same name.

    Args:
        path: The file.
        encoding: What it is said to be in; ``None`` finds out.

    Yields:
        The file to read, and a note for the report where the encoding had to be guessed.

    Raises:
        LoadRefused: If its text is not in that encoding, or in none that is known.
    """
    note = None
    if encoding is not None:
        codec = known_encoding(encoding)
    else:
        codec, note = encoding_of_text(path)
    if codec in ("utf-8", "utf-8-sig"):
        yield path, None
        return
    with ScratchFolder() as folder:
        copy = folder / path.name
        with copy.open("w", encoding="utf-8", newline="") as sink:
            for chunk in text_chunks(path, codec):
                sink.write(chunk)
        yield copy, note


def guess(values: list[bytes], name: str) -> tuple[str, str | None]:
    """Choose UTF-8 if all values are strictly that, else GB18030.

    Args:
        values: Raw texts; each may end within a character, as fields of fixed width do.
        name: What to call the file.

    Raises:
        LoadRefused: If they are neither.
    """
    if all(value.isascii() for value in values):
        return "utf-8", None
    for codec in ("utf-8", "gb18030"):
        if all(_decodes(value, codec) for value in values):
            note = f"{name} does not say its encoding; its text is {codec.upper()}"
            return codec, note
    raise LoadRefused(f"{name}: its text is neither UTF-8 nor GB18030: say --encoding")


def sibling(path: Path, suffix: str) -> Path | None:
    """Return the file beside ``path`` with that suffix in any case, if there is one."""
    for candidate in path.parent.iterdir():
        if candidate.stem.lower() == path.stem.lower() and candidate.suffix.lower() == suffix:
            return candidate
    return None


def _decodes(value: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)("strict").decode(value, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _text_values(table: Path) -> Iterator[bytes]:
    """Yield the raw values of the character fields of a dBASE table, without padding."""
    with table.open("rb") as stream:
        header = stream.read(32)
        start = int.from_bytes(header[8:10], "little")
        width = int.from_bytes(header[10:12], "little")
        descriptors = stream.read(max(start - 33, 0))
        spans: list[slice] = []
        offset = 1
        for place in range(0, len(descriptors) - 31, 32):
            length = descriptors[place + 16]
            if descriptors[place + 11 : place + 12] == b"C":
                spans.append(slice(offset, offset + length))
            offset += length
        stream.seek(start)
        while width and len(record := stream.read(width)) == width:
            for span in spans:
                value = record[span].rstrip(b" \0")
                if value:
                    yield value
