"""Chunks against the bytes of a log: what they hold, what they cover, and that aiokafka itself would deliver the same."""

from itertools import pairwise
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.records import CHUNK_RECORDS, FetchedChunk, _ChunkFetcher, _ChunkRecords
from tests.unit.transport.logs import PLACE, batch, chunks_of, contents, marker, stock_records, transaction


def ranges(chunks: list[FetchedChunk]) -> list[tuple[int, int]]:
    return [(chunk.fetch_start, chunk.next_offset) for chunk in chunks]


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % (first + number) for number in range(count)]


def test_contiguous_batches_make_one_chunk() -> None:
    (chunk,) = chunks_of(batch(40, numbered(3)), batch(43, numbered(2, 3)), start=40)
    assert (chunk.topic, chunk.partition) == PLACE
    assert list(chunk.offsets) == [40, 41, 42, 43, 44]
    assert chunk.values == numbered(5)
    assert (chunk.fetch_start, chunk.next_offset, chunk.offset) == (40, 45, 44)
    assert len(chunk) == 5
    assert chunk.value is chunk


def test_a_tombstone_and_an_empty_value_stay_what_they_are() -> None:
    (chunk,) = chunks_of(batch(0, [None, b"", b"x"]))
    assert chunk.values == [None, b"", b"x"]


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4], ids=["none", "gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_read(codec: int) -> None:
    (chunk,) = chunks_of(batch(0, numbered(50), codec=codec))
    assert chunk.values == numbered(50)


def test_records_that_compaction_removed_are_gaps_within_the_range() -> None:
    inside = batch(10, {1: b"a", 4: b"b"}, last=9)
    (chunk,) = chunks_of(inside, batch(30, [b"c"]), start=10)
    assert list(chunk.offsets) == [11, 14, 30]
    assert chunk.values == [b"a", b"b", b"c"]
    assert ranges([chunk]) == [(10, 31)]


def test_a_fetch_may_begin_where_compaction_left_nothing() -> None:
    (chunk,) = chunks_of(batch(20, numbered(2)), start=5)
    assert list(chunk.offsets) == [20, 21]
    assert ranges([chunk]) == [(5, 22)]


@pytest.mark.parametrize("start", range(10, 15))
def test_a_fetch_may_begin_inside_a_batch(start: int) -> None:
    (chunk,) = chunks_of(batch(10, numbered(5)), batch(15, [b"next"]), start=start)
    assert list(chunk.offsets) == list(range(start, 16))
    assert chunk.values == [*numbered(5)[start - 10 :], b"next"]
    assert ranges([chunk]) == [(start, 16)]


def test_a_fetch_may_begin_behind_the_last_record_of_a_compacted_batch() -> None:
    (chunk,) = chunks_of(batch(10, {0: b"a"}, last=9), start=15)
    assert (list(chunk.offsets), chunk.values) == ([], [])
    assert ranges([chunk]) == [(15, 20)]


def test_markers_only_make_an_empty_chunk() -> None:
    """Otherwise nobody would learn that there is nothing between, and lag would never end."""
    (chunk,) = chunks_of(marker(8, producer=7), marker(9, producer=8), start=8)
    assert (list(chunk.offsets), chunk.values, len(chunk)) == ([], [], 0)
    assert ranges([chunk]) == [(8, 10)]


def test_an_empty_fetch_makes_no_chunk() -> None:
    assert chunks_of(start=8) == []


def test_markers_take_offsets_and_are_not_delivered() -> None:
    (chunk,) = chunks_of(transaction(0, [b"a", b"b"]), transaction(3, [b"c"]))
    assert contents([chunk]) == [(0, b"a"), (1, b"b"), (3, b"c")]
    assert ranges([chunk]) == [(0, 5)]


def test_what_was_aborted_is_covered_and_not_delivered() -> None:
    log = [
        batch(0, [b"open"], producer=7),
        batch(1, [b"other"], producer=8),
        batch(2, [b"open too"], producer=7),
        marker(3, 7, commit=False),
        batch(4, [b"plain"]),
        # The same producer's next transaction is a sound one.
        transaction(5, [b"sound"], producer=7),
        marker(7, 8),
    ]
    (chunk,) = chunks_of(*log, aborted=[(7, 0)])
    assert contents([chunk]) == [(1, b"other"), (4, b"plain"), (5, b"sound")]
    assert ranges([chunk]) == [(0, 8)]


def test_a_fetch_of_nothing_but_an_aborted_transaction_moves_on() -> None:
    (chunk,) = chunks_of(transaction(0, [b"a", b"b"], commit=False), aborted=[(7, 0)])
    assert (list(chunk.offsets), ranges([chunk])) == ([], [(0, 3)])


def test_read_uncommitted_delivers_what_was_aborted() -> None:
    (chunk,) = chunks_of(transaction(0, [b"a"], commit=False), aborted=[(7, 0)], isolation=READ_UNCOMMITTED)
    assert contents([chunk]) == [(0, b"a")]
    assert ranges([chunk]) == [(0, 2)]


def test_a_large_fetch_is_cut_at_batch_borders_into_chunks_that_join() -> None:
    log = [batch(at, numbered(700, at)) for at in range(0, 7_000, 700)]
    chunks = chunks_of(*log)
    assert ranges(chunks) == [(0, 2_100), (2_100, 4_200), (4_200, 6_300), (6_300, 7_000)]
    assert contents(chunks) == list(enumerate(numbered(7_000)))


def test_a_batch_is_never_cut() -> None:
    size = 2 * CHUNK_RECORDS + 1
    assert ranges(chunks_of(batch(0, numbered(size)), batch(size, [b"x"]))) == [(0, size), (size, size + 1)]


def test_a_broken_batch_is_an_error_before_anything_beside_it_is_handed_out() -> None:
    broken = bytearray(batch(2, numbered(2)))
    broken[-1] ^= 1
    records = _ChunkRecords(*arguments(stock_records(batch(0, numbered(2)), bytes(broken))))
    with pytest.raises(CorruptRecordException, match="usage"):
        next(records)


def arguments(records: PartitionRecords) -> tuple[Any, ...]:
    return (
        records._tp, records._records, records._aborted_transactions, records.next_fetch_offset,
        None, None, records._check_crcs, records._isolation_level,
    )  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[bytes], list[tuple[int, int]], int]:
    """Any mixture of plain, compacted, transactional and aborted batches; what was aborted; where the fetch begins.

    A fetch begins before its first batch or inside it: a broker returns no batch that ends before.
    """
    pieces: list[bytes] = []
    aborted: list[tuple[int, int]] = []
    at = start = 0
    for number in range(draw(st.integers(1, 8))):
        at += draw(st.integers(0, 3))
        count = draw(st.integers(1, 6))
        kind = draw(st.sampled_from(["plain", "compacted", "committed", "aborted", "marker"]))
        match kind:
            case "plain":
                pieces.append(batch(at, numbered(count, at)))
            case "compacted":
                kept = draw(st.sets(st.integers(0, count - 1), min_size=1))
                pieces.append(batch(at, {place: b"%d" % (at + place) for place in sorted(kept)}, last=count - 1))
            case "marker":
                pieces.append(marker(at, 9))
                count = 1
            case _:
                pieces.append(transaction(at, numbered(count, at), commit=kind == "committed"))
                if kind == "aborted":
                    aborted.append((7, at))
                count += 1
        if number == 0:
            start = draw(st.integers(0, at + count - 1 - (kind in ("committed", "aborted"))))
        at += count
    return pieces, aborted, start


@given(logs())
def test_chunks_deliver_exactly_what_aiokafka_delivers_and_cover_the_log_without_a_hole(
    log: tuple[list[bytes], list[tuple[int, int]], int],
) -> None:
    pieces, aborted, start = log
    stock = stock_records(*pieces, start=start, aborted=aborted)
    wanted = [(record.offset, record.value) for record in stock]
    records = _ChunkRecords(*arguments(stock_records(*pieces, start=start, aborted=aborted)))
    chunks = list(records)
    assert contents(chunks) == wanted
    assert records.next_fetch_offset == stock.next_fetch_offset
    borders = [start, *(chunk.next_offset for chunk in chunks)]
    assert ranges(chunks) == list(pairwise(borders))
    assert borders[-1] == stock.next_fetch_offset


async def test_the_fetcher_turns_what_it_stored_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mock for the request alone: everything behind it is what aiokafka has at that moment."""
    other, failed = PLACE._replace(partition=4), FetchError(error=ValueError(), backoff=0.0)

    async def stored(self: Fetcher, assignment: Any, node_id: int, request: Any) -> bool:
        self._records[PLACE] = FetchResult(
            PLACE, assignment=assignment, partition_records=stock_records(batch(0, numbered(2))), backoff=0.0
        )
        self._records[other] = failed
        return True

    monkeypatch.setattr(Fetcher, "_proc_fetch_request", stored)
    fetcher = object.__new__(_ChunkFetcher)
    fetcher._records = {}
    fetcher._closed = True
    assert await fetcher._proc_fetch_request(None, 1, None) is True
    first = fetcher._records[PLACE]._partition_records
    assert type(first) is _ChunkRecords
    assert fetcher._records[other] is failed
    # What is there already stays as it is: it may be half read.
    await _again(fetcher, monkeypatch)
    assert fetcher._records[PLACE]._partition_records is first
    assert [chunk.values for chunk in first] == [numbered(2)]


async def _again(fetcher: _ChunkFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Fetcher, assignment: Any, node_id: int, request: Any) -> bool:
        return False

    monkeypatch.setattr(Fetcher, "_proc_fetch_request", nothing)
    assert await fetcher._proc_fetch_request(None, 1, None) is False
