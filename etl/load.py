"""The load: read → map → transform → check → stage → apply, in one transaction."""

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from etl.begun import begun
from etl.checksums import SourceChecksum, checksum_beside
from etl.formats import is_address, open_source
from etl.layer_checks import LayerChecks
from etl.mapping import Mapping, read_mapping
from etl.plan import ColumnPlan, plan_columns, unused_columns
from etl.prepare import PreparedBatch, Preparer
from etl.reader import Source, SourceBatch, SourceInfo, SourceOptions
from etl.repeats import Repeated, meaning_of, repeated_load
from etl.report import LoadReport
from etl.report_classes import sum_classes
from etl.settings import EtlSettings
from etl.shapes import ShapeMaker
from etl.survey_run import Reopen, check_survey
from etl.watermarks import digest_of, kept_watermark, known_watermark
from gis.crs import CrsError, HeightDatum, SourceCrs, ToStorage, resolve, to_storage
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.disk_room import room_needed
from layers.errors import LoadRefused, OneMapError
from layers.prefetch import in_parallel, prefetch
from layers.store import LoadHeader, LoadSession, Store
from layers.survey_view import SurveyView

#: Threads that examine batches; GEOS, PROJ and Arrow work outside Python's lock.
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class LoadRequest:
    """What to load, and what is known of it beyond what it and its mapping say."""

    #: A file or folder, or the address of a server.
    source: Path | str
    #: May be left to the mapping.
    layer: str | None = None
    mapping: Path | None = None
    #: From when on things are as the survey says; today in Beijing if nobody says.
    valid_from: datetime | None = None
    crs: str | None = None
    source_layer: str | None = None
    #: The name of the format, where the source does not show it.
    format: str | None = None
    encoding: str | None = None
    operator: str = "unknown"
    #: Share of bad rows (0 to 1) up to which the load is accepted.
    max_bad: float | None = None
    #: The survey covers the whole layer: what it misses has ended.
    full: bool = False
    #: Accept coordinates outside the area their CRS is made for.
    anywhere: bool = False
    #: Do everything but change the map.
    dry_run: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a load has come."""

    #: ``checking``, ``applying`` or ``done``.
    stage: str
    rows: int
    #: Rows of the source, where the format knows.
    total: int | None


class DryRun(LoadRefused):
    """Ends a load that was to be tried only, before anything is applied."""


class RefusedLoad(LoadRefused):
    """A load that was refused after its rows were looked at; its report says more."""

    def __init__(self, message: str, report: LoadReport) -> None:
        super().__init__(message)
        self.report = report


def load(
    request: LoadRequest,
    store: Store,
    catalogue: Catalogue,
    settings: EtlSettings,
    progress: Callable[[Progress], None] = lambda _: None,
    load_id: int | None = None,
    hashing: SourceChecksum | None = None,
) -> LoadReport:
    """Load a survey file into a layer: all of its good rows, or nothing.

    Args:
        request: What to load.
        store: Where to.
        catalogue: The layers and code lists.
        settings: Batch size and limits.
        progress: Is told after every batch.
        load_id: The record of a load that was submitted before.
        hashing: The source's checksum, where somebody began it earlier.

    Returns:
        The report, which is also kept with the load.

    Raises:
        OneMapError: If the load is refused or the database is not there; nothing was changed.
    """
    if hashing is None:
        with checksum_beside(request.source) as begun_here:
            return load(request, store, catalogue, settings, progress, load_id, begun_here)
    started = time.monotonic()
    mapping = read_mapping(request.mapping) if request.mapping is not None else None
    layer = catalogue.layer(layer_name(request, mapping))
    said = request.crs or (mapping.crs if mapping else None)
    said_crs = _resolve(said) if said is not None else None
    options = replace(
        _options(request, mapping, said_crs, settings),
        target=layer.name,
        dimension=layer.geometry.dimension,
    )
    asked = digest_of({**options_asked(request), "mapping": mapping and mapping.model_dump()})
    meaning = digest_of({"asked": asked, **meaning_of(layer, catalogue)})
    if is_address(request.source):
        known = known_watermark(store, layer.name, source_name(request.source), asked)
        options = replace(options, watermark=known)
    opened = open_source(request.source, options, settings.max_unpacked_bytes)
    with _naming(request.source), opened as unread:
        # Whether the source can be read at all is known before all of it is hashed.
        source = begun(unread)
        crs, way, notes = _way(request.source, source.info, said_crs, layer)
        checksum = source.info.checksum or hashing.value()
        report = LoadReport(
            layer=layer.name,
            source=source_name(request.source),
            format=source.info.format,
            source_layer=source.info.layer,
            checksum=checksum,
            crs=crs.label,
            transformation=way.description,
            accuracy_m=way.accuracy_m,
            encoding=source.info.encoding,
            operator=request.operator,
            valid_from=date_of(request, mapping),
            mapping=request.mapping.name if request.mapping else None,
            # What sent no rows has not lost them.
            full=request.full and not source.info.unchanged,
            position=source.info.position,
            notes=[*source.info.notes, *notes],
            watermark=kept_watermark(source.info, asked),
            asked=meaning,
        )
        plans = plan_columns(layer, mapping, source.info.columns, catalogue)
        _refuse_repeated(source.info.columns, plans, mapping)
        free = tuple(name for name in source.info.columns if name not in source.info.position)
        if request.valid_from is None and (mapping is None or mapping.start is None):
            report.notes.append("no date was given (--valid-from): valid from today")
        report.unused_columns = unused_columns(plans, mapping, free)
        preparer = Preparer(
            layer,
            plans,
            _shape_maker(request, mapping, layer, crs, way),
            catalogue,
            mapping.heights if mapping else None,
            checks := LayerChecks(layer, catalogue, mapping.checks if mapping else {}),
            report.valid_from,
        )
        run = LoadRun(
            report,
            source,
            preparer,
            checks,
            lambda: open_source(request.source, options, settings.max_unpacked_bytes),
            _max_bad(request, mapping, settings),
            settings.examples,
            progress,
            started,
            dry_run=request.dry_run,
        )
        header = LoadHeader(
            source=source_name(request.source),
            checksum=checksum,
            crs=crs.label,
            valid_from=report.valid_from,
            operator=request.operator,
            mapping=mapping.model_dump(mode="json", by_alias=True) if mapping else {},
            full=report.full,
            mapping_name=report.mapping,
        )
        with (
            suppress(DryRun),
            kept_report(report, store, started),
            store.open_load(layer, header, load_id) as session,
        ):
            view = SurveyView(session, layer, catalogue, report.valid_from, full=report.full)
            run.into(session, view)
    report.seconds["total"] = time.monotonic() - started
    progress(Progress("done", report.rows, report.rows))
    return report


@contextmanager
def kept_report(report: LoadReport, store: Store, started: float) -> Iterator[None]:
    """Keep the report of a load that fails within, apart from the load that is taken back."""
    try:
        yield
    except BaseException as error:
        if report.load_id is not None:
            if report.refused is None:
                told = isinstance(error, OneMapError)
                report.refused = str(error) if told else type(error).__name__
            report.outcome = None
            report.seconds["total"] = time.monotonic() - started
            store.keep_report(report.load_id, report.as_dict())
        raise


@dataclass
class LoadRun:
    """The rows of one load on their way."""

    report: LoadReport
    source: Source
    preparer: Preparer
    checks: LayerChecks
    reopen: Reopen
    max_bad: float
    examples: int
    progress: Callable[[Progress], None]
    started: float
    #: Stop before anything is applied.
    dry_run: bool = field(default=False, kw_only=True)

    def into(self, session: LoadSession, view: SurveyView) -> None:
        """Send everything, apply it and keep the report."""
        report, total = self.report, self.source.info.features
        report.load_id = session.load_id
        same = None if self.dry_run else repeated_load(session, report)
        if same is not None:
            self._repeat(session, same)
            return
        reading = time.monotonic()
        self.progress(Progress("checking", 0, total))
        self.checks.begin(view)
        with closing(self._prepared()) as batches:
            for batch in batches:
                report.count(batch, self.examples)
                if total is not None and report.bad > self.max_bad * max(total, report.rows):
                    self._refuse_bad()
                session.stage(batch.good, batch.geometry, batch.hashes)
                session.quarantine(batch.bad)
                self.progress(Progress("checking", report.rows, total))
        report.seconds["read and check"] = time.monotonic() - reading
        writing = time.monotonic()
        session.told = lambda stage: self.progress(Progress(stage, report.rows, total))
        session.complete()
        report.seconds["write"] = time.monotonic() - writing
        checking = time.monotonic()
        check_survey(self.checks, view, session, report, self.reopen, self.examples)
        report.seconds["check the whole"] = time.monotonic() - checking
        indexing = time.monotonic()
        session.settle()
        report.seconds["index"] = time.monotonic() - indexing
        if report.bad > self.max_bad * report.rows:
            self._refuse_bad()
        self._before_apply(session)
        applying = time.monotonic()
        self.progress(Progress("applying", report.rows, total))
        report.outcome = session.apply()
        report.seconds["apply"] = time.monotonic() - applying
        summing = time.monotonic()
        report.classes = sum_classes(session, view.layer, report.outcome)
        report.seconds["sum up"] = time.monotonic() - summing
        report.seconds["total"] = time.monotonic() - self.started
        session.finish(report.as_dict())

    def _repeat(self, session: LoadSession, same: Repeated) -> None:
        report = self.report
        report.notes.append(
            f"this very survey is in the map already, since load {same.load_id}: nothing is to do"
        )
        report.rows = report.good = same.rows
        report.outcome = session.leave_as_it_is(same.rows)
        report.seconds["total"] = time.monotonic() - self.started
        session.finish(report.as_dict())

    def _before_apply(self, session: LoadSession) -> None:
        """Look at what is staged, last of all."""
        report = self.report
        if not report.good and not self.source.info.unchanged:
            self._refuse("the file has no feature" if not report.rows else "no row is good")
        if self.dry_run:
            raise DryRun("a dry run: nothing was changed")

    def _prepared(self) -> Generator[PreparedBatch, None, None]:
        # Reading runs ahead in one thread, and batches are examined in others, while this one
        # does what must be done in order.
        with closing(prefetch(self.source.batches())) as batches:
            examining = in_parallel(self.preparer.examine, self._settled(batches), _WORKERS)
            with closing(examining) as examined:
                yield from map(self.preparer.finish, examined)

    def _settled(self, batches: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
        for batch in batches:
            self.preparer.settle(batch)
            yield batch

    def _refuse_bad(self) -> None:
        errors = [rule for rule in self.report.rules.values() if rule.severity == "error"]
        worst = sorted(errors, key=lambda rule: -rule.rows)
        listed = ", ".join(f"{rule.rule} ({rule.rows})" for rule in worst[:3])
        example = worst[0].examples[0] if worst[0].examples else {}
        self._refuse(
            f"{self.report.bad} of {self.report.rows} rows are bad, more than "
            f"{self.max_bad * 100:g}%: {listed}"
            + (f"; row {example['row']}: {example['message']}" if example else "")
        )

    def _refuse(self, reason: str) -> None:
        self.report.refused = reason
        self.report.seconds["total"] = time.monotonic() - self.started
        raise RefusedLoad(f"{self.report.source}: {reason}", self.report)


def _refuse_repeated(
    columns: tuple[str, ...], plans: list[ColumnPlan], mapping: Mapping | None
) -> None:
    """Refuse to choose among columns of one name."""
    idle = unused_columns(plans, mapping, columns)
    for name in dict.fromkeys(columns):
        if name not in idle and columns.count(name) > 1:
            raise LoadRefused(f"the file has several columns '{name}': give each a name of its own")


@contextmanager
def _naming(source: Path | str) -> Iterator[None]:
    """Let every refusal name the source, also of those who know only its rows."""
    name = source_name(source)
    try:
        with room_needed():
            yield
    except LoadRefused as error:
        if type(error) is not LoadRefused or name in str(error):
            raise
        raise LoadRefused(f"{name}: {error}") from error


def layer_name(request: LoadRequest, mapping: Mapping | None) -> str:
    """Return the layer that a request or its mapping names.

    Raises:
        LoadRefused: If neither does, or they disagree.
    """
    if request.layer is None and mapping is None:
        raise LoadRefused("say the layer with --layer, or give a mapping that names it")
    if request.layer is not None and mapping is not None and mapping.layer != request.layer:
        raise LoadRefused(
            f"the mapping {request.mapping} is for layer {mapping.layer}, not {request.layer}"
        )
    return str(request.layer if request.layer is not None else mapping and mapping.layer)


def options_asked(request: LoadRequest) -> dict[str, object]:
    """Return what a load is asked for that changes what the same source becomes."""
    return {
        "crs": request.crs,
        "source_layer": request.source_layer,
        "format": request.format,
        "valid_from": request.valid_from and request.valid_from.isoformat(),
        "full": request.full,
        "anywhere": request.anywhere,
    }


def _options(
    request: LoadRequest, mapping: Mapping | None, crs: SourceCrs | None, settings: EtlSettings
) -> SourceOptions:
    options = SourceOptions(
        layer=request.source_layer,
        encoding=request.encoding,
        crs=crs,
        batch_rows=settings.batch_rows,
        format=request.format,
    )
    if mapping is None:
        return options
    return replace(
        options,
        layer=options.layer or mapping.source_layer,
        encoding=options.encoding or mapping.encoding,
        coordinates=mapping.coordinates.columns() if mapping.coordinates else None,
    )


def _resolve(text: str) -> SourceCrs:
    try:
        return resolve(text)
    except CrsError as error:
        raise LoadRefused(str(error)) from error


def _way(
    path: Path | str, info: SourceInfo, said: SourceCrs | None, layer: LayerDefinition
) -> tuple[SourceCrs, ToStorage, list[str]]:
    """Decide the source's CRS: the one said, else the one declared."""
    notes: list[str] = []
    if said is None:
        if info.crs is None:
            raise LoadRefused(f"{path}: does not say its reference system: give it with --crs")
        try:
            crs = resolve(info.crs)
        except CrsError as error:
            raise LoadRefused(f"{path}: {error}") from error
    else:
        crs = said
        if info.crs is not None and info.crs != said.label:
            notes.append(f"the file says {_short(info.crs)}, but {said.label} was given and used")
    if layer.geometry.z and crs.heights not in (HeightDatum.UNSTATED, HeightDatum.NORMAL_1985):
        raise LoadRefused(
            f"{path}: its heights are {crs.heights}, not 1985 normal heights: convert them, or "
            "give a horizontal --crs if they are 1985 heights after all"
        )
    return crs, to_storage(crs), notes


def _shape_maker(
    request: LoadRequest,
    mapping: Mapping | None,
    layer: LayerDefinition,
    crs: SourceCrs,
    way: ToStorage,
) -> ShapeMaker:
    return ShapeMaker(
        layer.geometry,
        crs,
        way,
        anywhere=request.anywhere or (mapping is not None and mapping.anywhere),
        inner_points=mapping is not None and mapping.shape == "inner_point",
    )


def _short(crs: str) -> str:
    return crs if len(crs) < 40 else crs.split('"')[1]


def date_of(request: LoadRequest, mapping: Mapping | None) -> datetime:
    """Return since when things are as the survey says: the date given, else today in Beijing."""
    if request.valid_from is not None:
        return request.valid_from
    if mapping is not None and mapping.start is not None:
        return mapping.start
    return datetime.now(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)


def _max_bad(request: LoadRequest, mapping: Mapping | None, settings: EtlSettings) -> float:
    for share in (request.max_bad, mapping.max_bad if mapping else None):
        if share is not None:
            return share
    return settings.max_bad


def source_name(source: Path | str) -> str:
    """Return what a report calls a source: the name of a file without its folder, or an address."""
    return str(source) if is_address(source) else Path(source).name
