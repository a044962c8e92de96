"""All checks of one layer, made ready for one load."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from etl.check_condition import Condition
from etl.check_kind import RowCheck, SurveyCheck
from etl.check_registry import make_check, make_condition
from etl.check_rows import CheckRows
from etl.check_survey import Finding, ManyFindings, SurveyView
from etl.faults import Fault, Mask
from layers.catalogue import Catalogue
from layers.definition import CheckDefinition, LayerDefinition, Severity
from layers.errors import LoadRefused

#: What a mapping may say of a check: another severity, or that it is not done.
OFF = "off"


Kind = TypeVar("Kind", RowCheck, SurveyCheck)


@dataclass(frozen=True)
class _Ready(Generic[Kind]):
    definition: CheckDefinition
    severity: Severity
    check: Kind
    when: Condition | None


@dataclass(frozen=True)
class SurveyFault:
    """A check of the whole survey and what it found."""

    check: CheckDefinition
    severity: Severity
    findings: list[Finding]
    #: Findings that are put into words only when somebody reads them.
    many: list[ManyFindings] = field(default_factory=list)


class LayerChecks:
    """The checks of a layer, with what a mapping says of them."""

    def __init__(
        self, layer: LayerDefinition, catalogue: Catalogue, overrides: Mapping[str, str]
    ) -> None:
        """Make the checks.

        Args:
            layer: The layer.
            catalogue: The layers and code lists.
            overrides: Name of a check to ``error``, ``warning`` or ``off``.

        Raises:
            DefinitionError: If a check's parameters are wrong.
            LoadRefused: If an override names no check.
        """
        names = {check.name for check in layer.checks}
        for name in overrides:
            if name not in names:
                raise LoadRefused(f"the layer {layer.name} has no check '{name}'")
        #: Rows that the condition of a check of the whole survey holds for, by the check's name.
        self._meant: dict[str, list[NDArray[np.int64]]] = {}
        self._rows: list[_Ready[RowCheck]] = []
        self._surveys: list[_Ready[SurveyCheck]] = []
        for definition in layer.checks:
            said = overrides.get(definition.name)
            if said == OFF or (said is None and not definition.enabled):
                continue
            severity = Severity(said) if said is not None else definition.severity
            check = make_check(definition, layer, catalogue)
            when = make_condition(definition, layer)
            if isinstance(check, RowCheck):
                self._rows.append(_Ready(definition, severity, check, when))
            else:
                self._surveys.append(_Ready(definition, severity, check, when))

    def check_rows(self, rows: CheckRows) -> tuple[list[Fault], list[Fault]]:
        """Check a batch.

        Returns:
            The errors and the warnings.
        """
        errors: list[Fault] = []
        warnings: list[Fault] = []
        for ready in self._rows:
            breach = ready.check.breaches(rows)
            broken = breach.rows
            if broken.any() and ready.when is not None:
                broken = broken & ready.when.holds(rows)
            if broken.any():
                into = errors if ready.severity is Severity.ERROR else warnings
                into.append(Fault(ready.definition.name, broken, breach.describe))
        return errors, warnings

    def begin(self, view: SurveyView) -> None:
        """Make the checks of the whole survey ready, before the first row."""
        for ready in self._surveys:
            ready.check.begin(view)

    def look(self, rows: CheckRows) -> None:
        """Let the checks of the whole survey do what needs no order; several batches at once."""
        for ready in self._surveys:
            ready.check.look(rows)

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Let the checks of the whole survey see a batch pass.

        Args:
            rows: The batch.
            good: The rows that will be staged.
        """
        for ready in self._surveys:
            seen = good
            if ready.when is not None:
                seen = np.asarray(good & ready.when.holds(rows), dtype=bool)
                self._meant.setdefault(ready.definition.name, []).append(rows.numbers[seen])
            ready.check.watch(rows, seen)

    def survey(self, view: SurveyView) -> list[SurveyFault]:
        """Check the staged survey as a whole."""
        found = []
        for ready in self._surveys:
            findings: list[Finding] = []
            many: list[ManyFindings] = []
            for finding in ready.check.findings(view):
                if isinstance(finding, Finding):
                    findings.append(finding)
                else:
                    many.append(finding)
            if ready.when is not None:
                meant = self._meant_rows(ready.definition.name)
                findings = _only_meant(findings, meant)
                many = [rows.chosen(meant) for rows in many]
            many = [rows for rows in many if len(rows.source_rows)]
            if findings or many:
                found.append(SurveyFault(ready.definition, ready.severity, findings, many))
        return found

    def _meant_rows(self, name: str) -> NDArray[np.int64]:
        parts = self._meant.get(name, [])
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)


def _only_meant(findings: list[Finding], rows: NDArray[np.int64]) -> list[Finding]:
    meant = set(rows.tolist())
    return [
        finding for finding in findings if finding.source_row is None or finding.source_row in meant
    ]
