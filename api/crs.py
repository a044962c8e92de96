"""The reference systems that a service gives and takes features in (OGC 18-058r1)."""

from collections.abc import Iterable

from api.errors import InvalidParameter
from gis.systems import CRS84, CoordinateSystem, coordinate_systems


class Systems:
    """Reference systems by their URIs."""

    def __init__(self, zones: Iterable[int]) -> None:
        """Begin with the systems of every city, and those of this one.

        Args:
            zones: EPSG codes of its Gauss-Kruger zones.
        """
        self._by_uri = {system.uri: system for system in coordinate_systems(zones)}

    @property
    def uris(self) -> list[str]:
        """The URIs, the usual system's first."""
        return list(self._by_uri)

    def read(self, name: str, uri: str | None) -> CoordinateSystem:
        """Return the system that parameter ``name`` asks for; CRS84 without one.

        Raises:
            InvalidParameter: If features do not come in it.
        """
        if uri is None:
            return CRS84
        system = self._by_uri.get(uri)
        if system is None:
            raise InvalidParameter(f"{name}: '{uri[:80]}' is not one of {', '.join(self._by_uri)}")
        return system
