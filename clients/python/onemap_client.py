"""Features of a One Map service as a GeoDataFrame: copy this file, or put its folder on the path.

It needs geopandas, pyarrow and httpx, and nothing of the service's own code.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from io import BytesIO

import geopandas
import httpx

Time = str | date | datetime


class Refused(Exception):
    """The service would not answer; the message is its own, and names the parameter at fault."""


def features(
    service: str,
    layer: str,
    *,
    filter: str | None = None,  # noqa: A002 -- as OGC's parameter
    at: Time | tuple[Time | None, Time | None] | None = None,
    as_of: Time | None = None,
    bbox: Sequence[float] | None = None,
    crs: str | None = None,
    fields: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> geopandas.GeoDataFrame:
    """Return the features of a layer, one row each, indexed by their ids.

    Args:
        service: Address of the landing page, such as ``https://map.example/api``.
        layer: Name of the layer.
        filter: What must hold, in CQL2: ``width > 20 AND road_class = 'urban_main'``.
        at: When it was so: an instant, or (start, end) with ``None`` for an open end. Without it
            the current state. A date is 00:00 in Beijing.
        as_of: What the map held then.
        bbox: West, south, east, north in degrees.
        crs: Reference system wanted, such as ``EPSG:4547``; CGCS2000 (EPSG:4490) without one.
        fields: The fields wanted; all without it.
        headers: Sent with the request, such as ``Authorization``.
        timeout_s: Seconds to wait for each part of the answer.

    Returns:
        Coordinates are x, y: easting or longitude first.

    Raises:
        Refused: If the service answers with a problem: nothing is cut off in silence.
        httpx.HTTPError: If it cannot be reached.
    """
    query = {
        "f": "parquet",
        "filter": filter,
        "datetime": _time(at),
        "asOf": _time(as_of),
        "bbox": None if bbox is None else ",".join(str(number) for number in bbox),
        "crs": None if crs is None else _uri(crs),
        "properties": None if fields is None else ",".join(fields),
    }
    given = {name: value for name, value in query.items() if value is not None}
    address = f"{service.rstrip('/')}/collections/{layer}/items"
    answer = httpx.get(
        address, params=given, headers=dict(headers or {}), timeout=timeout_s, follow_redirects=True
    )
    if answer.status_code != 200:
        raise Refused(_detail(answer))
    return geopandas.read_parquet(BytesIO(answer.content)).set_index("feature_id")


def _time(time: Time | tuple[Time | None, Time | None] | None) -> str | None:
    if time is None or isinstance(time, str):
        return time
    if isinstance(time, tuple):
        return "/".join(_time(end) or ".." for end in time)
    return time.isoformat()


def _uri(crs: str) -> str:
    authority, _, code = crs.partition(":")
    return f"http://www.opengis.net/def/crs/{authority}/0/{code}" if authority == "EPSG" else crs


def _detail(answer: httpx.Response) -> str:
    if "problem+json" in answer.headers.get("content-type", ""):
        return str(answer.json()["detail"])
    return f"{answer.request.url} answered {answer.status_code}"
