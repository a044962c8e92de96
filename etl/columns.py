"""Fill the fields of a layer from the columns of a batch, as the plan says."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from etl.convert import ARROW_TYPES, convert, to_text
from etl.faults import Fault, Mask, rows_of
from etl.mapping import ROW_NUMBER, FieldRule, split_template
from etl.plan import ColumnPlan
from etl.reader import SourceBatch
from layers.definition import FieldDefinition, FieldType
from layers.errors import LoadRefused
from layers.expressions import Expression, ExpressionError

#: Measures of the batch's geometries by name, as ``etl/measures.py`` knows them.
Measure = Callable[[str], NDArray[np.float64]]


@dataclass(frozen=True)
class Column:
    """One field's values in a batch."""

    field: FieldDefinition
    #: In the field's own Arrow type.
    values: pa.Array
    #: Where the source has a value that is not of that type.
    unreadable: Mask
    #: The source's values, for messages.
    source: pa.Array
    #: Values that could not be translated or computed; null in ``values``.
    faults: tuple[Fault, ...] = ()

    @property
    def refused(self) -> Mask:
        """The rows whose value is refused already."""
        return rows_of(self.faults, len(self.values)) | self.unreadable


def build_columns(plans: list[ColumnPlan], batch: SourceBatch, measure: Measure) -> list[Column]:
    """Fill every planned field.

    Args:
        plans: Which column fills which field.
        batch: The rows.
        measure: Gives areas or lengths of the batch's geometries, where a plan wants them.

    Raises:
        LoadRefused: If text is not in the encoding that was assumed.
    """
    try:
        return [_build(plan, batch, measure) for plan in plans]
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error).upper():
            raise
        raise LoadRefused(
            f"text near row {batch.first_row} is not in the encoding assumed: say --encoding"
        ) from error


def _build(plan: ColumnPlan, batch: SourceBatch, measure: Measure) -> Column:
    rule, kind = plan.rule, plan.field.type
    source, faults = _source(plan, batch, measure)
    raw = _without_nulls(rule, source)
    translated, untranslated = _translate(plan, raw)
    values, unreadable = convert(translated, kind, rule.format)
    values = _convert_units(plan, values)
    if rule.default is not None:
        default, _ = convert(pa.array([rule.default]), kind, rule.format)
        refused = pa.array(unreadable | rows_of([*faults, *untranslated], len(values)))
        values = pc.if_else(refused, values, pc.fill_null(values, default[0]))
    return Column(plan.field, values, unreadable, raw, (*faults, *untranslated))


def texts_of(rule: FieldRule, batch: SourceBatch) -> pa.Array:
    """Return the text of the column that a rule names, before its codes are translated."""
    return _mended(rule, _without_nulls(rule, column_of(batch, str(rule.column))))


def _source(plan: ColumnPlan, batch: SourceBatch, measure: Measure) -> tuple[pa.Array, list[Fault]]:
    rule, rows = plan.rule, batch.attributes.num_rows
    if rule.constant is not None:
        return pa.repeat(pa.scalar(rule.constant), rows), []
    if rule.geometry is not None:
        return pa.array(measure(rule.geometry), from_pandas=True), []
    if rule.template is not None:
        return _fill_template(rule.template, batch), []
    if rule.parsed is not None:
        return _evaluate(plan, rule.parsed, batch, measure)
    return column_of(batch, str(rule.column)), []


def _evaluate(
    plan: ColumnPlan, expression: Expression, batch: SourceBatch, measure: Measure
) -> tuple[pa.Array, list[Fault]]:
    def measured(name: str) -> pa.Array:
        if name == ROW_NUMBER:
            return pa.array(batch.row_numbers)
        return pa.array(measure(name), from_pandas=True)

    columns = {name: _operand(column_of(batch, name)) for name in expression.names}
    try:
        answer = expression.evaluate(columns, batch.attributes.num_rows, measured)
    except ExpressionError as error:
        raise plan.fault(str(error), "expression") from error
    if not answer.failed.any():
        return answer.values, []

    def describe(row: int) -> str:
        given = ", ".join(f"{name} = {columns[name][row].as_py()!r}" for name in columns)
        return f"{plan.field.name} cannot be computed from {given or 'nothing'}"

    return answer.values, [Fault(f"{plan.field.name}: expression", answer.failed, describe)]


def _operand(values: pa.Array) -> pa.Array:
    """Return a column as expressions take it: text trimmed, and null where there is none."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return to_text(values.cast(pa.string()))
    return values


def _convert_units(plan: ColumnPlan, values: pa.Array) -> pa.Array:
    rule = plan.rule
    scale, offset = rule.scale, rule.offset
    if plan.unit is not None:
        scale, offset = plan.unit.scale, plan.unit.offset
    if scale is None and offset is None:
        return values
    scaled = pc.add(
        pc.multiply(values.cast(pa.float64(), safe=False), 1.0 if scale is None else scale),
        offset or 0.0,
    )
    if plan.field.type is FieldType.INTEGER:
        scaled = pc.round(scaled)
    return scaled.cast(ARROW_TYPES[plan.field.type], safe=False)


def column_of(batch: SourceBatch, name: str) -> pa.Array:
    """Return the first column of that name as one array, dictionaries decoded."""
    table = batch.attributes
    values = table.column(table.schema.names.index(name))
    array = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _fill_template(template: str, batch: SourceBatch) -> pa.Array:
    rows = batch.attributes.num_rows
    pieces: list[pa.Array] = []
    for literal, name in split_template(template):
        if literal:
            pieces.append(pa.repeat(pa.scalar(literal), rows))
        if name == ROW_NUMBER:
            pieces.append(pa.array(batch.row_numbers).cast(pa.string()))
        elif name is not None:
            pieces.append(to_text(column_of(batch, name)))
    return pc.binary_join_element_wise(*pieces, "")


def _without_nulls(rule: FieldRule, values: pa.Array) -> pa.Array:
    if not rule.null:
        return values
    unknown = pa.array([str(value) for value in rule.null])
    return pc.if_else(pc.is_in(to_text(values), unknown), None, values)


def _mended(rule: FieldRule, values: pa.Array) -> pa.Array:
    texts = to_text(values)
    for wrong, right in rule.replace.items():
        texts = pc.replace_substring(texts, wrong, right)
    return texts


def _translate(plan: ColumnPlan, values: pa.Array) -> tuple[pa.Array, list[Fault]]:
    rule = plan.rule
    if not rule.replace and not rule.codes:
        return values, []
    texts = _mended(rule, values)
    otherwise = None if rule.otherwise is None else str(rule.otherwise)
    if plan.codes is not None:
        return plan.codes.translate(texts, otherwise)
    if not isinstance(rule.codes, dict) or not rule.codes:
        return texts, []
    place = pc.index_in(texts, pa.array(list(rule.codes)))
    replacements = pa.array([str(code) for code in rule.codes.values()]).take(place)
    if otherwise is not None:
        texts = pc.if_else(pc.is_valid(texts), otherwise, None)
    return pc.if_else(pc.is_valid(place), replacements, texts), []
