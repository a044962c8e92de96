"""What a client orders with ``POST /api/loads``: read, checked, and made a request of the ETL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from api.errors import InvalidParameter, UnusableRequest
from api.multipart import Upload
from etl.load import LoadRequest
from etl.settings import EtlSettings
from gis.times import parse_instant
from layers.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    IdempotencyConflict,
    OneMapError,
    SchemaConflict,
)

#: Largest JSON order, bytes.
MOST_JSON = 1_000_000
_LONGEST = 1_000
#: Errors that say nothing of the order.
_NOT_THE_ORDER = (DatabaseUnavailable, DatabaseBusy, SchemaConflict, IdempotencyConflict)


def _instant(value: object) -> object:
    return parse_instant(value) if isinstance(value, str) else value


class LoadOrder(BaseModel):
    """What is to be loaded, and what is known of it."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, str_max_length=_LONGEST
    )

    #: May be left to the mapping.
    layer: str | None = None
    valid_from: Annotated[datetime, BeforeValidator(_instant)] | None = None
    crs: str | None = None
    source_layer: str | None = None
    format: str | None = None
    encoding: str | None = None
    operator: str = "unknown"
    #: Share of bad rows (0 to 1) up to which the load is accepted.
    max_bad: float | None = Field(default=None, ge=0, le=1)
    full: bool = False
    anywhere: bool = False


class NamedOrder(LoadOrder):
    """An order that names its source: a file of the inbox, or a collection of a server."""

    #: A path below the service's inbox.
    file: str | None = None
    #: Address of a collection (OGC API Features).
    url: str | None = None
    #: A path of a mapping below the inbox.
    mapping: str | None = None


class Reversal(BaseModel):
    """Who takes a load back, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=_LONGEST)

    operator: str = "unknown"
    reason: str | None = None


Order = TypeVar("Order", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order, ready to be handed in."""

    request: LoadRequest
    #: SHA-256 over all that was ordered.
    digest: str


def named_order(body: bytes, settings: EtlSettings) -> Ordered:
    """Read a JSON order.

    Raises:
        InvalidParameter: If it is no JSON object of an order's form.
        UnusableRequest: If it names no source, or one that is not open to clients.
    """
    value = _json(body)
    order = _read(NamedOrder, value)
    if (order.file is None) == (order.url is None):
        raise UnusableRequest("name the source: either file or url")
    source: Path | str
    if order.file is not None:
        source = _in_inbox(order.file, "file", settings)
    else:
        source = _harvested(str(order.url), settings)
    mapping = None if order.mapping is None else _in_inbox(order.mapping, "mapping", settings)
    canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return Ordered(_request(order, source, mapping), sha256(canonical).hexdigest())


def read_reversal(body: bytes) -> Reversal:
    """Read who takes a load back, and why; an empty body says neither.

    Raises:
        InvalidParameter: If it is no JSON object of that form.
    """
    return _read(Reversal, _json(body or b"{}"))


def uploaded_order(upload: Upload) -> Ordered:
    """Read the order that came with an upload: parts ``file`` (one or more) and ``mapping``.

    Raises:
        InvalidParameter: If its fields are not of an order's form.
        UnusableRequest: If no file came.
    """
    unknown = set(upload.files) - {"file", "mapping"}
    if unknown:
        raise InvalidParameter(f"there is no part '{min(unknown)}' for a file: call it file")
    order = _read(LoadOrder, upload.fields)
    files = upload.files.get("file", [])
    mappings = upload.files.get("mapping", [])
    if not files:
        raise UnusableRequest("no file came: send one in a part called file")
    if len(mappings) > 1:
        raise InvalidParameter("mapping: given twice")
    # The parts of a Shapefile, say: the folder they are in is the data set.
    source = files[0] if len(files) == 1 else files[0].parent
    return Ordered(_request(order, source, mappings[0] if mappings else None), upload.digest)


@contextmanager
def told_to_clients(folders: tuple[Path, ...]) -> Iterator[None]:
    """Turn a refusal of what was ordered into one that names no folder of the server."""
    try:
        yield
    except _NOT_THE_ORDER:
        raise
    except OneMapError as error:
        text = str(error)
        for folder in folders:
            text = text.replace(f"{folder}/", "")
        raise UnusableRequest(text) from error


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter("the body is no JSON") from error


def _read(kind: type[Order], value: Any) -> Order:
    if not isinstance(value, dict):
        raise InvalidParameter("an order is an object with named fields")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the order"
        raise InvalidParameter(f"{place}: {fault['msg']}") from error


def _request(order: LoadOrder, source: Path | str, mapping: Path | None) -> LoadRequest:
    return LoadRequest(
        source=source,
        layer=order.layer,
        mapping=mapping,
        valid_from=order.valid_from,
        crs=order.crs,
        source_layer=order.source_layer,
        format=order.format,
        encoding=order.encoding,
        operator=order.operator,
        max_bad=order.max_bad,
        full=order.full,
        anywhere=order.anywhere,
    )


def _in_inbox(name: str, what: str, settings: EtlSettings) -> Path:
    """Return a path below the inbox, wherever links lead."""
    if settings.inbox_dir is None:
        raise UnusableRequest(f"{what}: this service has no inbox; send the file itself")
    inbox = settings.inbox_dir.resolve()
    if "\0" in name:
        raise InvalidParameter(f"{what}: holds a NUL character")
    path = (inbox / name).resolve()
    if not path.is_relative_to(inbox) or path == inbox:
        raise UnusableRequest(f"{what}: only what is below the inbox may be named")
    if not path.exists():
        raise UnusableRequest(f"{what}: the inbox has no '{name}'")
    return path


def _harvested(address: str, settings: EtlSettings) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise UnusableRequest("url: is no address") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise UnusableRequest("url: give the http or https address of a collection")
    if host not in settings.harvest_hosts:
        raise UnusableRequest(
            f"url: {host} is not among the hosts that this service may harvest "
            "(ONEMAP_ETL_HARVEST_HOSTS)"
        )
    return address
