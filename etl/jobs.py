"""Loads as jobs: handed in, run in the foreground or by a worker, and brought to an end."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from pydantic import TypeAdapter

from etl.checksums import SourceChecksum, checksum_beside
from etl.formats import is_address
from etl.load import LoadRequest, Progress, RefusedLoad, date_of, layer_name, load, source_name
from etl.mapping import read_mapping
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.crs import CrsError, resolve
from gis.scratch import sweep_scratch
from layers.catalogue import Catalogue
from layers.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    DiskFull,
    LayerBusy,
    LoadCancelled,
    LoadRefused,
    LoadStateConflict,
    OneMapError,
    QueryTimeout,
    SchemaConflict,
)
from layers.job_types import Again
from layers.load_attendance import Attendance
from layers.load_desk import LoadDesk
from layers.load_line import NewLoad
from layers.store import Store

#: Seconds after which a load whose layer another process writes is tried again.
_BUSY_S = 5.0
_LONGEST_RETRY = timedelta(minutes=15)
#: Errors that pass: the same load may well succeed later.
_PASSING = (
    DatabaseUnavailable,
    DatabaseBusy,
    DiskFull,
    QueryTimeout,
    SchemaConflict,
    OSError,
    MemoryError,
)
_REQUEST = TypeAdapter(LoadRequest)
_log = structlog.get_logger(__name__)

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Tools:
    """What running a load takes."""

    store: Store
    desk: LoadDesk
    catalogue: Catalogue
    settings: EtlSettings


def write_request(request: LoadRequest) -> dict[str, Any]:
    """Return a request as JSON can hold it; its paths are absolute."""
    if isinstance(request.source, Path):
        request = replace(request, source=request.source.absolute())
    if request.mapping is not None:
        request = replace(request, mapping=request.mapping.absolute())
    written = _REQUEST.dump_python(request, mode="json")
    assert isinstance(written, dict)  # noqa: S101 -- a dataclass
    return written


def read_request(written: Mapping[str, Any]) -> LoadRequest:
    """Return the request that ``write_request`` wrote.

    Raises:
        LoadRefused: If another version of the server wrote it in a way that this one cannot read.
    """
    try:
        request = _REQUEST.validate_python(dict(written))
    except ValueError as error:
        raise LoadRefused(
            "the load was asked for by a version that this one cannot read"
        ) from error
    source = str(request.source)
    return replace(request, source=source if is_address(source) else Path(source))


def new_load(request: LoadRequest, catalogue: Catalogue) -> NewLoad:
    """Look at a request as far as that goes without opening its source.

    Raises:
        LoadRefused: If it names no layer, no usable reference system, or no source there is.
        UnknownLayer: If there is no such layer.
        OneMapError: If its mapping is wrong.
    """
    if isinstance(request.source, Path) and not request.source.exists():
        raise LoadRefused(f"{request.source}: there is no such file")
    mapping = read_mapping(request.mapping) if request.mapping is not None else None
    layer = catalogue.layer(layer_name(request, mapping))
    if request.crs is not None:
        try:
            resolve(request.crs)
        except CrsError as error:
            raise LoadRefused(str(error)) from error
    return NewLoad(
        layer=layer.name,
        source=source_name(request.source),
        request=write_request(request),
        operator=request.operator,
        valid_from=date_of(request, mapping),
        full=request.full,
    )


def queued_load(request: LoadRequest, catalogue: Catalogue) -> NewLoad:
    """Look at a request that is to wait: its date is settled now.

    Raises:
        LoadRefused, UnknownLayer, OneMapError: As ``new_load``.
    """
    new = new_load(request, catalogue)
    return replace(new, request=write_request(replace(request, valid_from=new.valid_from)))


def load_now(request: LoadRequest, tools: Tools, tell: Tell = lambda _: None) -> LoadReport:
    """Load a survey in the foreground; it is recorded and can be watched like any other.

    Raises:
        OneMapError: If the load is refused or the database is not there; nothing was changed.
        LoadCancelled: If somebody cancelled it.
    """
    new = new_load(request, tools.catalogue)
    with checksum_beside(request.source) as hashing:
        tools.desk.refuse_unfit(tools.catalogue)
        return _attended(request, new, tools, tell, hashing)


def _attended(
    request: LoadRequest, new: NewLoad, tools: Tools, tell: Tell, hashing: SourceChecksum
) -> LoadReport:
    with tools.desk.attend_new(new) as attendance:
        try:
            report = _load(request, attendance, tools, tell, hashing)
        except BaseException as error:
            ended = _cancelled(error, attendance)
            status = "cancelled" if ended is not None else "failed"
            why = None if ended is not None else _reason(error)
            with suppress(DatabaseUnavailable, DiskFull):
                tools.desk.end(attendance.load_id, status, why, _report_of(error))
            if ended is not None and ended is not error:
                raise ended from error
            raise
        tools.desk.end(attendance.load_id, "done", None)
    return report


def run_job(load_id: int, job_id: int, tools: Tools) -> Again | None:
    """Run a load that waits, and bring its record to an end or back into the line.

    Returns:
        When the job is to be tried again; ``None`` if the load came to its end.

    Raises:
        DatabaseUnavailable: If not even that could be recorded.
    """
    try:
        with tools.desk.attend(load_id, job_id) as (attendance, written):
            return _run(written, attendance, tools)
    except LayerBusy as error:
        return Again(_BUSY_S, str(error))
    except LoadStateConflict:
        return None


def after_death(load_id: int, reason: str, tools: Tools, *, counts: bool = True) -> Again | None:
    """Decide what becomes of a load whose process died.

    Args:
        load_id: The load.
        reason: How its process died.
        tools: Store, desk, catalogue and settings.
        counts: Whether this was one of its attempts; not if the worker itself ended it.

    Returns:
        When the job is to be tried again; ``None`` if it was tried often enough, or came to its
        end.
    """
    record = tools.desk.record(load_id)
    if record.status in ("done", "cancelled"):
        tools.desk.end(load_id, record.status, record.failure)
        return None
    if record.cancel_requested:
        tools.desk.end(load_id, "cancelled", None)
        return None
    if not counts:
        tools.desk.postpone(load_id, reason, counts=False)
        return Again(0.0, reason)
    return _try_again(load_id, record.attempts, reason, tools)


def retry_delay(attempts: int, settings: EtlSettings) -> float:
    """Return the seconds before the next attempt, after so many: doubled each time."""
    return float(
        min(settings.retry_s * 2.0 ** (max(attempts, 1) - 1), _LONGEST_RETRY.total_seconds())
    )


def _run(written: Mapping[str, Any], attendance: Attendance, tools: Tools) -> Again | None:
    load_id = attendance.load_id
    try:
        _load(read_request(written), attendance, tools, lambda _: None)
    except KeyboardInterrupt:
        tools.desk.postpone(load_id, "its worker was stopped; it waits for another", counts=False)
        return Again(0.0, "the worker stops")
    except LayerBusy as error:
        tools.desk.postpone(load_id, str(error), counts=False)
        return Again(_BUSY_S, str(error))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the load comes to an end
        if _cancelled(error, attendance) is not None:
            tools.desk.end(load_id, "cancelled", None)
            return None
        if isinstance(error, OneMapError) and not isinstance(error, _PASSING):
            tools.desk.end(load_id, "failed", str(error), _report_of(error))
            return None
        if not isinstance(error, OneMapError):
            _log.exception("load.broke", load_id=load_id)
        return _try_again(load_id, attendance.attempts, _reason(error), tools)
    tools.desk.end(load_id, "done", None)
    return None


def _try_again(load_id: int, attempts: int, reason: str, tools: Tools) -> Again | None:
    if attempts >= tools.settings.max_attempts:
        tools.desk.end(load_id, "failed", f"{reason} (after {attempts} attempts)")
        return None
    tools.desk.postpone(load_id, reason, counts=True)
    return Again(retry_delay(attempts, tools.settings), reason)


def _load(
    request: LoadRequest,
    attendance: Attendance,
    tools: Tools,
    tell: Tell,
    hashing: SourceChecksum | None = None,
) -> LoadReport:
    def both(state: Progress) -> None:
        tell(state)
        if state.stage == "done":
            # It is committed: nothing that happens now makes it undone.
            with suppress(OneMapError):
                attendance.tell(state.stage, state.rows, state.total)
            return
        attendance.tell(state.stage, state.rows, state.total)

    sweep_scratch()
    store, load_id = tools.store, attendance.load_id
    return load(request, store, tools.catalogue, tools.settings, both, load_id, hashing)


def _cancelled(error: BaseException, attendance: Attendance) -> LoadCancelled | None:
    """Return the cancellation that an error comes from, if it does."""
    if isinstance(error, LoadCancelled):
        return error
    # A statement that was ended for it looks like a failure of the database.
    if attendance.cancelled and isinstance(error, DatabaseUnavailable):
        return LoadCancelled("the load was cancelled; nothing was changed")
    return None


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "the load was interrupted; nothing was changed"
    if isinstance(error, OneMapError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return f"the load broke off ({type(error).__name__})"


def _report_of(error: BaseException) -> dict[str, object] | None:
    return error.report.as_dict() if isinstance(error, RefusedLoad) else None
