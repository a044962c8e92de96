"""Lineage as a document."""

from datetime import datetime
from typing import Any

from gis.times import BEIJING
from layers.lineage import FeatureLineage, Kin, LoadOrigin, RepairOrigin, VersionOrigin


def lineage_document(
    found: FeatureLineage, home: str, layer: str, *, values: bool
) -> dict[str, Any]:
    """Return a feature's lineage as a document.

    Args:
        found: The lineage.
        home: Address of the landing page.
        layer: The layer's name.
        values: Whether what refused rows held may be told.
    """
    return {
        "layer": layer,
        "feature": found.feature_id,
        "key": dict(found.key),
        "versions": [_version(entry, home, values=values) for entry in found.versions],
        "ancestors": [kin_document(kin, home, layer) for kin in found.ancestors],
        "descendants": [kin_document(kin, home, layer) for kin in found.descendants],
    }


def _version(entry: VersionOrigin, home: str, *, values: bool) -> dict[str, Any]:
    return {
        "version": entry.version,
        "valid": [_time(entry.valid_from), _time(entry.valid_to)],
        "recorded": [_time(entry.recorded_from), _time(entry.recorded_to)],
        "load": _load(entry.load, home),
        "part": entry.part,
        "row": entry.source_row,
        "geometryRepaired": entry.geometry_repaired,
        "repair": None if entry.repair is None else _repair(entry.repair, values=values),
        "properties": dict(entry.fields),
        "geometryHash": entry.geometry_hash,
    }


def _load(load: LoadOrigin, home: str) -> dict[str, Any]:
    return {
        "id": load.load_id,
        "href": f"{home}/loads/{load.load_id}",
        "kind": load.kind,
        "source": load.source,
        "sourceLayer": load.source_layer,
        "format": load.format,
        "checksum": load.checksum,
        "crs": load.crs,
        "transformation": load.transformation,
        "accuracy": load.accuracy_m,
        "encoding": load.encoding,
        "operator": load.operator,
        "recorded": _time(load.recorded_at),
        "full": load.full_survey,
        "mappingName": load.mapping_name,
        "mapping": dict(load.mapping),
        "repairs": load.repairs,
        "reverts": load.reverts,
        "revertedBy": load.reverted_by,
    }


def _repair(repair: RepairOrigin, *, values: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "refusedRow": repair.quarantine_id,
        "refusedBy": repair.refused_by,
        "refused": _time(repair.refused_at),
        "rules": [rule for rule, _ in repair.rules],
        "tries": repair.attempts,
        "mended": sorted(repair.fixed),
        "geometryMended": repair.geometry_fixed,
        "takenIn": _time(repair.taken_in_at),
    }
    if values:
        document["messages"] = [message for _, message in repair.rules]
        document["values"] = dict(repair.fixed)
        document["note"] = repair.note
    return document


def kin_document(kin: Kin, home: str, layer: str) -> dict[str, Any]:
    """Return a feature that another came from, or became, as a document."""
    return {
        "feature": kin.feature_id,
        "href": f"{home}/collections/{layer}/items/{kin.feature_id}/lineage",
        "of": kin.of,
        "generation": kin.generation,
        "kind": kin.kind,
        "share": kin.share,
        "since": _time(kin.valid_from),
        "load": kin.load_id,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(BEIJING).isoformat()
