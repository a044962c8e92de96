"""What a client's map is: the pydantic models of ``layers/maps/NAME.yaml``."""

from typing import Self

from pydantic import Field, model_validator

from layers.definition import Bilingual, Identifier, _Strict


class MapLayer(_Strict):
    """A layer as one map shows it."""

    layer: Identifier
    #: Whether the map opens with the layer switched on.
    visible: bool = True
    #: Overrides of the layer's own zooms, for this map.
    min_zoom: int | None = Field(default=None, ge=0, le=22)
    max_zoom: int | None = Field(default=None, ge=0, le=22)


class MapGroup(_Strict):
    """A branch of the layer tree; groups and their layers are listed from bottom to top."""

    id: Identifier
    title: Bilingual
    layers: tuple[MapLayer, ...] = Field(min_length=1)


class TileLimits(_Strict):
    """How large one tile may be; a tile that had to leave something out says so."""

    #: Features of all layers together.
    features: int = Field(default=20_000, ge=1)
    #: Bytes before compression.
    bytes: int = Field(default=500_000, ge=1_000)


class MapDefinition(_Strict):
    """A map composes layers for a client."""

    name: Identifier
    title: Bilingual
    abstract: Bilingual
    #: Longitude and latitude (EPSG:4490) of the first view.
    center: tuple[float, float]
    zoom: float = Field(ge=0, le=22)
    #: West, south, east, north (EPSG:4490) that the map is meant for.
    bounds: tuple[float, float, float, float]
    min_zoom: int = Field(default=6, ge=0, le=22)
    #: Deepest tiles; front ends draw deeper zooms from these.
    max_zoom: int = Field(default=16, ge=0, le=22)
    #: What a tile keeps at most: the most important features first.
    tile_limits: TileLimits = TileLimits()
    background: str = "#f4f1ea"
    groups: tuple[MapGroup, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _layers_stand_once(self) -> Self:
        names = [entry.layer for entry in self.layers]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"layers given twice: {', '.join(doubled)}")
        west, south, east, north = self.bounds
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ValueError("bounds must be west, south, east, north in degrees")
        if self.min_zoom > self.max_zoom:
            raise ValueError("min_zoom is above max_zoom")
        return self

    @property
    def layers(self) -> tuple[MapLayer, ...]:
        """All layers of the map, from bottom to top."""
        return tuple(entry for group in self.groups for entry in group.layers)
