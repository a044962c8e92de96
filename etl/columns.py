"""Fill the fields of a layer from the columns of a batch, as the plan says."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from etl.convert import ARROW_TYPES, convert, to_text
from etl.mapping import ROW_NUMBER, ColumnPlan, FieldRule, split_template
from etl.reader import SourceBatch
from layers.definition import FieldDefinition
from layers.errors import LoadRefused

Mask = NDArray[np.bool_]
#: Measures of the batch's geometries: name ("area", "length") to values.
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
    raw = _without_nulls(rule, _source(rule, batch, measure))
    translated = _translate(rule, raw)
    values, unreadable = convert(translated, kind, rule.format)
    if rule.scale is not None or rule.offset is not None:
        scaled = pc.add(pc.multiply(values, rule.scale or 1.0), rule.offset or 0.0)
        values = scaled.cast(ARROW_TYPES[kind], safe=False)
    if rule.default is not None:
        default, _ = convert(pa.array([rule.default]), kind, rule.format)
        values = pc.if_else(pa.array(unreadable), values, pc.fill_null(values, default[0]))
    return Column(plan.field, values, unreadable, raw)


def _source(rule: FieldRule, batch: SourceBatch, measure: Measure) -> pa.Array:
    rows = batch.attributes.num_rows
    if rule.constant is not None:
        return pa.repeat(pa.scalar(rule.constant), rows)
    if rule.geometry is not None:
        return pa.array(measure(rule.geometry))
    if rule.template is not None:
        return _fill_template(rule.template, batch)
    return column_of(batch, str(rule.column))


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


def _translate(rule: FieldRule, values: pa.Array) -> pa.Array:
    for wrong, right in rule.replace.items():
        values = pc.replace_substring(to_text(values), wrong, right)
    if not rule.codes:
        return values
    texts = to_text(values)
    place = pc.index_in(texts, pa.array(list(rule.codes)))
    replacements = pa.array([str(code) for code in rule.codes.values()]).take(place)
    if rule.otherwise is not None:
        texts = pc.if_else(pc.is_valid(texts), str(rule.otherwise), None)
    return pc.if_else(pc.is_valid(place), replacements, texts)
