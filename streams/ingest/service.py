"""One request, from its headers to its answer: the steps of :mod:`streams.ingest`, in order.

1. Who posts, as far as headers tell. 2. What is posted, by its headers. 3. The body, within bounds. 4. Who posts, where only
a signature tells. 5. The records. 6. Durable. 7. The answer. Whatever fails before 6 is done leaves nothing behind.
"""

import asyncio
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import structlog
from aiohttp import HttpVersion11, web

from streams.clock import Clock
from streams.ingest import answers
from streams.ingest.gate import Admitted, Gate
from streams.ingest.keeping import Keeper, NoRoom
from streams.ingest.reading import BodyLimits, Memory, read_body, too_large
from streams.ingest.refusing import HttpRefusal, come_back
from streams.ingest.routing import check_content_type, content_type_of, encoding_of, nowhere, told
from streams.ingest.taking import Taken, Taker
from streams.sources.catalogue import Route, Source, routes
from streams.sources.contract import Context
from streams.telemetry.ingest import NO_SOURCE, IngestTelemetry, TakenCounts
from streams.telemetry.ingest_catalogue import KeptIn

__all__ = ["Parts", "Service"]

log = structlog.get_logger(__name__)

#: Longer bodies are taken in a thread: some milliseconds in which other requests would not be answered.
_LONG_BYTES: Final = 256 * 1024
#: What is shorter than this comes out of its compression at no more than a few megabytes.
_LONG_COMPRESSED_BYTES: Final = 16 * 1024
#: Set aside for a body whose length is not said beforehand.
_UNKNOWN_BYTES: Final = 1024 * 1024
_INCOMPLETE: Final = HttpRefusal(400, "incomplete", "the body ended before its end: send it again")
_BUG: Final = HttpRefusal(500, "internal", "the service failed on this request, which is a bug: report it")


class Limits(BodyLimits, Protocol):
    """The settings that bound a request."""

    @property
    def max_inflated_bytes(self) -> int:
        """Bytes out of compression."""
        ...


class Parts(Protocol):
    """What a service is made of."""

    gate: Gate
    keeper: Keeper
    memory: Memory
    telemetry: IngestTelemetry
    clock: Clock


class Service:
    """Answers requests. ``taker`` is the loop's, ``long_taker`` that of the thread for long bodies."""

    def __init__(
        self, sources: Sequence[Source], parts: Parts, limits: Limits, *, taker: Taker, long_taker: Taker
    ) -> None:  # fmt: skip
        self._routes = routes(sources)
        self._parts = parts
        self._limits = limits
        self._taker = taker
        self._long_taker = long_taker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="take")

    def close(self) -> None:
        """Nothing is asked any more."""
        self._thread.shutdown()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer any request; never raises but for a client that has gone, and logs nothing of what was sent."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        source, route = self._routes.get(request.path, (None, None))
        name = source.name if source else NO_SOURCE
        content_type = content_type_of(request.headers.get("Content-Type", ""), route)
        length = _Length()
        answer = route.answer if route else None
        try:
            if source is None or route is None:
                raise nowhere(request.path, self._routes)
            reply = await self._take(request, source, route, content_type, length)
        except HttpRefusal as refusal:
            reply = answers.refused(answer, content_type, refusal)
        except (ConnectionError, web.RequestPayloadError):
            # The client has gone in the middle of its body, or sent what is no HTTP: there may be nobody to answer.
            reply = answers.refused(answer, content_type, _INCOMPLETE)
        except Exception as error:
            # Only where it happened: a message may hold what was sent.
            log.error("request_failed", source=name, error=type(error).__name__, where=_where(error))
            reply = answers.refused(answer, content_type, _BUG)
        self._parts.telemetry.answered(name, reply.status, loop.time() - began, length.value)
        return _response(reply)

    async def _take(
        self, request: web.BaseRequest, source: Source, route: Route, content_type: str, length: "_Length"
    ) -> answers.Reply:
        if request.method != "POST":
            raise HttpRefusal(405, "method", f"{route.path} takes POST", {"Allow": "POST"})
        now_ms = self._parts.clock.now_ms()
        headers = {name.lower(): value for name, value in request.headers.items()}
        admitted = self._parts.gate.admit_by_header(source, headers, now_ms)
        encoding = encoding_of(headers)
        check_content_type(route, content_type)
        said = request.content_length
        if said is not None and said > self._limits.max_body_bytes:
            raise too_large(self._limits.max_body_bytes)
        await _invite(request)
        # Room for all of it at once, so that bodies do not wait for each other half-read; but who is not known yet holds
        # only what has come, or anyone who promises much and sends it slowly could hold it all.
        expected = 0 if admitted is None else _UNKNOWN_BYTES if said is None else said
        async with self._parts.memory.share(expected) as share:
            body = await read_body(request.content, share, self._limits)
            length.value = len(body)
            if admitted is None:
                admitted = self._by_signature(source, body, encoding, headers, now_ms)
            context = Context(now_ms, route.path, content_type, told(headers))
            result = await self._records(source, route, body, encoding, context, admitted)
            del body
            share.count(sum(len(record.key) + len(record.value) for record in result.records))
            kept_in = await self._durable(result)
        self._parts.telemetry.took(source.name, _counts(result, kept_in))
        return answers.taken(route.answer, route.path, content_type, result)

    async def _records(
        self, source: Source, route: Route, body: bytes, encoding: str, context: Context, admitted: Admitted
    ) -> Taken:
        bound = _LONG_BYTES if encoding == "identity" else _LONG_COMPRESSED_BYTES
        if len(body) <= bound:
            return self._taker.take(source, route, body, encoding, context, admitted.binding)
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._long_taker.take, source, route, body, encoding, context, admitted.binding
        )

    def _by_signature(
        self, source: Source, body: bytes, encoding: str, headers: Mapping[str, str], now_ms: int
    ) -> Admitted:
        # Whoever signs a body signs it as it sends it; none compresses.
        if encoding != "identity":
            raise HttpRefusal(415, "encoding", "a signed body is taken uncompressed only")
        return self._parts.gate.admit_by_signature(source, body, headers, now_ms)

    async def _durable(self, result: Taken) -> KeptIn | None:
        if not result.records:
            return None
        try:
            return await self._parts.keeper.keep(result.records)
        except NoRoom as error:
            raise come_back(str(error)) from error


class _Length:
    """How long the body was, once it is known."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


async def _invite(request: web.BaseRequest) -> None:
    """Ask for the body, where the client waits to be asked until its headers are found right."""
    if request.headers.get("Expect", "").strip().lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Or the answer would be taken for one that has begun.
        request.writer.output_size = 0


def _counts(result: Taken, kept_in: KeptIn | None) -> TakenCounts:
    refused = Counter(each.reason for each in result.refused)
    return TakenCounts(result.forms, refused, result.skipped, result.attributed, result.links, kept_in)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('streams/')[2]}:{frames[-1].lineno}" if frames else ""


def _response(reply: answers.Reply) -> web.Response:
    response = web.Response(
        status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type, **reply.headers}
    )
    if reply.status in (408, 413):
        # What is left of the body is not going to be read.
        response.force_close()
    return response
