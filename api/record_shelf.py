"""Where a server process keeps the records: one index a kind of viewer, renewed as data change."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

import shapely

from api.errors import InvalidParameter
from api.record_index import RecordIndex
from api.records import CatalogueFacts, make_records
from layers.access import Viewer, access_class, may_know
from layers.catalogue import Catalogue
from layers.catalogue_reading import layers_query, read_layers, read_surveys, surveys_query
from layers.definition import LayerDefinition
from layers.feature_query import FeatureQuery
from layers.reading import CityReader
from layers.scenes import read_series, scene_layers, series_query

#: The layer whose names are places to search by.
GAZETTEER = "admin_division"
#: What people leave off the names of divisions.
_ENDINGS = ("", "市", "区", "县", "镇", "乡", "街道", "村")
#: Surveys that changed nothing raise no data version: an index is renewed after a while, too.
_OLDEST_S = 60.0
_MOST_INDEXES = 8
_MOST_PLACES = 256
_LONGEST_NAME = 100
#: Divisions of one name whose areas are joined.
_MOST_NAMESAKES = 20


@dataclass(frozen=True, slots=True)
class _Kept:
    index: RecordIndex
    #: Data versions of all layers together.
    version: int
    made_at: float


class RecordShelf:
    """Makes indexes of records and keeps them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._places: OrderedDict[tuple[str, str, int], shapely.Geometry] = OrderedDict()
        self._lock = asyncio.Lock()

    async def index(self, reader: CityReader, viewer: Viewer) -> RecordIndex:
        """Return the records that a viewer may know of.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        layers = self._layers(viewer)
        key = tuple(access_class(layer, viewer).key for layer in layers)
        if not reader.is_listening:
            # Nothing tells whether what is kept still holds; and where the database is away,
            # requests must not wait for each other to find that out.
            return await self._made(reader, viewer, layers)
        async with self._lock:
            version = sum(reader.data_versions().values())
            kept = self._kept.get(key)
            if kept is None or not self._is_fresh(kept, version):
                index = await self._made(reader, viewer, layers)
                kept = self._kept[key] = _Kept(index, version, time.monotonic())
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_INDEXES:
                self._kept.popitem(last=False)
            return kept.index

    def _layers(self, viewer: Viewer) -> list[LayerDefinition]:
        known = (self._catalogue.layers[name] for name in self._catalogue.layer_names)
        return [layer for layer in known if may_know(layer, viewer)]

    @staticmethod
    def _is_fresh(kept: _Kept, version: int) -> bool:
        return kept.version == version and time.monotonic() - kept.made_at < _OLDEST_S

    async def _made(
        self, reader: CityReader, viewer: Viewer, layers: list[LayerDefinition]
    ) -> RecordIndex:
        facts = CatalogueFacts(
            read_layers(await reader.fetch(layers_query())),
            read_surveys(await reader.fetch(surveys_query())),
            [
                series
                for layer in scene_layers(self._catalogue, viewer)
                for series in read_series(layer, await reader.fetch(series_query(layer, viewer)))
            ],
        )
        # Some thousand records take a while to write: other requests need not wait for it.
        return await asyncio.to_thread(
            lambda: RecordIndex(make_records(self._catalogue, layers, viewer, facts))
        )

    async def place(self, reader: CityReader, viewer: Viewer, name: str) -> shapely.Geometry:
        """Return the area of the administrative divisions of a name or code, in degrees.

        Raises:
            InvalidParameter: If there is none of that name, or the map has no divisions.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        layer = self._catalogue.layers.get(GAZETTEER)
        if layer is None or layer.label is None or not may_know(layer, viewer):
            raise InvalidParameter("place: this map has no administrative divisions to search by")
        name = name.strip()
        if len(name) > _LONGEST_NAME:
            raise InvalidParameter(f"place: longer than {_LONGEST_NAME} characters")
        version = reader.data_versions().get(GAZETTEER, 0)
        key = (access_class(layer, viewer).key, name, version)
        if key not in self._places or not reader.is_listening:
            self._places[key] = await self._found(reader, viewer, layer, name)
        self._places.move_to_end(key)
        while len(self._places) > _MOST_PLACES:
            self._places.popitem(last=False)
        return self._places[key]

    @staticmethod
    async def _found(
        reader: CityReader, viewer: Viewer, layer: LayerDefinition, name: str
    ) -> shapely.Geometry:
        visible = access_class(layer, viewer).fields
        label = layer.label
        tried = [(label.zh, name + ending) for ending in _ENDINGS] if label else []
        if label is not None and label.en is not None:
            tried.insert(1, (label.en, name))
        tried.insert(1, (layer.key[0], name))
        for field, text in tried:
            if field not in visible:
                continue
            query = FeatureQuery(layer, viewer, equals=((field, text),), limit=_MOST_NAMESAKES)
            page = await reader.page(query)
            shapes = [row.geometry_json for row in page.features if row.geometry_json != b"null"]
            if shapes:
                return shapely.union_all(shapely.make_valid(shapely.from_geojson(shapes)))
        raise InvalidParameter(f"place: there is no administrative division '{name}'")
