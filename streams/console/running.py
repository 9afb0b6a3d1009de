"""The composition root of ``assay console``: settings in, pages on a port until it is told to stop."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import orjson
import structlog
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streams.clock import SystemClock
from streams.console.alerts import Alerts
from streams.console.asking import FeedState, Site
from streams.console.feeds import Feed, Progress
from streams.console.figures import Figures
from streams.console.gate import Pace, gate_of
from streams.console.letters import Letters
from streams.console.metrics import ConsoleMetrics
from streams.console.scrapes import Scraper
from streams.console.service import Service, State
from streams.console.taking import take_alert, take_kpi, take_letter
from streams.core import topics
from streams.core.windows import Window
from streams.engine_params import engine_setup
from streams.ingest.serving import HttpServer
from streams.logging import Repetitions, configure_logging
from streams.settings import Settings

__all__ = ["Console", "run_console"]

log = structlog.get_logger(__name__)

_FINISH_SECONDS: Final = 5.0
_WEB_CONNECTIONS: Final = 100
#: Ranks are worked out in slices of some milliseconds.
_SLICE: Final = 50
_WORK_SECONDS: Final = 1.0
#: Loggers of the Kafka client, which says ten times a second that nobody answers.
_REPEATING: Final = ("aiokafka", "aiokafka.consumer.fetcher", "aiokafka.conn", "aiokafka.cluster", "aiokafka.client")


class Console:
    """Everything one process is made of. Made within its event loop."""

    def __init__(self, settings: Settings) -> None:
        chosen = settings.console
        setup = engine_setup(settings)
        self._settings = settings
        self._setup = setup
        self.figures = Figures(weeks=chosen.history_weeks, max_places=chosen.max_places)
        self.alerts = Alerts(keep_ms=chosen.history_weeks * Window.WEEK, max_alerts=chosen.max_alerts)
        self.letters = Letters()
        self.metrics = ConsoleMetrics()
        self.feeds = [
            Feed(settings, settings.topic_prefix + topics.KPIS, partial(take_kpi, self.figures)),
            Feed(settings, settings.topic_prefix + topics.ALERTS, partial(take_alert, self.alerts)),
            Feed(settings, settings.topic_prefix + topics.DEAD_LETTERS, partial(take_letter, self.letters)),
        ]
        self.workers = Scraper(chosen.workers.split(",") if chosen.workers else ())
        self.ingests = Scraper(chosen.ingests.split(",") if chosen.ingests else ())
        self.ready = False
        self.service = Service(
            self.site, self.state, gate_of(chosen), Pace(chosen.max_requests_per_second, time.monotonic), self.metrics,
            base=chosen.base_path,
        )  # fmt: skip

    def site(self) -> Site:
        """What is known now."""
        return Site(
            figures=self.figures, alerts=self.alerts, letters=self.letters, policy=self._setup.params.policy,
            now_ms=SystemClock().now_ms(), config_version=self._setup.params.config_version, brokers=self._settings.brokers,
            feeds=tuple(
                FeedState(it.topic, it.progress.value, it.problem, it.records, it.unreadable, it.behind) for it in self.feeds
            ),
            workers=tuple(self.workers.targets()) if self.workers.configured else None,
            ingests=tuple(self.ingests.targets()) if self.ingests.configured else None,
            history_weeks=self._settings.console.history_weeks,
        )  # fmt: skip

    def state(self) -> State:
        """Whether pages can be made."""
        if self.ready:
            return State(True)
        for feed in self.feeds:
            if feed.problem:
                return State(False, f"The console cannot read {feed.topic}: {feed.problem}. It tries again by itself.")
        shares = [it.share for it in self.feeds]
        known = [it for it in shares if it is not None]
        share = f", {100 * min(known):.0f} % of the topic that is furthest behind" if known else ""
        return State(
            False,
            f"The console has begun and reads what the topics hold{share}. This page will be here in a moment; load it again.",
        )

    async def work(self) -> None:
        """Keep lists in order, for ever, a slice at a time; ready once that is done for the first time."""
        while True:
            read = all(it.progress is Progress.FOLLOWING for it in self.feeds)
            # Not before: of what is still coming in, each record would make the last rank a waste.
            if read:
                while not self.figures.work(_SLICE):  # noqa: ASYNC110  (it works, it does not wait)
                    await asyncio.sleep(0)
                self.alerts.prune()
            if read and not self.ready:
                self.ready = True
                log.info("console_ready", places=len(self.figures), alerts=len(self.alerts))
            self.metrics.places.set(len(self.figures))
            self.metrics.alerts.set(len(self.alerts))
            self.metrics.ready.set(self.ready)
            for feed in self.feeds:
                self.metrics.unreadable.labels(feed.topic.removeprefix(self._settings.topic_prefix)).set(
                    feed.unreadable
                )
            await asyncio.sleep(_WORK_SECONDS if self.ready else 0.05)


def run_console(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises AssayError on what only a person can mend."""
    configure_logging(settings.log_level, settings.log_format)
    for name in _REPEATING:
        logging.getLogger(name).addFilter(Repetitions())
    if settings.log_level == "info":
        # The client tells every step of finding its partitions, and says at warning what matters.
        logging.getLogger("aiokafka").setLevel(logging.WARNING)
    gate_of(settings.console)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    chosen = settings.console
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    console = Console(settings)
    machines = HttpServer(_machine_pages(console), what="console.web_port", max_connections=_WEB_CONNECTIONS)
    people = HttpServer(console.service.handle, what="console.port", max_connections=chosen.max_connections)
    tasks: list[asyncio.Task[None]] = []
    try:
        web_port = await machines.start(chosen.web_host, chosen.web_port)
        port = await people.start(chosen.host, chosen.port)
        log.info("console_started", host=chosen.host, port=port, web_port=web_port, base_path=chosen.base_path)
        tasks = [asyncio.create_task(it) for it in (
            *(feed.follow() for feed in console.feeds), console.workers.follow(), console.ingests.follow(), console.work(),
        )]  # fmt: skip
        stopping = asyncio.create_task(stop.wait())
        # A task that ends has met a bug: pages that stand still must not look as if they did not.
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        log.info("console_stops")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await people.stop(_FINISH_SECONDS)
        await machines.stop(0.0)


def _machine_pages(console: Console) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    """``/metrics``, ``/healthz`` and ``/readyz``, on a port of their own; there is no login."""

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="GET only\n", headers={"Allow": "GET, HEAD"})
        if request.path == "/metrics":
            return web.Response(
                body=generate_latest(console.metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
            )
        if request.path in ("/healthz", "/readyz"):
            ok = console.ready or request.path == "/healthz"
            body = {"status": "ok" if ok else "unavailable", "ready": console.ready, "detail": console.state().sentence}
            return web.Response(
                status=200 if ok else 503, body=orjson.dumps(body),
                headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
            )  # fmt: skip
        return web.Response(status=404, text="there are /metrics, /healthz, /readyz\n")

    return handle
