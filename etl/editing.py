"""Edits of single features: checked as the rows of a survey are, and written as a small load.

A feature is never overwritten: what it was stays as a version, and what it becomes is another.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from etl.edit_rows import EditPreparer, EditRow, edit_batch, is_unmoved, read_value
from etl.layer_checks import LayerChecks, SurveyFault
from etl.prepare import PreparedBatch
from etl.report import LoadReport
from etl.report_classes import sum_classes
from etl.rule_titles import rule_title
from etl.shapes import ShapeMaker
from gis.crs import SourceCrs, ToStorage, resolve, to_storage
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition, Severity
from layers.edit_session import TRANSACTION, EditHeader, EditSession, HeldFeature, open_edit
from layers.errors import (
    EditRefused,
    FeatureNotFound,
    KeyTaken,
    LoadStateConflict,
    VersionConflict,
)
from layers.store import Store
from layers.survey_view import SurveyView

_STORAGE = "EPSG:4490"
_EXAMPLES = 20


class Operation(StrEnum):
    """What an edit does to a feature."""

    CREATE = "create"
    REPLACE = "replace"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Edit:
    """What is to be done to one feature."""

    operation: Operation
    #: ``None`` of a new one.
    feature_id: int | None = None
    #: Field to value, as JSON has it.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: WKB in the request's reference system, x = easting or longitude.
    wkb: bytes | None = None
    #: Whether an update says anything of the geometry.
    moves: bool = True
    #: Whether a version (its tag) is the one that the edit was made for; ``None``: any is.
    suits: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class EditRequest:
    """Edits of one layer, all of which happen or none."""

    layer: LayerDefinition
    edits: Sequence[Edit]
    #: Reference system of the geometries, such as ``EPSG:4547``.
    crs: str
    operator: str
    reason: str
    #: SHA-256 of what was sent, in hexadecimal.
    checksum: str
    #: The fields that whoever edits may see; others keep what they hold.
    fields: tuple[str, ...]
    #: From when on it is so; ``None`` is the moment it is recorded.
    valid_from: datetime | None = None


@dataclass(frozen=True)
class Edited:
    """What became of one edit."""

    feature_id: int
    #: Names the version that there is now; ``None`` of a feature that ended.
    tag: str | None


@dataclass(frozen=True)
class EditOutcome:
    """What became of a request."""

    #: In the order of the request.
    features: tuple[Edited, ...]
    #: The load that it is recorded as; ``None`` where it changed nothing.
    load_id: int | None
    #: The layer's versions after it.
    data_version: int
    tile_version: int
    valid_from: datetime
    #: What the layer's checks warn of, as ``EditRefused.violations``.
    warnings: tuple[dict[str, Any], ...]


def edit(request: EditRequest, store: Store, catalogue: Catalogue) -> EditOutcome:
    """Make edits: all of them, or none.

    Raises:
        EditRefused: If a feature breaks a rule; the error lists all of them.
        KeyTaken: If a new feature has the business key of one that is there.
        FeatureNotFound: If a feature to be edited is not there when the edit begins to hold.
        VersionConflict: If it is in another version than the edit was made for.
        LoadStateConflict: If a feature to be deleted has later versions.
        LayerBusy: If a load is writing the layer.
        LoadRefused: If the date lies in the future, or the database refuses the data.
        DatabaseUnavailable: If the database cannot be reached.
    """
    header = EditHeader(
        request.checksum, request.crs, request.operator, request.reason, request.valid_from
    )
    work = _Work(request, catalogue)
    with open_edit(store, request.layer, header) as session:
        work.do(session)
    assert session.outcome is not None  # noqa: S101 -- narrows the type
    return EditOutcome(
        tuple(work.edited),
        session.load_id,
        session.outcome.data_version,
        session.tile_version,
        session.valid_from,
        tuple(work.warnings),
    )


@lru_cache(maxsize=64)
def _system(label: str) -> tuple[SourceCrs, ToStorage]:
    """Return a reference system and the way from it to the store's, which takes long to find."""
    crs = resolve(label)
    return crs, to_storage(crs)


class _Work:
    """The way of one request through its transaction."""

    def __init__(self, request: EditRequest, catalogue: Catalogue) -> None:
        self._request = request
        self._layer = request.layer
        self._catalogue = catalogue
        self._violations: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.edited: list[Edited] = []
        #: Keys of new features, by their place in the request.
        self._fresh: dict[int, dict[str, Any]] = {}

    def do(self, session: EditSession) -> None:
        request, started = self._request, time.monotonic()
        held = self._held(session)
        rows = self._rows(held)
        ended = [one.feature_id for one in request.edits if one.operation is Operation.DELETE]
        gone = [number for number in ended if number is not None]
        later = session.known_later(gone) if gone else []
        if later:
            raise LoadStateConflict(
                f"feature {later[0]} has versions that begin after {session.valid_from.isoformat()}"
                ": it cannot end before them"
            )
        report = self._report(session, len(request.edits))
        if rows:
            self._take(session, rows, held, report)
        session.load.end(gone)
        session.apply()
        self._tell(session, held)
        if session.load_id is not None:
            outcome = session.outcome
            report.outcome = outcome
            if outcome is not None:
                report.classes = sum_classes(session.load, self._layer, outcome)
            report.good = len(rows)
            report.seconds["total"] = time.monotonic() - started
            session.load.finish(report.as_dict())

    def _held(self, session: EditSession) -> dict[int, HeldFeature]:
        """Return the features to be edited, in the versions that the edits were made for."""
        wanted = [one.feature_id for one in self._request.edits if one.feature_id is not None]
        held = session.held(wanted) if wanted else {}
        for one in self._request.edits:
            if one.feature_id is None:
                continue
            if one.feature_id not in held:
                raise FeatureNotFound(
                    f"{self._layer.name} has no feature {one.feature_id} at that time"
                )
            if one.suits is not None and not one.suits(held[one.feature_id].tag):
                raise VersionConflict(
                    f"feature {one.feature_id} of {self._layer.name} has been changed meanwhile: "
                    "get it again, and make the change anew"
                )
        if len(set(wanted)) != len(wanted):
            raise EditRefused("a feature is edited twice in one request", ())
        return held

    def _rows(self, held: Mapping[int, HeldFeature]) -> list[EditRow]:
        """Return what features are to be, with the geometries as they came."""
        rows = []
        for number, one in enumerate(self._request.edits, 1):
            if one.operation is Operation.DELETE:
                continue
            before = None if one.feature_id is None else held[one.feature_id]
            self._refuse_unknown(number, one.values)
            if before is not None:
                self._refuse_other_key(number, one, before)
            values = self._values(one, before)
            rows.append(EditRow(number, values, one.wkb))
        return rows

    def _refuse_unknown(self, number: int, values: Mapping[str, Any]) -> None:
        for name in values:
            if name not in self._request.fields:
                message = f"the layer {self._layer.name} has no field '{name[:80]}'"
                self._broken(number, "unknown_field", message, name[:80])

    def _refuse_other_key(self, number: int, one: Edit, before: HeldFeature) -> None:
        for name in self._layer.key:
            if one.operation is Operation.UPDATE and name not in one.values:
                continue
            value, bad = read_value(one.values.get(name), self._layer.field(name).type)
            if bad or value != before.fields[name]:
                message = (
                    f"{name} is a part of the feature's key, which stays '{before.fields[name]}': "
                    "delete the feature and make another one"
                )
                self._broken(number, "key_changed", message, name)

    def _values(self, one: Edit, before: HeldFeature | None) -> dict[str, Any]:
        if before is None:
            return dict(one.values)
        kept = self._layer.field_names
        if one.operation is Operation.REPLACE:
            kept = tuple(name for name in kept if name not in self._request.fields)
        return {name: before.fields[name] for name in kept} | dict(one.values)

    def _take(
        self,
        session: EditSession,
        rows: Sequence[EditRow],
        held: Mapping[int, HeldFeature],
        report: LoadReport,
    ) -> None:
        """Check rows, alone and among their neighbours, and stage them."""
        view = SurveyView(
            session.load, self._layer, self._catalogue, session.valid_from, full=False
        )
        checks = LayerChecks(self._layer, self._catalogue, {})
        checks.begin(view)
        for prepared in self._prepared(session, rows, held, checks):
            report.count(prepared, _EXAMPLES)
            self._judge(prepared)
            self._note_keys(prepared)
            session.load.stage(prepared.good, prepared.geometry)
        self._refuse()
        self._refuse_repeated()
        self._refuse_taken(session)
        session.load.complete()
        for fault in checks.survey(view):
            self._judge_survey(fault, report)
        self._refuse()

    def _judge_survey(self, fault: SurveyFault, report: LoadReport) -> None:
        name, error = fault.check.name, fault.severity is Severity.ERROR
        told = [(one.source_row, one.message) for one in fault.findings]
        told += [
            (row, many.describe(row)) for many in fault.many for row in many.source_rows.tolist()
        ]
        report.notes += [f"{name}: {message}" for number, message in told if number is None]
        rows = [(number, message) for number, message in told if number is not None]
        (self._violations if error else self.warnings).extend(
            self._violation(number, name, message) for number, message in rows
        )
        if rows:
            report.count_rule(name, fault.severity, len(rows), rows, _EXAMPLES)

    def _prepared(
        self,
        session: EditSession,
        rows: Sequence[EditRow],
        held: Mapping[int, HeldFeature],
        checks: LayerChecks,
    ) -> Iterator[PreparedBatch]:
        """Check each row by itself: those that came with a geometry, and those that keep theirs."""
        crs, way = _system(self._request.crs)
        moved: list[EditRow] = []
        still: list[EditRow] = []
        for row in rows:
            one = self._request.edits[row.number - 1]
            before = None if one.feature_id is None else held[one.feature_id].wkb
            if before is not None and (not one.moves or is_unmoved(row.wkb, before, way)):
                still.append(replace(row, wkb=before))
            else:
                moved.append(row)
        for some, system in ((moved, (crs, way)), (still, _system(_STORAGE))):
            if some:
                maker = ShapeMaker(self._layer.geometry, *system, anywhere=False, row_by_row=True)
                preparer = EditPreparer(
                    self._layer, [], maker, self._catalogue, None, checks, session.valid_from
                )
                yield preparer.finish(preparer.examine(edit_batch(self._layer, some)))

    def _judge(self, prepared: PreparedBatch) -> None:
        for bad in prepared.bad:
            for rule, message in bad.rules:
                self._violations.append(self._violation(bad.source_row, rule, message))
        for rule, (_, shown) in prepared.warned.items():
            self.warnings += [self._violation(number, rule, text) for number, text in shown]

    def _note_keys(self, prepared: PreparedBatch) -> None:
        for row in prepared.good.select(["source_row", *self._layer.key]).to_pylist():
            number = row.pop("source_row")
            if self._request.edits[number - 1].operation is Operation.CREATE:
                self._fresh[number] = row

    def _refuse_repeated(self) -> None:
        seen: dict[tuple[Any, ...], int] = {}
        for number, key in self._fresh.items():
            first = seen.setdefault(tuple(key.values()), number)
            if first != number:
                message = f"feature {first} of the request has the same key"
                self._violations.append(self._violation(number, "duplicate_key", message))
        self._refuse()

    def _refuse_taken(self, session: EditSession) -> None:
        taken = session.taken_keys(list(self._fresh.values()))
        if not taken:
            return
        numbers, violations = list(self._fresh), []
        for place, feature in taken.items():
            named = self._fresh[numbers[place]].items()
            key = ", ".join(f"{name} = '{value}'" for name, value in named)
            message = f"feature {feature} has the key {key} already"
            violations.append(self._violation(numbers[place], "duplicate_key", message))
        raise KeyTaken(str(violations[0]["message"]), tuple(violations))

    def _tell(self, session: EditSession, held: Mapping[int, HeldFeature]) -> None:
        deleted = all(one.operation is Operation.DELETE for one in self._request.edits)
        written = {} if deleted else session.written()
        for number, one in enumerate(self._request.edits, 1):
            if one.operation is Operation.DELETE:
                self.edited.append(Edited(one.feature_id or 0, None))
            else:
                self.edited.append(Edited(*written[number]))

    def _violation(self, number: int, rule: str, message: str) -> dict[str, Any]:
        name = rule.partition(": ")[0]
        title = rule_title(rule, self._layer)
        return {
            "row": number,
            "rule": rule,
            "title": {"zh": title.zh, "en": title.en},
            "field": name if name in self._layer.field_names and ": " in rule else None,
            "message": message,
        }

    def _broken(self, number: int, rule: str, message: str, name: str) -> None:
        self._violations.append({**self._violation(number, rule, message), "field": name})

    def _refuse(self) -> None:
        if self._violations:
            first = self._violations[0]["message"]
            more = len(self._violations) - 1
            rest = f" (and {more} more)" if more else ""
            raise EditRefused(f"{first}{rest}", tuple(self._violations))

    def _report(self, session: EditSession, rows: int) -> LoadReport:
        crs, way = _system(self._request.crs)
        return LoadReport(
            layer=self._layer.name,
            source=TRANSACTION,
            format=TRANSACTION,
            source_layer="",
            checksum=self._request.checksum,
            crs=crs.label,
            transformation=way.description,
            accuracy_m=way.accuracy_m,
            encoding=None,
            operator=self._request.operator,
            valid_from=session.valid_from,
            mapping=None,
            full=False,
            load_id=session.load.load_id,
            notes=[self._request.reason],
        )
