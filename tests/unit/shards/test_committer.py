"""The committer: everything is delivered before anything is committed, and a failure commits nothing."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from streams.shards import committer as module
from streams.shards.committer import AtLeastOnce, Committer, ExactlyOnce
from streams.shards.crashpoints import CrashPoint
from tests.unit.shards.fakes import until

CHANGELOG = TopicPartition("x.assay-state-changelog", 3)
INPUT = TopicPartition("x.assay.usage.v1", 3)


class FakeProducer:
    """A producer that takes batches and delivers them when told: what a slow broker looks like from here."""

    def __init__(self, real: Any) -> None:
        self._real = real
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


async def test_a_transaction_holds_state_outputs_and_offsets_in_this_order() -> None:
    committer, producer = await committer_of(ExactlyOnce)
    task = commit(committer)
    while not task.done():
        await until(lambda: producer.undelivered or task.done())
        if producer.undelivered:
            producer.deliver()
    assert producer.story == [
        "begin", CrashPoint.BEGUN,
        (CHANGELOG, 3), (TopicPartition("x.assay.kpis.v1", 3), 2), (TopicPartition("x.assay.usage.v1", 1), 1),
        CrashPoint.SENT,
        ({INPUT: OffsetAndMetadata(12, "")}, "x.assay"), CrashPoint.OFFSETS,
        CrashPoint.DELIVERED,
        "commit", CrashPoint.COMMITTED,
    ]  # fmt: skip
    # Behind the last record of the changelog's batch, which was appended at 40.
    assert await task == 43


async def test_without_transactions_the_groups_offsets_are_left_alone() -> None:
    committer, producer = await committer_of(AtLeastOnce)
    task = commit(committer)
    await until(lambda: len(producer.undelivered) == 3)
    for _ in range(3):
        assert not task.done()
        producer.deliver()
    assert await task == 43
    assert [step for step in producer.story if not isinstance(step, CrashPoint)] == [
        (CHANGELOG, 3), (TopicPartition("x.assay.kpis.v1", 3), 2), (TopicPartition("x.assay.usage.v1", 1), 1),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [ExactlyOnce, AtLeastOnce])
@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_one_failed_delivery_fails_all_of_it(kind: type[Committer], failing: int) -> None:
    committer, producer = await committer_of(kind)
    task = commit(committer)
    await until(lambda: len(producer.undelivered) == 3)
    for number, (_, future) in enumerate(producer.undelivered):
        if number == failing:
            future.set_exception(KafkaError("not delivered"))
        else:
            future.set_result(RecordMetadata("", 0, None, 1, 0, 0, 0))
    with pytest.raises(KafkaError, match="not delivered"):
        await task
    assert "commit" not in producer.story
    assert CrashPoint.DELIVERED not in producer.story


@pytest.mark.parametrize("error", [None, KafkaError("cannot flush"), ProducerFenced("another owner")])
async def test_a_producer_that_cannot_stop_is_abandoned(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    committer, fake = await committer_of(ExactlyOnce)
    abandoned = []

    async def stop() -> None:
        if error is not None:
            raise error
        await asyncio.Event().wait()

    async def abandon(producer: Any) -> None:
        abandoned.append(producer)

    fake.stop = stop  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "abandon", abandon)
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.01)
    await committer.stop()
    assert abandoned == [fake]
