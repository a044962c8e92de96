"""Translations of codes between editions: shipped ones are whole, wrong files are told by line."""

from pathlib import Path

import pytest

from layers.catalogue import load_catalogue
from layers.code_list import Code, CodeList
from layers.code_translation import CodeTranslation, read_translation, read_translations
from layers.errors import DefinitionError, UnknownCodeList

CATALOGUE = load_catalogue()
TRANSLATIONS = CATALOGUE.translations


def _list(name: str, *codes: str) -> CodeList:
    return CodeList(
        name, "TEST", "1", {code: Code(code, None, code, code, None, None) for code in codes}
    )


OLD, NEW = _list("old", "1", "2", "3"), _list("new", "a", "b", "c")


def test_the_registry_finds_the_shipped_translations() -> None:
    assert set(TRANSLATIONS.files) == {
        ("land_use_2007", "land_use_2017"),
        ("land_use_sd2", "land_use_2017"),
        ("land_use_sd3", "land_use_2017"),
        ("pipe_class_2003", "pipe_class"),
        ("reserves_1999", "reserves"),
        ("tourism_resource_2003", "tourism_resource"),
    }


@pytest.mark.parametrize("translation", TRANSLATIONS.files.values(), ids=lambda t: t.source.name)
def test_every_code_of_the_source_is_translated_or_left_open(translation: CodeTranslation) -> None:
    assert set(translation.counterparts) == set(translation.source.codes)
    for code, counterpart in translation.counterparts.items():
        targets = {counterpart.code, *counterpart.others} - {None}
        assert targets <= set(translation.target.codes), code
        assert counterpart.code is not None or len(counterpart.others) != 1, code


def test_wetland_classes_and_suffixes_of_the_third_survey() -> None:
    working = TRANSLATIONS.between("land_use_sd3", "land_use_2017").counterparts
    assert {code: working[code].code for code in ("0301K", "1104A", "1107A", "0810A", "0508")} == {
        "0301K": "0301", "1104A": "1104", "1107A": "1107", "0810A": "0810", "0508": "0604",
    }  # fmt: skip
    for merged in ("00", "05H1", "08H1", "08H2"):
        assert working[merged].code is None
        assert len(working[merged].others) > 1
    wetland = [c for c, entry in CATALOGUE.code_list("land_use_sd3").codes.items()
               if entry.parent == "00"]  # fmt: skip
    assert wetland
    assert all(working[code].code == code for code in wetland)


def test_telecom_and_the_exchanged_letters_of_tourism() -> None:
    assert TRANSLATIONS.between("pipe_class_2003", "pipe_class").counterparts["DX"].code == "TX"
    letters = TRANSLATIONS.between("tourism_resource_2003", "tourism_resource").counterparts
    assert [letters[code].code for code in "AEFH"] == ["A", "F", "E", "H"]


def test_a_list_that_holds_the_target_is_a_target_too() -> None:
    seen = TRANSLATIONS.between("land_use_2007", "land_use")
    assert seen.counterparts["011"].code == "0101"
    same = TRANSLATIONS.between("land_use_sd3", "land_use")
    assert same.counterparts["05H1"].code == "05H1"
    assert TRANSLATIONS.into("land_use") == ["land_use_2007", "land_use_sd2", "land_use_sd3"]


def test_what_cannot_be_translated_is_told() -> None:
    with pytest.raises(UnknownCodeList, match="there is no code list 'nope'"):
        TRANSLATIONS.between("nope", "land_use")
    with pytest.raises(UnknownCodeList, match="there are some from land_use_2007"):
        TRANSLATIONS.between("pipe_class", "land_use")
    with pytest.raises(UnknownCodeList, match="there is none to it at all"):
        TRANSLATIONS.between("pipe_class", "hazard_type")


@pytest.mark.parametrize(
    ("rows", "line", "message"),
    [
        (["1,a,,", "2,b,,", "3,x,,"], 4, "new has no code 'x'"),
        (["1,a,,", "9,b,,"], 3, "old has no code '9'"),
        (["1,a,,", "1,b,,"], 3, "1 is given twice"),
        (["1,a,a,note"], 2, "1: a code is listed twice"),
        (["1,,a,note"], 2, "belongs in 'to'"),
        (["1,,a b,"], 2, "a note must say why"),
        (["1,a,b,"], 2, "a note must say why"),
        (["1,a"], 2, "has not 4 columns"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(
    tmp_path: Path, rows: list[str], line: int, message: str
) -> None:
    path = tmp_path / "old__new.csv"
    path.write_text("\n".join(["code,to,or,note", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match=f"old__new.csv:{line}: ") as caught:
        read_translation(path, OLD, NEW)
    assert message in str(caught.value)


def test_a_translation_must_be_whole_and_between_lists_that_exist(tmp_path: Path) -> None:
    path = tmp_path / "old__new.csv"
    path.write_text("code,to,or,note\n1,a,,\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match="says nothing of 2, 3 of old"):
        read_translation(path, OLD, NEW)
    path.rename(tmp_path / "old__other.csv")
    with pytest.raises(DefinitionError, match="of two code lists"):
        read_translations(tmp_path, {"old": OLD, "new": NEW})
    (tmp_path / "old__other.csv").unlink()
    path.write_text("from,to\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match="the columns must be code,to,or,note"):
        read_translations(tmp_path, {"old": OLD, "new": NEW})
