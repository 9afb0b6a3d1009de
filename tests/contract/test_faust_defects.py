"""Every defect of Faust 0.15.3 and aiokafka 0.14 that our overrides are for: still there, and not in ours.

Each situation is one function that raises :class:`Misbehaviour` at what must not happen. The stock class is expected to
misbehave: the day it does not, the test fails and names the override that can go. Ours must pass.

The row numbers are those of the list of defects that `streams/transport` refers to. Brokers are mocks, as in Faust's own
tests, and only where a defect lies in the book-keeping above them: what crosses the wire is tested in
``tests/integration``.
"""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import faust
import pytest
from aiokafka.errors import KafkaError
from faust.stores.rocksdb import Store
from faust.tables.recovery import Recovery
from faust.transport.conductor import ConductorCompiler
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, FutureMessage
from yarl import URL

from streams.core.engine import Engine, EngineParams
from streams.core.events import UsageDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.shards.committer import ExactlyOnce
from streams.state.memory import MemoryStore
from streams.state.rocks import RocksBudget, RocksStore
from streams.transport import RAW, ChunkConsumer, register
from tests.unit.shards.fake_kafka import FakeConsumer, commit, committer_of, reader_of
from tests.unit.shards.fakes import (
    LONG_AGO,
    NOW,
    USAGE,
    FakeArrival,
    FakeCommitter,
    context_in,
    event,
    running,
    shard_in,
    until,
)
from tests.unit.shards.fakes import chunk as records_of
from tests.unit.transport.fakes import PLACE, chunk, consumer_of, faust_app, message
from tests.unit.transport.logs import batch, chunks_of, stock_records, transaction

DAY_MS = 86_400_000


class Misbehaviour(AssertionError):
    """What a right implementation would not do."""


def expect(right: object, otherwise: str) -> None:
    """Raise Misbehaviour unless it is right."""
    if not right:
        raise Misbehaviour(otherwise)


async def still_defective(situation: Awaitable[None], override: str, library: str = "faust-streaming") -> None:
    """Fails once the library handles the situation: our override is then dead weight."""
    try:
        await situation
    except Misbehaviour:
        return
    pytest.fail(f"{library} {importlib.metadata.version(library)} does this right: delete {override}, then this test")


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    """An app that is never started."""
    app: Any = faust_app(tmp_path / "faust")
    app.conf.datadir.mkdir(parents=True)
    return app


@pytest.fixture
async def stock(app: Any) -> Any:
    return consumer_of(driver.Consumer, app)


@pytest.fixture
async def ours(app: Any) -> Any:
    return consumer_of(ChunkConsumer, app)


def committed(consumer: Any) -> list[int]:
    """The offsets that the consumer committed, in order."""
    return [call.args[0][PLACE] for call in consumer._commit.mock_calls]


# -------------------------------------------------------------------------------------------- offsets: rows 1 to 6


async def nothing_in_flight_is_committed(consumer: Any, before: int | None, in_flight: int) -> None:
    """One record is being worked on, those behind it are done."""
    consumer._committed_offset[PLACE] = before
    for offset in range(in_flight + 1, in_flight + 4):
        consumer.ack(message(offset))
    await consumer.commit()
    expect(all(offset <= in_flight for offset in committed(consumer)), "committed past a record in flight")


@pytest.mark.parametrize(
    ("before", "in_flight"), [(2585, 2585), (None, 0)], ids=["a group's next", "a new group's first"]
)
async def test_row_1_a_record_in_flight_is_committed_past(
    stock: Any, ours: Any, before: int | None, in_flight: int
) -> None:
    await nothing_in_flight_is_committed(ours, before, in_flight)
    await still_defective(nothing_in_flight_is_committed(stock, before, in_flight), "ChunkConsumer.force_commit")


#: 20 transactions of 10 records each: every eleventh offset is a marker.
TRANSACTIONS = [transaction(at, [event(at + number) for number in range(10)]) for at in range(0, 220, 11)]


async def one_commit_is_enough(commit_once: Callable[[], Awaitable[int]]) -> None:
    """All 200 records of 20 transactions are done; the log ends at 220, or at 219 before its last marker."""
    expect(await commit_once() >= 219, "the committed offset stops at the first gap")


async def drained(consumer: Any, records: list[Any]) -> list[ConsumerMessage]:
    """Records through the consumer's own loop, gaps noted as they are met."""
    delivered: list[ConsumerMessage] = []

    async def getmany(**_timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        for record in records:
            yield PLACE, consumer._to_message(PLACE, record)

    async def callback(message: ConsumerMessage) -> None:
        delivered.append(message)

    consumer.getmany, consumer.callback = getmany, callback
    fetcher = Mock(_stopped=Mock(is_set=Mock(side_effect=[False, True])))
    await consumer._drain_messages(fetcher)
    return delivered


async def test_row_2_gaps_hold_the_committed_offset_back(app: Any, stock: Any, ours: Any, tmp_path: Path) -> None:
    async def commit_stock() -> int:
        for delivered in await drained(stock, list(stock_records(*TRANSACTIONS))):
            stock.ack(delivered)
        await stock.commit()
        return committed(stock)[-1]

    async def commit_ours() -> int:
        (delivered,) = await drained(ours, chunks_of(*TRANSACTIONS))
        assert not ours._gap
        held: Any = delivered.value
        shard = shard_in(context_in(tmp_path), committer := FakeCommitter())
        async with running(shard):
            await shard.submit(FakeArrival(records_of(held.fetch_start, held.next_offset, held.values)))
            await until(lambda: committer.commits)
        return committer.commits[0].offsets[USAGE]

    await one_commit_is_enough(commit_ours)
    await still_defective(one_commit_is_enough(commit_stock), "ChunkConsumer._add_gap and .ack")


async def it_ends_when_all_is_delivered(
    task: "asyncio.Future[Any]", undelivered: Callable[[], int], deliver: Callable[[], None], patience: float
) -> None:
    """Somebody waits for deliveries, while the broker takes its time."""
    done, _ = await asyncio.wait({task}, timeout=patience)
    expect(not done or not undelivered(), f"went on with {undelivered()} records undelivered")
    deliver()
    await task
    assert not undelivered()


async def test_row_3_a_flush_returns_before_all_is_sent(app: Any) -> None:
    committer, producer = await committer_of(ExactlyOnce)
    task = commit(committer)
    await until(lambda: len(producer.undelivered) == 3)

    def deliver() -> None:
        while producer.undelivered:
            producer.deliver()

    await it_ends_when_all_is_delivered(task, lambda: len(producer.undelivered), deliver, patience=0.2)
    assert "commit" in producer.story

    gate = asyncio.Event()
    buffer = app.producer.buffer
    buffer._send_pending = lambda fut: gate.wait()
    await buffer.start()
    try:
        for number in range(20):
            buffer.pending.put_nowait(number)
        flushing = asyncio.ensure_future(buffer.flush())
        await still_defective(
            it_ends_when_all_is_delivered(flushing, lambda: buffer.size, gate.set, patience=20),
            "the waiting for deliveries in Committer, and ChunkConsumer.force_commit",
        )
    finally:
        gate.set()
        await until(lambda: not buffer.size)
        await buffer.stop()


async def a_lost_state_record_holds_the_offset_back(commit_once: Callable[[], Awaitable[bool]]) -> None:
    """The record of a state's change is not delivered; its source's offset is to be committed."""
    try:
        went_on = await commit_once()
    except KafkaError:
        return
    expect(not went_on, "committed the source's offset without the state's change")


async def test_row_4_a_failed_changelog_record_is_only_logged(app: Any, stock: Any) -> None:
    async def commit_stock() -> bool:
        changelog = app.topic("changelog")
        sent = asyncio.get_running_loop().create_future()
        sent.set_exception(KafkaError("not delivered"))
        change: FutureMessage = changelog.as_future_message(key=b"k", value=b"v")
        changelog._on_published(sent, message=change, producer=Mock(), state=None)
        assert isinstance(change.exception(), KafkaError)
        stock.ack(message(0))
        return bool(await stock.commit())

    async def commit_ours() -> bool:
        committer, producer = await committer_of(ExactlyOnce)
        task = commit(committer)
        await until(lambda: len(producer.undelivered) == 3)
        producer.undelivered[0][1].set_exception(KafkaError("not delivered"))
        await task
        return "commit" in producer.story

    await a_lost_state_record_holds_the_offset_back(commit_ours)
    await still_defective(a_lost_state_record_holds_the_offset_back(commit_stock), "the committers")


async def what_was_acknowledged_is_committed(revoke: Callable[[], Awaitable[list[int]]]) -> None:
    """Ten records are done and acknowledged, then the partition is revoked."""
    expect(10 in await revoke(), "a revoked partition's acknowledged records were not committed")


async def test_row_5_a_revoke_drops_what_was_acknowledged(stock: Any, tmp_path: Path) -> None:
    async def revoke_stock() -> list[int]:
        for offset in range(10):
            stock.ack(message(offset))

        async def revoked(_places: set[TP]) -> None:
            """What Faust's app does when it is told: wait for what is in flight, then commit."""
            await stock.commit()

        stock._on_partitions_revoked = revoked
        await stock.on_partitions_revoked({PLACE})
        return committed(stock)

    async def revoke_ours() -> list[int]:
        shard = shard_in(context_in(tmp_path), committer := FakeCommitter())
        async with running(shard):
            await shard.submit(arrival := FakeArrival(records_of(0, 10)))
            await until(lambda: arrival.finished)
        return [commit.offsets[USAGE] for commit in committer.commits]

    await what_was_acknowledged_is_committed(revoke_ours)
    await still_defective(what_was_acknowledged_is_committed(revoke_stock), "the commit before the ack in Shard")


async def a_failed_commit_is_made_up_for(commit_twice: Callable[[], Awaitable[list[int]]]) -> None:
    """The first commit of ten records fails; then comes the next."""
    expect(await commit_twice() == [10, 10], "a failed commit was taken for done")


async def test_row_6_a_failed_commit_is_taken_for_done(stock: Any, tmp_path: Path) -> None:
    async def commit_stock() -> list[int]:
        stock._commit.side_effect = [False, True]
        for offset in range(10):
            stock.ack(message(offset))
        await stock.commit()
        await stock.commit()
        return committed(stock)

    async def commit_ours() -> list[int]:
        tried = []
        for errors in ([KafkaError("not delivered")], []):
            committer = FakeCommitter()
            committer.errors = [*errors]
            shard = shard_in(context_in(tmp_path), committer)
            async with running(shard) as loop:
                # The successor of a failed shard begins where the state is, and is given the records again.
                await shard.submit(FakeArrival(records_of(shard.next_offsets[USAGE], 10)))
                await until(lambda loop=loop, committer=committer: loop.done() or committer.commits)  # type: ignore[misc]
                tried.append(shard.next_offsets[USAGE])
        return tried

    await a_failed_commit_is_made_up_for(commit_ours)
    await still_defective(a_failed_commit_is_made_up_for(commit_stock), "the restart of failed shards in Ownership")


# ------------------------------------------------------------------------------------------------ delivery: row 8


async def a_bad_record_is_left_to_the_agent(app: Any, consumer: Any, source: Any, value: Any) -> None:
    """A record that nothing can decode is delivered to an agent."""
    app.consumer = consumer
    app.flow_control.resume()
    channel = source.clone_using_queue(app.FlowControlQueue(maxsize=8))
    deliver = ConductorCompiler().build(app.topics, PLACE, {channel})
    delivered = message(0, value)
    await deliver(delivered)
    expect(not delivered.acked, "a record nobody has looked at was acknowledged")
    expect(channel.queue.qsize() == 1 and not channel.queue._errors, "the agent was given an exception, not the record")


async def test_row_8_a_record_that_cannot_be_decoded_is_acknowledged_and_breaks_the_agent(
    app: Any, stock: Any, ours: Any
) -> None:
    register()
    raw = app.topic(PLACE.topic, key_serializer=RAW, value_serializer=RAW, key_type=None, value_type=None)
    await a_bad_record_is_left_to_the_agent(app, ours, raw, chunk(0, 1, [b"\xff"]))
    json = app.topic(PLACE.topic, value_serializer="json")
    await still_defective(
        a_bad_record_is_left_to_the_agent(app, stock, json, b"\xff"), "the codec of streams.transport"
    )


# --------------------------------------------------------------------------------- windows: rows 10, 12, 13 and 15


def windowed(app: Any, **options: Any) -> Any:
    """A table of 5-minute windows that are forgotten a minute after their end."""
    return app.Table("windows", partitions=3, **options).tumbling(300.0, expires=60.0).table


def window_of(key: str, start_s: float) -> tuple[str, tuple[float, float]]:
    return key, (start_s, start_s + 299.9)


def engine_of(partition: int = 3, store: MemoryStore | None = None) -> Engine:
    return Engine(
        EngineParams(), store or MemoryStore(), UsageDecoder(), Pseudonyms(b"a key of the tests"), partition,
        lambda team: partition,
    )  # fmt: skip


async def each_partition_closes_its_window(close: Callable[[], Awaitable[set[int]]]) -> None:
    """The same window, one key in each of three partitions."""
    expect(await close() == {0, 1, 2}, "a window was closed without a word")


async def test_row_10_a_window_closes_for_the_first_partition_only(app: Any) -> None:
    async def close_stock() -> set[int]:
        closed: set[int] = set()
        table = windowed(app, on_window_close=lambda key, value: closed.add(int(key[0])))
        for partition in range(3):
            key = window_of(str(partition), LONG_AGO / 1000)
            table.data[key] = 1
            table._maybe_set_key_ttl(key, partition)
        await table._del_old_keys()
        assert not table.data
        return closed

    async def close_ours() -> set[int]:
        closed = set()
        for partition in range(3):
            engine = engine_of(partition)
            engine.step(records_of(0, 1), NOW)
            engine.finish()
            if engine.drain().publications:
                closed.add(partition)
        return closed

    await each_partition_closes_its_window(close_ours)
    await still_defective(each_partition_closes_its_window(close_stock), "streams.core.closing")


async def a_window_of_the_past_stays_open(replay: Callable[[], Awaitable[int]]) -> None:
    """A log of 2024 is read today: two events of one window, and the cleaning comes between them."""
    expect(await replay() == 2, "a window was closed by today's clock, in the middle of its events")


async def test_row_12_windows_expire_by_the_wall_clock(app: Any) -> None:
    async def replay_stock() -> int:
        table, key = windowed(app), window_of("k", LONG_AGO / 1000)
        for _ in range(2):
            table.data[key] = table.data.get(key, 0) + 1
            table._maybe_set_key_ttl(key, 0)
            counted = table.data[key]
            await table._del_old_keys()
        return int(counted)

    async def replay_ours() -> int:
        engine = engine_of()
        today = NOW + 900 * DAY_MS
        for offset in range(2):
            engine.step(records_of(offset, offset + 1), today)
            assert not engine.drain().publications
        engine.finish()
        (calls,) = {kpi.calls for kpi in engine.drain().publications}
        return calls

    await a_window_of_the_past_stays_open(replay_ours)
    await still_defective(a_window_of_the_past_stays_open(replay_stock), "streams.core.windows")


async def book_keeping_grows_with_keys_only(count: Callable[[], Awaitable[int]]) -> None:
    """A thousand events of one key in one window."""
    expect(await count() == 1, "what is remembered of a window grows with every event")


async def test_row_13_a_windows_book_keeping_grows_with_every_event(app: Any) -> None:
    async def count_stock() -> int:
        table, key = windowed(app), window_of("k", LONG_AGO / 1000)
        for _ in range(1_000):
            table._maybe_set_key_ttl(key, 0)
        return len(table._partition_timestamps[0])

    async def count_ours() -> int:
        engine = engine_of()
        engine.step(records_of(0, 1_000), NOW)
        assert len(engine._rows.open) == 1
        return sum(key.startswith(b"w") for key in engine.drain().writes)

    await book_keeping_grows_with_keys_only(count_ours)
    await still_defective(book_keeping_grows_with_keys_only(count_stock), "streams.core.rows")


async def what_expires_is_deleted_everywhere(expire: Callable[[], Awaitable[list[bytes | None]]]) -> None:
    """A window's time is over: what the changelog is told of it."""
    told = await expire()
    expect(told and told[-1] is None, "deleted here, and alive again after the next recovery")


async def test_row_15_what_expires_stays_in_the_changelog(app: Any) -> None:
    async def expire_stock() -> list[bytes | None]:
        table, key = windowed(app), window_of("k", LONG_AGO / 1000)
        table.send_changelog = Mock()
        table.data[key] = 1
        table._maybe_set_key_ttl(key, 0)
        await table._del_old_keys()
        assert key not in table.data
        calls = table.send_changelog.mock_calls
        return [call.kwargs["value"] if "value" in call.kwargs else call.args[2] for call in calls]

    async def expire_ours() -> list[bytes | None]:
        store = MemoryStore()
        engine = engine_of(store=store)
        engine.step(records_of(0, 1), NOW)
        written = engine.drain().writes
        store.write(written)
        (row,) = (key for key in written if key.startswith(b"w"))
        engine.step(records_of(1, 2, [event(1, occurred_at=LONG_AGO + 5 * DAY_MS)]), NOW + 5 * DAY_MS)
        later = engine.drain().writes
        return [writes[row] for writes in (written, later) if row in writes]

    await what_expires_is_deleted_everywhere(expire_ours)
    await still_defective(what_expires_is_deleted_everywhere(expire_stock), "Rows.expire")


# ------------------------------------------------------------------------------------------- recovery: rows 22 and 23


async def recovery_ends(recovered: Callable[[], Awaitable[bool]]) -> None:
    """A changelog of transactions: records at 0, 1 and 3, markers at 2 and 4. All records have been read."""
    expect(await recovered(), "waits for a record where the log ends with a marker")


async def test_row_22_recovery_waits_for_ever_behind_a_marker(app: Any, stock: Any, tmp_path: Path) -> None:
    async def recovered_stock() -> bool:
        place = TP("changelog", 0)
        recovery = Recovery(app, app.tables)
        recovery.active_tps.add(place)
        stock.highwaters = AsyncMock(return_value={place: 5})
        await recovery._build_highwaters(stock, {place}, recovery.active_highwaters, "active")
        # What its reader notes down at the last record; it ends recovery at a record only, and there is none to come.
        recovery.active_offsets[place] = 3
        return not recovery.need_recovery()

    async def recovered_ours() -> bool:
        store = RocksStore(tmp_path / "store", RocksBudget(1, 1))
        log = {0: (b"a", b"1"), 1: (b"b", b"1"), 3: (b"c", b"1")}
        async with asyncio.timeout(20), reader_of(FakeConsumer(log, end=5)) as reader:
            await reader.catch_up(store)
        store.close()
        end: int = store.position
        return end == 5

    await recovery_ends(recovered_ours)
    await still_defective(recovery_ends(recovered_stock), "ShardTableManager and ChangelogReader")


async def a_store_that_was_given_up_can_be_opened_by_another(reopen: Callable[[], Awaitable[None]]) -> None:
    """A partition goes to another worker while something here still refers to its store."""
    try:
        await reopen()
    except Exception as error:
        expect("lock" not in str(error).lower(), f"its lock is still held: {error}")
        raise


async def test_row_23_a_revoked_store_is_never_closed(app: Any, tmp_path: Path) -> None:
    async def reopen_stock() -> None:
        table = app.Table("t", partitions=1)
        store: Any = Store(URL("rocksdb://"), app, table)
        referred_to = store._db_for_partition(0)
        try:
            store.revoke_partitions(table, {TP(table.changelog_topic_name, 0)})
            store._open_for_partition(0)
        finally:
            referred_to.close()

    async def reopen_ours() -> None:
        budget = RocksBudget(1, 1)
        first = RocksStore(tmp_path / "store", budget)
        first.close()
        RocksStore(tmp_path / "store", budget).close()
        assert first.position == 0

    await a_store_that_was_given_up_can_be_opened_by_another(reopen_ours)
    await still_defective(a_store_that_was_given_up_can_be_opened_by_another(reopen_stock), "RocksStore.close")


# ------------------------------------------------------------------------------------------------------ what it costs


async def an_object_per_chunk(fetched: list[Any]) -> None:
    """10,000 small records in batches of 500, as one fetch."""
    expect(len(fetched) <= 10, f"{len(fetched)} objects for 10,000 records")


async def test_aiokafka_builds_an_object_per_record() -> None:
    log = [batch(at, [b"x"] * 500) for at in range(0, 10_000, 500)]
    await an_object_per_chunk(chunks_of(*log))
    await still_defective(an_object_per_chunk(list(stock_records(*log))), "streams.transport.records", "aiokafka")


async def empty_fetches_are_told(fetched: list[Any]) -> None:
    """A fetch of an aborted transaction and its marker: the position moves by three."""
    expect(fetched, "the position moved on and nobody was told")


async def test_aiokafka_moves_its_position_without_telling() -> None:
    log = transaction(0, [b"a", b"b"], commit=False)
    await empty_fetches_are_told(chunks_of(log, aborted=[(7, 0)]))
    await still_defective(
        empty_fetches_are_told(list(stock_records(log, aborted=[(7, 0)]))), "the empty chunks of streams.transport",
        "aiokafka",
    )  # fmt: skip


async def a_full_buffer_costs_a_moment(consumer: Any) -> None:
    """The buffers of all partitions are full, and are worked off in a few milliseconds."""
    consumer.sleep, consumer._getmany = AsyncMock(), AsyncMock(return_value={})
    await consumer._wait_next_records(1.0)
    rested = sum(call.args[0] for call in consumer.sleep.mock_calls)
    expect(rested <= 0.1, f"rests {rested} s whenever all buffers are full")


async def test_faust_rests_a_second_when_all_buffers_are_full(stock: Any, ours: Any) -> None:
    await a_full_buffer_costs_a_moment(ours)
    await still_defective(a_full_buffer_costs_a_moment(stock), "ChunkConsumer._wait_next_records")


def test_the_libraries_are_those_the_list_was_made_for() -> None:
    """Another version is a reason to go through the list, not to trust it."""
    assert faust.__version__ == importlib.metadata.version("faust-streaming") == "0.15.3"
    assert importlib.metadata.version("aiokafka").startswith("0.14.")
