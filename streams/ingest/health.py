"""Whether the service is alive and ready, and the pages that say so: ``/metrics``, ``/healthz``, ``/readyz``."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streams.telemetry.ingest import IngestTelemetry

__all__ = ["State", "pages"]


class State(Protocol):
    """The present condition."""

    @property
    def kafka_up(self) -> bool:
        """Whether Kafka takes events."""
        ...

    @property
    def usable(self) -> bool:
        """Whether a body would find a place, in Kafka or in the spool."""
        ...


def pages(
    telemetry: IngestTelemetry, state: State, stopping: Callable[[], bool]
) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    """The pages for machines, on a port of their own; there is no login.

    Alive is whoever answers: the loop that answers is the one that takes bodies. Ready is who can make a body durable.
    """

    def metrics() -> web.Response:
        return web.Response(
            body=generate_latest(telemetry.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    def healthz() -> web.Response:
        return _answer(200, state, stopping())

    def readyz() -> web.Response:
        return _answer(200 if state.usable and not stopping() else 503, state, stopping())

    known = {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz}

    async def handle(request: web.BaseRequest) -> web.Response:
        page = known.get(request.path)
        if page is None:
            return web.Response(status=404, text=f"there are {', '.join(known)}\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="GET only\n", headers={"Allow": "GET, HEAD"})
        return page()

    return handle


def _answer(status: int, state: State, stopping: bool) -> web.Response:
    body = {
        "status": "ok" if status == 200 else "unavailable",
        "kafka_up": state.kafka_up,
        "can_take": state.usable,
        "stopping": stopping,
    }
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )
