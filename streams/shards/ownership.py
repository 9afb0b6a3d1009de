"""Which shards this worker runs: follows assignments, takes over, restarts after failures, keeps standbys."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedVersionError,
)

from streams.core.engine import Chunk
from streams.errors import AssayError, DataError, DependencyError
from streams.shards.arrivals import Arrival
from streams.shards.committer import FENCED, Committer
from streams.shards.context import ShardContext
from streams.shards.ending import end
from streams.shards.shard import Shard, Verdict
from streams.shards.standby import Standby
from streams.shards.takeover import fence, recover
from streams.state.rocks import RocksStore, StoreUnusable, StoreUnwritable

__all__ = ["Ownership", "Reader"]

#: What will be refused again however often it is tried.
_HOPELESS: Final = (
    MessageSizeTooLargeError, TopicAuthorizationFailedError, GroupAuthorizationFailedError,
    TransactionalIdAuthorizationFailed, ClusterAuthorizationFailedError, UnsupportedVersionError,
)  # fmt: skip
_MEND: Final = "grant the worker's ACLs, or raise max.message.bytes of the topics (`assay topics plan` shows both)"

log = structlog.get_logger(__name__)

_RESTART_PAUSE_S: Final = 1.0


class Reader:
    """What the shards ask of whoever fetches: where topics begin, and to read on from an offset."""

    async def beginnings(self, partition: int) -> Mapping[str, int]:
        """The first offset there is, for each input topic of a partition."""
        raise NotImplementedError

    def behind(self, partition: int, offsets: Mapping[str, int]) -> bool:
        """Whether the broker has records at or beyond these offsets, or it is not known."""
        raise NotImplementedError

    async def ends(self, partition: int) -> Mapping[str, int]:
        """The offset behind the last record, for each input topic of a partition; empty where it cannot be told."""
        return {}

    def pause(self, partition: int) -> None:
        """Fetch nothing more of a partition until it is read on."""

    async def read_on(self, partition: int, offsets: Mapping[str, int]) -> None:
        """Seek the input topics of a partition, and fetch them from now on."""
        raise NotImplementedError


class Ownership:
    """The shards and standbys of one worker.

    Each assigned partition has one task that takes it over, runs it, and after a failure does so again. A fenced shard
    rests first: the next assignment will say whose it is. If none comes, it is still ours and was another's while this
    worker was frozen. ``fail`` is told of an error that only a person can mend.
    """

    def __init__(
        self, context: ShardContext, reader: Reader, fail: Callable[[AssayError], None],
        ensure_schemas: Callable[[Chunk], "asyncio.Future[None] | None"] = lambda chunk: None,
    ) -> None:  # fmt: skip
        self.running: dict[int, Shard] = {}
        self.standbys: dict[int, Standby] = {}
        self._context = context
        self._reader = reader
        self._fail = fail
        self._ensure_schemas = ensure_schemas
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._fenced: set[int] = set()
        self._changing = asyncio.Lock()
        self._stopped = False

    @property
    def recovering(self) -> int:
        """Shards that are assigned and not running yet."""
        return len(self._tasks) - len(self.running)

    @property
    def assigned(self) -> int:
        """Shards that this worker should run."""
        return len(self._tasks)

    @property
    def remembered_bytes(self) -> int:
        """Memory that the running shards hold for duplicates."""
        return sum(shard.remembered_bytes for shard in self.running.values())

    @property
    def withheld_micro_usd(self) -> int:
        """Spend of the running shards that no window tells."""
        return sum(shard.withheld_micro_usd for shard in self.running.values())

    def shard_of(self, team: str) -> Shard | None:
        """The running shard that holds a team's rows."""
        return self.running.get(self._context.partition_for(team))

    def progress_age_s(self) -> float | None:
        """How long the slowest shard that has work waiting has not finished a transaction; None when none waits.

        Work waits here or, for a worker that has stopped fetching, in the broker.
        """
        waiting = [shard.progress_at for shard in self.running.values() if shard.waiting or shard.behind]
        return time.monotonic() - min(waiting) if waiting else None

    async def reconcile(self, active: set[int], standby: set[int]) -> None:
        """Make the shards be what an assignment says: keep, give up, take over."""
        async with self._changing:
            if not self._stopped:
                await self._reconcile(active, standby)

    async def _reconcile(self, active: set[int], standby: set[int]) -> None:
        given_up = (set(self._tasks) - active) | (active & self._fenced)
        await asyncio.gather(*map(self._release, given_up))
        for partition in set(self.standbys) - standby - active:
            await self._drop_standby(partition)
        for partition in sorted(active):
            if partition in self.running:
                await self._reader.read_on(partition, self.running[partition].rewind())
            elif partition not in self._tasks:
                self._tasks[partition] = asyncio.create_task(self._own(partition), name=f"shard-{partition}")
        for partition in sorted(standby - active - set(self.standbys)):
            self.standbys[partition] = Standby(self._context, partition)

    async def submit(self, partition: int, arrival: Arrival) -> None:
        """Hand a chunk to its shard; chunks of partitions that are not running are dropped, they will come again."""
        shard = self.running.get(partition)
        if shard is None:
            return
        verdict = await shard.submit(arrival)
        if verdict is Verdict.HOLE and self.running.get(partition) is shard:
            log.warning("hole_read_again", partition=partition, at=arrival.chunk.fetch_start)
            try:
                shard.begin_at(await self._reader.beginnings(partition))
                await self._reader.read_on(partition, shard.rewind())
            except (KafkaError, OSError, TimeoutError) as error:
                # Revoked meanwhile, or the broker is away: the next chunk shows the hole again.
                log.warning("hole_remains", partition=partition, reason=repr(error))

    async def stop(self) -> None:
        """Give everything up; later assignments are not followed any more."""
        self._stopped = True
        async with self._changing:
            await asyncio.gather(*map(self._release, list(self._tasks)))
            for partition in list(self.standbys):
                await self._drop_standby(partition)

    async def _own(self, partition: int) -> None:
        """Take over and run, again and again, until cancelled or beyond repair."""
        while True:
            try:
                await self._take_over_and_run(partition)
            except asyncio.CancelledError:
                raise
            except FENCED:
                self._context.observer.aborted(partition, "fenced")
                log.warning("shard_fenced", partition=partition)
                self._fenced.add(partition)
                await asyncio.sleep(self._context.fenced_pause_s)
                self._fenced.discard(partition)
                continue
            except DataError as error:
                self._fail(error)
                return
            except StoreUnusable as error:
                log.warning("store_rebuilt", partition=partition, reason=str(error))
                RocksStore.wipe(self._context.store_path(partition))
            except StoreUnwritable as error:
                self._fail(self._unwritable(error))
                return
            except _HOPELESS as error:
                self._fail(DependencyError(f"Kafka refuses what shard {partition} must do: {error!r}; {_MEND}"))
                return
            except (KafkaError, DependencyError, OSError, TimeoutError) as error:
                self._context.observer.aborted(partition, "aborted")
                log.warning("shard_restarts", partition=partition, reason=repr(error))
            except Exception as error:
                if "lock hold" in str(error).lower():
                    log.warning("shard_restarts", partition=partition, reason=repr(error))
                    await asyncio.sleep(_RESTART_PAUSE_S)
                    continue
                if "No space left" in str(error) or "IO error" in str(error):
                    self._fail(self._unwritable(error))
                    return
                log.exception("shard_failed", partition=partition)
                self._fail(DependencyError(f"shard {partition} failed: {error!r}; its state is as last committed"))
                return
            await asyncio.sleep(_RESTART_PAUSE_S)

    def _unwritable(self, error: Exception) -> DependencyError:
        where = self._context.data_dir
        return DependencyError(
            f"the state cannot be written to {where}: {error}; make room there, or let this user write"
        )

    async def _take_over_and_run(self, partition: int) -> None:
        warm: RocksStore | None = None
        committer: Committer | None = None
        store: RocksStore | None = None
        shard: Shard | None = None
        try:
            if partition in self.standbys:
                # Shielded: half stopped, it would keep the store's lock.
                warm = await asyncio.shield(self.standbys[partition].stop())
                del self.standbys[partition]
            committer = await fence(self._context, partition)
            handed_over, warm = warm, None
            store = await recover(self._context, partition, handed_over)
            beginnings = await self._reader.beginnings(partition)
            behind = partial(self._reader.behind, partition)
            shard = Shard(self._context, partition, committer, store, beginnings, behind)
            _check_ends(partition, shard.next_offsets, await self._reader.ends(partition))
            self.running[partition] = shard
            await self._reader.read_on(partition, shard.next_offsets)
            await shard.run(self._ensure_schemas)
        finally:
            if self.running.pop(partition, None) is not None:
                self._reader.pause(partition)
            if shard is not None:
                await asyncio.shield(shard.close())
            else:
                for left in (store, warm):
                    if left is not None:
                        left.close()
                if committer is not None:
                    await asyncio.shield(committer.stop())

    async def _release(self, partition: int) -> None:
        self._fenced.discard(partition)
        task = self._tasks.pop(partition, None)
        if task is None:
            return
        await end(task)
        self._context.observer.released(partition)
        log.info("shard_released", partition=partition)

    async def _drop_standby(self, partition: int) -> None:
        store = await self.standbys.pop(partition).stop()
        if store is not None:
            store.close()


def _check_ends(partition: int, offsets: Mapping[str, int], ends: Mapping[str, int]) -> None:
    """Refuse a topic that ends before what was applied of it: it was deleted and made again, or cut off."""
    for topic, last in ends.items():
        if offsets.get(topic, 0) > last:
            raise DataError(
                f"topic {topic} ends at offset {last} in partition {partition}, but records up to {offsets[topic]} were "
                "applied: it was recreated. Its state belongs to the old topic: use another app_id, or delete the "
                "state changelog and the data_dir"
            )
