"""The plan of a load: which column fills which field, and how."""

import difflib
from dataclasses import dataclass

from etl.code_map import CodeMap, name_map, scheme_map
from etl.mapping import MEASURE_UNITS, NAMES, FieldRule, Mapping, SchemeCodes, UnitChange
from gis.units import UNITS, Conversion, UnitError, conversion
from layers.catalogue import Catalogue
from layers.code_list import CodeList
from layers.definition import FieldDefinition, FieldType, LayerDefinition
from layers.errors import LoadRefused, UnknownCodeList, UnknownField

_NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)


@dataclass(frozen=True)
class ColumnPlan:
    """How one field is filled from one source."""

    field: FieldDefinition
    rule: FieldRule
    #: How its codes are translated, where they are not those of the field.
    codes: CodeMap | None = None
    #: How its values come to the field's unit.
    unit: Conversion | None = None
    #: The mapping that made the rule, for messages; ``None`` where the column's name did.
    mapping: Mapping | None = None

    def fault(self, message: str, key: str) -> LoadRefused:
        """Return the refusal of a load for a fault of this plan's rule."""
        if self.mapping is None:
            return LoadRefused(f"{self.field.name}: {message}")
        return self.mapping.fault(message, "fields", self.field.name, key)


def plan_columns(
    layer: LayerDefinition,
    mapping: Mapping | None,
    columns: tuple[str, ...],
    catalogue: Catalogue | None = None,
) -> list[ColumnPlan]:
    """Decide for every field of the layer which column fills it.

    Args:
        layer: The layer to load into.
        mapping: What the mapping says, which comes first.
        columns: The source's columns.
        catalogue: The code lists and the translations between them.

    Returns:
        A plan for each field that has a source; the others stay null.

    Raises:
        UnknownField: If the mapping names a field that the layer has not.
        LoadRefused: If it names a column that the source has not, a translation or unit that does
            not fit the field, or a required field has no column.
    """
    rules = _rules(layer, mapping, columns)
    plans: list[ColumnPlan] = []
    missing: list[str] = []
    by_name = {column.casefold(): column for column in reversed(columns)}
    for field in layer.fields:
        rule = rules.get(field.name)
        if rule is not None:
            plans.append(_plan(layer, field, rule, mapping, catalogue))
            continue
        names = (field.name, *field.aliases)
        match = next((by_name[n.casefold()] for n in names if n.casefold() in by_name), None)
        if match is not None:
            plans.append(ColumnPlan(field, FieldRule.model_validate({"from": match})))
        elif field.required:
            missing.append(field.name)
    if missing:
        raise LoadRefused(
            f"no column is known for the required {'fields' if len(missing) > 1 else 'field'} "
            f"{', '.join(missing)} of layer {layer.name}; the file has "
            f"{', '.join(columns) or 'no columns'}: write a mapping"
        )
    return with_originals(layer, plans)


def unused_columns(
    plans: list[ColumnPlan], mapping: Mapping | None, columns: tuple[str, ...]
) -> list[str]:
    """Return the source's columns that neither a field nor the heights take, in their order."""
    used = set(mapping.heights.columns if mapping is not None and mapping.heights else ())
    for plan in plans:
        used.update(plan.rule.columns)
    return [column for column in columns if column not in used]


def with_originals(layer: LayerDefinition, plans: list[ColumnPlan]) -> list[ColumnPlan]:
    """Add the plans of fields that keep codes as surveyed, and say of which edition they are.

    A translated field whose definition names such fields fills them, unless they have columns of
    their own.
    """
    planned = {plan.field.name for plan in plans}
    added: list[ColumnPlan] = []
    for plan in plans:
        editions, codes = plan.field.editions, plan.rule.codes
        if editions is None or not isinstance(codes, SchemeCodes):
            continue
        if editions.original is not None and editions.original not in planned:
            same: dict[str, object] = {"codes": {}, "otherwise": None, "default": None}
            rule = plan.rule.model_copy(update=same)
            added.append(ColumnPlan(layer.field(editions.original), rule))
        named = [value for value, name in editions.lists.items() if name == codes.source]
        if editions.named_in is not None and editions.named_in not in planned and named:
            rule = FieldRule(constant=named[0])
            added.append(ColumnPlan(layer.field(editions.named_in), rule))
    order = {name: place for place, name in enumerate(layer.field_names)}
    return sorted([*plans, *added], key=lambda plan: order[plan.field.name])


def translated(plan: ColumnPlan, source: str, catalogue: Catalogue) -> ColumnPlan:
    """Return a plan that translates its codes from another code list.

    Raises:
        UnknownCodeList: If there is no such translation.
    """
    codes = SchemeCodes.model_validate({"from": source})
    rule = plan.rule.model_copy(update={"codes": codes})
    way = catalogue.translations.between(source, str(plan.field.codes))
    return ColumnPlan(plan.field, rule, scheme_map(plan.field.name, way, {}), plan.unit)


def _rules(
    layer: LayerDefinition, mapping: Mapping | None, columns: tuple[str, ...]
) -> dict[str, FieldRule]:
    if mapping is None:
        return {}
    for name in mapping.fields:
        if name not in layer.field_names:
            close = difflib.get_close_matches(name, layer.field_names, 1)
            raise UnknownField(
                str(
                    mapping.fault(
                        f"the mapping names the field '{name}', which layer {layer.name} has not"
                        + (f"; did you mean {close[0]}?" if close else ""),
                        "fields",
                        name,
                    )
                )
            )
    for name, rule in mapping.fields.items():
        for column in rule.columns:
            if column not in columns:
                raise mapping.fault(_no_column(column, columns), "fields", name)
    for column in mapping.heights.columns if mapping.heights else ():
        if column not in columns:
            raise mapping.fault(_no_column(column, columns), "heights")
    return mapping.fields


def _no_column(column: str, columns: tuple[str, ...]) -> str:
    close = [name for name in columns if name.casefold() == column.casefold()]
    close = close or difflib.get_close_matches(column, columns, 1)
    return f"the mapping names the column '{column}', but the file has {', '.join(columns)}" + (
        f"; did you mean {close[0]}?" if close else ""
    )


def _plan(
    layer: LayerDefinition,
    field: FieldDefinition,
    rule: FieldRule,
    mapping: Mapping | None,
    catalogue: Catalogue | None,
) -> ColumnPlan:
    plan = ColumnPlan(field, rule, mapping=mapping)
    try:
        unit = _unit(field, rule)
    except UnitError as error:
        raise plan.fault(str(error), "unit") from error
    if rule.scale is not None or rule.offset is not None or rule.unit is not None:
        if field.type not in _NUMERIC:
            key = "unit" if rule.unit is not None else "scale"
            raise plan.fault(f"{layer.name}.{field.name} is no number", key)
    codes = None
    if isinstance(rule.codes, SchemeCodes):
        if catalogue is None or (field.codes is None and rule.codes.target is None):
            raise plan.fault(f"the field {field.name} has no code list: say to", "codes")
        try:
            codes = _codes(field, rule.codes, catalogue)
        except (UnknownCodeList, UnknownCode) as error:
            raise plan.fault(str(error), "codes") from error
    return ColumnPlan(field, rule, codes, unit, mapping)


def _unit(field: FieldDefinition, rule: FieldRule) -> Conversion | None:
    if rule.geometry is not None and rule.scale is None and rule.offset is None:
        native = MEASURE_UNITS[rule.geometry]
        if field.unit is None or field.unit == native or field.unit not in UNITS:
            return None
        return conversion(native, field.unit)
    if rule.unit is None:
        return None
    if isinstance(rule.unit, UnitChange):
        if field.unit is not None and conversion(rule.unit.target, field.unit) != _SAME:
            raise UnitError(f"the field {field.name} is in {field.unit}, not {rule.unit.target}")
        return conversion(rule.unit.source, rule.unit.target)
    if field.unit is None:
        raise UnitError(
            f"the field {field.name} says no unit: write unit: {{from: {rule.unit}, to: …}}"
        )
    return conversion(rule.unit, field.unit)


_SAME = Conversion(1.0, 0.0)


class UnknownCode(ValueError):
    """A mapping chooses or names a code that there is not."""


def _codes(field: FieldDefinition, codes: SchemeCodes, catalogue: Catalogue) -> CodeMap:
    target = catalogue.code_list(codes.target or str(field.codes))
    for chosen in codes.choose.values():
        _refuse_unknown(str(chosen), target)
    if field.codes is not None and codes.target is not None:
        wanted = catalogue.code_list(field.codes)
        if not target.codes.keys() <= wanted.codes.keys():
            raise UnknownCode(f"the codes of {field.name} are those of {wanted.name}")
    if codes.source == NAMES:
        return name_map(field.name, target, codes.choose)
    source = catalogue.code_list(codes.source)
    for code in codes.choose:
        _refuse_unknown(code, source)
    return scheme_map(
        field.name, catalogue.translations.between(source.name, target.name), codes.choose
    )


def _refuse_unknown(code: str, codes: CodeList) -> None:
    if code not in codes.codes:
        raise UnknownCode(f"choose: {codes.name} has no code '{code}'")
