"""A shard from transaction to transaction: nothing is done before it is durable, nothing twice, nothing skipped."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError, ProducerFenced
from structlog.testing import capture_logs

from streams.core.engine import Chunk
from streams.errors import DataError
from streams.shards import arrivals
from streams.shards import shard as module
from streams.shards.crashpoints import CrashPoint
from streams.shards.shard import Verdict
from tests.unit.shards.fakes import (
    LONG_AGO,
    NOW,
    USAGE,
    FakeArrival,
    FakeCommitter,
    chunk,
    context_in,
    event,
    running,
    shard_in,
    until,
)


@pytest.fixture
def quick_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_TICK_S", 0.001)


async def test_a_chunk_is_done_once_its_effects_and_offsets_are_committed_and_stored(tmp_path: Path) -> None:
    story: list[Any] = []
    committer = FakeCommitter(story)

    def cross(point: CrashPoint) -> None:
        story.append((point.value, shard.store.position))

    shard = shard_in(context_in(tmp_path, cross=cross), committer)
    arrival = FakeArrival(chunk(0, 5), story)
    async with running(shard):
        assert await shard.submit(arrival) is Verdict.TAKEN
        await until(lambda: len(story) == 4)
    position = len(committer.commits[0].writes)
    assert story == [("committed", 5), ("stored", position), ("done", 5), ("acked", position)]
    assert committer.commits[0].offsets == {USAGE: 5}
    assert committer.commits[0].group == "x.assay"
    assert arrival.finished == 1


async def test_chunks_are_taken_in_order_and_never_passed(tmp_path: Path) -> None:
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path, commit_max_events=10), committer)
    arrivals = [FakeArrival(chunk(at, at + 10)) for at in range(0, 50, 10)]
    committer.gate.clear()
    async with running(shard):
        for arrival in arrivals:
            assert await shard.submit(arrival) is Verdict.TAKEN
        await until(lambda: committer.begun)
        # The first is in flight: nothing of the others may be committed or acknowledged.
        assert not any(arrival.finished for arrival in arrivals)
        committer.gate.set()
        await until(lambda: all(arrival.finished for arrival in arrivals))
    assert [commit.offsets[USAGE] for commit in committer.commits] == [10, 20, 30, 40, 50]


async def test_what_was_applied_before_is_acknowledged_and_not_counted_again(tmp_path: Path) -> None:
    committer = FakeCommitter()
    context = context_in(tmp_path)
    shard = shard_in(context, committer)
    async with running(shard):
        await shard.submit(FakeArrival(chunk(0, 10)))
        await until(lambda: committer.commits)
        again = FakeArrival(chunk(0, 10))
        assert await shard.submit(again) is Verdict.KNOWN
        assert again.finished == 1
        # The rest of a chunk that reaches further counts, and only that.
        assert await shard.submit(FakeArrival(chunk(5, 12))) is Verdict.TAKEN
        await until(lambda: len(committer.commits) == 2)
    received = [told[2] for told in context.observer.told]  # type: ignore[attr-defined]
    assert received == [10, 2]
    assert committer.commits[-1].offsets == {USAGE: 12}


async def test_gaps_inside_a_chunk_are_no_holes(tmp_path: Path) -> None:
    """Markers and compacted records: the range says what is covered, not the records."""
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    async with running(shard):
        gappy = Chunk(USAGE, 3, [2, 7], [event(2), event(7)], 9, 0)
        assert await shard.submit(FakeArrival(gappy)) is Verdict.TAKEN
        assert await shard.submit(FakeArrival(chunk(9, 11, []))) is Verdict.TAKEN
        assert await shard.submit(FakeArrival(chunk(11, 12))) is Verdict.TAKEN
        await until(lambda: committer.commits and committer.commits[-1].offsets == {USAGE: 12})


async def test_trimming_goes_by_offset_where_records_are_missing(tmp_path: Path) -> None:
    committer = FakeCommitter()
    context = context_in(tmp_path)
    shard = shard_in(context, committer, beginning=6)
    async with running(shard):
        gappy = Chunk(USAGE, 3, [2, 5, 7, 8], [event(number) for number in (2, 5, 7, 8)], 10, 0)
        assert await shard.submit(FakeArrival(gappy)) is Verdict.TAKEN
        await until(lambda: committer.commits)
    assert context.observer.told == [("committed", 3, 2, True)]  # type: ignore[attr-defined]


async def test_an_empty_chunk_moves_the_offsets_on(tmp_path: Path) -> None:
    """Otherwise the group would stay before a trailing marker, and show lag for ever."""
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    async with running(shard):
        marker = FakeArrival(chunk(0, 2, []))
        assert await shard.submit(marker) is Verdict.TAKEN
        await until(lambda: marker.finished)
    assert committer.commits[-1].offsets == {USAGE: 2}


async def test_a_chunk_behind_missing_records_is_refused(tmp_path: Path) -> None:
    shard = shard_in(context_in(tmp_path), FakeCommitter())
    arrival = FakeArrival(chunk(10, 20))
    assert await shard.submit(arrival) is Verdict.HOLE
    assert not arrival.finished
    assert shard.next_offsets == {USAGE: 0}
    assert shard.rewind() == {USAGE: 0}
    await shard.close()


@pytest.mark.parametrize("error", [KafkaError("delivery failed"), ProducerFenced("another owner")])
async def test_a_failed_transaction_leaves_no_trace(tmp_path: Path, error: KafkaError) -> None:
    committer = FakeCommitter()
    committer.errors = [error]
    context = context_in(tmp_path)
    shard = shard_in(context, committer)
    arrival = FakeArrival(chunk(0, 10))
    await shard.submit(arrival)
    with pytest.raises(type(error)):
        await shard.run(lambda chunk: None)
    await shard.close()
    assert not arrival.finished
    assert context.observer.told == []  # type: ignore[attr-defined]

    # The next owner of the store begins where the last commit left it.
    successor = shard_in(context, committer)
    assert successor.next_offsets == {USAGE: 0}
    async with running(successor):
        assert await successor.submit(FakeArrival(chunk(0, 10))) is Verdict.TAKEN
        await until(lambda: committer.commits)
    assert context.observer.told == [("committed", 3, 10, True)]  # type: ignore[attr-defined]


async def test_a_successor_goes_on_where_the_state_is(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    first = shard_in(context, committer := FakeCommitter())
    async with running(first):
        await first.submit(FakeArrival(chunk(0, 10)))
        await until(lambda: committer.commits)
    second = shard_in(context, FakeCommitter())
    assert second.next_offsets == {USAGE: 10}
    await second.close()


async def test_records_lost_to_retention_are_said_and_passed_over(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    first = shard_in(context, committer := FakeCommitter())
    async with running(first):
        await first.submit(FakeArrival(chunk(0, 10)))
        await until(lambda: committer.commits)
    with capture_logs() as lines:
        second = shard_in(context, FakeCommitter(), beginning=25)
    assert second.next_offsets == {USAGE: 25}
    assert [(line["event"], line["lost"]) for line in lines] == [("records_lost_to_retention", 15)]
    await second.close()


async def test_a_topic_that_begins_late_has_lost_nothing_of_a_new_shard(tmp_path: Path) -> None:
    with capture_logs() as lines:
        shard = shard_in(context_in(tmp_path), FakeCommitter(), beginning=25)
    assert shard.next_offsets == {USAGE: 25}
    assert lines == []
    await shard.close()


async def test_after_an_interruption_what_waits_is_forgotten_and_asked_for_again(tmp_path: Path) -> None:
    committer = FakeCommitter()
    context = context_in(tmp_path)
    shard = shard_in(context, committer)
    for at in (0, 10):
        await shard.submit(FakeArrival(chunk(at, at + 10)))
    assert (shard.waiting, shard.next_offsets) == (20, {USAGE: 20})
    assert shard.rewind() == {USAGE: 0}
    assert shard.waiting == 0
    async with running(shard):
        for at in (0, 10):
            assert await shard.submit(FakeArrival(chunk(at, at + 10))) is Verdict.TAKEN
        await until(lambda: committer.commits and committer.commits[-1].offsets == {USAGE: 20})
    assert sum(told[2] for told in context.observer.told) == 20  # type: ignore[attr-defined]


async def test_an_interruption_while_schemas_are_fetched_does_not_count_the_chunk_twice(tmp_path: Path) -> None:
    committer = FakeCommitter()
    context = context_in(tmp_path)
    shard = shard_in(context, committer)
    fetched: list[asyncio.Future[None]] = []

    def ensure(asked: Chunk) -> "asyncio.Future[None] | None":
        if fetched:
            return None
        fetched.append(asyncio.get_running_loop().create_future())
        return fetched[0]

    async with running(shard, ensure):
        await shard.submit(FakeArrival(chunk(0, 10)))
        await until(lambda: fetched)
        assert shard.rewind() == {USAGE: 0}
        fetched[0].set_result(None)
        again = FakeArrival(chunk(0, 10))
        assert await shard.submit(again) is Verdict.TAKEN
        await until(lambda: again.finished)
    assert sum(told[2] for told in context.observer.told) == 10  # type: ignore[attr-defined]
    assert committer.commits[-1].offsets == {USAGE: 10}


async def test_schemas_are_fetched_before_a_chunk_is_decoded(tmp_path: Path) -> None:
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    known = asyncio.get_running_loop().create_future()
    async with running(shard, lambda chunk: known):
        await shard.submit(FakeArrival(chunk(0, 1)))
        for _ in range(20):
            await asyncio.sleep(0)
        assert committer.begun == 0
        known.set_result(None)
        await until(lambda: committer.commits)


async def test_a_registry_that_fails_ends_the_shard_and_no_record_is_judged(tmp_path: Path) -> None:
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(DataError("the registry is gone"))
    await shard.submit(FakeArrival(chunk(0, 1)))
    with pytest.raises(DataError, match="gone"):
        await shard.run(lambda chunk: failed)
    await shard.close()
    assert committer.begun == 0


async def test_a_full_shard_holds_submitters_up_until_there_is_room(tmp_path: Path) -> None:
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    for at in range(arrivals._MOST_CHUNKS):
        await shard.submit(FakeArrival(chunk(at, at + 1)))
    last = arrivals._MOST_CHUNKS
    held = asyncio.create_task(shard.submit(FakeArrival(chunk(last, last + 1))))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not held.done()
    async with running(shard):
        assert await held is Verdict.TAKEN
        await until(lambda: committer.commits and committer.commits[-1].offsets == {USAGE: last + 1})


async def test_a_submitter_is_let_go_when_the_shard_is_closed(tmp_path: Path) -> None:
    """A wait on a shard that is gone would hang the whole worker, silently."""
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    for at in range(arrivals._MOST_CHUNKS):
        await shard.submit(FakeArrival(chunk(at, at + 1)))
    held = asyncio.create_task(shard.submit(FakeArrival(chunk(16, 17))))
    await asyncio.sleep(0)
    await shard.close()
    assert await held is Verdict.GONE
    assert await shard.submit(FakeArrival(chunk(0, 1))) is Verdict.GONE
    assert committer.stopped == 1


async def test_a_submitter_is_let_go_when_the_flow_was_interrupted(tmp_path: Path) -> None:
    shard = shard_in(context_in(tmp_path), FakeCommitter())
    for at in range(arrivals._MOST_CHUNKS):
        await shard.submit(FakeArrival(chunk(at, at + 1)))
    held = asyncio.create_task(shard.submit(FakeArrival(chunk(16, 17))))
    await asyncio.sleep(0)
    shard.rewind()
    assert await held is Verdict.HOLE
    await shard.close()


async def test_a_transaction_takes_no_more_events_than_it_may(tmp_path: Path) -> None:
    committer = FakeCommitter()
    context = context_in(tmp_path, commit_max_events=20, commit_interval_s=60.0)
    shard = shard_in(context, committer)
    async with running(shard):
        for at in range(0, 60, 10):
            await shard.submit(FakeArrival(chunk(at, at + 10)))
        await until(lambda: len(committer.commits) == 3)
    assert [told[2] for told in context.observer.told] == [20, 20, 20]  # type: ignore[attr-defined]
    assert [told[3] for told in context.observer.told] == [False, False, True]  # type: ignore[attr-defined]


async def test_a_flood_of_bad_records_ends_the_shard_before_anything_is_sent(tmp_path: Path) -> None:
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path, poison_window=10), committer)
    await shard.submit(FakeArrival(chunk(0, 10, [b"bad"] * 10)))
    with pytest.raises(DataError, match="10 of the last 10 records are invalid"):
        await shard.run(lambda chunk: None)
    await shard.close()
    assert committer.begun == 0


async def test_a_flood_goes_on_being_one_after_a_restart(tmp_path: Path) -> None:
    """The figures are in the state: a supervisor that starts the worker again gets no further window dead-lettered."""
    context, offset = context_in(tmp_path, poison_window=10, commit_max_events=4), 0
    sent = []
    for _ in range(3):
        committer = FakeCommitter()
        shard = shard_in(context, committer)
        for at in range(offset, offset + 12, 4):
            await shard.submit(FakeArrival(chunk(at, at + 4, [b"bad"] * 4)))
        with pytest.raises(DataError, match="12 of the last 12 records are invalid"):
            await shard.run(lambda chunk: None)
        await shard.close()
        sent.append(len(committer.commits))
        offset = 4 * sum(sent)
    assert sent == [2, 0, 0]


async def test_large_records_fill_the_queue_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_MOST_BYTES", 3_000)
    committer = FakeCommitter()
    committer.gate.clear()
    shard = shard_in(context_in(tmp_path, commit_max_events=1), committer)
    async with running(shard):
        for at in range(4):
            await shard.submit(FakeArrival(chunk(at, at + 1, [event(at, attributes={"a": "x" * 1_000})])))
            await until(lambda: committer.begun)
        # One is in the transaction, three fill the queue.
        held_back = asyncio.ensure_future(shard.submit(FakeArrival(chunk(4, 5))))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not held_back.done()
        committer.gate.set()
        assert await held_back is Verdict.TAKEN
        await until(lambda: committer.commits and committer.commits[-1].offsets == {USAGE: 5})


async def test_bad_records_and_good_ones_leave_in_one_transaction(tmp_path: Path) -> None:
    committer = FakeCommitter()
    shard = shard_in(context_in(tmp_path), committer)
    async with running(shard):
        await shard.submit(FakeArrival(chunk(0, 3, [event(0), b"bad", event(2)])))
        await until(lambda: committer.commits)
    (commit,) = committer.commits
    ((place, letters),) = commit.outputs.items()
    assert place == ("x.assay.dead-letters.v1", 3)
    assert len(letters) == 1
    assert commit.offsets == {USAGE: 3}
    assert commit.writes


async def test_an_idle_shard_closes_its_windows_and_then_has_nothing_to_commit(
    tmp_path: Path, quick_idle: None
) -> None:
    committer = FakeCommitter()
    context = context_in(tmp_path)
    shard = shard_in(context, committer)
    async with running(shard):
        await shard.submit(FakeArrival(chunk(0, 1)))
        await until(lambda: committer.commits)
        context.clock.set(NOW + 2 * 86_400_000)  # type: ignore[attr-defined]
        await until(lambda: len(committer.commits) == 2)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert len(committer.commits) == 2
    closing = committer.commits[1]
    # The state remembers that they were closed, and the offsets are those of before.
    assert closing.writes
    assert closing.offsets == {USAGE: 1}
    published = closing.outputs["x.assay.kpis.v1", 3]
    assert len(published) == 6  # Team and workflow, three sizes each.
    assert all(str(LONG_AGO // 86_400_000 * 86_400_000)[:5].encode() in key for key, _ in published if key)


async def test_closing_closes_the_store_even_if_the_producer_cannot_end(tmp_path: Path) -> None:
    context = context_in(tmp_path)

    class Stubborn(FakeCommitter):
        async def stop(self) -> None:
            raise KafkaError("cannot")

    shard = shard_in(context, Stubborn())
    with suppress(KafkaError):
        await shard.close()
    # Its lock is free.
    await shard_in(context, FakeCommitter()).close()
