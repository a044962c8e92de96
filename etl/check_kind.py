"""What a kind of check is, and the registry that finds them in ``etl/check_kinds``.

A kind's file has ``KIND``, a :class:`CheckKind`. Its ``make`` gets the parameters that a layer's
definition gives under ``with``, already checked against the kind's own model, and returns a check:

* a :class:`RowCheck` looks at each batch on its own and names the rows that break it;
* a :class:`SurveyCheck` may watch the good rows pass, and gives its findings when all of them are
  staged, with the stage and the layer at hand.
"""

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

import etl.check_kinds
from etl.check_rows import CheckRows
from etl.check_survey import Finding, SurveyView
from etl.faults import Mask
from layers.catalogue import Catalogue
from layers.definition import Bilingual, CheckDefinition, LayerDefinition
from layers.errors import DefinitionError


class Parameters(BaseModel):
    """The parameters of a kind; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def fields(self) -> Iterable[str]:
        """Return the fields of the layer that the parameters name."""
        return ()

    def other_fields(self) -> Iterable[tuple[str, str]]:
        """Return layer and field of what the parameters name in other layers."""
        return ()


@dataclass(frozen=True)
class Breach:
    """Rows of a batch that break a check."""

    #: One entry a row of the batch.
    rows: Mask
    #: Says for a row (its place in the batch) what is wrong, in one sentence.
    describe: Callable[[int], str]


class RowCheck(Protocol):
    """A check of rows, each on its own."""

    def breaches(self, rows: CheckRows) -> Breach:
        """Tell which rows break the check."""
        ...


class SurveyCheck(Protocol):
    """A check of a whole survey against itself and the layer.

    Raises of any of its methods end the load.
    """

    def begin(self, view: SurveyView) -> None:
        """Get ready, before the first row is read."""
        ...

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """See a batch pass; only rows in ``good`` will be staged. Runs beside the database."""
        ...

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        """Return what is wrong, when all rows are staged."""
        ...


class SurveyCheckBase:
    """A survey check that needs nothing before all rows are staged."""

    def begin(self, view: SurveyView) -> None:
        """Get ready: nothing to do."""

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """See a batch pass: nothing to do."""


@dataclass(frozen=True)
class CheckKind:
    """A kind of check."""

    #: What it looks for, in one phrase.
    title: Bilingual
    parameters: type[Parameters]
    #: Makes the check from its parameters and the layer.
    make: Callable[[Any, LayerDefinition], RowCheck | SurveyCheck]


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
