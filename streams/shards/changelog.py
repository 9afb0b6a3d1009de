"""Brings a local store up to the end of the committed changelog: at take-over once, for a standby for ever."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.core.store import Writes
from streams.state.rocks import RocksStore

__all__ = ["ChangelogReader"]

_FETCH_MS: Final = 200


class ChangelogReader:
    """Reads one changelog partition into a store, committed records only.

    The end is told by position, never by a last record: commit markers take offsets but are not delivered, and
    waiting for a record behind them would hang.
    """

    def __init__(self, brokers: str, changelog: str, partition: int, now_ms: Callable[[], int]) -> None:
        self._place = TopicPartition(changelog, partition)
        self._now_ms = now_ms
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers.split(","), isolation_level="read_committed", enable_auto_commit=False,
            auto_offset_reset="earliest", max_partition_fetch_bytes=8 << 20, fetch_max_wait_ms=_FETCH_MS,
        )  # fmt: skip
        self.records_read = 0

    async def __aenter__(self) -> "ChangelogReader":
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        self._consumer.assign([self._place])
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._consumer.stop()

    async def borders(self) -> tuple[int, int]:
        """The first offset of the partition, and the one behind its last committed record."""
        beginning = await self._consumer.beginning_offsets([self._place])
        end = await self._consumer.end_offsets([self._place])
        return int(beginning[self._place]), int(end[self._place])

    async def catch_up(self, store: RocksStore) -> None:
        """Read from the store's position to what is the end now."""
        _, end = await self.borders()
        self._consumer.seek(self._place, store.position)
        while store.position < end:
            await self._read(store)

    async def follow(self, store: RocksStore) -> None:
        """Read on until cancelled."""
        self._consumer.seek(self._place, store.position)
        while True:
            await self._read(store)

    async def lag(self, store: RocksStore) -> int:
        """How many offsets the store is behind."""
        _, end = await self.borders()
        behind: int = end - store.position
        return max(0, behind)

    async def _read(self, store: RocksStore) -> None:
        fetched = await self._consumer.getmany(self._place, timeout_ms=_FETCH_MS, max_records=20_000)
        writes: Writes = {}
        for records in fetched.values():
            self.records_read += len(records)
            writes.update((record.key, record.value) for record in records)
        position = await self._consumer.position(self._place)
        if position != store.position:
            store.write(writes, position, self._now_ms())
        await asyncio.sleep(0)
