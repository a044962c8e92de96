"""Asking another server politely and warily: time-outs, limits, retries, and no way elsewhere."""

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gis.late import LateModule
from layers.errors import LoadRefused

if TYPE_CHECKING:
    import httpx
else:
    httpx = LateModule("httpx")

#: Seconds to connect, and between two pieces of an answer.
_CONNECT_S, _READ_S = 10.0, 120.0
#: Largest answer, and all answers of one harvest, bytes after unpacking.
ANSWER_BYTES, HARVEST_BYTES = 256 << 20, 16 << 30
#: Times that a busy or silent server is asked, and the longest wait between, seconds.
_ATTEMPTS, _CONNECT_ATTEMPTS, _LONGEST_WAIT_S = 6, 3, 120.0
_BUSY = frozenset({429, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
_MOST_MOVES = 5
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Fetcher:
    """Asks one server; ``with`` closes its connections."""

    #: Waits so many seconds.
    sleep: Callable[[float], None] = time.sleep
    _bytes: int = 0
    _client: "httpx.Client" = field(
        default_factory=lambda: httpx.Client(
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            follow_redirects=False,
            # Neither a proxy nor passwords of the machine's environment.
            trust_env=False,
            headers={"user-agent": "onemap-harvest"},
        )
    )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask for an address, again if the server is busy, and where it has moved on its host.

        Raises:
            LoadRefused: If there is no good answer, it is too large, or it leads elsewhere.
        """
        home = url
        for _ in range(_MOST_MOVES):
            answer = self._patiently(url, headers)
            if answer.status not in _MOVED:
                return answer
            target = str(httpx.URL(url).join(answer.headers.get("location", "")))
            refuse_elsewhere(home, target, "redirects to")
            url = target
        raise LoadRefused(f"{home}: redirects too often")

    def _patiently(self, url: str, headers: Mapping[str, str]) -> Answer:
        told, attempts = "", _ATTEMPTS
        for attempt in range(_ATTEMPTS):
            wait: float = min(2.0**attempt, _LONGEST_WAIT_S)
            try:
                answer = self._once(url, headers)
            except httpx.InvalidURL as error:
                raise LoadRefused(f"{url}: is no address: {error}") from error
            except httpx.TransportError as error:
                told = str(error) or type(error).__name__
                if isinstance(error, httpx.ConnectError):
                    # Nobody there, which patience seldom changes.
                    attempts = _CONNECT_ATTEMPTS
            else:
                if answer.status not in _BUSY:
                    return self._good(answer)
                told = f"it answers {answer.status}"
                asked = _retry_after(answer.headers.get("retry-after"))
                if asked is not None:
                    wait = min(asked, _LONGEST_WAIT_S)
            if attempt + 1 >= attempts:
                break
            self.sleep(wait)
        raise LoadRefused(f"{url}: gives no answer after {attempts} attempts: {told}")

    def _once(self, url: str, headers: Mapping[str, str]) -> Answer:
        with self._client.stream("GET", url, headers=dict(headers)) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > ANSWER_BYTES:
                    raise LoadRefused(f"{url}: answers with more than {ANSWER_BYTES >> 20} MB")
            self._bytes += len(body)
            if self._bytes > HARVEST_BYTES:
                raise LoadRefused(f"{url}: the harvest exceeds {HARVEST_BYTES >> 30} GB")
            return Answer(url, response.status_code, dict(response.headers), bytes(body))

    @staticmethod
    def _good(answer: Answer) -> Answer:
        if answer.status in (200, 304) or answer.status in _MOVED:
            return answer
        raise LoadRefused(f"{answer.url}: answers {answer.status}, not 200")


def check_address(address: str) -> str:
    """Return an address that may be asked.

    Raises:
        LoadRefused: If it is not one of a web server, or carries a password, which the record of
            the load would show.
    """
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise LoadRefused(f"{address}: is no address: {error}") from error
    if url.scheme not in _PORTS or not url.host:
        raise LoadRefused(f"{address}: is not an http or https address")
    if url.userinfo:
        raise LoadRefused(f"{url.host}: an address with a user name or password is not accepted")
    return str(url.copy_with(fragment=None))


def refuse_elsewhere(home: str, target: str, how: str) -> None:
    """Refuse an address on another host, or one without the encryption that ``home`` has.

    Raises:
        LoadRefused: If ``target`` is not on the server of ``home``.
    """
    try:
        here, there = httpx.URL(home), httpx.URL(target)
    except httpx.InvalidURL as error:
        raise LoadRefused(f"{home}: {how} what is no address: {error}") from error
    same_port = _port(here) == _port(there)
    raised = (here.scheme, there.scheme) == ("http", "https") and {_port(here), _port(there)} == {
        80,
        443,
    }
    if here.host != there.host or not (raised or (here.scheme == there.scheme and same_port)):
        raise LoadRefused(f"{home}: {how} another server ({there.scheme}://{there.host}), not read")


def _port(url: "httpx.URL") -> int | None:
    return url.port if url.port is not None else _PORTS.get(url.scheme)


def _retry_after(text: str | None) -> float | None:
    """Read the header: seconds or a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
