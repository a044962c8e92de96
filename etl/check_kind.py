"""What a kind of check is; ``etl/check_registry.py`` finds them in ``etl/check_kinds``.

A kind's file has ``KIND``, a :class:`CheckKind`. Its ``make`` gets the parameters that a layer's
definition gives under ``with``, already checked against the kind's own model, and returns a check:

* a :class:`RowCheck` looks at each batch on its own and names the rows that break it;
* a :class:`SurveyCheck` may watch the good rows pass, and gives its findings when all of them are
  staged, with the stage and the layer at hand.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from etl.check_rows import CheckRows
from etl.check_survey import Finding, ManyFindings, SurveyView
from etl.faults import Mask
from layers.definition import Bilingual, LayerDefinition


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


@runtime_checkable
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

    def look(self, rows: CheckRows) -> None:
        """Do the long part of ``watch``, several batches at once; keep it in ``rows.kept``."""
        ...

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """See the batches pass in their order; only rows in ``good`` will be staged."""
        ...

    def findings(self, view: SurveyView) -> Iterable[Finding | ManyFindings]:
        """Return what is wrong, when all rows are staged."""
        ...


class SurveyCheckBase:
    """A survey check that needs nothing before all rows are staged."""

    def begin(self, view: SurveyView) -> None:
        """Get ready: nothing to do."""

    def look(self, rows: CheckRows) -> None:
        """Look at a batch: nothing to do."""

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
