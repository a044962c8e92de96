"""The checks of a whole survey, between staging and applying: run, report, refuse."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from etl.check_survey import SurveyView
from etl.layer_checks import LayerChecks, SurveyFault
from etl.reader import Source
from etl.refused import originals
from etl.report import LoadReport
from layers.definition import Severity
from layers.errors import OneMapError
from layers.store import BadRow, LoadSession

#: Opens the source once more, to read refused rows as they came.
Reopen = Callable[[], AbstractContextManager[Source]]
#: Rows that are written down at once.
_AT_ONCE = 10_000


def check_survey(
    checks: LayerChecks,
    view: SurveyView,
    session: LoadSession,
    report: LoadReport,
    reopen: Reopen,
    examples: int,
) -> None:
    """Check the staged survey; rows that break an error's rule leave the stage for quarantine.

    Args:
        checks: The layer's checks, which saw the rows pass.
        view: The stage and the layer.
        session: The load.
        report: Gets the counts.
        reopen: Opens the source again.
        examples: How many examples each rule keeps.
    """
    told: dict[int, list[tuple[str, str]]] = {}
    for fault in checks.survey(view):
        _report(fault, report, examples)
        if fault.severity is Severity.ERROR:
            for finding in fault.findings:
                if finding.source_row is not None:
                    entry = (fault.check.name, finding.message)
                    told.setdefault(finding.source_row, []).append(entry)
            for many in fault.many:
                for row in many.source_rows.tolist():
                    told.setdefault(row, []).append((fault.check.name, many.describe(row)))
    if told:
        _refuse(told, session, report, reopen)


def _report(fault: SurveyFault, report: LoadReport, examples: int) -> None:
    rows: dict[int, str] = {}
    for finding in fault.findings:
        if finding.source_row is None:
            report.notes.append(f"{fault.check.name}: {finding.message}")
        else:
            rows.setdefault(finding.source_row, finding.message)
    count = len(rows)
    for many in fault.many:
        count += len(many.source_rows)
        rows |= {row: many.describe(row) for row in many.source_rows[:examples].tolist()}
    if rows:
        report.count_rule(fault.check.name, fault.severity, count, sorted(rows.items()), examples)


def _refuse(
    told: Mapping[int, list[tuple[str, str]]],
    session: LoadSession,
    report: LoadReport,
    reopen: Reopen,
) -> None:
    numbers = sorted(told)
    as_they_came = _read_again(set(numbers), reopen)
    for start in range(0, len(numbers), _AT_ONCE):
        staged = session.staged_rows(numbers[start : start + _AT_ONCE])
        rows = [_written_down(row, told[number], as_they_came) for number, row in staged.items()]
        session.reject(rows)
        report.draw(rows)
        report.good -= len(staged)
        report.bad += len(staged)


def _written_down(
    row: BadRow, told: list[tuple[str, str]], as_they_came: Mapping[int, dict[str, object]]
) -> BadRow:
    rules = tuple(dict.fromkeys(told))
    return replace(
        row,
        rule=rules[0][0],
        message="; ".join(message for _, message in rules),
        rules=rules,
        original=as_they_came.get(row.source_row, row.values),
    )


def _read_again(wanted: set[int], reopen: Reopen) -> dict[int, dict[str, object]]:
    """Return rows under the source's own names; none where it cannot be read a second time."""
    found: dict[int, dict[str, object]] = {}
    try:
        with reopen() as source:
            for batch in source.batches():
                numbers = batch.row_numbers.tolist()
                places = [place for place, number in enumerate(numbers) if number in wanted]
                if places:
                    rows = originals(batch, places)
                    found |= {numbers[p]: row for p, row in zip(places, rows, strict=True)}
                if len(found) == len(wanted):
                    break
    except OneMapError:
        # A server that answered once may not answer again; the rows' fields are kept instead.
        return found
    return found
