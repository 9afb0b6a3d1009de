"""Which shards run: assignments, failures, fences and holes, with take-overs that need no broker."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, ProducerFenced
from structlog.testing import capture_logs

from streams.errors import AssayError, DataError, DependencyError
from streams.shards import ownership as module
from streams.shards import shard as shard_module
from streams.shards.context import ShardContext
from streams.shards.ownership import Ownership
from streams.state.rocks import RocksStore, StoreUnusable, StoreUnwritable
from tests.unit.shards.fakes import PARTITION, USAGE, FakeArrival, FakeCommitter, FakeReader, chunk, context_in, until


class FakeStandby:
    """A copy that is already there: its store is handed over as a real one's is."""

    def __init__(self, context: ShardContext, partition: int) -> None:
        self.partition = partition
        self.store: RocksStore | None = RocksStore(context.store_path(partition), context.budget)
        self.stopped = 0

    async def stop(self) -> RocksStore | None:
        self.stopped += 1
        store, self.store = self.store, None
        return store


class Stage:
    """An ownership whose fences and recoveries are scripted: ``fences`` and ``recoveries`` are raised, in turn."""

    def __init__(self, directory: Path) -> None:
        # A transaction a chunk.
        self.context = context_in(directory, commit_max_events=10)
        self.reader = FakeReader()
        self.failures: list[AssayError] = []
        self.committers: list[FakeCommitter] = []
        self.fences: list[BaseException] = []
        self.recoveries: list[BaseException] = []
        self.recovered_from: list[RocksStore | None] = []
        self.held = asyncio.Event()
        self.held.set()
        self.ownership = Ownership(self.context, self.reader, self.failures.append)

    async def fence(self, context: ShardContext, partition: int) -> FakeCommitter:
        await self.held.wait()
        if self.fences:
            raise self.fences.pop(0)
        self.committers.append(FakeCommitter())
        return self.committers[-1]

    async def recover(self, context: ShardContext, partition: int, standby: RocksStore | None) -> RocksStore:
        self.recovered_from.append(standby)
        if self.recoveries:
            if standby is not None:
                standby.close()
            raise self.recoveries.pop(0)
        return standby or RocksStore(context.store_path(partition), context.budget)

    async def own(self) -> None:
        """Take the partition over, and wait until it runs."""
        await self.ownership.reconcile({PARTITION}, set())
        await until(lambda: self.ownership.running)

    async def count(self, start: int, end: int) -> None:
        """Hand a chunk in, and wait until it is committed."""
        arrival = FakeArrival(chunk(start, end))
        await self.ownership.submit(PARTITION, arrival)
        await until(lambda: arrival.finished)

    @property
    def told(self) -> list[tuple[Any, ...]]:
        told: list[tuple[Any, ...]] = self.context.observer.told  # type: ignore[attr-defined]
        return told


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    monkeypatch.setattr(module, "fence", stage.fence)
    monkeypatch.setattr(module, "recover", stage.recover)
    monkeypatch.setattr(module, "Standby", FakeStandby)
    monkeypatch.setattr(module, "_RESTART_PAUSE_S", 0.0)
    yield stage
    await stage.ownership.stop()


async def test_an_assigned_partition_is_taken_over_and_read_from_where_its_state_is(stage: Stage) -> None:
    await stage.own()
    assert stage.reader.sought == [{USAGE: 0}]
    await stage.count(0, 10)
    await stage.ownership.reconcile(set(), set())
    assert not stage.ownership.running
    assert stage.committers[0].stopped == 1
    assert stage.told[-1] == ("released", PARTITION)
    await stage.own()
    assert stage.reader.sought[-1] == {USAGE: 10}


async def test_a_partition_is_not_fetched_before_its_state_is_there(stage: Stage) -> None:
    stage.held.clear()
    await stage.ownership.reconcile({PARTITION}, set())
    for _ in range(20):
        await asyncio.sleep(0)
    assert stage.ownership.recovering == 1
    assert stage.reader.sought == []
    # Chunks of it are dropped: they come again once it is read from where the state is.
    early = FakeArrival(chunk(0, 10))
    await stage.ownership.submit(PARTITION, early)
    assert not early.finished
    stage.held.set()
    await until(lambda: stage.ownership.running)
    assert stage.ownership.recovering == 0
    assert stage.reader.sought == [{USAGE: 0}]


async def test_a_kept_partition_is_read_again_from_what_was_applied(stage: Stage) -> None:
    """A rebalance throws fetched chunks away: what waited must come again."""
    await stage.own()
    await stage.count(0, 10)
    committer = stage.committers[0]
    committer.gate.clear()
    for at in (10, 20, 30):
        await stage.ownership.submit(PARTITION, FakeArrival(chunk(at, at + 10)))
    await until(lambda: committer.begun == 2)
    shard = stage.ownership.running[PARTITION]
    await stage.ownership.reconcile({PARTITION}, set())
    assert stage.ownership.running[PARTITION] is shard
    assert len(stage.committers) == 1
    # What is in flight counts as applied: should it fail, the shard goes with it.
    assert stage.reader.sought[1:] == [{USAGE: 20}]
    committer.gate.set()
    for at in (20, 30):
        await stage.count(at, at + 10)
    assert committer.commits[-1].offsets == {USAGE: 40}
    assert sum(told[2] for told in stage.told if told[0] == "committed") == 40


async def test_a_hole_is_read_again_and_never_skipped(stage: Stage) -> None:
    await stage.own()
    await stage.count(0, 10)
    with capture_logs() as lines:
        await stage.ownership.submit(PARTITION, late := FakeArrival(chunk(20, 30)))
    assert [line["event"] for line in lines] == ["hole_read_again"]
    assert not late.finished
    assert stage.reader.sought[-1] == {USAGE: 10}
    await stage.count(10, 20)
    await stage.count(20, 30)
    assert stage.committers[0].commits[-1].offsets == {USAGE: 30}


async def test_a_hole_that_retention_made_is_said_and_passed(stage: Stage) -> None:
    await stage.own()
    await stage.count(0, 10)
    stage.reader.beginning = 20
    with capture_logs() as lines:
        await stage.ownership.submit(PARTITION, FakeArrival(chunk(20, 30)))
    assert [(line["event"], line.get("lost")) for line in lines] == [
        ("hole_read_again", None), ("records_lost_to_retention", 10),
    ]  # fmt: skip
    assert stage.reader.sought[-1] == {USAGE: 20}
    await stage.count(20, 30)


async def test_a_failed_transaction_restarts_the_shard_from_the_committed_state(stage: Stage) -> None:
    await stage.own()
    await stage.count(0, 10)
    stage.committers[0].errors = [KafkaConnectionError("gone")]
    await stage.ownership.submit(PARTITION, lost := FakeArrival(chunk(10, 20)))
    await until(lambda: len(stage.committers) == 2 and stage.ownership.running)
    assert stage.committers[0].stopped == 1
    assert not lost.finished
    assert ("aborted", PARTITION, "aborted") in stage.told
    assert stage.reader.sought == [{USAGE: 0}, {USAGE: 10}]
    await stage.count(10, 20)
    assert stage.failures == []


async def test_a_broker_that_is_away_is_tried_again(stage: Stage) -> None:
    stage.fences = [KafkaConnectionError("refused"), TimeoutError(), DependencyError("the registry")]
    stage.recoveries = [KafkaConnectionError("refused"), OSError("unreachable")]
    await stage.own()
    assert len(stage.recovered_from) == 3
    assert [committer.stopped for committer in stage.committers] == [1, 1, 0]
    assert stage.failures == []


async def test_a_fenced_shard_rests_until_the_next_assignment_and_is_then_taken_over_at_once(
    stage: Stage,
) -> None:
    object.__setattr__(stage.context, "fenced_pause_s", 3_600.0)
    await stage.own()
    stage.committers[0].errors = [ProducerFenced("another owner")]
    await stage.ownership.submit(PARTITION, FakeArrival(chunk(0, 10)))
    await until(lambda: ("aborted", PARTITION, "fenced") in stage.told)
    assert not stage.ownership.running
    # It is not this worker's to serve: neither running nor ready.
    assert stage.ownership.recovering == 1
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(stage.committers) == 1
    await stage.own()
    assert len(stage.committers) == 2
    await stage.count(0, 10)


async def test_a_fenced_shard_that_no_assignment_takes_away_is_taken_back(stage: Stage) -> None:
    """It was another's while this worker was frozen, and is ours again: nobody else will process it."""
    await stage.own()
    stage.committers[0].errors = [ProducerFenced("another owner, back then")]
    await stage.ownership.submit(PARTITION, FakeArrival(chunk(0, 10)))
    await until(lambda: len(stage.committers) == 2 and stage.ownership.running)
    await stage.count(0, 10)


async def test_bad_data_stops_the_worker_and_is_not_tried_again(stage: Stage) -> None:
    await stage.own()
    stage.committers[0].errors = [DataError("too much of it is bad")]
    await stage.ownership.submit(PARTITION, FakeArrival(chunk(0, 10)))
    await until(lambda: stage.failures)
    assert [failure.exit_code for failure in stage.failures] == [5]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(stage.committers) == 1
    assert stage.committers[0].stopped == 1


async def test_an_unusable_store_is_wiped_said_and_rebuilt(stage: Stage) -> None:
    await stage.own()
    await stage.count(0, 10)
    await stage.ownership.reconcile(set(), set())
    stage.recoveries = [StoreUnusable("Corruption: block checksum mismatch")]
    with capture_logs() as lines:
        await stage.own()
    assert [line["reason"] for line in lines if line["event"] == "store_rebuilt"] == [
        "Corruption: block checksum mismatch"
    ]
    # Nothing is left of it; a real recovery reads all of it from the changelog.
    assert stage.reader.sought[-1] == {USAGE: 0}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("IO error: No space left on device: while appending"), "make room there"),
        (StoreUnwritable("Read-only file system"), "let this user write"),
        (RuntimeError("a bug"), "its state is as last committed"),
    ],
)
async def test_an_error_that_a_restart_would_not_mend_stops_the_worker(
    stage: Stage, error: Exception, says: str
) -> None:
    stage.recoveries = [error]
    with capture_logs():
        await stage.ownership.reconcile({PARTITION}, set())
        await until(lambda: stage.failures)
    (failure,) = stage.failures
    assert failure.exit_code == 4
    assert says in str(failure)
    assert "\n" not in str(failure)


async def test_a_standby_hands_its_store_over(stage: Stage) -> None:
    await stage.ownership.reconcile(set(), {PARTITION})
    standby = stage.ownership.standbys[PARTITION]
    assert isinstance(standby, FakeStandby)
    warm = standby.store
    await stage.own()
    assert stage.recovered_from == [warm]
    assert stage.ownership.standbys == {}
    assert standby.stopped == 1


async def test_a_standby_whose_take_over_fails_does_not_keep_the_store_locked(stage: Stage) -> None:
    await stage.ownership.reconcile(set(), {PARTITION})
    stage.recoveries = [KafkaConnectionError("gone")]
    await stage.own()
    assert [warm is None for warm in stage.recovered_from] == [False, True]
    assert stage.failures == []


async def test_a_standby_whose_fence_fails_does_not_keep_the_store_locked(stage: Stage) -> None:
    await stage.ownership.reconcile(set(), {PARTITION})
    stage.fences = [KafkaConnectionError("gone")]
    await stage.own()
    assert stage.recovered_from == [None]
    assert stage.failures == []


async def test_standbys_follow_assignments(stage: Stage) -> None:
    await stage.ownership.reconcile(set(), {1, 2})
    one = stage.ownership.standbys[1]
    await stage.ownership.reconcile(set(), {1})
    assert stage.ownership.standbys == {1: one}
    await stage.ownership.stop()
    assert stage.ownership.standbys == {}
    assert isinstance(one, FakeStandby)
    assert one.store is None


async def test_a_release_in_the_middle_of_a_take_over_leaves_nothing_behind(stage: Stage) -> None:
    stage.held.clear()
    await stage.ownership.reconcile({PARTITION}, set())
    await asyncio.sleep(0)
    await stage.ownership.reconcile(set(), set())
    assert stage.ownership.assigned == 0
    assert stage.ownership.recovering == 0
    stage.held.set()
    await stage.own()
    await stage.count(0, 10)


async def test_a_release_in_the_middle_of_a_transaction_drops_it(stage: Stage) -> None:
    await stage.own()
    stage.committers[0].gate.clear()
    await stage.ownership.submit(PARTITION, dropped := FakeArrival(chunk(0, 10)))
    await until(lambda: stage.committers[0].begun)
    await stage.ownership.reconcile(set(), set())
    assert not dropped.finished
    assert stage.committers[0].commits == []
    await stage.own()
    assert stage.reader.sought[-1] == {USAGE: 0}
    await stage.count(0, 10)


async def test_health_counts_from_when_work_began_to_wait(stage: Stage) -> None:
    await stage.own()
    assert stage.ownership.progress_age_s() is None
    stage.committers[0].gate.clear()
    for at in (0, 10):
        await stage.ownership.submit(PARTITION, FakeArrival(chunk(at, at + 10)))
        await until(lambda: stage.committers[0].begun)
    age = stage.ownership.progress_age_s()
    assert age is not None
    assert age >= 0
    stage.committers[0].gate.set()
    await until(lambda: stage.ownership.progress_age_s() is None)


async def test_health_sees_a_worker_that_has_stopped_fetching(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits here, as nothing arrives: it waits in the broker."""
    monkeypatch.setattr(shard_module, "_IDLE_TICK_S", 0.001)
    await stage.own()
    shard = stage.ownership.running[PARTITION]
    quiet = shard.progress_at
    await until(lambda: shard.progress_at > quiet)
    assert stage.ownership.progress_age_s() is None
    stage.reader.waiting = True
    age = stage.ownership.progress_age_s()
    assert age is not None
    await asyncio.sleep(0.02)
    later = stage.ownership.progress_age_s()
    assert later is not None
    assert later >= age + 0.02
