"""Fetched records in chunks: one Python object for up to 2,000 records, not one each.

Repairs two things of aiokafka 0.14. ``PartitionRecords`` builds a frozen ``ConsumerRecord`` per record, 2.5 µs each;
here a fetch yields :class:`FetchedChunk` objects that hold plain lists of offsets and values. And a fetch that holds
only transaction markers or aborted batches moves the position without telling anyone; here it yields an empty chunk,
so that whoever tracks offsets sees that there is nothing between.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaError

__all__ = ["CHUNK_RECORDS", "ChunkedConsumer", "FetchedChunk"]

#: Records in a chunk, at the most by one record batch: large enough that per-chunk costs vanish, small enough that
#: the event loop is blocked for about 10 ms.
CHUNK_RECORDS: Final = 2_000


class FetchedChunk:
    """Records of one fetch, with what Faust asks of a record (its offset is that of the last position covered).

    ``fetch_start`` to ``next_offset`` is the range of the log that the chunk covers whole; ``records`` are the offsets
    and ``values`` the bytes of what exists in it.
    """

    __slots__ = ("fetch_start", "next_offset", "offset", "offsets", "partition", "topic", "values")

    timestamp: None = None
    timestamp_type: None = None
    headers: tuple[()] = ()
    key: None = None
    checksum: None = None
    serialized_key_size = 0
    serialized_value_size = 0

    def __init__(
        self, topic: str, partition: int, fetch_start: int, next_offset: int, offsets: Sequence[int],
        values: list[bytes | None],
    ) -> None:  # fmt: skip
        self.topic = topic
        self.partition = partition
        self.fetch_start = fetch_start
        self.next_offset = next_offset
        self.offset = next_offset - 1
        self.offsets = offsets
        self.values = values

    @property
    def value(self) -> "FetchedChunk":
        """The chunk itself: what an agent gets for a message's value."""
        return self

    def __len__(self) -> int:
        return len(self.values)


class _ChunkRecords(PartitionRecords):
    """Unpacks a fetch response into chunks; honours aborted transactions as its parent does."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[FetchedChunk]:
        start = self.next_fetch_offset
        offsets: list[int] = []
        values: list[bytes | None] = []
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._skipped(batch):
                records = list(batch)
                whole = len(records) == batch.next_offset - batch.base_offset
                if whole and batch.base_offset >= self.next_fetch_offset:
                    offsets += range(batch.base_offset, batch.next_offset)
                else:
                    # Compacted (a batch keeps its borders, not all its records), or the fetch began inside it.
                    records = [record for record in records if record.offset >= self.next_fetch_offset]
                    offsets += [record.offset for record in records]
                values += [record.value for record in records]
            self.next_fetch_offset = batch.next_offset
            if len(values) >= CHUNK_RECORDS:
                yield self._chunk(start, offsets, values)
                start, offsets, values = self.next_fetch_offset, [], []
        if start != self.next_fetch_offset:
            yield self._chunk(start, offsets, values)

    def _chunk(self, start: int, offsets: list[int], values: list[bytes | None]) -> FetchedChunk:
        return FetchedChunk(self._tp.topic, self._tp.partition, start, self.next_fetch_offset, offsets, values)

    def _skipped(self, batch: Any) -> bool:
        """Whether a batch holds nothing to deliver: a marker, or a transaction that was aborted."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


class _ChunkFetcher(Fetcher):
    """Hands out :class:`FetchedChunk` objects where its parent hands out records."""

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        wakeup: bool = await super()._proc_fetch_request(assignment, node_id, request)
        # No await since the results were stored: nobody can have begun to read them.
        for result in self._records.values():
            if type(result) is FetchResult and type(result._partition_records) is PartitionRecords:
                result._partition_records = _in_chunks(result._partition_records)
        return wakeup


def _in_chunks(records: PartitionRecords) -> _ChunkRecords:
    # The generator of the parent, never run, holds the response in a reference cycle: with the collector tuned to run
    # rarely, whole fetches would pile up.
    records._records_iterator = None
    return _ChunkRecords(
        records._tp, records._records, records._aborted_transactions, records.next_fetch_offset,
        None, None, records._check_crcs, records._isolation_level,
    )  # fmt: skip


class ChunkedConsumer(AIOKafkaConsumer):
    """An aiokafka consumer whose fetched "records" are chunks.

    aiokafka builds its fetcher inside ``start`` and offers no hook, so the fetcher's class is exchanged right after;
    no fetch can have happened, as nothing is assigned yet.
    """

    async def start(self) -> None:
        """Start, and from then on fetch in chunks."""
        await super().start()
        self._fetcher.__class__ = _ChunkFetcher

    def check(self) -> None:
        """Raise what has ended the consumer behind its user's back, if anything has.

        aiokafka says it to callers of its own ``getmany`` only; its fetch task may even end with no more than a line in
        the log. One that has not started, or was closed, has not ended so. Raises KafkaError.
        """
        if self._closed or self._coordinator is None:
            return
        self._coordinator.check_errors()
        if self._fetcher._fetch_task.done():
            raise KafkaError("the fetching of records has ended; the log says why")
