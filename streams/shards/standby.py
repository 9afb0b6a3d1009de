"""Warm copies of other workers' shards, so that a take-over takes seconds, not a re-read of the changelog."""

import asyncio
from collections.abc import Iterable, Mapping
from hashlib import blake2b

import structlog

from streams.shards.changelog import ChangelogReader
from streams.shards.context import ShardContext
from streams.shards.ending import end
from streams.shards.takeover import open_store, outdated
from streams.state.rocks import RocksStore, StoreUnusable

__all__ = ["Standby", "standby_partitions"]

log = structlog.get_logger(__name__)

_RETRY_S = 2.0


def standby_partitions(owned_by: Mapping[str, Iterable[int]], me: str, replicas: int) -> set[int]:
    """Which partitions this worker keeps a copy of, from who owns which.

    Rendezvous hashing over the other workers: every worker comes to the same answer without talking, and a worker that
    leaves moves only its own copies.
    """
    mine: set[int] = set()
    for owner, partitions in owned_by.items():
        others = [worker for worker in owned_by if worker != owner]
        for partition in partitions:
            ranked = sorted((_rank(worker, partition), worker) for worker in others)
            if me in (worker for _, worker in ranked[:replicas]):
                mine.add(partition)
    return mine


def _rank(worker: str, partition: int) -> bytes:
    return blake2b(f"{worker}|{partition}".encode(), digest_size=8).digest()


class Standby:
    """Follows one changelog partition into a local store until it is stopped; survives the broker's absence."""

    def __init__(self, context: ShardContext, partition: int) -> None:
        self.partition = partition
        self.lag_records: int | None = None
        self._context = context
        self._store: RocksStore | None = None
        self._task = asyncio.create_task(self._run(), name=f"standby-{partition}")

    async def _run(self) -> None:
        context, partition = self._context, self.partition
        while True:
            try:
                if self._store is None:
                    self._store = await open_store(context, partition)
                async with ChangelogReader(
                    context.brokers, context.names.changelog, partition, context.clock.now_ms
                ) as reader:
                    reason = outdated(self._store, *await reader.borders(), context.clock.now_ms())
                    if reason is not None:
                        self._discard(reason)
                        continue
                    await self._follow(reader, self._store)
            except asyncio.CancelledError:
                raise
            except StoreUnusable as error:
                self._discard(str(error))
            except Exception as error:
                log.warning("standby_retries", partition=partition, reason=str(error))
                self._close()
                await asyncio.sleep(_RETRY_S)

    async def _follow(self, reader: ChangelogReader, store: RocksStore) -> None:
        following = asyncio.create_task(reader.follow(store))
        try:
            while not following.done():
                self.lag_records = await reader.lag(store)
                await asyncio.wait([following], timeout=5.0)
            await following
        finally:
            await end(following)

    async def stop(self) -> RocksStore | None:
        """Stop following and hand the store over, still open; the caller closes it."""
        await end(self._task)
        store, self._store = self._store, None
        return store

    def _discard(self, reason: str) -> None:
        store = self._store
        self._close()
        if store is not None:
            log.warning("store_rebuilt", partition=self.partition, reason=reason)
            RocksStore.wipe(store.path)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
