"""What the catalogue of records tells of layers and surveys, beside their definitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from layers.feature_query import BBox
from layers.load_records import SURVEY
from layers.system_tables import layer_table, load_table

#: Surveys that have a record; older ones are found at the loads of their layers.
MOST_SURVEYS = 5_000
_SURVEY_COLUMNS = (
    "load_id", "layer", "source", "crs", "checksum", "valid_from", "recorded_at", "finished_at",
    "full_survey", "added", "changed", "unchanged", "closed", "quarantined", "reverted_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """Where, when and how much a layer holds."""

    name: str
    #: West, south, east, north in degrees of everything it holds or held.
    bbox: BBox | None
    #: From when on its features hold.
    valid_from: datetime | None
    updated_at: datetime | None
    count: int
    #: When its first survey was recorded.
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class SurveyFacts:
    """One survey that was loaded."""

    load_id: int
    layer: str
    #: Name of the survey's file or service.
    source: str
    crs: str | None
    checksum: str | None
    valid_from: datetime | None
    recorded_at: datetime | None
    finished_at: datetime | None
    full_survey: bool
    added: int | None
    changed: int | None
    unchanged: int | None
    closed: int | None
    quarantined: int | None
    #: The load that took it back.
    reverted_by: int | None


def layers_query() -> Select[Any]:
    """Return the statement for the facts of all layers."""
    first = (
        select(load_table.c.layer, func.min(load_table.c.recorded_at).label("created_at"))
        .where(*_loaded())
        .group_by(load_table.c.layer)
        .subquery("first")
    )
    kept = layer_table.c
    return select(
        kept.name,
        kept.west,
        kept.south,
        kept.east,
        kept.north,
        kept.valid_from,
        kept.updated_at,
        kept.current_count,
        first.c.created_at,
    ).outerjoin_from(layer_table, first, first.c.layer == kept.name)


def surveys_query() -> Select[Any]:
    """Return the statement for the surveys that were loaded, the youngest first."""
    return (
        select(*(load_table.c[name] for name in _SURVEY_COLUMNS))
        .where(*_loaded())
        .order_by(load_table.c.load_id.desc())
        .limit(MOST_SURVEYS)
    )


def read_layers(rows: Sequence[Mapping[Any, Any]]) -> dict[str, LayerFacts]:
    """Return the rows of ``layers_query`` by layer."""
    return {
        row["name"]: LayerFacts(
            row["name"],
            None if row["west"] is None else (row["west"], row["south"], row["east"], row["north"]),
            row["valid_from"],
            row["updated_at"],
            row["current_count"],
            row["created_at"],
        )
        for row in rows
    }


def read_surveys(rows: Sequence[Mapping[Any, Any]]) -> list[SurveyFacts]:
    """Return the rows of ``surveys_query``."""
    return [SurveyFacts(*(row[name] for name in _SURVEY_COLUMNS)) for row in rows]


def _loaded() -> list[ColumnElement[bool]]:
    return [load_table.c.kind == SURVEY, load_table.c.status == "done"]
