"""The service on its ports: connections bounded, TLS, and an end in which no request is cut off."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import web

from streams.errors import DependencyError
from streams.ingest.refusing import RETRY_AFTER_SECONDS

__all__ = ["HttpServer"]

#: As long as it takes to hear of a refusal, for a client that is still sending.
_LINGER_SECONDS: Final = 5.0
#: A connection that is silent between two requests, or does not finish the headers of one, ends after this.
_IDLE_SECONDS: Final = 75.0
#: A connection whose body waits for memory holds up to twice this outside of it; a thousand of them, a hundred megabytes.
_PIECE_BYTES: Final = 64 * 1024
_HANDSHAKE_SECONDS: Final = 10.0
_LAST_CALL_SECONDS: Final = 0.05
_CLOSE_SECONDS: Final = 2.0
_BUSY: Final = (
    f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER_SECONDS}\r\nConnection: close\r\n"
    "Content-Length: 0\r\n\r\n"
).encode()
#: aiohttp's own log prints what it could not parse. Nothing of that is for us to keep.
_SILENT: Final = logging.getLogger("assay.silent")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False


class HttpServer:
    """One port. ``max_connections`` bounds what is open at the same time; more are answered 503."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.Response]], *, what: str, max_connections: int
    ) -> None:
        self._handler = handler
        self._what = what
        self._max_connections = max_connections
        self._server: web.Server | None = None
        self._listening: asyncio.Server | None = None
        self._under_way = 0
        self._idle = asyncio.Event()
        self._stopping = False

    async def start(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen; gives the port. Raises DependencyError where it cannot be had."""
        self._server = web.Server(
            self._answer, access_log=None, logger=_SILENT, auto_decompress=False, keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_LINGER_SECONDS, read_bufsize=_PIECE_BYTES,
        )  # fmt: skip
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                self._connection, host, port, ssl=context, backlog=1024,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if context else None,
            )  # fmt: skip
        except OSError as error:
            raise DependencyError(
                f"{self._what}: cannot listen on {host}:{port} ({error.strerror}); choose another port, or 0 for a free one"
            ) from error
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self, patience_seconds: float) -> None:
        """Take no new connections, let requests that are under way finish, then close.

        aiohttp's own end would not read the rest of a body that is half here.
        """
        if self._listening is None or self._server is None:
            return
        self._stopping = True
        self._listening.close()
        self._listening = None
        # A request whose first bytes are in the socket already is one that is under way.
        await asyncio.sleep(_LAST_CALL_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                while self._under_way:
                    self._idle.clear()
                    await self._idle.wait()
        self._server.pre_shutdown()
        await self._server.shutdown(_CLOSE_SECONDS)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self._under_way += 1
        try:
            response = await self._handler(request)
        finally:
            self._under_way -= 1
            self._idle.set()
        if self._stopping:
            response.force_close()
        return response

    def _connection(self) -> asyncio.Protocol:
        assert self._server is not None
        return self._server() if len(self._server.connections) < self._max_connections else _Refusing()


class _Refusing(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(_BUSY)
        transport.close()
