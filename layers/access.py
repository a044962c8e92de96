"""Who may see what: a viewer meets a layer's policy and becomes an access class.

It is an argument of every query and part of every cache key. Open by default.
"""

from dataclasses import dataclass
from functools import lru_cache

from layers.definition import LayerDefinition
from layers.errors import UnknownLayer


@dataclass(frozen=True, slots=True)
class Viewer:
    """Someone who asks: a name, the roles that were proved, and the purpose that was stated."""

    name: str | None = None
    roles: frozenset[str] = frozenset()
    purpose: str | None = None


ANONYMOUS = Viewer()


@dataclass(frozen=True, slots=True)
class AccessClass:
    """What a viewer may see of one layer.

    Two viewers with equal access classes see the same bytes, so ``key`` belongs in cache keys.
    """

    layer: str
    #: The fields that may be shown, filtered by or sorted by, in the definition's order.
    fields: tuple[str, ...]
    #: Coordinates are rounded to this many metres; ``None`` is full survey precision.
    precision_m: float | None

    @property
    def key(self) -> str:
        """A short text that is equal exactly for equal access classes of the layer."""
        return f"{self.layer}({','.join(self.fields)};{self.precision_m or ''})"


def may_know(layer: LayerDefinition, viewer: Viewer) -> bool:
    """Tell whether ``viewer`` may know that ``layer`` exists."""
    wanted = layer.access.requires_role
    return not wanted or not viewer.roles.isdisjoint(wanted)


def access_class(layer: LayerDefinition, viewer: Viewer) -> AccessClass:
    """Return what ``viewer`` may see of ``layer``.

    Raises:
        UnknownLayer: If the viewer may not know of the layer; the words are those used for a
            layer that does not exist, so that nothing is told.
    """
    if not may_know(layer, viewer):
        raise UnknownLayer(f"there is no layer '{layer.name}'")
    return _access_class(layer, viewer.roles)


@lru_cache(maxsize=1024)
def _access_class(layer: LayerDefinition, roles: frozenset[str]) -> AccessClass:
    fields = tuple(
        field.name
        for field in layer.fields
        if not field.requires_role or not roles.isdisjoint(field.requires_role)
    )
    precision = layer.access.public_precision_m if not roles else None
    return AccessClass(layer.name, fields, precision)
