"""Follows topics from their beginning: in this process's loop, in small batches, so that pages are answered in between."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams.core.schemas import SchemaCache
from streams.core.wire import schema_ids
from streams.errors import DependencyError
from streams.registry import SchemaRegistry

__all__ = ["Feed", "Progress", "Taker"]

log = structlog.get_logger(__name__)

#: Decoded in a few milliseconds.
_BATCH: Final = 400
_POLL_MS: Final = 500
_FETCH_BYTES: Final = 4 * 1024 * 1024
#: How long to wait before asking again what is away.
_AGAIN_SECONDS: Final = 3.0
#: Kafka's own default: what is not heard of for so long is asked again.
_REQUEST_MS: Final = 20_000

#: Takes a key, a value (None for a tombstone) and the schemas that it may name; whether it could be read.
Taker = Callable[[bytes, bytes | None, SchemaCache | None], bool]


class Progress(StrEnum):
    """How far a topic is read."""

    WAITING = "waiting"
    """Kafka has not answered yet, or lacks the topic."""
    READING = "reading"
    """What it held at the start is being read."""
    FOLLOWING = "following"
    """That is read, and what comes is, too."""


class Source(Protocol):
    """Where topics are; settings have these."""

    @property
    def brokers(self) -> str:
        """``host:port``, separated by commas."""
        ...

    @property
    def schema_registry_url(self) -> str | None:
        """The registry of records in Confluent's wire format."""
        ...


class Feed:
    """One topic. It commits nothing and is of no group: any number of consoles may read."""

    def __init__(self, source: Source, topic: str, take: Taker) -> None:
        self.topic: Final = topic
        self.progress = Progress.WAITING
        self.problem = ""
        self.records = 0
        self.unreadable = 0
        self._source = source
        self._take = take
        self._consumer: Any = None
        self._ends: dict[Any, int] = {}
        self._first = 0

    @property
    def share(self) -> float | None:
        """How much of what was there at the start is read, from 0 to 1; None while that is unknown."""
        if self.progress is Progress.FOLLOWING:
            return 1.0
        total = sum(self._ends.values()) - self._first
        return min(1.0, self.records / total) if total > 0 else None

    @property
    def behind(self) -> int | None:
        """Offsets between what is read and the end of the topic, as last heard of."""
        if self._consumer is None or self.progress is not Progress.FOLLOWING:
            return None
        marks = [(place, self._consumer.highwater(place)) for place in self._consumer.assignment()]
        at = {place: self._consumer.last_stable_offset(place) for place, _ in marks}
        read = {place: self._positions.get(place, 0) for place, _ in marks}
        return sum(max(0, (at[place] or read[place]) - read[place]) for place, _ in marks)

    async def follow(self) -> None:
        """Read for ever; what fails is tried again from where it was."""
        self._positions: dict[Any, int] = {}
        while True:
            try:
                await self._session()
            except (KafkaError, DependencyError, TimeoutError, OSError) as error:
                problem = str(error) if isinstance(error, DependencyError) else f"Kafka does not answer: {error!r}"
                if problem != self.problem:
                    self.problem = problem
                    log.warning("console_source_away", topic=self.topic, detail=problem)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _session(self) -> None:
        options: dict[str, Any] = {
            "bootstrap_servers": self._source.brokers, "client_id": "assay-console", "isolation_level": "read_committed",
            "enable_auto_commit": False, "auto_offset_reset": "earliest", "request_timeout_ms": _REQUEST_MS,
            "max_partition_fetch_bytes": _FETCH_BYTES,
        }  # fmt: skip
        async with AIOKafkaConsumer(**options) as asking:
            # Asked first: a consumer of a topic that is missing may bring it into being.
            if self.topic not in await asking.topics():
                raise DependencyError(
                    f"there is no topic {self.topic} at {self._source.brokers}; run `assay topics apply`"
                )
        # Named here, it has its partitions when it has started: a poll that waits for them may bring records, too.
        consumer = AIOKafkaConsumer(self.topic, **options)
        registry = SchemaRegistry(self._source.schema_registry_url) if self._source.schema_registry_url else None
        try:
            await consumer.start()
            for place in consumer.assignment():
                if place in self._positions:
                    consumer.seek(place, self._positions[place])
            if self.progress is not Progress.FOLLOWING:
                self._ends = await consumer.end_offsets(consumer.assignment())
                self._first = sum((await consumer.beginning_offsets(consumer.assignment())).values())
                self.progress = Progress.READING
            if self.problem:
                log.info("console_source_back", topic=self.topic)
            self.problem = ""
            self._consumer = consumer
            await self._read(consumer, registry)
        finally:
            self._consumer = None
            await consumer.stop()
            if registry is not None:
                await registry.close()

    async def _read(self, consumer: Any, registry: SchemaRegistry | None) -> None:
        while True:
            if self.progress is Progress.READING and await self._is_read(consumer):
                self.progress = Progress.FOLLOWING
                log.info("console_read", topic=self.topic, records=self.records, unreadable=self.unreadable)
            found = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
            for place, records in found.items():
                if registry is not None:
                    await registry.ensure(schema_ids(record.value for record in records))
                for record in records:
                    self.unreadable += not self._take(record.key or b"", record.value, registry)
                self.records += len(records)
                self._positions[place] = records[-1].offset + 1
            # The client hands out what it has without giving way.
            await asyncio.sleep(0)

    async def _is_read(self, consumer: Any) -> bool:
        # By position, not by a last record: the markers of transactions take offsets and are never delivered.
        for place, end in self._ends.items():
            if await consumer.position(place) < end:
                return False
        return True
