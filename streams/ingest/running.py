"""The composition root of ``assay ingest``: settings in, a service on its ports until it is told to stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import structlog

from streams.clock import Clock, SystemClock
from streams.core import topics
from streams.exclusive import exclusive
from streams.ingest.health import pages
from streams.ingest.keeping import Keeper
from streams.ingest.publishing import Publisher
from streams.ingest.reading import Memory
from streams.ingest.service import Service
from streams.ingest.serving import HttpServer
from streams.ingest.setup import Admission, admission_of, tls_of
from streams.ingest.spool import Spool
from streams.ingest.spooling import SpoolQueue
from streams.ingest.taking import Taker
from streams.logging import Repetitions, configure_logging
from streams.settings import Settings, pseudonym_key
from streams.sources.catalogue import SOURCES, Source
from streams.telemetry.ingest import IngestReadings, IngestTelemetry

__all__ = ["run_ingest"]

log = structlog.get_logger(__name__)

#: How long Kafka may take to answer at first; after that the spool takes bodies.
_CONNECT_SECONDS: Final = 5.0
_MIB: Final = 1024 * 1024
#: Requests that are under way have this long to finish; orchestrators kill after thirty seconds.
_FINISH_SECONDS: Final = 20.0
_WEB_CONNECTIONS: Final = 100
#: Loggers of the Kafka client, which says ten times a second that nobody answers.
_REPEATING: Final = ("aiokafka", "aiokafka.producer.sender", "aiokafka.conn", "aiokafka.cluster", "aiokafka.client")


class IngestParts:
    """Everything one process is made of (:class:`streams.ingest.service.Parts`). Made within its event loop."""

    def __init__(self, settings: Settings, sources: Sequence[Source], admission: Admission) -> None:
        chosen = settings.ingest
        names = [settings.topic_prefix + name for name in (topics.USAGE, topics.OUTCOMES)]
        most = chosen.spool_mb * _MIB
        self.gate = admission.gate
        self.clock: Clock = SystemClock()
        self.memory = Memory(chosen.max_memory_mb * _MIB)
        self.telemetry = IngestTelemetry([source.name for source in sources], version=_version())
        self.keeper = Keeper(
            lambda: Publisher.connect(settings.brokers, names, timeout_seconds=_CONNECT_SECONDS),
            SpoolQueue(Spool(_spool_dir(settings), most), most),
            patience_seconds=chosen.kafka_patience_seconds,
        )
        key = pseudonym_key(settings)

        def taker() -> Taker:
            return Taker(
                key, topic_prefix=settings.topic_prefix, max_inflated_bytes=chosen.max_inflated_bytes,
                fingerprints=chosen.prompt_fingerprints, linking=admission.linking,
            )  # fmt: skip

        self.service = Service(sources, self, chosen, taker=taker(), long_taker=taker())
        self.telemetry.read_from(self._readings)

    def _readings(self) -> IngestReadings:
        spool = self.keeper.spool
        return IngestReadings(
            self.keeper.kafka_up, spool.size_bytes, spool.max_bytes, spool.age_seconds, self.memory.held_bytes
        )


def run_ingest(settings: Settings, sources: Sequence[Source] = SOURCES) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises AssayError on what only a person can mend."""
    configure_logging(settings.log_level, settings.log_format)
    for name in _REPEATING:
        logging.getLogger(name).addFilter(Repetitions())
    pseudonym_key(settings)
    admission = admission_of(settings, sources)
    tls_of(settings)
    with exclusive(_spool_dir(settings), setting="ingest.spool_dir", holder="assay ingest"):
        asyncio.run(_serve(settings, sources, admission))


async def _serve(settings: Settings, sources: Sequence[Source], admission: Admission) -> None:
    chosen = settings.ingest
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parts = IngestParts(settings, sources, admission)
    context = tls_of(settings)
    web = HttpServer(
        pages(parts.telemetry, parts.keeper, stop.is_set), what="ingest.web_port", max_connections=_WEB_CONNECTIONS
    )
    door = HttpServer(parts.service.handle, what="ingest.port", max_connections=chosen.max_connections)
    try:
        await parts.keeper.start()
        web_port = await web.start(chosen.web_host, chosen.web_port)
        port = await door.start(chosen.host, chosen.port, context)
        # What exists now lives for ever, and a body's thousands of small objects are freed by reference count.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        log.info(
            "ingest_started", host=chosen.host, port=port, web_port=web_port, tls=context is not None,
            sources=[source.name for source in sources],
        )  # fmt: skip
        await stop.wait()
        log.info("ingest_stops")
    finally:
        await door.stop(_FINISH_SECONDS)
        parts.service.close()
        await parts.keeper.stop()
        await web.stop(0.0)
        log.info("ingest_stopped", spool_bytes=parts.keeper.spool.size_bytes)


def _spool_dir(settings: Settings) -> Path:
    return settings.ingest.spool_dir or settings.data_dir / "ingest-spool"


def _version() -> str:
    try:
        return version("assay")
    except PackageNotFoundError:
        return "unknown"
