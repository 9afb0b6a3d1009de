"""Taking over: which store is used, when it is wiped, what is said, and that nothing stays locked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from unittest.mock import AsyncMock

import pytest
from aiokafka.errors import KafkaConnectionError
from rocksdict import Options, Rdict
from structlog.testing import capture_logs

from streams.shards import takeover as module
from streams.shards.committer import AtLeastOnce, ExactlyOnce
from streams.shards.context import ShardContext
from streams.shards.standby import Standby
from streams.shards.takeover import fence, open_store, recover
from streams.state.rocks import RocksStore, StoreUnusable
from tests.unit.shards.fakes import NOW, PARTITION, context_in, until

HOUR_MS = 3_600_000


class FakeReader:
    """A changelog of so many offsets, each of which sets a key of its own."""

    beginning = 0
    end = 0
    error: Exception | None = None

    def __init__(self, *_: object) -> None:
        self.records_read = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def borders(self) -> tuple[int, int]:
        if self.error is not None:
            raise self.error
        return self.beginning, self.end

    async def catch_up(self, store: RocksStore) -> None:
        for offset in range(store.position, self.end):
            store.write({b"k%d" % offset: b"changelog"}, offset + 1, NOW)
            self.records_read += 1


@pytest.fixture
def changelog(monkeypatch: pytest.MonkeyPatch) -> type[FakeReader]:
    kind = type("Changelog", (FakeReader,), {})
    monkeypatch.setattr(module, "ChangelogReader", kind)
    return kind


@pytest.fixture
def context(tmp_path: Path) -> ShardContext:
    return context_in(tmp_path)


@pytest.fixture(autouse=True)
def unlocked(context: ShardContext) -> Iterator[None]:
    """Whatever happens, the store can be opened again right after, without waiting for the collector."""
    yield
    path = context.store_path(PARTITION)
    if path.exists():
        Rdict(str(path), options=Options(raw_mode=True)).close()


def left(context: ShardContext, position: int, written_ms: int = NOW) -> None:
    """A local store from an earlier life."""
    store = RocksStore(context.store_path(PARTITION), context.budget)
    store.write({b"k": b"local"}, position, written_ms)
    store.close()


async def recovered(
    context: ShardContext, standby: RocksStore | None = None
) -> tuple[int, bytes | None, Any, list[str]]:
    """Position, what the store of an earlier life said, what the observer was told, and what was said of rebuilding."""
    with capture_logs() as lines:
        store = await recover(context, PARTITION, standby)
    found = store.position, store.get(b"k")
    store.close()
    told = context.observer.told[-1][2:]  # type: ignore[attr-defined]
    return *found, told, [line["reason"] for line in lines if line["event"] == "store_rebuilt"]


async def test_a_new_shard_begins_with_nothing(context: ShardContext, changelog: type[FakeReader]) -> None:
    assert await recovered(context) == (0, None, ("local", 0), [])


async def test_a_lost_store_is_read_from_the_changelog(context: ShardContext, changelog: type[FakeReader]) -> None:
    changelog.end = 7
    assert await recovered(context) == (7, None, ("changelog", 7), [])


async def test_a_local_store_reads_only_what_it_lacks(context: ShardContext, changelog: type[FakeReader]) -> None:
    left(context, 5)
    changelog.end = 7
    assert await recovered(context) == (7, b"local", ("local", 2), [])


async def test_a_standbys_store_is_used_as_it_is(context: ShardContext, changelog: type[FakeReader]) -> None:
    changelog.end = 7
    standby = RocksStore(context.store_path(PARTITION), context.budget)
    standby.write({b"k": b"warm"}, 6, NOW)
    assert await recovered(context, standby) == (7, b"warm", ("standby", 1), [])


@pytest.mark.parametrize(("beginning", "end"), [(0, 4), (6, 9)], ids=["topic recreated", "topic truncated"])
async def test_a_position_outside_the_changelog_is_another_changelogs(
    context: ShardContext, changelog: type[FakeReader], beginning: int, end: int
) -> None:
    left(context, 5)
    changelog.beginning, changelog.end = beginning, end
    position, local, told, reasons = await recovered(context)
    assert (position, local, told) == (end, None, ("changelog", end))
    assert reasons == [f"position 5 outside the changelog ({beginning} to {end})"]


@pytest.mark.parametrize(("age_hours", "rebuilt"), [(19, []), (21, ["stale"])])
async def test_a_store_older_than_the_changelogs_tombstones_is_not_trusted(
    context: ShardContext, changelog: type[FakeReader], age_hours: int, rebuilt: list[str]
) -> None:
    """Compaction drops tombstones in time: what they deleted would come back to life."""
    left(context, 5, NOW - age_hours * HOUR_MS)
    changelog.end = 5
    assert (await recovered(context))[3] == rebuilt


async def test_a_standbys_store_outside_the_changelog_is_wiped_too(
    context: ShardContext, changelog: type[FakeReader]
) -> None:
    standby = RocksStore(context.store_path(PARTITION), context.budget)
    standby.write({b"k": b"warm"}, 60, NOW)
    changelog.end = 3
    position, local, told, reasons = await recovered(context, standby)
    assert (position, local, told) == (3, None, ("changelog", 3))
    assert len(reasons) == 1


@pytest.mark.parametrize("warm", [False, True])
async def test_a_broker_that_fails_leaves_the_store_closed(
    context: ShardContext, changelog: type[FakeReader], warm: bool
) -> None:
    left(context, 5)
    changelog.error = KafkaConnectionError("gone")
    standby = RocksStore(context.store_path(PARTITION), context.budget) if warm else None
    with pytest.raises(KafkaConnectionError) as raised:
        await recover(context, PARTITION, standby)
    # Not by the collector: the error, and with it everything in its frames, is still alive.
    RocksStore(context.store_path(PARTITION), context.budget).close()
    assert raised.value is changelog.error


async def test_a_store_that_breaks_while_it_catches_up_is_closed(
    context: ShardContext, changelog: type[FakeReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    left(context, 5)
    monkeypatch.setattr(changelog, "catch_up", AsyncMock(side_effect=StoreUnusable("Corruption: checksum")))
    with pytest.raises(StoreUnusable):
        await recover(context, PARTITION, None)


async def test_a_store_of_another_format_is_wiped_and_said(context: ShardContext) -> None:
    left(context, 5)
    database = Rdict(str(context.store_path(PARTITION)), options=Options(raw_mode=True))
    database.put(b"\x00format", b"999")
    database.close()
    with capture_logs() as lines:
        store = await open_store(context, PARTITION)
    assert (store.position, store.get(b"k")) == (0, None)
    store.close()
    assert [line["event"] for line in lines] == ["store_rebuilt"]
    assert "999" in lines[0]["reason"]


async def test_corrupt_files_are_wiped_and_said(context: ShardContext) -> None:
    left(context, 5)
    for file in context.store_path(PARTITION).glob("MANIFEST-*"):
        file.write_bytes(b"garbage" * 100)
    with capture_logs() as lines:
        store = await open_store(context, PARTITION)
    assert store.position == 0
    store.close()
    assert [line["event"] for line in lines] == ["store_rebuilt"]


async def test_a_lock_that_a_dying_process_still_holds_is_waited_for(
    context: ShardContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RocksStore(context.store_path(PARTITION), context.budget)
    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.close()

    monkeypatch.setattr("streams.shards.takeover.asyncio.sleep", pause)
    (await open_store(context, PARTITION)).close()
    assert len(pauses) == 3


async def test_a_lock_that_is_never_let_go_is_an_error(context: ShardContext, monkeypatch: pytest.MonkeyPatch) -> None:
    other = RocksStore(context.store_path(PARTITION), context.budget)
    monkeypatch.setattr(module, "_LOCK_TRIES", 3)
    monkeypatch.setattr(module, "_LOCK_PAUSE_S", 0.0)
    with pytest.raises(Exception, match=r"(?i)lock"):
        await open_store(context, PARTITION)
    other.close()


async def test_the_fence_is_the_partitions_transactional_id(
    context: ShardContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExactlyOnce, "start", started := AsyncMock())
    committer: Any = await fence(context, PARTITION)
    started.assert_awaited_once()
    assert type(committer) is ExactlyOnce
    assert committer._producer._txn_manager.transactional_id == "x.assay-3"
    await committer.stop()


async def test_without_transactions_nothing_is_fenced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AtLeastOnce, "start", AsyncMock())
    committer: Any = await fence(context_in(tmp_path, exactly_once=False), PARTITION)
    assert type(committer) is AtLeastOnce
    assert committer._producer._txn_manager.transactional_id is None
    await committer.stop()


async def test_a_fence_that_fails_leaves_no_producer_behind(
    context: ShardContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExactlyOnce, "start", AsyncMock(side_effect=KafkaConnectionError("refused")))
    monkeypatch.setattr(ExactlyOnce, "stop", stopped := AsyncMock())
    with pytest.raises(KafkaConnectionError):
        await fence(context, PARTITION)
    stopped.assert_awaited_once()


async def test_a_new_store_takes_any_changelog(context: ShardContext, changelog: type[FakeReader]) -> None:
    """It holds nothing that the changelog could contradict."""
    changelog.beginning, changelog.end = 4, 9
    assert (await recovered(context))[3] == []


class Followed(FakeReader):
    """A changelog that is caught up with once and then stands still."""

    async def follow(self, store: RocksStore) -> None:
        await self.catch_up(store)
        await asyncio.Event().wait()

    async def lag(self, store: RocksStore) -> int:
        behind: int = self.end - store.position
        return behind


@pytest.mark.parametrize(
    ("position", "age_hours", "kept"), [(5, 1, True), (5, 30, False), (50, 1, False)], ids=["sound", "stale", "beyond"]
)
async def test_a_standby_trusts_a_store_no_more_than_a_take_over_does(
    context: ShardContext, monkeypatch: pytest.MonkeyPatch, position: int, age_hours: int, kept: bool
) -> None:
    """It keeps the store fresh: what it takes over wrongly, no later take-over would see."""
    left(context, position, NOW - age_hours * HOUR_MS)
    monkeypatch.setattr(Followed, "end", 7)
    monkeypatch.setattr("streams.shards.standby.ChangelogReader", Followed)
    with capture_logs() as lines:
        standby = Standby(context, PARTITION)
        await until(lambda: standby._store is not None and standby._store.position == 7)
        store = await standby.stop()
    assert store is not None
    assert store.get(b"k") == (b"local" if kept else None)
    store.close()
    assert [line["event"] for line in lines] == ([] if kept else ["store_rebuilt"])
