"""Loads that have run, read with full access: for operators at the command line."""

from collections.abc import Iterator
from typing import Any

from layers.access import AccessClass
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import LoadNotFound
from layers.load_queries import (
    MOST_OUTLINES,
    FeatureChange,
    changes_query,
    read_change,
    read_report,
    refused_states,
    report_query,
)
from layers.queries import outlines
from layers.store import Store

_PAGE = 1_000


def full_access(layer: LayerDefinition) -> AccessClass:
    """Return the access of an operator at the command line: everything, exactly."""
    return AccessClass(layer.name, layer.field_names, None)


def load_facts(store: Store, load_id: int) -> dict[str, Any]:
    """Return a load's record with its report and mapping.

    Raises:
        LoadNotFound: If there is no such load.
    """
    found = store.fetch(report_query(load_id))
    if not found:
        raise LoadNotFound(f"there is no load {load_id}")
    return read_report(found[0]._mapping)


def states_of(store: Store, load_id: int) -> dict[str, int]:
    """Return the number of a load's refused rows by their state today."""
    return {str(row.state): int(row.rows) for row in store.fetch(refused_states(load_id))}


def load_changes(
    store: Store, catalogue: Catalogue, load: dict[str, Any]
) -> Iterator[FeatureChange]:
    """Yield what a load changed, by feature id."""
    layer = catalogue.layer(load["layer"])
    access = full_access(layer)
    after = 0
    while load["recorded_at"] is not None and load["about"] is not None:
        rows = store.fetch(changes_query(layer, access, load, after=after, limit=_PAGE))
        for row in rows:
            yield read_change(row._mapping, layer, access)
        if len(rows) < _PAGE:
            return
        after = rows[-1].feature_id


def outlines_in(
    store: Store, layer: LayerDefinition, bbox: tuple[float, float, float, float], step: float
) -> list[bytes]:
    """Return the layer's features in a box as WKB, for the background of a picture."""
    statement = outlines(layer, full_access(layer), bbox, step, MOST_OUTLINES)
    return [bytes(row.wkb) for row in store.fetch(statement) if row.wkb is not None]
