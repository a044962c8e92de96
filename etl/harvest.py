"""Harvest of a collection of another server (OGC API - Features, parts 1 and 2).

All pages are fetched into a file first: the load then reads one state, knows its columns and its
size, and holds no transaction open while it waits for the other server. Memory holds one page.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import orjson
from pyproj import CRS
from pyproj.exceptions import CRSError

from etl.harvest_http import Answer, Fetcher, refuse_elsewhere
from gis.late import LateModule
from layers.errors import LoadRefused

if TYPE_CHECKING:
    import httpx
else:
    httpx = LateModule("httpx")

#: Features asked for at once, and pages at most.
_PAGE, _MOST_PAGES = 1000, 100_000
#: Addresses and tags of so many pages are remembered for the next harvest.
_REMEMBERED = 500
_GEOJSON = "application/geo+json"
_JSON_TYPES = (_GEOJSON, "application/json", "application/vnd.geo+json")
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
#: CGCS2000 first: its degrees need no step from WGS 84.
_WANTED_CRS = "http://www.opengis.net/def/crs/EPSG/0/4490"
_EPSG_URI = re.compile(r"^https?://www\.opengis\.net/def/crs/EPSG/[\d.]+/(\d+)$")
_COLLECTION = re.compile(r"^(?P<collection>.*/collections/[^/?]+)(?P<items>/items)?/?$")
_DATA = ("data", "http://www.opengis.net/def/rel/ogc/1.0/data")
#: Our own servers number the states of a layer; the first page tells of all.
_VERSION = "x-data-version"


@dataclass(frozen=True)
class Collection:
    """A collection that can be harvested."""

    name: str
    #: The address of its first page.
    items: str
    #: The CRS to ask for, as URI.
    crs: str


@dataclass
class Harvest:
    """What came, in a file of one feature a line."""

    collection: Collection
    file: IO[bytes]
    crs: str = _CRS84
    #: Names of the properties, in the order they came.
    columns: dict[str, None] = field(default_factory=dict)
    features: int = 0
    #: Nothing came, for nothing has changed.
    unchanged: bool = False
    #: Address and entity tag of every page; ``None`` once a page has none or there are too many.
    tags: list[tuple[str, str]] | None = field(default_factory=list)
    version: str | None = None
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def epsg(self) -> str:
        """The CRS as a code; longitude and latitude of WGS 84 are EPSG:4326 here."""
        match = _EPSG_URI.match(self.crs)
        return f"EPSG:{match[1]}" if match else "EPSG:4326"

    @property
    def north_first(self) -> bool:
        """Whether coordinates come as north, east."""
        return is_north_first(self.crs)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the features."""
        self.file.seek(0)
        for line in self.file:
            feature: dict[str, Any] = orjson.loads(line)
            yield feature

    def watermark(self) -> dict[str, Any] | None:
        """Return what tells the next harvest whether anything has changed since."""
        if not self.tags:
            return None
        return {
            # A server that numbers its states tells of all pages with the first.
            "pages": [list(page) for page in self.tags[: 1 if self.version else None]],
            "version": self.version,
            "columns": list(self.columns),
            "crs": self.crs,
            "checksum": self.digest.hexdigest(),
        }


def find_collection(fetcher: Fetcher, address: str, wanted: str | None) -> Collection:
    """Find the collection that an address means.

    Args:
        fetcher: Asks the server.
        address: Of a landing page, a collection, or its items; a query is kept.
        wanted: The collection's id, where the address is that of a landing page.

    Raises:
        LoadRefused: If it means none, or several.
    """
    url = httpx.URL(address)
    match = _COLLECTION.match(url.path)
    if match is not None:
        query = dict(url.params)
        home = url.copy_with(path=match["collection"], query=None)
        document = _json(fetcher.get(str(home), {"accept": "application/json"}))
        return _collection(str(home), document, query)
    landing = _json(fetcher.get(address, {"accept": "application/json"}))
    listed = _linked(address, landing, _DATA) or f"{address.rstrip('/')}/collections"
    document = _json(fetcher.get(listed, {"accept": "application/json"}))
    collections = {
        str(entry.get("id")): entry
        for entry in document.get("collections", [])
        if isinstance(entry, dict)
    }
    if wanted is None and len(collections) == 1:
        wanted = next(iter(collections))
    if wanted not in collections:
        names = ", ".join(sorted(collections)) or "none"
        what = "say --source-layer" if wanted is None else f"there is no '{wanted}'"
        raise LoadRefused(f"{address}: {what}; its collections are {names}")
    return _collection(f"{listed.partition('?')[0]}/{wanted}", collections[wanted], {})


def harvest(fetcher: Fetcher, collection: Collection, known: Mapping[str, Any] | None) -> Harvest:
    """Fetch all pages, unless nothing has changed since the last harvest.

    Args:
        fetcher: Asks the server.
        collection: What to fetch.
        known: The watermark of the last harvest, if there is one.

    Raises:
        LoadRefused: If the server answers wrongly, or the collection changes meanwhile.
    """
    found = Harvest(collection, tempfile.TemporaryFile(prefix="onemap-harvest-"))
    try:
        if known is not None and _is_unchanged(fetcher, collection, known):
            return _as_known(found, known)
        _fetch(fetcher, found)
    except BaseException:
        found.file.close()
        raise
    return found


def is_north_first(uri: str) -> bool:
    """Say whether a CRS puts the northing or latitude first.

    Raises:
        LoadRefused: If it is unknown.
    """
    match = _EPSG_URI.match(uri)
    if match is None:
        return False
    try:
        return bool(CRS.from_epsg(int(match[1])).axis_info[0].direction == "north")
    except CRSError as error:
        raise LoadRefused(f"'{uri}' is no reference system that is known here") from error


def _collection(home: str, document: Mapping[str, Any], query: dict[str, str]) -> Collection:
    offered = [str(uri) for uri in document.get("crs") or []]
    stored = str(document.get("storageCrs") or "")
    crs = next((uri for uri in (_WANTED_CRS, stored) if uri and uri in offered), _CRS84)
    if crs != _CRS84 and _EPSG_URI.match(crs) is None:
        crs = _CRS84
    items = _linked(home, document, ("items",)) or f"{home}/items"
    parameters = {"limit": str(_PAGE), **query}
    if crs != _CRS84:
        parameters["crs"] = crs
    address = httpx.URL(items).copy_merge_params(parameters)
    return Collection(str(document.get("id") or home.rpartition("/")[2]), str(address), crs)


def _fetch(fetcher: Fetcher, found: Harvest) -> None:
    url: str | None = found.collection.items
    promised: Any = None
    seen: set[str] = set()
    while url is not None:
        if url in seen or len(seen) >= _MOST_PAGES:
            raise LoadRefused(f"{url}: the pages of the collection have no end")
        seen.add(url)
        answer = fetcher.get(url, {"accept": f"{_GEOJSON}, application/json;q=0.5"})
        page = _json(answer)
        _take(found, url, answer, page, first=len(seen) == 1)
        promised = page.get("numberMatched", promised)
        url = _next(found.collection.items, url, page)
    if isinstance(promised, int) and found.features < promised:
        # Some servers stop paging at a limit of theirs; a full survey would close the rest.
        raise LoadRefused(
            f"{found.collection.items}: tells of {promised} features, but its pages end after "
            f"{found.features}"
        )


def _take(
    found: Harvest, url: str, answer: Answer, page: Mapping[str, Any], *, first: bool
) -> None:
    features = page.get("features")
    if page.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise LoadRefused(f"{url}: answers with no GeoJSON FeatureCollection")
    crs = answer.headers.get("content-crs", _CRS84).strip().strip("<>")
    version = answer.headers.get(_VERSION)
    if first:
        found.crs, found.version = crs, version
        is_north_first(crs)
    elif crs != found.crs:
        raise LoadRefused(f"{url}: its CRS is {crs}, that of the first page {found.crs}")
    elif version != found.version:
        raise LoadRefused(f"{url}: the collection changed while it was read: try again")
    for feature in features:
        if not isinstance(feature, dict):
            raise LoadRefused(f"{url}: a feature is not a JSON object")
        line = orjson.dumps(feature)
        found.file.write(line + b"\n")
        found.digest.update(line)
        properties = feature.get("properties")
        if isinstance(properties, dict):
            found.columns.update(dict.fromkeys(properties))
    found.features += len(features)
    tag = answer.headers.get("etag")
    if found.tags is not None and tag is not None and len(found.tags) < _REMEMBERED:
        found.tags.append((url, tag))
    elif found.version is None:
        found.tags = None


def _is_unchanged(fetcher: Fetcher, collection: Collection, known: Mapping[str, Any]) -> bool:
    """Ask for every page whether it is still the same; a One Map's first page speaks for all."""
    pages = known.get("pages") or []
    if not pages or pages[0][0] != collection.items:
        return False
    if known.get("version") is not None:
        pages = pages[:1]
    for url, tag in pages:
        refuse_elsewhere(collection.items, url, "was harvested from")
        answer = fetcher.get(url, {"accept": f"{_GEOJSON}, application/json;q=0.5",
                                   "if-none-match": tag})  # fmt: skip
        if answer.status != 304:
            return False
    return True


def _as_known(found: Harvest, known: Mapping[str, Any]) -> Harvest:
    found.unchanged = True
    found.crs = str(known.get("crs", _CRS84))
    found.columns = dict.fromkeys(known.get("columns", []))
    return found


def _next(home: str, url: str, page: Mapping[str, Any]) -> str | None:
    target = _linked(url, page, ("next",))
    if target is not None:
        refuse_elsewhere(home, target, "continues on")
    return target


def _linked(base: str, document: Mapping[str, Any], relations: tuple[str, ...]) -> str | None:
    """Return the first link with one of the relations, GeoJSON or JSON before others."""
    links = document.get("links")
    found = [
        link
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and link.get("rel") in relations and link.get("href")
    ]
    found.sort(key=lambda link: str(link.get("type", _GEOJSON)) not in _JSON_TYPES)
    if not found:
        return None
    try:
        target = str(httpx.URL(base).join(str(found[0]["href"])))
    except httpx.InvalidURL as error:
        raise LoadRefused(f"{base}: links to what is no address: {error}") from error
    refuse_elsewhere(base, target, "links to")
    return target


def _json(answer: Answer) -> dict[str, Any]:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES and not kind.endswith("+json"):
        raise LoadRefused(f"{answer.url}: answers with {kind or 'something'}, not with JSON")
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise LoadRefused(f"{answer.url}: answers with broken JSON: {error}") from error
    if not isinstance(document, dict):
        raise LoadRefused(f"{answer.url}: answers with JSON that is no object")
    return document
