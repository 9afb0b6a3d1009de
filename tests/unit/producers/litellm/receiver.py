"""A receiver of events as a real local server, which answers as it is told; it reads bodies with our source."""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web

from streams.sources.contract import Context, Skip
from streams.sources.litellm import decode

__all__ = ["Receiver"]


class Receiver:
    """Use it as an asynchronous context manager. ``answers`` are statuses of the next requests; then all is well.

    Events count once by their id, and only when they were acknowledged.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.answers: list[int] = []
        self.delay_seconds = 0.0
        self.headers: dict[str, str] = {}
        self.requests: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.events: dict[str, dict[str, Any]] = {}
        self.tellings: Counter[str] = Counter()
        self.skipped: Counter[Skip] = Counter()
        self.refused = 0
        self.refuse_ids: set[str] = set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/litellm"

    async def __aenter__(self) -> "Receiver":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_post("/litellm", self._take)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be away; what is under way is cut off."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append(dict(request.headers))
        body = await request.read()
        self.bodies.append(body)
        found = decode(body, Context(received_at_ms=0))
        self.refused += len(found.refused)
        await asyncio.sleep(self.delay_seconds)
        status = self.answers.pop(0) if self.answers else 200
        if any(item.fields["event_id"] in self.refuse_ids for item in found.items):
            status = 400
        if status == 200:
            self.skipped += found.skipped
            for item in found.items:
                self.events.setdefault(item.fields["event_id"], item.fields)
                self.tellings[item.fields["event_id"]] += 1
        if status != 200:
            return web.Response(status=status, text="said so", headers=self.headers)
        return web.json_response({"refused": [each._asdict() for each in found.refused]})
