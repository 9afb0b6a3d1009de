"""A shard's surroundings without a broker: a committer that writes down, a reader that is told, a store that is real."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from streams.clock import FixedClock
from streams.core.avro import ALERT, DEAD_LETTER, KPI
from streams.core.effects import Effects
from streams.core.engine import Chunk, EngineParams
from streams.core.events import UsageDecoder
from streams.core.outcomes import OutcomeDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.core.store import Writes
from streams.shards.committer import Committer
from streams.shards.context import ShardContext
from streams.shards.outputs import Encoders, Names, Outputs
from streams.shards.ownership import Reader
from streams.shards.shard import Shard
from streams.state.rocks import RocksBudget, RocksStore

__all__ = [
    "LONG_AGO",
    "NOW",
    "PARTITION",
    "USAGE",
    "Commit",
    "FakeArrival",
    "FakeCommitter",
    "FakeObserver",
    "FakeReader",
    "chunk",
    "context_in",
    "event",
    "running",
    "shard_in",
    "until",
]

PARTITION: Final = 3
USAGE: Final = "x.assay.usage.v1"
#: 2024-05-06 12:00 UTC, and a clock that is an hour ahead of it.
LONG_AGO: Final = 1_714_996_800_000
NOW: Final = LONG_AGO + 3_600_000


def event(identity: int | str, **fields: Any) -> bytes:
    """A sound usage event."""
    said = {
        "event_id": f"e-{identity}", "source": "test", "occurred_at": LONG_AGO, "team": "search", "workflow": "review",
        "model": "m-1", "input_tokens": 10,
    }  # fmt: skip
    return json.dumps(said | fields).encode()


def chunk(start: int, end: int, values: list[bytes | None] | None = None, topic: str = USAGE) -> Chunk:
    """A chunk over a range of offsets; without values, one event each that is told apart by its offset."""
    held = [event(offset) for offset in range(start, end)] if values is None else values
    return Chunk(topic, PARTITION, range(start, start + len(held)), held, end, start)


class FakeArrival:
    """A chunk on its way in, which tells when it is done."""

    def __init__(self, held: Chunk, story: list[Any] | None = None) -> None:
        self.chunk = held
        self.finished = 0
        self._story = story

    def done(self) -> None:
        self.finished += 1
        if self._story is not None:
            self._story.append(("done", self.chunk.next_offset))


class Commit(NamedTuple):
    """One transaction that came about."""

    writes: Writes
    outputs: Outputs
    offsets: dict[str, int]
    group: str


class FakeCommitter(Committer):
    """Writes transactions down. ``gate`` holds them up while it is clear; ``errors`` are raised instead, in turn."""

    def __init__(self, story: list[Any] | None = None) -> None:
        self.commits: list[Commit] = []
        self.errors: list[BaseException] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = 0
        self.stopped = 0
        self._story = story
        self._position = 0

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        self.stopped += 1

    async def commit(self, writes: Writes, outputs: Outputs, offsets: Mapping[TopicPartition, int], group: str) -> int:
        self.begun += 1
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        assert {place.partition for place in offsets} <= {PARTITION}
        by_topic = {place.topic: offset for place, offset in offsets.items()}
        self.commits.append(Commit(dict(writes), outputs, by_topic, group))
        if self._story is not None:
            self._story.append(("committed", by_topic[USAGE]))
        self._position += len(writes)
        return self._position


class FakeObserver:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def committed(
        self, shard: int, effects: Effects, stages: dict[str, float], seconds: float, caught_up: bool
    ) -> None:
        received = sum(counts.received for counts in effects.counts.values())
        self.told.append(("committed", shard, received, caught_up))

    def aborted(self, shard: int, result: str) -> None:
        self.told.append(("aborted", shard, result))

    def released(self, shard: int) -> None:
        self.told.append(("released", shard))

    def recovered(self, shard: int, source: str, seconds: float, records: int) -> None:
        self.told.append(("recovered", shard, source, records))


class FakeReader(Reader):
    """Says where topics begin, and remembers where it was told to read on."""

    def __init__(self, beginning: int = 0) -> None:
        self.beginning = beginning
        self.waiting = False
        self.sought: list[dict[str, int]] = []

    async def beginnings(self, partition: int) -> Mapping[str, int]:
        return {USAGE: self.beginning}

    def behind(self, partition: int, offsets: Mapping[str, int]) -> bool:
        """Nothing waits in this broker, unless a test says so."""
        return self.waiting

    async def read_on(self, partition: int, offsets: Mapping[str, int]) -> None:
        self.sought.append(dict(offsets))


def context_in(directory: Path, **changes: Any) -> ShardContext:
    """What a shard is given; transactions take no time to wait for."""
    parts: dict[str, Any] = {
        "brokers": "127.0.0.1:1",
        "names": Names("x.", "assay"),
        "group": "x.assay",
        "data_dir": directory,
        "exactly_once": True,
        "params": EngineParams(),
        "judges": None,
        "prices": None,
        "decoder": UsageDecoder(),
        "outcome_decoder": OutcomeDecoder(),
        "pseudonyms": Pseudonyms(b"a key of the tests"),
        "encoders": Encoders(KPI.to_json, DEAD_LETTER.to_json, ALERT.to_json),
        "partition_for": lambda team: PARTITION,
        "budget": RocksBudget(1, 1),
        "clock": FixedClock(NOW),
        "observer": FakeObserver(),
        "cross": lambda point: None,
        "commit_interval_s": 0.0,
        "commit_max_events": 10_000,
        "poison_max_share": 0.5,
        "poison_window": 1_000,
        "fenced_pause_s": 0.0,
    }
    return ShardContext(**parts | changes)


def shard_in(context: ShardContext, committer: Committer, beginning: int = 0) -> Shard:
    """A shard over its local store, as it was left."""
    store = RocksStore(context.store_path(PARTITION), context.budget)
    return Shard(context, PARTITION, committer, store, {USAGE: beginning})


@asynccontextmanager
async def running(shard: Shard, ensure: Any = lambda chunk: None) -> AsyncIterator["asyncio.Task[None]"]:
    """The shard's loop, for as long as the block lasts."""
    task = asyncio.create_task(shard.run(ensure))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await shard.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until something holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)
