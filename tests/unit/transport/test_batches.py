"""Batches built past aiokafka's wrapper hold what its wrapper would have put into them."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.batches import build_batches

Pair = tuple[bytes | None, bytes | None]
LIMIT = 10_000


@pytest.fixture
async def producer() -> AsyncIterator[AIOKafkaProducer]:
    """Never started: a producer makes batches without a broker."""
    producer = AIOKafkaProducer(max_batch_size=LIMIT)
    yield producer
    producer._closed = True


def read(batch: object) -> list[Pair]:
    """A batch's pairs, from the bytes that would be sent."""
    data = batch._build()  # type: ignore[attr-defined]
    records = MemoryRecords(bytes(data))
    pairs = []
    while records.has_next():
        whole = records.next_batch()
        assert whole.validate_crc()
        found = [(record.offset, record.key, record.value) for record in whole]
        assert [offset for offset, _, _ in found] == list(range(len(found)))
        pairs += [(key, value) for _, key, value in found]
    return pairs


async def test_pairs_keep_their_order_and_tombstones_stay_tombstones(producer: AIOKafkaProducer) -> None:
    pairs: list[Pair] = [(b"b", b"1"), (b"a", None), (None, b"2"), (b"", b""), (b"b", b"3")]
    (batch,) = build_batches(producer, pairs)
    assert batch.record_count() == 5
    assert batch.closed()
    assert read(batch) == pairs


async def test_nothing_makes_no_batch(producer: AIOKafkaProducer) -> None:
    assert build_batches(producer, []) == []


async def test_batches_stay_below_the_producers_limit(producer: AIOKafkaProducer) -> None:
    pairs: list[Pair] = [(b"%d" % number, bytes(900)) for number in range(50)]
    batches = build_batches(producer, iter(pairs))
    assert len(batches) > 4
    assert all(batch.size() <= LIMIT for batch in batches)
    assert sum(batch.record_count() for batch in batches) == 50
    assert [pair for batch in batches for pair in read(batch)] == pairs


async def test_a_value_beyond_the_limit_gets_a_batch_of_its_own(producer: AIOKafkaProducer) -> None:
    pairs: list[Pair] = [(b"a", b"1"), (b"large", bytes(5 * LIMIT)), (b"larger", bytes(9 * LIMIT)), (b"z", b"2")]
    batches = build_batches(producer, pairs)
    assert [batch.record_count() for batch in batches] == [1, 1, 1, 1]
    assert [pair for batch in batches for pair in read(batch)] == pairs


@given(st.lists(st.tuples(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=4_000)), max_size=30))
async def test_any_pairs_come_out_as_they_went_in(pairs: list[Pair]) -> None:
    producer = AIOKafkaProducer(max_batch_size=LIMIT)
    producer._closed = True
    batches = build_batches(producer, pairs)
    assert [pair for batch in batches for pair in read(batch)] == pairs
    assert all(batch.record_count() for batch in batches)
