"""What stands in for Kafka below the changelog reader and the committers.

Fakes, so that a test can say exactly where a log has no records, and when a broker delivers what it was sent.
"""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import RecordMetadata

from streams.shards.changelog import ChangelogReader
from streams.shards.committer import Committer, ExactlyOnce

__all__ = ["CHANGELOG", "INPUT", "FakeConsumer", "FakeProducer", "commit", "committer_of", "reader_of"]

CHANGELOG: Final = TopicPartition("x.assay-state-changelog", 3)
INPUT: Final = TopicPartition("x.assay.usage.v1", 3)


class FakeConsumer:
    """A consumer of a log whose offsets may hold a record, or nothing: a marker, or what compaction removed."""

    def __init__(self, records: Mapping[int, tuple[bytes, bytes | None]], end: int, beginning: int = 0) -> None:
        self.records = dict(records)
        self.end = end
        self.beginning = beginning
        self.at = -1
        self.per_fetch = 2
        self.fetches = 0
        self.assigned: list[TopicPartition] = []
        self.stopped = 0
        self.refuses = False

    async def start(self) -> None:
        if self.refuses:
            raise KafkaConnectionError("refused")

    async def stop(self) -> None:
        self.stopped += 1

    def assign(self, places: list[TopicPartition]) -> None:
        self.assigned = places

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == CHANGELOG
        self.at = offset

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.beginning)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.end)

    async def position(self, place: TopicPartition) -> int:
        return self.at

    async def getmany(self, *places: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:
        self.fetches += 1
        await asyncio.sleep(0)
        found: list[Any] = []
        while self.at < self.end and len(found) < self.per_fetch:
            if self.at in self.records:
                key, value = self.records[self.at]
                found.append(SimpleNamespace(key=key, value=value, offset=self.at))
            self.at += 1
        return {CHANGELOG: found} if found else {}


def reader_of(consumer: FakeConsumer) -> ChangelogReader:
    """A reader whose real consumer was never started."""
    reader = ChangelogReader("127.0.0.1:1", CHANGELOG.topic, CHANGELOG.partition, lambda: 1_000)
    reader._consumer._closed = True
    reader._consumer = consumer
    return reader


class FakeProducer:
    """A producer that takes batches and delivers them when told: what a slow broker looks like from here."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._message_accumulator = real._message_accumulator
        self._txn_manager = real._txn_manager
        self.story: list[Any] = []
        self.undelivered: list[tuple[TopicPartition, asyncio.Future[RecordMetadata]]] = []
        self.offset = 40

    def create_batch(self) -> Any:
        return self._real.create_batch()

    async def begin_transaction(self) -> None:
        self.story.append("begin")

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> "asyncio.Future[RecordMetadata]":
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        place = TopicPartition(topic, partition)
        self.story.append((place, batch.record_count()))
        self.undelivered.append((place, future))
        return future

    async def send_offsets_to_transaction(self, offsets: Any, group: str) -> None:
        self.story.append((offsets, group))

    async def commit_transaction(self) -> None:
        assert not self.undelivered, "committed before all was delivered"
        self.story.append("commit")

    def deliver(self) -> None:
        """The broker has appended the oldest batch."""
        place, future = self.undelivered.pop(0)
        future.set_result(RecordMetadata(place.topic, place.partition, place, self.offset, 0, 0, 0))
        self.offset += 10


async def committer_of(kind: type[Committer]) -> tuple[Committer, FakeProducer]:
    """A committer over a fake producer, and everything that happens as a story."""
    story: list[Any] = []
    more = ("x.assay-3",) if kind is ExactlyOnce else ()
    committer = kind("127.0.0.1:1", CHANGELOG.topic, CHANGELOG.partition, story.append, *more)
    real = committer._producer
    real._closed = True
    fake = FakeProducer(real)
    fake.story = story
    committer._producer = fake
    return committer, fake


def commit(committer: Committer) -> "asyncio.Task[int]":
    outputs: Any = {("x.assay.kpis.v1", 3): [(b"k", b"1"), (b"l", b"2")], ("x.assay.usage.v1", 1): [(b"t", b"3")]}
    writes: Any = {b"a": b"1", b"b": None, b"c": b"3"}
    return asyncio.ensure_future(committer.commit(writes, outputs, {INPUT: 12}, "x.assay"))
