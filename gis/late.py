"""Modules that are imported only when something of them is asked for.

A command that reads one survey need not wait for the libraries of all other formats.
"""

from importlib import import_module
from typing import Any


class LateModule:
    """Stands for a module until it is needed; to be used where it would be imported.

    For type checkers the import itself stands beside it, under ``TYPE_CHECKING``.
    """

    def __init__(self, name: str) -> None:
        """Name the module, such as ``rasterio.features``; nothing is imported yet."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Return what the module has under a name, and import it at the first time."""
        found = getattr(import_module(self._name), attribute)
        setattr(self, attribute, found)
        return found
