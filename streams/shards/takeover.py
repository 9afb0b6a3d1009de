"""Taking a shard over: fence the former owner, open the store, bring it up to the committed changelog."""

import asyncio
import time
from typing import Final

import structlog
from rocksdict import DbClosedError

from streams.shards.changelog import ChangelogReader
from streams.shards.committer import AtLeastOnce, Committer, ExactlyOnce
from streams.shards.context import ShardContext
from streams.state.rocks import RocksStore, StoreUnusable

__all__ = ["fence", "open_store", "outdated", "recover"]

log = structlog.get_logger(__name__)

#: A store not written for longer than this is rebuilt: compaction may have removed the changelog's tombstones since
#: (delete.retention.ms, 24 h by default), and deleted keys would come back to life.
_STALE_MS: Final = 20 * 3_600_000
#: Longer than any open transaction of the former owner may last; a fence that takes longer begins anew, and says so.
_FENCE_SECONDS: Final = 60.0
#: RocksDB's lock may be held for a moment by a process that is just dying.
_LOCK_TRIES: Final = 50
_LOCK_PAUSE_S: Final = 0.2


async def fence(context: ShardContext, partition: int) -> Committer:
    """A started committer; from here on a former owner can make nothing visible."""
    names, cross = context.names, context.cross
    committer: Committer
    if context.exactly_once:
        transactional_id = f"{names.prefix}{names.app_id}-{partition}"
        committer = ExactlyOnce(context.brokers, names.changelog, partition, cross, transactional_id)
    else:
        committer = AtLeastOnce(context.brokers, names.changelog, partition, cross)
    try:
        async with asyncio.timeout(_FENCE_SECONDS):
            await committer.start()
    except BaseException:
        await committer.stop()
        raise
    return committer


async def open_store(context: ShardContext, partition: int) -> RocksStore:
    """The local store; wiped and begun anew when its files are unusable."""
    path = context.store_path(partition)
    for attempt in range(_LOCK_TRIES):
        try:
            return RocksStore(path, context.budget)
        except StoreUnusable as error:
            log.warning("store_rebuilt", partition=partition, reason=str(error))
            RocksStore.wipe(path)
        except DbClosedError:
            raise
        except Exception as error:
            if "lock" not in str(error).lower() or attempt == _LOCK_TRIES - 1:
                raise
            await asyncio.sleep(_LOCK_PAUSE_S)
    return RocksStore(path, context.budget)


def outdated(store: RocksStore, beginning: int, end: int, now_ms: int) -> str | None:
    """Why a store cannot be brought up to date from a changelog with these borders; None if it can. A new one can."""
    if not store.position:
        return None
    if not beginning <= store.position <= end:
        return f"position {store.position} outside the changelog ({beginning} to {end})"
    return "stale" if now_ms - store.written_ms > _STALE_MS else None


async def recover(context: ShardContext, partition: int, standby: RocksStore | None) -> RocksStore:
    """The store (a standby's, if there is one) with everything the committed changelog holds.

    A standby's store is this function's from the call on: it is closed if anything fails.
    """
    began = time.monotonic()
    source = "standby" if standby else "local"
    store = standby
    try:
        store = store or await open_store(context, partition)
        async with ChangelogReader(context.brokers, context.names.changelog, partition, context.clock.now_ms) as reader:
            beginning, end = await reader.borders()
            reason = outdated(store, beginning, end, context.clock.now_ms())
            if reason is not None:
                log.warning("store_rebuilt", partition=partition, reason=reason)
                path, useless, store = store.path, store, None
                useless.close()
                RocksStore.wipe(path)
                store = await open_store(context, partition)
            if store.position == 0 and end > 0:
                source = "changelog"
            await reader.catch_up(store)
    except BaseException:
        if store is not None:
            store.close()
        raise
    seconds = time.monotonic() - began
    context.observer.recovered(partition, source, seconds, reader.records_read)
    log.info("shard_recovered", partition=partition, source=source, records=reader.records_read, seconds=seconds)
    return store
