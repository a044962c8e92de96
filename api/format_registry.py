"""The feature formats, found by scanning their folder in sorted order."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from api import formats
from api.feature_format import FeatureFormat
from layers.errors import DefinitionError


@cache
def feature_formats() -> tuple[FeatureFormat, ...]:
    """Return the feature formats, the usual one first.

    Raises:
        DefinitionError: If a module has no ``FORMAT``, or two answer to the same ``f``.
    """
    found: list[FeatureFormat] = []
    tokens: set[str] = set()
    for name in sorted(module.name for module in iter_modules(formats.__path__)):
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
