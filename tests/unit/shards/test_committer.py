"""The committer: everything is delivered before anything is committed, and a failure commits nothing."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from streams.core.keys import META, ROW
from streams.shards import committer as module
from streams.shards.committer import AtLeastOnce, Committer, ExactlyOnce
from streams.shards.crashpoints import CrashPoint
from streams.transport.batches import build_batches
from streams.transport.producers import read_failures
from tests.unit.shards.fake_kafka import CHANGELOG, INPUT, commit, committer_of
from tests.unit.shards.fakes import until


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
    # The changelog says what is applied: nothing of it goes out before every output has arrived.
    await until(lambda: len(producer.undelivered) == 2)
    producer.deliver()
    await asyncio.sleep(0)
    assert len(producer.undelivered) == 1
    producer.deliver()
    await until(lambda: producer.undelivered)
    assert not task.done()
    producer.deliver()
    # Behind the last record of the changelog's batch, which was appended at 60.
    assert await task == 63
    assert [step for step in producer.story if not isinstance(step, CrashPoint)] == [
        (TopicPartition("x.assay.kpis.v1", 3), 2), (TopicPartition("x.assay.usage.v1", 1), 1), (CHANGELOG, 3),
    ]  # fmt: skip


async def test_without_transactions_rows_go_before_the_ids_they_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash may leave the first batches alone: rows without ids count twice, ids without rows would lose events."""
    committer, producer = await committer_of(AtLeastOnce)
    sent: list[bytes | None] = []

    def build(_: Any, pairs: Any) -> list[Any]:
        made = list(pairs)
        sent.extend(key for key, _ in made)
        return build_batches(producer._real, made)

    monkeypatch.setattr(module, "build_batches", build)
    changes: Any = {b"it1": b"1", b"rt1": b"1", ROW + b"2": b"2", b"s": b"3", ROW + b"1": None, META: b"4"}
    task = asyncio.ensure_future(committer.commit(changes, {}, {INPUT: 12}, "x.assay"))
    await until(lambda: producer.undelivered)
    producer.deliver()
    await task
    assert sent == [ROW + b"2", ROW + b"1", b"it1", b"rt1", b"s", META]


@pytest.mark.parametrize("kind", [ExactlyOnce, AtLeastOnce])
@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_one_failed_delivery_fails_all_of_it(kind: type[Committer], failing: int) -> None:
    committer, producer = await committer_of(kind)
    task = commit(committer)
    for number in range(3):
        await until(lambda: producer.undelivered or task.done())
        if task.done():
            break
        _, future = producer.undelivered.pop(0)
        if number == failing:
            future.set_exception(KafkaError("not delivered"))
        else:
            future.set_result(RecordMetadata("", 0, None, 1, 0, 0, 0))
    with pytest.raises(KafkaError, match="not delivered"):
        await task
    assert "commit" not in producer.story
    assert CrashPoint.DELIVERED not in producer.story


@pytest.mark.parametrize("point", [None, CrashPoint.BEGUN, CrashPoint.SENT])
async def test_a_fence_between_two_calls_is_told_as_one(point: CrashPoint | None) -> None:
    """aiokafka's sender learns of it by itself, and its next call says no more than that there is no transaction."""

    def fence(at: CrashPoint | None) -> None:
        if at is point:
            error = ProducerFenced("another owner")
            producer._message_accumulator.fail_all(error)
            transaction.fatal_error(error)

    committer = ExactlyOnce("127.0.0.1:1", CHANGELOG.topic, CHANGELOG.partition, fence, "x.assay-3")
    producer = committer._producer
    transaction = producer._txn_manager
    transaction.set_pid_and_epoch(7, 0)

    async def known(topic: str) -> None:
        """The broker has told of the topic before."""

    producer.client._wait_on_metadata = known
    producer._partition = lambda topic, partition, *_: partition
    if point is None:
        # Fenced in its last transaction: this one cannot even begin.
        await producer.begin_transaction()
        fence(None)
    with pytest.raises(ProducerFenced, match="another owner"):
        await commit(committer)
    producer._closed = True
    read_failures(producer)


async def test_an_illegal_operation_of_our_own_making_stays_one() -> None:
    committer, producer = await committer_of(ExactlyOnce)

    async def begin() -> None:
        raise IllegalOperation("no transactional id")

    producer.begin_transaction = begin  # type: ignore[method-assign]
    with pytest.raises(IllegalOperation, match="no transactional id"):
        await commit(committer)


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
