"""The export formats, found by scanning their folder."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from api import exports
from api.exporting.format import ExportFormat
from layers.errors import DefinitionError


@cache
def export_formats() -> tuple[ExportFormat, ...]:
    """Return the export formats by name.

    Raises:
        DefinitionError: If a module has no ``EXPORT``, or is not called as its format.
    """
    return tuple(
        export_format(name)
        for name in sorted(entry.name for entry in iter_modules(exports.__path__))
    )


def export_format(name: str) -> ExportFormat:
    """Return one format; errors as in ``export_formats``."""
    found: ExportFormat | None = getattr(
        import_module(f"{exports.__name__}.{name}"), "EXPORT", None
    )
    if found is None or found.name != name:
        raise DefinitionError(f"api/exports/{name}.py offers no EXPORT of that name")
    return found


@cache
def export_options() -> dict[str, tuple[str, ...]]:
    """Return every parameter that a format adds, with all values that any of them takes."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in export_formats():
        for name, values in entry.options.items():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *values)))
    return found
