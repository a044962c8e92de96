"""Reports of loads as clients may read them: without the values of rows, unless for operators."""

from collections.abc import Mapping
from typing import Any

from api.load_documents import without_example
from gis.times import BEIJING
from layers.access import AccessClass, Viewer, access_class
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import LoadNotFound
from layers.load_queries import FeatureChange, read_report, refused_states, report_query
from layers.quarantine_rows import QUARANTINE_LAYER
from layers.reading import CityReader

_MOST_DIGITS = 18


def may_see_values(catalogue: Catalogue, viewer: Viewer) -> bool:
    """Tell whether a viewer may see what refused rows hold: who may see them on the map."""
    layer = catalogue.layers.get(QUARANTINE_LAYER)
    if layer is None or "message" not in layer.field_names:
        return False
    return "message" in access_class(layer, viewer).fields


async def known_load(
    reader: CityReader, catalogue: Catalogue, viewer: Viewer, number: str
) -> tuple[dict[str, Any], LayerDefinition, AccessClass]:
    """Return a load's record with its report, its layer, and what the viewer may see of that.

    Raises:
        LoadNotFound: If there is none of that number, or not for this viewer.
    """
    missing = LoadNotFound(f"there is no load {number}")
    if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
        raise missing
    rows = await reader.fetch(report_query(int(number)))
    if not rows or rows[0]["layer"] not in catalogue.layers:
        raise missing
    load = read_report(rows[0])
    layer = catalogue.layer(load["layer"])
    wanted = layer.access.requires_role
    if wanted and viewer.roles.isdisjoint(wanted):
        raise missing
    return load, layer, access_class(layer, viewer)


async def states_of(reader: CityReader, load_id: int) -> dict[str, int]:
    """Return the number of a load's refused rows by their state today."""
    rows = await reader.fetch(refused_states(load_id))
    return {str(row["state"]): int(row["rows"]) for row in rows}


def shown_load(load: Mapping[str, Any], access: AccessClass, *, values: bool) -> dict[str, Any]:
    """Return a load's record as a viewer may read it.

    Without ``values`` the sentences about rows are gone, which quote them; where the layer's
    coordinates are coarsened for the viewer, so are the pictures of refused rows.
    """
    report = dict(load["report"] or {})
    if not values:
        report["rules"] = [
            {**rule, "examples": [{"row": entry["row"]} for entry in rule["examples"]]}
            for rule in report.get("rules", [])
        ]
        report["notes"] = []
        report["refused"] = _without_example(report.get("refused"))
    if access.precision_m is not None:
        report["bad_shapes"] = []
        report["repairs"] = [{**entry, "reason": ""} for entry in report.get("repairs", [])]
    failure = load["failure"] if values else _without_example(load["failure"])
    return {**load, "failure": failure, "report": report if load["report"] else None}


def report_document(load: Mapping[str, Any], states: Mapping[str, int]) -> dict[str, Any]:
    """Return a load's report as a document; the picture's shapes stay out of it."""
    report = {name: value for name, value in (load["report"] or {}).items() if name != "bad_shapes"}
    times = ("valid_from", "recorded_at", "started_at", "finished_at")
    return {
        "load": load["load_id"],
        "layer": load["layer"],
        "kind": load["kind"],
        "status": load["status"],
        "failure": load["failure"],
        **{
            name: None if load[name] is None else load[name].astimezone(BEIJING).isoformat()
            for name in times
        },
        "repairs": load["repairs"],
        "reverts": load["reverts"],
        "reverted_by": load["reverted_by"],
        "refused_rows": dict(states),
        "report": report or None,
    }


def change_document(change: FeatureChange) -> dict[str, Any]:
    """Return what a load did to a feature as a document."""
    return {
        "feature": change.feature_id,
        "kind": change.kind,
        "key": dict(change.key),
        "fields": {name: {"before": a, "after": b} for name, (a, b) in change.fields.items()},
        "geometry": dict(change.geometry),
    }


def _without_example(text: str | None) -> str | None:
    return None if text is None else without_example(text)
