"""Running the HTTP service in this process."""

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from api.middleware import RequestFrame
from layers.errors import OneMapError

#: Seconds that requests under way get to end when the server stops.
GRACE_S = 5


class CannotServe(OneMapError):
    """The server cannot listen where it should, or did not start."""


@contextmanager
def claimed_address(host: str, port: int) -> Iterator[socket.socket]:
    """Take a TCP address at once, to listen on it later.

    Nobody else can take it in the meantime, and a taken one is known before any work is done.

    Args:
        host: A name or an address of this machine.
        port: The TCP port; 0 lets the system choose a free one.

    Raises:
        CannotServe: The address is taken, forbidden, or not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotServe(f"cannot listen on {host}: it is no address of this machine") from error
    with socket.socket(family, kind, protocol) as claimed:
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            claimed.bind(address)
        except OSError as error:
            raise CannotServe(_why(host, port, error)) from error
        yield claimed


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use: stop the program that uses it, or choose another "
            "port with --port"
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}: choose one above 1023 with --port"
    return f"cannot listen on {host} port {port}: {error.strerror}"


def address_of(claimed: socket.socket) -> str:
    """Return the base address of the service as a browser on this machine writes it."""
    host, port = claimed.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _AnnouncingServer(uvicorn.Server):
    """A server that says when it is serving."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and then announce it."""
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()


def serve_until_stopped(
    app: RequestFrame, claimed: socket.socket, announce: Callable[[], None]
) -> None:
    """Serve ``app`` on the claimed address until a signal stops it.

    Args:
        app: The service.
        claimed: The socket of :func:`claimed_address`.
        announce: Called once the server answers requests.

    Raises:
        CannotServe: The application did not start.
        KeyboardInterrupt: A signal stopped the server; requests under way have ended.
    """
    config = uvicorn.Config(
        app,
        http=app.http_protocol,
        loop="uvloop",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _AnnouncingServer(config, announce)
    server.run(sockets=[claimed])
    if not server.started:
        raise CannotServe("the server did not start: the reason stands above")
