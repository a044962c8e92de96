"""Loads as documents: what a record says to clients, and nothing that is for operators only."""

import re
from datetime import datetime
from typing import Any

from api.links import Link, link
from etl.progress import pace_of
from gis.times import BEIJING
from layers.load_records import SURVEY, LoadRecord

_JSON = "application/json"
#: A path with at least one folder, of which clients hear the last part only.
_PATH = re.compile(r"(?<![\w:/])/(?:[^\s/:'\"]+/)+([^\s/:'\"]*)")
#: The example at the end of a reason, which may quote a value.
_EXAMPLE = re.compile(r"; row \d+: .*$", re.DOTALL)


def load_document(record: LoadRecord, base: str) -> dict[str, Any]:
    """Return a load as a document.

    Args:
        record: The load.
        base: Address of the service.
    """
    found = pace_of(record)
    document: dict[str, Any] = {
        "id": record.load_id,
        "layer": record.layer,
        "kind": record.kind,
        "source": record.source,
        "operator": record.operator,
        "status": record.status,
        "final": record.final,
        "failure": without_paths(record.failure, record),
        "attempts": record.attempts,
        "cancelRequested": record.cancel_requested and not record.final,
        "validFrom": _time(record.valid_from),
        "full": record.full_survey,
        "queued": _time(record.queued_at),
        "started": _time(record.started_at),
        "finished": _time(record.finished_at),
        "nextAttempt": _time(record.next_attempt_at),
        "ahead": record.ahead,
        "stage": record.stage,
        "rows": record.rows,
        "total": record.total,
        "rowsPerSecond": _rounded(found.rows_per_second),
        "etaSeconds": _rounded(found.eta_s),
        "counts": _counts(record),
        "dataVersion": record.data_version,
        "crs": record.crs,
        "checksum": record.checksum,
        "mapping": record.mapping_name,
        "reverts": record.reverts,
        "revertedBy": record.reverted_by,
        "links": load_links(record, base),
    }
    return document


def load_links(record: LoadRecord, base: str) -> list[Link]:
    """Return the links of a load: itself, its events, its layer, and what can be done with it."""
    here = f"{base}/api/loads/{record.load_id}"
    links = [
        link(here, "self", _JSON, f"Load {record.load_id}"),
        link(f"{here}/events", "monitor", "text/event-stream", "Progress as it comes"),
        link(f"{base}/api/collections/{record.layer}", "collection", _JSON, "The layer"),
    ]
    if record.has_report:
        links.append(link(f"{here}/report", "describedby", _JSON, "Its report"))
        links.append(
            link(f"{here}/report?f=html", "describedby", "text/html", "Its report as a page")
        )
    if record.status == "done":
        refused = f"{base}/api/collections/quarantine/items?load={record.load_id}"
        links.append(link(f"{here}/diff", "related", _JSON, "What it changed"))
        links.append(link(refused, "related", "application/geo+json", "Its refused rows"))
    if not record.final and record.status != "done":
        links.append(link(f"{here}/cancel", "cancel", _JSON, "Cancel it (POST)"))
    survey = record.kind == SURVEY and record.request is not None
    if record.status in ("failed", "cancelled") and survey:
        links.append(link(f"{here}/retry", "retry", _JSON, "Try it again (POST)"))
    if record.status == "done" and record.reverted_by is None:
        links.append(link(f"{here}/revert", "revert", _JSON, "Take it back (POST)"))
    return links


def without_paths(text: str | None, record: LoadRecord) -> str | None:
    """Return a reason as clients may read it: files by name, no folders of the server."""
    if text is None:
        return None
    source = str((record.request or {}).get("source", ""))
    if source:
        text = text.replace(source, record.source)
    return without_example(_PATH.sub(r"\1", text))


def without_example(text: str) -> str:
    """Return a reason without the row at its end, whose values are for operators."""
    return _EXAMPLE.sub("", text)


def _counts(record: LoadRecord) -> dict[str, int] | None:
    if record.added is None:
        return None
    return {
        "added": record.added,
        "changed": record.changed or 0,
        "unchanged": record.unchanged or 0,
        "closed": record.closed or 0,
        "quarantined": record.quarantined or 0,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(BEIJING).isoformat(timespec="seconds")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
