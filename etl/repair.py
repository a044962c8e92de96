"""Try refused rows again: through the mapping and checks of the load that refused them."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import FromClause, and_, select

from etl.columns import Column, Measure, build_columns
from etl.convert import ARROW_TYPES, convert, to_text
from etl.faults import without
from etl.layer_checks import LayerChecks
from etl.load import LoadRun, Progress, kept_report
from etl.mapping import Mapping, read_mapping
from etl.plan import plan_columns
from etl.prepare import Preparer
from etl.reader import SourceBatch
from etl.repair_source import RepairBatch, RepairSource
from etl.report import LoadReport
from etl.settings import EtlSettings
from etl.shapes import Heights, ShapeMaker
from gis.crs import CrsError, resolve, to_storage
from layers.access import AccessClass
from layers.catalogue import Catalogue
from layers.definition import FieldDefinition, LayerDefinition
from layers.errors import LoadRefused, UnknownField
from layers.quarantine import Selection, loads_with, read_refused, refused_rows
from layers.queries import layer_rows
from layers.store import LoadHeader, LoadSession, Store
from layers.survey_view import SurveyView
from layers.system_tables import load_table

_STORAGE = "EPSG:4490"


@dataclass(frozen=True)
class RepairRequest:
    """Which refused rows to try again."""

    selection: Selection
    operator: str = "unknown"
    #: A mended mapping that takes the place of the load's own.
    mapping: Path | None = None
    #: Accept positions outside the area of use of the survey's reference system.
    anywhere: bool = False


def retry(
    request: RepairRequest,
    store: Store,
    catalogue: Catalogue,
    settings: EtlSettings,
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[LoadReport]:
    """Try refused rows again: one load of kind ``repair`` for each load that refused some.

    What is good now becomes versions from the original survey's date on, under the row number of
    the original file; what is still bad stays, with one attempt more and today's messages. Each
    repair is one transaction; rows that somebody else took in meanwhile are left alone.

    Returns:
        The reports, in the order of the loads that refused the rows.

    Raises:
        OneMapError: If no such row waits, or a load cannot be repaired; repairs of the loads
            before it stand.
    """
    found = store.fetch(loads_with(request.selection))
    if not found:
        raise LoadRefused("no such refused row waits for repair")
    return [
        _retry_load(request, int(row.load_id), store, catalogue, settings, progress)
        for row in found
    ]


def _retry_load(
    request: RepairRequest,
    load_id: int,
    store: Store,
    catalogue: Catalogue,
    settings: EtlSettings,
    progress: Callable[[Progress], None],
) -> LoadReport:
    started = time.monotonic()
    (survey,) = store.fetch(select(load_table).where(load_table.c.load_id == load_id))
    if survey.status != "done" or survey.reverted_by is not None:
        raise LoadRefused(f"load {load_id} was taken back: its refused rows cannot be taken in")
    layer = catalogue.layer(survey.layer)
    mapping = _mapping(request, survey.mapping)
    if mapping is not None and mapping.layer != layer.name:
        raise LoadRefused(f"the mapping is for layer {mapping.layer}, not {layer.name}")
    report = _report(request, survey, layer, mapping)
    header = LoadHeader(
        source=survey.source,
        checksum=survey.checksum,
        crs=survey.crs,
        valid_from=survey.valid_from,
        operator=request.operator,
        mapping=mapping.model_dump(mode="json", by_alias=True) if mapping else {},
        kind="repair",
        mapping_name=report.mapping,
        repairs=load_id,
    )
    chosen = replace(request.selection, load_id=load_id)
    checks = LayerChecks(layer, catalogue, mapping.checks if mapping else {})
    with kept_report(report, store, started), store.open_load(layer, header) as session:
        # Read and locked within the load, so that nobody mends or takes them in meanwhile.
        locked = session.fetch(refused_rows(chosen).with_for_update())
        rows = [read_refused(row) for row in locked]
        if not rows:
            raise LoadRefused("somebody else took these rows in, or discarded them, meanwhile")
        names = frozenset(check.name for check in layer.checks)
        source = RepairSource(rows, layer.key, names, settings.batch_rows)
        preparer = _RepairPreparer(
            layer,
            plan_columns(layer, mapping, source.info.columns, catalogue)
            if source.info.columns
            else [],
            _shape_maker(request, mapping, layer, survey.crs),
            catalogue,
            mapping.heights if mapping else None,
            checks,
            survey.valid_from,
        )
        run = _RepairRun(
            report=report,
            source=source,
            preparer=preparer,
            checks=checks,
            reopen=lambda: nullcontext(source),
            max_bad=1.0,
            examples=settings.examples,
            progress=progress,
            started=started,
            layer=layer,
            repairs=load_id,
        )
        run.into(session, SurveyView(session, layer, catalogue, survey.valid_from, full=False))
    report.seconds["total"] = time.monotonic() - started
    progress(Progress("done", report.rows, report.rows))
    return report


@dataclass
class _RepairRun(LoadRun):
    layer: LayerDefinition
    #: The load that refused the rows.
    repairs: int

    def _before_apply(self, session: LoadSession) -> None:
        """Refuse keys that the same survey gave already; that no row is good is no failure."""
        session.complete()
        taken = session.fetch(_taken_keys(self.layer, session.surveyed, self.report, self.repairs))
        earlier = {row.source_row: row.held_row for row in taken}
        staged = session.staged_rows(sorted(earlier))
        again = []
        for number, row in sorted(staged.items()):
            key = ", ".join(f"{name} = '{row.values[name]}'" for name in self.layer.key)
            message = f"the key {key} already stands in row {earlier[number]} of the survey"
            again.append(replace(row, rule="duplicate_key", message=message))
            self.report.count_rule("duplicate_key", "error", 1, [(number, message)], self.examples)
        session.reject(again)
        self.report.good -= len(again)
        self.report.bad += len(again)


def _taken_keys(layer: LayerDefinition, stage: FromClause, report: LoadReport, repairs: int) -> Any:
    """Return the statement for staged rows whose key a row of the same survey has already."""
    access = AccessClass(layer.name, layer.field_names, None)
    held = layer_rows(layer, access, at=report.valid_from)
    siblings = select(load_table.c.load_id).where(
        (load_table.c.load_id == repairs) | (load_table.c.repairs == repairs)
    )
    same_key = and_(*(stage.c[name] == held.c[name] for name in layer.key))
    return (
        select(stage.c.source_row, held.c.source_row.label("held_row"))
        .select_from(stage)
        .join(held, same_key)
        .where(
            held.c.load_id.in_(siblings),
            held.c.valid_from == report.valid_from,
            held.c.source_row != stage.c.source_row,
        )
    )


class _RepairPreparer(Preparer):
    """Prepares refused rows: mapped anew or as they were understood, with what was mended."""

    def _columns(self, batch: SourceBatch, measure: Measure) -> list[Column]:
        assert isinstance(batch, RepairBatch)  # noqa: S101 -- narrows the type
        if batch.mapped:
            columns = build_columns(self._plans, batch, measure)
        else:
            columns = [
                column for field in self._layer.fields if (column := _understood(field, batch))
            ]
        return _mended(self._layer, columns, batch)

    def _read_heights(self, batch: SourceBatch) -> Heights | None:
        # Rows without their own columns were staged once: their geometry has its heights.
        assert isinstance(batch, RepairBatch)  # noqa: S101 -- narrows the type
        return super()._read_heights(batch) if batch.mapped else None


def _understood(field: FieldDefinition, batch: RepairBatch) -> Column | None:
    if field.name not in batch.attributes.column_names:
        return None
    source = batch.attributes[field.name].combine_chunks()
    values, unreadable = convert(source, field.type, None)
    return Column(field, values, unreadable, source)


def _mended(layer: LayerDefinition, columns: list[Column], batch: RepairBatch) -> list[Column]:
    """Put mended values in the place of the rows' own."""
    wanted = {name for fixes in batch.fixes.values() for name in fixes}
    for name in wanted:
        if name not in layer.field_names:
            raise UnknownField(f"the layer {layer.name} has no field '{name}'")
    by_name = {column.field.name: column for column in columns}
    count = batch.attributes.num_rows
    for name in wanted:
        field = layer.field(name)
        column = by_name.get(name)
        kind = ARROW_TYPES[field.type]
        if column is None:
            nothing = np.zeros(count, dtype=bool)
            column = Column(field, pa.nulls(count, kind), nothing, pa.nulls(count, pa.string()))
        places = [place for place, fixes in batch.fixes.items() if name in fixes]
        given = pa.array([_text(batch.fixes[place][name]) for place in places], pa.string())
        fresh, bad = convert(given, field.type, None)
        values, source = column.values.to_pylist(), to_text(column.source).to_pylist()
        unreadable = column.unreadable.copy()
        for at, place in enumerate(places):
            values[place], source[place] = fresh[at].as_py(), given[at].as_py()
            unreadable[place] = bad[at]
        faults = tuple(without(fault, places) for fault in column.faults)
        by_name[name] = Column(
            field, pa.array(values, kind), unreadable, pa.array(source, pa.string()), faults
        )
    return [by_name[name] for name in layer.field_names if name in by_name]


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or value == "" else str(value)


def _mapping(request: RepairRequest, kept: dict[str, Any] | None) -> Mapping | None:
    if request.mapping is not None:
        return read_mapping(request.mapping)
    return Mapping.model_validate(kept) if kept else None


def _shape_maker(
    request: RepairRequest, mapping: Mapping | None, layer: LayerDefinition, crs: str
) -> ShapeMaker:
    """Return what fits geometries to the layer: they are kept in the storage system already.

    They must still lie where the survey's own reference system is used.
    """
    storage = resolve(_STORAGE)
    own, known = storage, True
    try:
        own = resolve(crs)
    except CrsError:
        known = False
    return ShapeMaker(
        layer.geometry,
        own,
        to_storage(storage),
        anywhere=request.anywhere or not known or bool(mapping and mapping.anywhere),
        inner_points=mapping is not None and mapping.shape == "inner_point",
    )


def _report(
    request: RepairRequest, survey: Any, layer: LayerDefinition, mapping: Mapping | None
) -> LoadReport:
    before = survey.report or {}
    name = request.mapping.name if request.mapping is not None else survey.mapping_name
    return LoadReport(
        layer=layer.name,
        source=survey.source,
        format=f"repair of load {survey.load_id}",
        source_layer=str(before.get("source_layer") or ""),
        checksum=survey.checksum,
        crs=survey.crs,
        transformation=str(before.get("transformation") or ""),
        accuracy_m=float(before.get("accuracy_m") or 0.0),
        encoding=before.get("encoding"),
        operator=request.operator,
        valid_from=survey.valid_from,
        mapping=name if mapping is not None else None,
        full=False,
        repairs_load=survey.load_id,
    )
