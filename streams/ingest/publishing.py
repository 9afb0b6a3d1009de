"""Records into Kafka, acknowledged by all replicas in sync: each body knows when the last of its records is.

Records of many bodies share batches: while a batch of a partition is on its way, the next one fills. So a batch is as
small as the load allows to be quick, and as large as it must be to keep up.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from streams.transport.producers import abandon, read_failures

__all__ = ["KafkaAway", "Outgoing", "Publisher", "TopicMissing"]

#: At 450 bytes an event some six hundred share a batch.
_BATCH_BYTES: Final = 256 * 1024
#: Longer than any broker takes for a request that it will answer: who waits goes by a patience of its own.
_REQUEST_MS: Final = 30_000
#: Topics and partitions change rarely, and a partition that is added moves teams: not unseen for long.
_METADATA_MS: Final = 60_000
_STOP_SECONDS: Final = 10.0


class KafkaAway(Exception):
    """Kafka did not take the records in time; some of them may be there nevertheless."""


class TopicMissing(Exception):
    """Kafka answers and does not have a topic that is needed."""


class Outgoing(NamedTuple):
    """A record on its way; ``topic`` is the full name."""

    topic: str
    key: bytes
    value: bytes


class _Batch:
    __slots__ = ("builder", "delivered")

    def __init__(self, client: AIOKafkaProducer) -> None:
        self.builder = client.create_batch()
        self.delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Lane:
    """The batches of one partition, of which one is on its way at a time."""

    __slots__ = ("_client", "_partition", "_pump", "_topic", "_waiting")

    def __init__(self, client: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition
        self._waiting: deque[_Batch] = deque()
        self._pump: asyncio.Task[None] | None = None

    def put(self, key: bytes, value: bytes) -> _Batch:
        """Add a record to the last batch that is not on its way yet."""
        batch = self._waiting[-1] if self._waiting else None
        if batch is None or batch.builder.append(key=key, value=value, timestamp=None) is None:
            batch = _Batch(self._client)
            batch.builder.append(key=key, value=value, timestamp=None)  # the first record of a batch always fits
            self._waiting.append(batch)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._send())
        return batch

    def fail(self) -> None:
        """Nothing more is delivered."""
        if self._pump is not None:
            self._pump.cancel()
        for batch in self._waiting:
            batch.delivered.cancel()
        self._waiting.clear()

    async def _send(self) -> None:
        while self._waiting:
            batch = self._waiting.popleft()
            try:
                written = await self._client.send_batch(batch.builder, self._topic, partition=self._partition)
                await written
            except asyncio.CancelledError:
                batch.delivered.cancel()
                raise
            except KafkaError:
                # Whoever waits for it gives the whole publisher up; until then nothing more is sent here.
                batch.delivered.cancel()
                return
            if not batch.delivered.done():
                batch.delivered.set_result(None)
        self._pump = None


class Publisher:
    """One idempotent producer. Once it has failed it stays so: make a new one by :meth:`connect`."""

    def __init__(self, client: AIOKafkaProducer, topics: Mapping[str, list[int]]) -> None:
        self._client = client
        self._partitions = topics
        self._partitioner = DefaultPartitioner()
        self._lanes: dict[tuple[str, bytes], _Lane] = {}
        self._by_place: dict[tuple[str, int], _Lane] = {}
        self._failed = False

    @classmethod
    async def connect(cls, brokers: str, topics: Iterable[str], *, timeout_seconds: float, **options: Any) -> Self:
        """A publisher to topics that are there. Raises KafkaAway, and TopicMissing naming those that are not."""
        client = AIOKafkaProducer(
            bootstrap_servers=brokers.split(","), acks="all", enable_idempotence=True, max_batch_size=_BATCH_BYTES,
            request_timeout_ms=_REQUEST_MS, metadata_max_age_ms=_METADATA_MS, client_id="assay-ingest", **options,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout_seconds):
                await client.start()
                # All of them, as asking for one by name may create it.
                cluster = await client.client.fetch_all_metadata()
                found = {topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in topics}
                if missing := [topic for topic, partitions in found.items() if not partitions]:
                    raise TopicMissing(", ".join(missing))
                for topic in found:
                    await client.partitions_for(topic)
        except (KafkaError, OSError, TimeoutError) as error:
            await _abandoned(client)
            raise KafkaAway(f"{type(error).__name__}: {error}") from error
        except BaseException:
            await _abandoned(client)
            raise
        return cls(client, found)

    async def publish(self, records: Iterable[Outgoing], *, patience_seconds: float) -> None:
        """Hand over, and wait until all are acknowledged. Raises KafkaAway, and TopicMissing, where none was handed over."""
        if self._failed:
            raise KafkaAway("the producer has failed")
        lanes = [(self._lane(record), record) for record in records]
        batches = {lane.put(record.key, record.value) for lane, record in lanes}
        if not batches:
            return
        waiting = {batch.delivered for batch in batches}
        done, late = await asyncio.wait(waiting, timeout=patience_seconds)
        if late:
            raise KafkaAway(f"no acknowledgement within {patience_seconds:g} s")
        if any(delivered.cancelled() for delivered in done):
            raise KafkaAway("the producer failed")

    async def give_up(self) -> None:
        """Disconnect without sending what waits: everyone who waits is told KafkaAway."""
        self._failed = True
        for lane in self._by_place.values():
            lane.fail()
        await _abandoned(self._client)

    async def close(self) -> None:
        """Send what waits and disconnect, or give that up after a while."""
        self._failed = True
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._client.stop()
        except (KafkaError, TimeoutError):
            await self.give_up()

    def _lane(self, record: Outgoing) -> _Lane:
        lane = self._lanes.get((record.topic, record.key))
        if lane is None:
            partitions = self._partitions.get(record.topic)
            if partitions is None:
                raise TopicMissing(record.topic)
            partition = self._partitioner(record.key, partitions, partitions)
            place = record.topic, partition
            lane = self._by_place.get(place) or _Lane(self._client, *place)
            if len(self._lanes) >= _REMEMBERED:
                self._lanes.clear()
            self._by_place[place] = self._lanes[record.topic, record.key] = lane
        return lane


#: Teams whose partition is remembered: senders choose the names.
_REMEMBERED: Final = 10_000


async def _abandoned(client: AIOKafkaProducer) -> None:
    await abandon(client)
    read_failures(client)
    client._closed = True  # noqa: SLF001  (its destructor warns of a producer that nobody stopped)
