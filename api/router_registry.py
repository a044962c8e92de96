"""The routers, found by scanning their folder in sorted order."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

from api import routers
from layers.errors import DefinitionError


def router_modules() -> tuple[str, ...]:
    """Return the names of the router modules, sorted."""
    return tuple(sorted(module.name for module in iter_modules(routers.__path__)))


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
