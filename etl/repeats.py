"""The same survey twice: what the last load has brought in already changes nothing."""

from dataclasses import dataclass

from sqlalchemy import select

from etl.report import LoadReport
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.load_session import LoadSession
from layers.system_tables import load_table


@dataclass(frozen=True)
class Repeated:
    """The load that a survey repeats."""

    load_id: int
    rows: int


def meaning_of(layer: LayerDefinition, catalogue: Catalogue) -> dict[str, object]:
    """Return what a layer's rows must be: with another definition the same file may mean more."""
    schemes = sorted({field.codes for field in layer.fields if field.codes})
    codes = {name: sorted(catalogue.code_list(name).codes) for name in schemes}
    return {"layer": layer.model_dump(mode="json"), "codes": codes}


def repeated_load(session: LoadSession, report: LoadReport) -> Repeated | None:
    """Return the layer's last load, if it was of this very survey and every row was good.

    A load that refused rows is not repeated by its file: what they lacked may be there by now.

    Args:
        session: The load, which holds the layer's lock.
        report: Its report so far: checksum, date, and what it was asked for.
    """
    loads = load_table.c
    found = session.fetch(
        select(load_table)
        .where(loads.layer == report.layer, loads.status == "done")
        .order_by(loads.recorded_at.desc())
        .limit(1)
    )
    if not found:
        return None
    last = found[0]
    kept = last.report or {}
    is_same = (
        last.kind == "survey"
        and last.reverted_by is None
        and last.checksum == report.checksum
        and last.valid_from == report.valid_from
        and last.full_survey == report.full
        and kept.get("asked") == report.asked
        and not last.quarantined
    )
    return Repeated(last.load_id, int(kept.get("rows", 0))) if is_same else None
