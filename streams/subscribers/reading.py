"""Reading a topic of published records: committed ones, in any of their encodings, with their place in the log.

The one reader of this package: the subscribers, the bridges, and whoever wants all that a topic holds now.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Self, TypeVar

import kafka
import msgspec
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from streams.core.avro import RecordCodec, UnreadableRecordError
from streams.core.wire import schema_ids
from streams.subscribers.errors import BrokerUnavailable

if TYPE_CHECKING:
    from streams.registry import SchemaRegistry

__all__ = ["Entry", "TopicReader", "newest_by_key"]

_LOG: Final = logging.getLogger("assay.subscribers")

R = TypeVar("R", bound=msgspec.Struct)

#: Options that carry the guarantees: only what is committed, no position moved before a handler has returned.
_RESERVED: Final = frozenset({
    "allow_auto_create_topics", "auto_offset_reset", "bootstrap_servers", "enable_auto_commit", "group_id",
    "isolation_level", "key_deserializer", "value_deserializer",
})  # fmt: skip
_POLL_SECONDS: Final = 0.5
#: How long a question to the brokers may take: the client's own patience is half a minute, and whoever reads has
#: something to keep fresh, or wants to stop.
_ASK_MS: Final = 5_000
_BOOTSTRAP_MS: Final = 10_000
_LEAVE_MS: Final = 2_000
#: When nothing has come for this long though there is something, nothing will.
_PATIENCE_SECONDS: Final = 60.0


class Entry(NamedTuple, Generic[R]):
    """One record of the log. Without ``record`` it is a tombstone, or unreadable, and ``problem`` says why."""

    partition: int
    offset: int
    key: bytes
    record: R | None
    problem: str | None
    published_ms: int

    @property
    def is_tombstone(self) -> bool:
        """Whether it says that what is under the key is gone."""
        return self.record is None and self.problem is None


class _Rebalances(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # untyped
    """Notes that the group has given partitions anew: positions are then those that were committed."""

    def __init__(self) -> None:
        self.happened = False

    def on_partitions_revoked(self, revoked: object) -> None:
        self.happened = True

    def on_partitions_assigned(self, assigned: object) -> None:
        self.happened = True


class TopicReader(Generic[R]):
    """A consumer of one topic of one type of record; not thread-safe, and not for use within an event loop.

    Args:
        codec: How the records are read.
        brokers: ``host:port``, several separated by commas.
        topic: The topic's full name.
        group: The consumer group whose members share the partitions; None reads all of them, and commits nothing.
        earliest: Whether a group that has committed nothing begins with the oldest record, or with the next one.
        schema_registry_url: The registry of records in Confluent's wire format.
        client_options: Further options of ``kafka.KafkaConsumer``: security, sockets.

    Raises:
        BrokerUnavailable: No broker answers, or none has the topic.
    """

    def __init__(
        self,
        codec: RecordCodec[R],
        brokers: str,
        topic: str,
        *,
        group: str | None,
        earliest: bool = True,
        schema_registry_url: str | None = None,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        options = dict(client_options or {})
        if reserved := _RESERVED & options.keys():
            raise ValueError(f"{min(reserved)} is set by the subscriber itself; leave it out of client_options")
        self.topic: Final = topic
        self._codec = codec
        self._earliest = earliest
        self._registry_url = schema_registry_url
        self._registry: SchemaRegistry | None = None
        self._loop: asyncio.Runner | None = None
        self._rebalances = _Rebalances()
        self._kafka = _connect(brokers, {
            "group_id": group, "auto_offset_reset": "earliest" if earliest else "latest",
            "client_id": f"assay-subscriber-{os.getpid()}", "metrics_enabled": False,
            "bootstrap_timeout_ms": _BOOTSTRAP_MS, **options,
        })  # fmt: skip
        try:
            self._take(brokers, group)
        except BaseException:
            self._kafka.close(autocommit=False, timeout_ms=_LEAVE_MS)
            raise

    def _take(self, brokers: str, group: str | None) -> None:
        # Asked first: whoever subscribes to a topic that is missing waits for ever.
        try:
            numbers = self._kafka.partitions_for_topic(self.topic)
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {brokers} does not answer: {error!r}") from error
        if not numbers:
            raise BrokerUnavailable(
                f"there is no topic {self.topic} at {brokers}, or this client may not describe it; "
                "`assay topics plan` shows what is missing"
            )
        if group is None:
            self._kafka.assign([TopicPartition(self.topic, number) for number in sorted(numbers)])
            self.rewind(numbers)
        else:
            self._kafka.subscribe([self.topic], listener=self._rebalances)

    def poll(self, timeout_seconds: float, most: int = 500) -> list[Entry[R]]:
        """What has come, in log order within each partition; waits for something at most this long.

        Keeps the group's membership, so call it at least every few minutes, with all partitions paused if need be.

        Raises:
            DependencyError: The registry does not answer; what was read is read again by the next call.
        """
        found: Mapping[TopicPartition, list[Any]] = self._kafka.poll(
            timeout_ms=int(timeout_seconds * 1_000), max_records=most
        )
        records = [record for place in sorted(found) for record in found[place]]
        try:
            self._learn_schemas(record.value for record in records)
        except BaseException:
            for place, some in found.items():
                self._kafka.seek(place, some[0].offset)
            raise
        return [self._entry(record) for record in records]

    def take_rebalance(self) -> bool:
        """Whether partitions were given or taken since this was last asked."""
        happened, self._rebalances.happened = self._rebalances.happened, False
        return happened

    @property
    def partitions(self) -> set[int]:
        """The partitions read now."""
        return {place.partition for place in self._kafka.assignment()}

    def position(self, partition: int) -> int:
        """The offset that is read next.

        Raises:
            BrokerUnavailable: It is not known yet, since the broker has not said where the log begins; ask again.
        """
        offset: int | None = self._kafka.position(self._place(partition), timeout_ms=_ASK_MS)
        if offset is None:
            raise BrokerUnavailable(
                f"Kafka has not said within {_ASK_MS / 1_000:.0f} s where {self.topic} is read next"
            )
        return offset

    def ends(self) -> dict[int, int]:
        """Behind the last committed record of each partition read now."""
        ends = self._kafka.end_offsets(list(self._kafka.assignment()), timeout_ms=_ASK_MS)
        return {place.partition: end for place, end in ends.items()}

    def committed(self, partition: int) -> int | None:
        """How far the group says it is; None when it has said nothing yet."""
        offset: int | None = self._kafka.committed(self._place(partition), timeout_ms=_ASK_MS)
        return offset

    def commit(self, offsets: Mapping[int, int]) -> bool:
        """Say that the group is so far; whether that was taken.

        It is not when a rebalance has given the partitions to others, who read on from what was committed before.
        """
        if not offsets:
            return True
        try:
            places = {self._place(number): OffsetAndMetadata(offset, "", -1) for number, offset in offsets.items()}
            self._kafka.commit(places, timeout_ms=_ASK_MS)
        except KafkaError as error:
            _LOG.warning("positions in %s were not committed, records may come again: %r", self.topic, error)
            return False
        return True

    def rewind(self, partitions: Iterable[int]) -> None:
        """Read these from their beginning."""
        for partition in partitions:
            self._kafka.seek_to_beginning(self._place(partition))

    def go_to_committed(self) -> dict[int, int]:
        """Read on from where the group said it was, and give those places.

        To be called after a rebalance: the client goes on in the middle of what it keeps, also where records that it
        has handed out were never committed. A group that is new and begins with the next record says so at once, or a
        crash would make it begin later still.
        """
        places: dict[int, int] = {}
        for partition in sorted(self.partitions):
            committed = self.committed(partition)
            if committed is None and self._earliest:
                self.rewind([partition])
                places[partition] = 0
                continue
            if committed is None:
                committed = self.ends()[partition]
                self.commit({partition: committed})
            self._kafka.seek(self._place(partition), committed)
            places[partition] = committed
        return places

    def pause(self) -> None:
        """Let ``poll`` bring nothing, and only keep the membership."""
        self._kafka.pause(*self._kafka.assignment())

    def resume(self) -> None:
        """Let ``poll`` bring records again."""
        self._kafka.resume(*self._kafka.paused())

    def read_to_end(self) -> Iterator[list[Entry[R]]]:
        """Batches of everything from here to what is the end now.

        Raises:
            BrokerUnavailable: It stands still before that.
        """
        ends = self.ends()
        moved = time.monotonic()
        # By position, not by a last record: the markers of transactions take offsets and are never delivered.
        while any(self.position(partition) < end for partition, end in ends.items()):
            entries = [entry for entry in self.poll(_POLL_SECONDS, 2_000) if entry.offset < ends[entry.partition]]
            if entries:
                moved = time.monotonic()
                yield entries
            elif time.monotonic() - moved > _PATIENCE_SECONDS:
                raise BrokerUnavailable(f"{self.topic} cannot be read to its end: are all of its brokers up?")

    def close(self) -> None:
        """Leave the group and disconnect; safe to call twice."""
        self._kafka.close(autocommit=False, timeout_ms=_LEAVE_MS)
        if self._loop is not None:
            if self._registry is not None:
                self._loop.run(self._registry.close())
            self._loop.close()
            self._loop = self._registry = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)

    def _learn_schemas(self, values: Iterable[bytes | None]) -> None:
        if self._registry_url is None:
            return
        if self._registry is None or self._loop is None:
            # An HTTP client, which most subscribers do not need.
            from streams.registry import SchemaRegistry

            self._registry, self._loop = SchemaRegistry(self._registry_url), asyncio.Runner()
        if unknown := self._registry.unsettled(schema_ids(values)):
            self._loop.run(self._registry.ensure(unknown))

    def _entry(self, found: Any) -> Entry[R]:
        record, problem = None, None
        if found.value is not None:
            try:
                record = self._codec.decode(found.value, self._registry)
            except UnreadableRecordError as error:
                problem = error.rejection.detail
        return Entry(found.partition, found.offset, found.key or b"", record, problem, found.timestamp)


def newest_by_key(
    batches: Iterable[list[Entry[R]]], revision: Callable[[R], int], wanted: Callable[[R], bool] | None = None
) -> tuple[list[R], int]:
    """The record of the highest revision under each key, those only that are wanted; and how many cannot be read.

    A record that a tombstone follows is gone. What is not wanted costs a number a key, no more.
    """
    revisions: dict[bytes, int] = {}
    kept: dict[bytes, R] = {}
    unreadable = 0
    for entry in (entry for batch in batches for entry in batch):
        record = entry.record
        if entry.is_tombstone:
            revisions.pop(entry.key, None)
            kept.pop(entry.key, None)
        elif record is None:
            unreadable += 1
        elif revision(record) >= revisions.get(entry.key, -1):
            revisions[entry.key] = revision(record)
            kept.pop(entry.key, None)
            if wanted is None or wanted(record):
                kept[entry.key] = record
    return list(kept.values()), unreadable


def _connect(brokers: str, options: Mapping[str, Any]) -> kafka.KafkaConsumer:
    servers = [server.strip() for server in brokers.split(",") if server.strip()]
    if not servers:
        raise ValueError("brokers is empty: give host:port, several separated by commas")
    try:
        return kafka.KafkaConsumer(
            bootstrap_servers=servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            **options,
        )
    except KafkaError as error:
        raise BrokerUnavailable(f"no Kafka broker answers at {', '.join(servers)}: {error}") from error
