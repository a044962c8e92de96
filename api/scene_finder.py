"""Finds scenes and their series for a viewer, over all layers of scenes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from api.errors import InvalidParameter, UnknownResource
from api.stac_request import SceneSearch, Token
from layers.access import Viewer
from layers.catalogue import Catalogue
from layers.definition import FieldType, LayerDefinition
from layers.reading import CityReader
from layers.scenes import (
    ACQUIRED,
    UNKNOWN_SENSOR,
    Scene,
    SceneQuery,
    SceneSeries,
    read_scenes,
    read_series,
    scene_count,
    scene_layers,
    scenes_query,
    series_query,
)


@dataclass(frozen=True)
class FoundScenes:
    """A page of scenes."""

    scenes: list[Scene]
    matched: int
    next: Token | None


@dataclass(frozen=True, slots=True)
class SceneFinder:
    """Reads scenes as one viewer may see them."""

    catalogue: Catalogue
    reader: CityReader
    viewer: Viewer

    def layers(self) -> list[LayerDefinition]:
        """Return the layers of scenes."""
        return scene_layers(self.catalogue, self.viewer)

    async def all_series(self) -> list[SceneSeries]:
        """Return all series.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        return [
            series
            for layer in self.layers()
            for series in read_series(
                layer, await self.reader.fetch(series_query(layer, self.viewer))
            )
        ]

    async def series(self, name: str) -> SceneSeries:
        """Return the series of that id.

        Raises:
            UnknownResource: If there is none.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        for series in await self.all_series():
            if series.id == name:
                return series
        raise UnknownResource(f"there is no collection '{name}'")

    async def search(self, wanted: SceneSearch) -> FoundScenes:
        """Return a page of scenes, layer by layer, in each the youngest first.

        Raises:
            InvalidParameter: If the token is of another search.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        queries = self._queries(wanted)
        matched = 0
        for query in queries:
            matched += (await self.reader.fetch(scene_count(query)))[0][0]
        scenes: list[Scene] = []
        for query in self._remaining(queries, wanted.after):
            left = wanted.limit - len(scenes)
            # Where the page is full, one row tells whether there is a next.
            rows = await self.reader.fetch(scenes_query(replace(query, limit=left)))
            scenes += read_scenes(query, rows)
            if len(scenes) > wanted.limit:
                break
        more = len(scenes) > wanted.limit
        shown = scenes[: wanted.limit]
        return FoundScenes(shown, matched, _token(shown[-1]) if more else None)

    def _queries(self, wanted: SceneSearch) -> list[SceneQuery]:
        queries = []
        for layer in self.layers():
            sensors = _sensors(layer, wanted.collections)
            if sensors == ():
                continue
            queries.append(
                SceneQuery(
                    layer,
                    self.viewer,
                    sensors,
                    wanted.ids,
                    wanted.bbox,
                    wanted.intersects,
                    wanted.at,
                )
            )
        return queries

    @staticmethod
    def _remaining(queries: Sequence[SceneQuery], after: Token | None) -> list[SceneQuery]:
        if after is None:
            return list(queries)
        names = [query.layer.name for query in queries]
        if after.layer not in names:
            raise InvalidParameter("token: it is of another search")
        begun = queries[names.index(after.layer)]
        by_day = begun.layer.field(ACQUIRED).type is FieldType.DATE
        if by_day is isinstance(after.taken, datetime):
            raise InvalidParameter("token: it is of another search")
        begun = replace(begun, after=(after.taken, after.feature_id))
        return [begun, *queries[names.index(after.layer) + 1 :]]


def _token(scene: Scene) -> Token:
    return Token(scene.layer, scene.values[ACQUIRED], scene.feature_id)


def _sensors(
    layer: LayerDefinition, collections: tuple[str, ...] | None
) -> tuple[str | None, ...] | None:
    """Return the sensors of a layer that collections name; ``None`` where none are named."""
    if collections is None:
        return None
    start = f"{layer.name}."
    named = (name.removeprefix(start) for name in collections if name.startswith(start))
    return tuple(None if name == UNKNOWN_SENSOR else name for name in named)
