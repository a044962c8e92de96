"""The registry of kinds of checks: finds them, and makes a layer's checks of them."""

import pkgutil
from functools import cache
from importlib import import_module
from types import MappingProxyType

from pydantic import ValidationError

import etl.check_kinds
from etl.check_condition import Condition
from etl.check_kind import CheckKind, Parameters, RowCheck, SurveyCheck
from layers.catalogue import Catalogue
from layers.definition import CheckDefinition, LayerDefinition
from layers.errors import DefinitionError


@cache
def check_kinds() -> MappingProxyType[str, CheckKind]:
    """Return the kinds by name, found by scanning ``etl/check_kinds`` in sorted order.

    Raises:
        ValueError: If a module has no ``KIND``.
    """
    found: dict[str, CheckKind] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(etl.check_kinds.__path__)):
        kind: CheckKind | None = getattr(import_module(f"etl.check_kinds.{name}"), "KIND", None)
        if kind is None:
            raise ValueError(f"etl/check_kinds/{name}.py has no KIND")
        found[name] = kind
    return MappingProxyType(found)


def make_check(
    definition: CheckDefinition, layer: LayerDefinition, catalogue: Catalogue | None = None
) -> RowCheck | SurveyCheck:
    """Return the check that a layer's definition describes.

    Args:
        definition: The entry of ``checks:``.
        layer: The layer.
        catalogue: The other layers; without it what is said of them is not looked at.

    Raises:
        DefinitionError: If the kind or a parameter is wrong; the message names layer and check.
    """
    where = f"layer {layer.name}: check {definition.name}"
    kind = check_kinds().get(definition.rule)
    if kind is None:
        raise DefinitionError(
            f"{where}: there is no kind '{definition.rule}'; there are {', '.join(check_kinds())}"
        )
    try:
        parameters = kind.parameters.model_validate(definition.parameters)
        _names_hold(parameters, layer, catalogue)
        return kind.make(parameters, layer)
    except ValidationError as error:
        faults = "; ".join(
            f"with.{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise DefinitionError(f"{where}: {faults}") from error
    except ValueError as error:
        raise DefinitionError(f"{where}: {error}") from error


def make_condition(definition: CheckDefinition, layer: LayerDefinition) -> Condition | None:
    """Return the condition under which a check is done, if it has one.

    Raises:
        DefinitionError: If it cannot be read; the message names layer and check.
    """
    if definition.when is None:
        return None
    try:
        return Condition(definition.when, layer)
    except ValueError as error:
        where = f"layer {layer.name}: check {definition.name}"
        raise DefinitionError(f"{where}: when: {error}") from error


def _names_hold(
    parameters: Parameters, layer: LayerDefinition, catalogue: Catalogue | None
) -> None:
    for name in parameters.fields():
        if name not in layer.field_names:
            raise ValueError(f"the layer has no field '{name}'")
    for other, name in parameters.other_fields():
        if catalogue is None or (other == layer.name and name in layer.field_names):
            continue
        if other not in catalogue.layers:
            raise ValueError(f"there is no layer '{other}'")
        if name not in catalogue.layer(other).field_names:
            raise ValueError(f"the layer {other} has no field '{name}'")
