"""Lineage as the command line and the service read it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select

from layers.access import Viewer, access_class
from layers.definition import LayerDefinition
from layers.errors import FeatureNotFound, InvalidValue
from layers.lineage import (
    MOST_VERSIONS,
    FeatureLineage,
    assemble,
    kin_query,
    origins_query,
    repairs_query,
)
from layers.load_view import full_access
from layers.queries import every_version, features_with_key
from layers.reading import CityReader
from layers.store import Store

_LARGEST_ID = 2**63 - 1


def find_feature(store: Store, layer: LayerDefinition, text: str) -> int:
    """Return the id of the feature that a business key, or an id, names.

    Args:
        store: The store.
        layer: The layer.
        text: The key, its parts parted by commas where it has several; or the id.

    Raises:
        FeatureNotFound: If there is none.
    """
    parts = [part.strip() for part in text.split(",")] if len(layer.key) > 1 else [text]
    if len(parts) == len(layer.key):
        try:
            found = store.fetch(features_with_key(layer, full_access(layer), parts))
        except InvalidValue:
            found = []
        if found:
            return int(found[0].feature_id)
    if text.isascii() and text.isdigit() and int(text) <= _LARGEST_ID:
        if store.fetch(every_version(layer, full_access(layer), int(text), 1)):
            return int(text)
    key = ", ".join(layer.key)
    raise FeatureNotFound(f"{layer.name} never had a feature '{text}': give its {key}, or its id")


def lineage_of(store: Store, layer: LayerDefinition, feature_id: int) -> FeatureLineage:
    """Return a feature's lineage, with full access.

    Raises:
        FeatureNotFound: If there is no such feature.
    """
    access = full_access(layer)

    def fetch(statement: Select[Any]) -> Sequence[Mapping[Any, Any]]:
        return [row._mapping for row in store.fetch(statement)]

    versions = fetch(every_version(layer, access, feature_id, MOST_VERSIONS))
    if not versions:
        raise FeatureNotFound(f"{layer.name} has no feature {feature_id}")
    loads, rows = _named(versions)
    return assemble(
        layer,
        access,
        versions,
        fetch(origins_query(loads)),
        fetch(repairs_query(rows)),
        fetch(kin_query(layer, feature_id, ancestors=True)),
        fetch(kin_query(layer, feature_id, ancestors=False)),
    )


async def read_lineage(
    reader: CityReader,
    layer: LayerDefinition,
    viewer: Viewer,
    feature_id: int,
    as_of: datetime | None = None,
    most: int = MOST_VERSIONS,
) -> FeatureLineage:
    """Return a feature's lineage as far as a viewer may see it.

    Args:
        reader: The reading side.
        layer: The layer.
        viewer: Who asks.
        feature_id: The feature.
        as_of: Kin as the map held it then; the versions are all, in any case.
        most: How many versions are read.

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
        FeatureNotFound: If there is no such feature.
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
    """
    access = access_class(layer, viewer)
    versions = await reader.fetch(every_version(layer, access, feature_id, most))
    if not versions:
        raise FeatureNotFound(f"{layer.name} has no feature {feature_id}")
    loads, rows = _named(versions)
    return assemble(
        layer,
        access,
        versions,
        await reader.fetch(origins_query(loads)),
        await reader.fetch(repairs_query(rows)),
        await reader.fetch(kin_query(layer, feature_id, ancestors=True, as_of=as_of)),
        await reader.fetch(kin_query(layer, feature_id, ancestors=False, as_of=as_of)),
    )


def _named(versions: Sequence[Mapping[Any, Any]]) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the loads that versions came with, and their rows of these."""
    loads = sorted({row["load_id"] for row in versions})
    rows = sorted({(row["load_id"], row["source_row"]) for row in versions})
    return loads, rows
