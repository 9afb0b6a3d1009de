"""One partition's state, and the loop that takes it from transaction to transaction."""

import asyncio
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import structlog
from aiokafka import TopicPartition

from streams.core.effects import Effects
from streams.core.engine import Chunk, Engine
from streams.core.reasons import Reason
from streams.core.topics import OUTCOMES
from streams.shards.arrivals import Arrival, Arrivals, Trimmed
from streams.shards.committer import Committer
from streams.shards.context import ShardContext
from streams.shards.crashpoints import CrashPoint
from streams.shards.outputs import outputs
from streams.shards.poison import PoisonGuard
from streams.state.rocks import RocksStore

__all__ = ["Shard", "Verdict"]

log = structlog.get_logger(__name__)

_IDLE_TICK_S: Final = 1.0
#: Under which name the guard's figures are kept.
_POISON: Final = "poison"


class Verdict(StrEnum):
    """What became of a chunk that was handed to a shard."""

    TAKEN = "taken"
    KNOWN = "known"
    HOLE = "hole"
    GONE = "gone"


class Shard:
    """Owns one partition: its engine, its local store, its committer and the queue of chunks before them.

    All of it is discarded together: after any failure in a transaction the shard is closed, and a new one reads the
    state back as it was committed. ``next_offsets`` says, per topic, where the next chunk must begin.
    """

    def __init__(
        self, context: ShardContext, partition: int, committer: Committer, store: RocksStore,
        beginnings: Mapping[str, int], behind: Callable[[Mapping[str, int]], bool] = lambda offsets: False,
    ) -> None:  # fmt: skip
        self.partition = partition
        self.progress_at = time.monotonic()
        self._context = context
        self._committer = committer
        self.store = store
        self._engine = Engine(
            context.params, store, context.decoder, context.pseudonyms, partition, context.partition_for,
            context.watch.mark, context.prices, context.outcome_decoder, context.names.of(OUTCOMES),
            context.judges,
        )  # fmt: skip
        received, bad = self._engine.notes.get(_POISON, (0, 0))
        self._guard = PoisonGuard(context.poison_max_share, context.poison_window, (received, bad))
        self._arrivals = Arrivals()
        self._closed = False
        self._beginnings = dict(beginnings)
        self._behind = behind
        for topic, beginning in beginnings.items():
            applied = self._engine.applied.get(topic, 0)
            if 0 < applied < beginning:
                log.error("records_lost_to_retention", topic=topic, partition=partition, lost=beginning - applied)
        self.next_offsets = self._unapplied()

    @property
    def waiting(self) -> int:
        """Records that have arrived and are not yet in a transaction."""
        return self._arrivals.records

    @property
    def behind(self) -> bool:
        """Whether the broker has records that have not arrived yet, as far as is known."""
        return self._behind(self.next_offsets)

    @property
    def remembered_bytes(self) -> int:
        """Memory held for duplicates."""
        return self._engine.remembered_bytes

    @property
    def withheld_micro_usd(self) -> int:
        """Spend that no window tells, as of the last transaction."""
        return self._engine.withheld_micro_usd

    def begin_at(self, beginnings: Mapping[str, int]) -> None:
        """Where topics begin now; what lies between is lost to retention."""
        for topic, beginning in beginnings.items():
            lost = beginning - self._unapplied()[topic]
            if lost > 0:
                log.error("records_lost_to_retention", topic=topic, partition=self.partition, lost=lost)
            self._beginnings[topic] = max(beginning, self._beginnings.get(topic, 0))

    def rewind(self) -> dict[str, int]:
        """Forget what waits, and say where to read on from: the flow was interrupted."""
        self._arrivals.clear()
        self.next_offsets = self._unapplied()
        return self.next_offsets

    def _unapplied(self) -> dict[str, int]:
        """Where what was not applied begins; for a topic of which nothing was, at its beginning."""
        applied = self._engine.applied
        return {topic: max(applied.get(topic, 0), beginning) for topic, beginning in self._beginnings.items()}

    async def submit(self, arrival: Arrival) -> Verdict:
        """Hand a chunk in; waits while the queue is full, but never longer than the shard lives."""
        await self._arrivals.room.wait()
        if self._closed:
            return Verdict.GONE
        chunk = arrival.chunk
        expected = self.next_offsets[chunk.topic]
        if chunk.next_offset <= expected:
            arrival.done()
            return Verdict.KNOWN
        if chunk.fetch_start > expected:
            return Verdict.HOLE
        self.next_offsets[chunk.topic] = chunk.next_offset
        if not self._arrivals:
            # Health judges how long waiting work has not moved: the wait begins now.
            self.progress_at = time.monotonic()
        self._arrivals.put(arrival if chunk.fetch_start == expected else Trimmed(arrival, expected))
        return Verdict.TAKEN

    async def run(self, ensure_schemas: Callable[[Chunk], "asyncio.Future[None] | None"]) -> None:
        """Go from transaction to transaction until cancelled; raises whatever ended one."""
        while True:
            try:
                # Not wait_for: on Python 3.11 it can swallow a cancellation, and the shard would outlive its release.
                async with asyncio.timeout(_IDLE_TICK_S):
                    await self._arrivals.arrived.wait()
            except TimeoutError:
                self._context.watch.start()
                # Records that wait in the broker are not silence, however long this worker takes to fetch them.
                behind = self.behind
                if not behind:
                    self.progress_at = time.monotonic()
                self._engine.idle(self._context.clock.now_ms(), waiting=behind)
                await self._commit([])
                continue
            arrivals = await self._gather(ensure_schemas)
            # Usage may be silent while outcomes go on coming in.
            self._engine.idle(self._context.clock.now_ms(), waiting=self.behind)
            await self._commit(arrivals)

    async def _gather(self, ensure_schemas: Callable[[Chunk], "asyncio.Future[None] | None"]) -> list[Arrival]:
        """Step through what arrives, for one commit interval or a commit's worth of events."""
        deadline = time.monotonic() + self._context.commit_interval_s
        arrivals: list[Arrival] = []
        events = 0
        while events < self._context.commit_max_events:
            arrival = self._arrivals.oldest
            if arrival is None:
                self._arrivals.arrived.clear()
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                try:
                    async with asyncio.timeout(remaining):
                        await self._arrivals.arrived.wait()
                except TimeoutError:
                    break
                continue
            pending = ensure_schemas(arrival.chunk)
            if pending is not None:
                await pending
                if self._arrivals.oldest is not arrival:
                    continue  # Rewound meanwhile: the chunk comes again, and must not be counted twice.
            self._arrivals.take()
            self._context.watch.start()
            self._engine.step(arrival.chunk, self._context.clock.now_ms())
            arrivals.append(arrival)
            events += len(arrival.chunk.values)
            # Other shards, the fetch loop and health checks get a turn between chunks.
            await asyncio.sleep(0)
        if not self._arrivals:
            self._arrivals.arrived.clear()
        return arrivals

    async def _commit(self, arrivals: list[Arrival]) -> None:
        context = self._context
        context.watch.start()
        self._judge(self._engine.pending)
        effects = self._engine.drain()
        if not effects.writes:
            return
        records = outputs(effects, self.partition, context.names, context.encoders)
        offsets = {TopicPartition(topic, self.partition): offset for topic, offset in effects.applied.items()}
        began = time.monotonic()
        position = await self._committer.commit(effects.writes, records, offsets, context.group)
        seconds = time.monotonic() - began
        now_ms = context.clock.now_ms()
        context.watch.start()
        self.store.write(effects.writes, position, now_ms)
        context.watch.mark("store")
        context.cross(CrashPoint.STORED)
        for arrival in arrivals:
            arrival.done()
        context.cross(CrashPoint.ACKED)
        self.progress_at = time.monotonic()
        caught_up = not self._arrivals and not self.behind
        context.observer.committed(self.partition, effects, context.watch.take(), seconds, caught_up)

    def _judge(self, effects: Effects) -> None:
        """Refuse what dead-letters too much, and keep the figures with the state, in the same transaction."""
        refused = (letter for letter in effects.dead_letters if letter.reason != Reason.TOO_LATE)
        example = next((f"{letter.reason}: {letter.detail}" for letter in refused), "")
        for counts in effects.counts.values():
            self._guard.judge(counts.received, counts.dead_lettered.total(), example)
        if self._guard.figures[1]:
            self._engine.notes[_POISON] = self._guard.figures
        else:
            self._engine.notes.pop(_POISON, None)

    async def close(self) -> None:
        """Let go of the partition; waiting submitters are released."""
        self._closed = True
        self._arrivals.clear()
        try:
            await self._committer.stop()
        finally:
            self.store.close()
