"""The changelog reader: everything committed, in order, told by position and never by a last record."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.core.store import Writes
from streams.state.rocks import RocksBudget, RocksStore
from tests.unit.shards.fake_kafka import FakeConsumer, reader_of
from tests.unit.shards.fakes import until


@pytest.fixture
def store(tmp_path: Path) -> RocksStore:
    return RocksStore(tmp_path / "store", RocksBudget(1, 1))


async def test_it_catches_up_over_markers_that_are_never_delivered(store: RocksStore) -> None:
    """The end is a marker's: whoever waits for the last record waits for ever (as Faust's recovery does)."""
    log = {0: (b"a", b"1"), 1: (b"b", b"2"), 3: (b"a", b"3")}
    async with reader_of(FakeConsumer(log, end=5)) as reader:
        assert await reader.borders() == (0, 5)
        await reader.catch_up(store)
        assert await reader.lag(store) == 0
    assert (store.get(b"a"), store.get(b"b")) == (b"3", b"2")
    assert (store.position, store.written_ms) == (5, 1_000)
    assert reader.records_read == 3


async def test_a_log_of_nothing_but_markers_is_caught_up_with(store: RocksStore) -> None:
    async with reader_of(FakeConsumer({}, end=9)) as reader:
        await reader.catch_up(store)
    assert store.position == 9


async def test_an_empty_log_is_caught_up_with_at_once(store: RocksStore) -> None:
    consumer = FakeConsumer({}, end=0)
    async with reader_of(consumer) as reader:
        await reader.catch_up(store)
    assert consumer.fetches == 0
    assert store.position == 0


async def test_a_tombstone_deletes_and_the_last_word_counts(store: RocksStore) -> None:
    log = {0: (b"a", b"1"), 1: (b"a", None), 2: (b"b", b"1"), 3: (b"c", b"1"), 4: (b"b", None), 5: (b"a", b"again")}
    consumer = FakeConsumer(log, end=6)
    consumer.per_fetch = 100
    async with reader_of(consumer) as reader:
        await reader.catch_up(store)
    assert [store.get(key) for key in (b"a", b"b", b"c")] == [b"again", None, b"1"]


async def test_it_goes_on_from_where_the_store_is(store: RocksStore) -> None:
    store.write({b"a": b"local"}, 2, 500)
    log = {0: (b"a", b"0"), 1: (b"a", b"1"), 2: (b"b", b"2"), 3: (b"c", b"3")}
    async with reader_of(FakeConsumer(log, end=4)) as reader:
        assert await reader.lag(store) == 2
        await reader.catch_up(store)
    assert reader.records_read == 2
    assert store.get(b"a") == b"local"


async def test_what_is_written_while_it_catches_up_is_left_to_the_next_reader(store: RocksStore) -> None:
    consumer = FakeConsumer({0: (b"a", b"1"), 1: (b"b", b"2")}, end=2)
    async with reader_of(consumer) as reader:
        await reader.borders()
        await reader.catch_up(store)
        consumer.records[2], consumer.end = (b"c", b"3"), 3
    assert store.get(b"c") is None


async def test_a_follower_reads_on_until_it_is_cancelled(store: RocksStore) -> None:
    consumer = FakeConsumer({0: (b"a", b"1")}, end=1)
    async with reader_of(consumer) as reader:
        following = asyncio.create_task(reader.follow(store))
        await until(lambda: store.position == 1)
        consumer.records |= {1: (b"a", b"2"), 2: (b"b", b"3")}
        consumer.end = 4
        await until(lambda: store.position == 4)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert (store.get(b"a"), store.get(b"b")) == (b"2", b"3")
    assert consumer.stopped == 1


async def test_a_position_that_does_not_move_is_not_written_again(store: RocksStore) -> None:
    written: list[int] = []
    write = store.write

    def noted(writes: Writes, position: int, now_ms: int) -> None:
        written.append(position)
        write(writes, position, now_ms)

    store.write = noted  # type: ignore[method-assign]
    consumer = FakeConsumer({0: (b"a", b"1")}, end=1)
    async with reader_of(consumer) as reader:
        following = asyncio.create_task(reader.follow(store))
        await until(lambda: consumer.fetches > 10)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert written == [1]


async def test_a_consumer_that_cannot_start_is_stopped() -> None:
    consumer = FakeConsumer({}, end=0)
    consumer.refuses = True
    with pytest.raises(KafkaConnectionError):
        async with reader_of(consumer):
            pass
    assert consumer.stopped == 1


@pytest.fixture(autouse=True)
async def closed(store: RocksStore) -> AsyncIterator[None]:
    yield
    store.close()
