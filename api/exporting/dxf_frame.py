"""What a DXF drawing (AutoCAD 2000, AC1015) has before and after its entities."""

from collections.abc import Sequence

#: Handles of the model space's record, to which all entities belong, and the first free one.
MODEL_SPACE, FIRST_HANDLE = "1F", 0x1000
#: Larger than the handle of any entity.
_LAST_HANDLE = "7FFFFFFFFFFF"
APPLICATION = "ONEMAP"
_METRES, _NO_UNIT = 6, 0


def tags(*pairs: tuple[int, object]) -> str:
    """Return group codes and values as a drawing has them."""
    return "".join(f"{code:>3}\n{value}\n" for code, value in pairs)


def head(layers: Sequence[tuple[str, int]], *, metres: bool) -> str:
    """Return all up to the first entity.

    Args:
        layers: Names of the drawing's layers with their colours (AutoCAD's numbers).
        metres: Whether coordinates are metres; if not, they are degrees.
    """
    units = _METRES if metres else _NO_UNIT
    return (
        tags((0, "SECTION"), (2, "HEADER"), (9, "$ACADVER"), (1, "AC1015"))
        + tags((9, "$DWGCODEPAGE"), (3, "ANSI_936"), (9, "$INSUNITS"), (70, units))
        + tags((9, "$HANDSEED"), (5, _LAST_HANDLE), (0, "ENDSEC"))
        + tags((0, "SECTION"), (2, "TABLES"))
        + _table("VPORT", "8", [])
        + _table("LTYPE", "5", [_line_type(*entry) for entry in _LINE_TYPES])
        + _table("LAYER", "2", [_layer(place, *entry) for place, entry in enumerate(layers)])
        + _table("STYLE", "3", [_STYLE])
        + _table("VIEW", "6", [])
        + _table("UCS", "7", [])
        + _table("APPID", "9", [_application("12", "ACAD"), _application("13", APPLICATION)])
        + _table("DIMSTYLE", "A", [], ((100, "AcDbDimStyleTable"),))
        + _table("BLOCK_RECORD", "1", [_record(*entry) for entry in _SPACES])
        + tags((0, "ENDSEC"), (0, "SECTION"), (2, "BLOCKS"))
        + "".join(_block(*entry) for entry in _SPACES)
        + tags((0, "ENDSEC"), (0, "SECTION"), (2, "ENTITIES"))
    )


def tail() -> str:
    """Return all after the last entity."""
    return (
        tags((0, "ENDSEC"), (0, "SECTION"), (2, "OBJECTS"))
        + tags((0, "DICTIONARY"), (5, "C"), (330, "0"), (100, "AcDbDictionary"), (281, 1))
        + tags((3, "ACAD_GROUP"), (350, "D"))
        + tags((0, "DICTIONARY"), (5, "D"), (330, "C"), (100, "AcDbDictionary"), (281, 1))
        + tags((0, "ENDSEC"), (0, "EOF"))
    )


_LINE_TYPES = (("14", "ByBlock"), ("15", "ByLayer"), ("16", "Continuous"))
#: Handle of the record, of the block and of its end, and the name.
_SPACES = ((MODEL_SPACE, "20", "21", "*Model_Space"), ("1B", "1C", "1D", "*Paper_Space"))
_RECORD = (100, "AcDbSymbolTableRecord")
#: With the font of Chinese characters that AutoCAD brings.
_STYLE = tags(
    (0, "STYLE"),
    (5, "11"),
    (330, "3"),
    _RECORD,
    (100, "AcDbTextStyleTableRecord"),
    (2, "Standard"),
    (70, 0),
    (40, "0.0"),
    (41, "1.0"),
    (50, "0.0"),
    (71, 0),
    (42, "2.5"),
    (3, "txt.shx"),
    (4, "gbcbig.shx"),
)


def _table(
    name: str, handle: str, entries: list[str], more: tuple[tuple[int, object], ...] = ()
) -> str:
    begin = tags((0, "TABLE"), (2, name), (5, handle), (330, "0"), (100, "AcDbSymbolTable"))
    return begin + tags((70, len(entries)), *more) + "".join(entries) + tags((0, "ENDTAB"))


def _line_type(handle: str, name: str) -> str:
    return tags(
        (0, "LTYPE"),
        (5, handle),
        (330, "5"),
        _RECORD,
        (100, "AcDbLinetypeTableRecord"),
        (2, name),
        (70, 0),
        (3, ""),
        (72, 65),
        (73, 0),
        (40, "0.0"),
    )


def _layer(place: int, name: str, color: int) -> str:
    return tags(
        (0, "LAYER"),
        (5, f"{0x100 + place:X}"),
        (330, "2"),
        _RECORD,
        (100, "AcDbLayerTableRecord"),
        (2, name),
        (70, 0),
        (62, color),
        (6, "Continuous"),
    )


def _application(handle: str, name: str) -> str:
    return tags(
        (0, "APPID"),
        (5, handle),
        (330, "9"),
        _RECORD,
        (100, "AcDbRegAppTableRecord"),
        (2, name),
        (70, 0),
    )


def _record(handle: str, _block_handle: str, _end: str, name: str) -> str:
    return tags(
        (0, "BLOCK_RECORD"),
        (5, handle),
        (330, "1"),
        _RECORD,
        (100, "AcDbBlockTableRecord"),
        (2, name),
    )


def _block(record: str, handle: str, end: str, name: str) -> str:
    entity = ((330, record), (100, "AcDbEntity"), (8, "0"))
    return tags(
        (0, "BLOCK"),
        (5, handle),
        *entity,
        (100, "AcDbBlockBegin"),
        (2, name),
        (70, 0),
        (10, "0.0"),
        (20, "0.0"),
        (30, "0.0"),
        (3, name),
        (1, ""),
        (0, "ENDBLK"),
        (5, end),
        *entity,
        (100, "AcDbBlockEnd"),
    )
