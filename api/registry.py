"""The plug-ins of the service: routers and feature formats, found in sorted order."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from fastapi import APIRouter

from api import formats, routers
from api.feature_format import FeatureFormat
from layers.errors import DefinitionError


def router_modules() -> tuple[str, ...]:
    """Return the names of the router modules, sorted."""
    return _names(routers)


@cache
def all_routers() -> tuple[APIRouter, ...]:
    """Return the routers in the order of their modules' names.

    A module whose router takes whatever no other does says so with ``LAST = True``.

    Raises:
        DefinitionError: If a module has no ``router``, or two serve the same path and method.
    """
    modules = [import_module(f"{routers.__name__}.{name}") for name in router_modules()]
    modules.sort(key=lambda module: bool(getattr(module, "LAST", False)))
    served: set[tuple[str, str]] = set()
    found = []
    for module in modules:
        router = getattr(module, "router", None)
        if not isinstance(router, APIRouter):
            raise DefinitionError(f"{module.__name__} offers no router")
        for route in router.routes:
            for method in getattr(route, "methods", None) or ():
                place = (method, getattr(route, "path", ""))
                if place in served:
                    raise DefinitionError(f"two routers serve {' '.join(place)}")
                served.add(place)
        found.append(router)
    return tuple(found)


@cache
def feature_formats() -> tuple[FeatureFormat, ...]:
    """Return the feature formats, the usual one first.

    Raises:
        DefinitionError: If a module has no ``FORMAT``, or two answer to the same ``f``.
    """
    found: list[FeatureFormat] = []
    tokens: set[str] = set()
    for name in _names(formats):
        entry: FeatureFormat | None = getattr(
            import_module(f"{formats.__name__}.{name}"), "FORMAT", None
        )
        if entry is None:
            raise DefinitionError(f"api/formats/{name}.py offers no FORMAT")
        if tokens & set(entry.representation.tokens):
            raise DefinitionError(f"two feature formats answer to the f of '{entry.name}'")
        tokens.update(entry.representation.tokens)
        found.append(entry)
    return tuple(sorted(found, key=lambda entry: (entry.rank, entry.name)))


def _names(package: ModuleType) -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules(package.__path__)))
