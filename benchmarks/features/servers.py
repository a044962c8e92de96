"""The servers that are asked for features, each deployed as its documentation would have it."""

import os
from typing import ClassVar
from urllib.parse import urlencode

from benchmarks.features.city import FIELDS, LAYER
from benchmarks.features.questions import Question
from benchmarks.tiles.city import SCHEMA, City
from benchmarks.tiles.servers import Ours, Program, Tipg

_WANTED = ",".join(FIELDS)


class FeatureServer(Program):
    """A server of features."""

    #: Where the items of the layer are.
    items: ClassVar[str]
    #: Parameters that every question has.
    usual: ClassVar[dict[str, str]] = {}

    def address(self, question: Question) -> str:
        """Return the address of a question's answer."""
        return self.page(
            bbox=",".join(f"{side:.6f}" for side in question.bbox),
            dlbm=question.land_use,
            limit=str(question.limit),
        )

    def page(self, **parameters: str) -> str:
        """Return the address of a page of features."""
        wanted = {"properties": _WANTED, **self.usual, **parameters}
        return f"{self.items}?{urlencode(wanted, safe=',')}"


class OurFeatures(FeatureServer, Ours):
    """One Map."""

    items = f"/api/collections/{LAYER}/items"


class TipgFeatures(FeatureServer, Tipg):
    """tipg."""

    items = f"/collections/{SCHEMA}.{LAYER}/items"
    usual: ClassVar[dict[str, str]] = {"f": "geojson"}

    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """``uvicorn tipg.main:app``, as for tiles."""
        command, more = super().command(city, cached=cached)
        self.deployment = "uvicorn, one process, pool of 10; TIPG_CATALOG_TTL=0"
        return command, more


class PgFeatureserv(FeatureServer):
    """pg_featureserv."""

    items = f"/collections/{SCHEMA}.{LAYER}/items.json"

    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """``pg_featureserv``: it has no cache."""
        settings = {
            "DATABASE_URL": city.url,
            "PGFS_SERVER_HTTPHOST": "127.0.0.1",
            "PGFS_SERVER_HTTPPORT": str(self.port),
            "PGFS_PAGING_LIMITMAX": "10000",
        }
        self.deployment = (
            f"its defaults ({os.cpu_count()} cores, pool of 4), LimitMax 10,000; "
            "it neither counts what matches nor puts it into an order"
        )
        return [str(self.tool.program)], settings

    @property
    def ready_path(self) -> str:
        """Its index."""
        return "/index.json"


KINDS: dict[str, type[FeatureServer]] = {
    "ours": OurFeatures,
    "tipg": TipgFeatures,
    "pg_featureserv": PgFeatureserv,
}
