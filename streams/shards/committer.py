"""Makes one drain of effects visible: changelog, outputs and source offsets in one Kafka transaction."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from streams.core.keys import ROW
from streams.core.store import Writes
from streams.shards.crashpoints import CrashPoint, Crossing
from streams.shards.outputs import Outputs
from streams.transport.batches import build_batches
from streams.transport.producers import abandon, ended_by, read_failures

__all__ = ["FENCED", "AtLeastOnce", "Committer", "ExactlyOnce"]

#: What aiokafka raises once another worker has taken the partition over.
FENCED: Final = (ProducerFenced, InvalidProducerEpoch)

#: How long a dead owner's open transaction may hold up read_committed readers, unless the next owner ends it sooner.
_TRANSACTION_TIMEOUT_MS: Final = 20_000
#: Right after a commit the broker is still writing markers and asks to retry; 100 ms, the default, would be the
#: longest part of a transaction.
_RETRY_BACKOFF_MS: Final = 5
_STOP_SECONDS: Final = 5.0


class Committer:
    """Sends one drain; ``commit`` returns the changelog position behind it. Subclasses say what "together" means."""

    def __init__(self, brokers: str, changelog: str, partition: int, cross: Crossing, **producer: Any) -> None:
        self._changelog = TopicPartition(changelog, partition)
        self._cross = cross
        self._producer = AIOKafkaProducer(
            bootstrap_servers=brokers.split(","), acks="all", max_batch_size=1 << 20, max_request_size=8 << 20,
            retry_backoff_ms=_RETRY_BACKOFF_MS, request_timeout_ms=40_000, **producer,
        )  # fmt: skip

    async def start(self) -> None:
        """Connect; an earlier owner can commit nothing from here on, where there are transactions."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect; an open transaction is left to the next owner, or to its timeout."""
        try:
            await asyncio.wait_for(self._producer.stop(), timeout=_STOP_SECONDS)
        except (TimeoutError, KafkaError):
            await abandon(self._producer)
        finally:
            read_failures(self._producer)

    async def commit(self, writes: Writes, outputs: Outputs, offsets: Mapping[TopicPartition, int], group: str) -> int:
        """Make it all visible; raises one of :data:`FENCED` when the partition has another owner."""
        raise NotImplementedError

    async def _send_changes(self, changes: Iterable[tuple[bytes, bytes | None]]) -> list[tuple[Any, int]]:
        """Hand the changelog's records to the producer; gives the futures of the batches with their sizes."""
        return [
            (await self._producer.send_batch(batch, self._changelog.topic, partition=self._changelog.partition), size)
            for batch in build_batches(self._producer, changes)
            if (size := batch.record_count())
        ]

    async def _send_outputs(self, outputs: Outputs) -> list[Any]:
        """Hand the outputs to the producer; gives the futures of the batches."""
        futures: list[Any] = []
        for (topic, partition), records in outputs.items():
            batches = build_batches(self._producer, records)
            futures += [await self._producer.send_batch(batch, topic, partition=partition) for batch in batches]
        return futures


async def _position(changelog: list[tuple[Any, int]], others: Iterable[Any] = ()) -> int:
    """Wait for the deliveries of the changelog and of others, or the first failure; the changelog's new position."""
    await asyncio.gather(*(future for future, _ in changelog), *others)
    last, size = changelog[-1]
    return int(last.result().offset) + size


class ExactlyOnce(Committer):
    """All of it in one transaction; starting it fences the partition's former owner."""

    def __init__(self, brokers: str, changelog: str, partition: int, cross: Crossing, transactional_id: str) -> None:
        super().__init__(
            brokers, changelog, partition, cross,
            transactional_id=transactional_id, transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
        )  # fmt: skip

    async def commit(self, writes: Writes, outputs: Outputs, offsets: Mapping[TopicPartition, int], group: str) -> int:
        """Begin, send, attach the source offsets, wait for deliveries, commit: in that order."""
        try:
            return await self._commit(writes, outputs, offsets, group)
        except (IllegalOperation, AssertionError) as symptom:
            raise ended_by(self._producer) or symptom from None

    async def _commit(self, writes: Writes, outputs: Outputs, offsets: Mapping[TopicPartition, int], group: str) -> int:
        producer = self._producer
        await producer.begin_transaction()
        self._cross(CrashPoint.BEGUN)
        changelog = await self._send_changes(writes.items())
        sent = await self._send_outputs(outputs)
        self._cross(CrashPoint.SENT)
        await producer.send_offsets_to_transaction(
            {place: OffsetAndMetadata(offset, "") for place, offset in offsets.items()}, group
        )
        self._cross(CrashPoint.OFFSETS)
        position = await _position(changelog, sent)
        self._cross(CrashPoint.DELIVERED)
        await producer.commit_transaction()
        self._cross(CrashPoint.COMMITTED)
        return position


class AtLeastOnce(Committer):
    """For brokers without transactions: a batch is appended whole, but nothing holds several together.

    A crash between two batches leaves outputs that are sent again, and an owner that wakes up late is not fenced.
    """

    def __init__(self, brokers: str, changelog: str, partition: int, cross: Crossing) -> None:
        super().__init__(brokers, changelog, partition, cross, enable_idempotence=True)

    async def commit(self, writes: Writes, outputs: Outputs, offsets: Mapping[TopicPartition, int], group: str) -> int:
        """Send outputs, wait for them, then the changelog: it says what is applied, so it must come last.

        Within the changelog rows come first, should it take several batches: of those that a crash leaves, rows without
        their events' ids count twice, ids without their rows would lose what they stand for. The group's offsets are
        not touched.
        """
        rows_first = sorted(writes.items(), key=lambda change: change[0][:1] != ROW)
        self._cross(CrashPoint.BEGUN)
        await asyncio.gather(*await self._send_outputs(outputs))
        self._cross(CrashPoint.SENT)
        self._cross(CrashPoint.OFFSETS)
        position = await _position(await self._send_changes(rows_first))
        self._cross(CrashPoint.DELIVERED)
        self._cross(CrashPoint.COMMITTED)
        return position
