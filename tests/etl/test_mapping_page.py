"""The page of the mapping language: its examples are mappings and expressions as it says."""

import re
from pathlib import Path

import pytest

from etl.mapping import MEASURE_UNITS, FieldRule, read_mapping
from etl.plan import plan_columns
from layers.catalogue import load_catalogue
from layers.expression_functions import FUNCTIONS
from layers.expressions import MEASURES, parse_expression

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()
PAGE = (ROOT / "docs" / "mappings.md").read_text(encoding="utf-8")
README = (ROOT / "data" / "mappings" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE + README, re.DOTALL)
EXPRESSIONS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_a_mapping_that_fits_its_layer(tmp_path: Path, example: str) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(example, encoding="utf-8")
    mapping = read_mapping(path)
    layer = CATALOGUE.layer(mapping.layer)
    columns = [column for rule in mapping.fields.values() for column in rule.columns]
    columns += mapping.heights.columns if mapping.heights else ()
    columns += [field.name for field in layer.fields if field.required]
    planned = {plan.field.name for plan in plan_columns(layer, mapping, tuple(columns), CATALOGUE)}
    assert set(mapping.fields) <= planned


@pytest.mark.parametrize("example", EXPRESSIONS)
def test_an_expression_of_the_page_can_be_read(example: str) -> None:
    assert parse_expression(example).text == example


def test_the_page_names_every_function_measure_key_and_translation() -> None:
    for name in [*FUNCTIONS, *MEASURES]:
        if name not in ("negative", "is null", "||"):
            assert name in PAGE, name
    for name in MEASURE_UNITS:
        assert f"`{name}`" in PAGE
    for name, field in FieldRule.model_fields.items():
        key = field.alias or name
        assert f"`{key}`" in PAGE or f'`"{key}"`' in PAGE, key
    for source, target in CATALOGUE.translations.files:
        assert re.search(rf"\| `{source}`.*`{target}`", PAGE), source
