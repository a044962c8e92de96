"""A small layer of one's own, and a store over an empty database."""

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest

from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.store import Store


def plot_definition(**changes: Any) -> LayerDefinition:
    """A layer with a field of every type, keyed by ``code``."""
    both = {"zh": "地块", "en": "Plot"}
    document: dict[str, Any] = {
        "name": "plot",
        "title": both,
        "abstract": both,
        "theme": "land",
        "geometry": {"type": "multipolygon"},
        "key": ["code"],
        "fields": [
            {"name": "code", "title": both, "required": True, "aliases": ["PLOT_NO"]},
            {"name": "use", "title": both},
            {"name": "floors", "title": both, "type": "integer"},
            {"name": "area", "title": both, "type": "number", "unit": "m2"},
            {"name": "built", "title": both, "type": "boolean"},
            {"name": "surveyed", "title": both, "type": "date"},
            {"name": "changed_at", "title": both, "type": "datetime"},
        ],
    }
    return LayerDefinition.model_validate(document | changes)


def catalogue_of(*layers: LayerDefinition) -> Catalogue:
    return Catalogue(
        MappingProxyType({layer.name: layer for layer in layers}),
        MappingProxyType({}),
        MappingProxyType({}),
    )


@pytest.fixture
def plot() -> LayerDefinition:
    return plot_definition()


@pytest.fixture
def make_store(fresh_database: str) -> Iterator[Callable[..., Store]]:
    """Return a function that opens a migrated store over the test's own database."""
    opened: list[Store] = []

    def make(*layers: LayerDefinition) -> Store:
        store = Store(fresh_database, catalogue_of(*layers))
        store.migrate()
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()
