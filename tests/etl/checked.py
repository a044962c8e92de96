"""Layers that have checks, and loads into them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas
from sqlalchemy import text

from etl.load import LoadRequest, load
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue, load_catalogue
from layers.definition import LayerDefinition
from layers.store import Store
from tests.database import connected, copied_database

BOTH = {"zh": "测试", "en": "Test"}


def checked_layer(
    name: str, geometry: str, fields: list[dict[str, Any]], *checks: dict[str, Any], **more: Any
) -> LayerDefinition:
    """A layer with the key ``bsm`` and the checks given; each is named after its kind."""
    return LayerDefinition.model_validate(
        {
            "name": name,
            "title": BOTH,
            "abstract": BOTH,
            "theme": "land",
            "geometry": {"type": geometry},
            "key": ["bsm"],
            "fields": [
                {"title": BOTH, **field} for field in [{"name": "bsm", "required": True}, *fields]
            ],
            "checks": [
                {"name": check["rule"], "title": BOTH, "source": "test", **check}
                for check in checks
            ],
            **more,
        }
    )


def catalogue_with(*layers: LayerDefinition) -> Catalogue:
    """The layers given, with the code lists that are shipped."""
    return Catalogue(
        MappingProxyType({layer.name: layer for layer in layers}),
        MappingProxyType({}),
        load_catalogue().codes,
    )


@dataclass(frozen=True)
class Town:
    """A database with some layers."""

    url: str
    store: Store
    catalogue: Catalogue
    folder: Path

    def load(
        self, layer: str, frame: geopandas.GeoDataFrame, day: str = "2020-05-01", **options: Any
    ) -> LoadReport:
        """Load rows as a file would bring them; all of them may be bad."""
        file = self.folder / f"{layer}.geojson"
        file.unlink(missing_ok=True)
        frame.to_crs(4490).to_file(file)
        options.setdefault("max_bad", 1.0)
        batch_rows = options.pop("batch_rows", 4)
        request = LoadRequest(
            file,
            layer,
            valid_from=datetime.fromisoformat(day).replace(tzinfo=BEIJING),
            crs="EPSG:4490",
            **options,
        )
        return load(request, self.store, self.catalogue, EtlSettings(batch_rows=batch_rows))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with connected(self.url) as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def refused(self) -> dict[int, str]:
        """The rows of the last load in quarantine, with what is wrong with them."""
        found = self.rows(
            "SELECT source_row, message FROM onemap.quarantine"
            " WHERE load_id = (SELECT max(load_id) FROM onemap.load) ORDER BY 1"
        )
        return {row: message for row, message in found}


@contextmanager
def town_of(cluster: str, template: str, catalogue: Catalogue, folder: Path) -> Iterator[Town]:
    """A database of one's own with the layers' tables, empty."""
    with copied_database(cluster, template) as url:
        store = Store(url, catalogue)
        store.migrate()
        yield Town(url, store, catalogue, folder)
        store.close()
