"""Editing the test town over HTTP: who may, and requests in a line."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from gis.mercator import forward
from tests.api.town import SOUTH, STEP, WEST

TOKEN = "the-token-of-the-tests-and-of-nothing-else"  # noqa: S105 -- opens nothing
LAMPS_ONLY = "a-token-for-the-lamps-and-for-nothing-else"
PLOTS_ONLY = "a-token-for-the-plots-and-for-nothing-else"
#: Half the edge of the world in Web Mercator, metres.
HALF = 20037508.342789244
MERGE = "application/merge-patch+json"
GEOJSON = "application/geo+json"


def tokens_file(folder: Path) -> Path:
    """A file of tokens: one for every layer, who is of the registry, and one for lamps."""
    path = folder / "editors"
    lines = (
        "# those who may edit",
        f"王工: {sha256(TOKEN.encode()).hexdigest()} editor,registry",
        f"lamps: {sha256(LAMPS_ONLY.encode()).hexdigest()} editor:lamp",
        f"plots: {sha256(PLOTS_ONLY.encode()).hexdigest()} editor:plot",
    )
    path.write_text("\n".join(lines), "utf-8")
    return path


class Editor:
    """A client with a token and a reason."""

    def __init__(self, address: str, token: str | None = TOKEN) -> None:
        headers = {"x-change-reason": "tests"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self.client = httpx.Client(base_url=address, headers=headers, timeout=30)

    def __enter__(self) -> "Editor":
        """Lend itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self.client.close()

    def find(self, layer: str, **wanted: Any) -> dict[str, Any]:
        """The one feature with these properties, as its own address has it."""
        (found,) = self.client.get(f"/api/collections/{layer}/items", params=wanted).json()[
            "features"
        ]
        feature: dict[str, Any] = self.get(layer, found["id"]).json()
        return feature

    def get(self, layer: str, feature: int, **parameters: str) -> httpx.Response:
        return self.client.get(f"/api/collections/{layer}/items/{feature}", params=parameters)

    def post(self, layer: str, body: Any, since: str = "", **headers: str) -> httpx.Response:
        address = f"/api/collections/{layer}/items{since and f'?validFrom={since}'}"
        return self.client.post(address, json=body, headers={"content-type": GEOJSON, **headers})

    def put(self, layer: str, feature: int, body: Any, **headers: str) -> httpx.Response:
        address = f"/api/collections/{layer}/items/{feature}"
        return self.client.put(address, json=body, headers={"content-type": GEOJSON, **headers})

    def patch(self, layer: str, feature: int, body: Any, **headers: str) -> httpx.Response:
        address = f"/api/collections/{layer}/items/{feature}"
        return self.client.patch(address, json=body, headers={"content-type": MERGE, **headers})

    def delete(self, layer: str, feature: int, **headers: str) -> httpx.Response:
        return self.client.delete(f"/api/collections/{layer}/items/{feature}", headers=headers)


def lamp(number: int, **properties: Any) -> dict[str, Any]:
    """A new lamp of zone 东."""
    position = [WEST + (number % 20 + 0.5) * STEP, SOUTH + 0.5 * STEP]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": position},
        "properties": {"zone": "东", "number": number, **properties},
    }


def feature(geometry: dict[str, Any] | None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def tile_at(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """Column and row of the tile of WebMercatorQuad at a place."""
    x, y = (float(value[0]) for value in forward(np.array([lon]), np.array([lat])))
    return (
        int((HALF + x) / (2 * HALF) * 2**zoom),
        int((HALF - y) / (2 * HALF) * 2**zoom),
    )
