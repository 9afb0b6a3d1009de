"""The consumer: it carries chunks, keeps no book of offsets and commits none."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock, call

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError
from faust.types import TP
from yarl import URL

from streams.transport import ChunkConsumer, Transport, register
from streams.transport.records import ChunkedConsumer
from tests.unit.transport.fakes import PLACE, chunk, consumer_of, faust_app, message


@pytest.fixture
async def consumer(tmp_path: Path) -> Any:
    return consumer_of(ChunkConsumer, faust_app(tmp_path))


async def test_a_message_carries_its_chunk_and_the_generation_it_was_fetched_in(consumer: Any) -> None:
    consumer.app.consumer_generation_id = 7
    fetched = chunk(10, 25, [b"a", None])
    carried = consumer._to_message(PLACE, fetched)
    assert carried.value is fetched
    assert (carried.topic, carried.partition, carried.offset) == (*PLACE, 24)
    assert carried.generation_id == 7
    assert carried.key is None


async def test_acknowledging_keeps_no_book(consumer: Any) -> None:
    messages = [message(offset) for offset in range(100)]
    for each in messages:
        consumer.track_message(each)
    assert len(consumer.unacked) == 100
    assert [consumer.ack(each) for each in reversed(messages)] == [True] * 100
    assert not consumer.ack(messages[0])
    assert all(each.acked for each in messages)
    assert len(consumer.unacked) == 0
    assert not consumer._acked
    assert not consumer._acked_index
    assert not consumer._committed_offset


async def test_acknowledging_wakes_whoever_waits_for_it(consumer: Any) -> None:
    waiter = asyncio.ensure_future(consumer._wait_for_ack(timeout=60))
    await asyncio.sleep(0)
    assert consumer.ack(message(1))
    await waiter
    assert consumer.ack(message(2))


async def test_it_commits_nothing_whatever_is_acknowledged(consumer: Any) -> None:
    consumer.ack(message(1))
    assert await consumer.commit() is False
    assert await consumer.commit({PLACE}) is False
    await consumer.commit_and_end_transactions()
    consumer._commit.assert_not_called()
    consumer.app.producer.flush.assert_not_called()


async def test_a_gap_is_no_business_of_its(consumer: Any) -> None:
    await consumer._add_gap(PLACE, 0, 1_000_000_000)
    assert not consumer._gap


async def test_after_an_interruption_it_reads_on_where_the_shards_are(consumer: Any) -> None:
    other = TP("usage", 4)
    consumer.app.tables.positions = lambda: {PLACE: 12, other: 0}
    consumer._thread.seek_all = AsyncMock()
    await consumer.perform_seek()
    assert consumer._thread.seek_all.mock_calls == [call({PLACE: 12, other: 0})]
    assert consumer._read_offset[PLACE] == 12
    # Nothing was read yet: a read offset of 0 would drop the first record.
    assert consumer._read_offset[other] is None


async def test_partitions_are_fetched_only_after_the_seek(consumer: Any) -> None:
    consumer._set_active_tps({PLACE})
    consumer.pause_partitions({PLACE})
    active_at_seek = []
    seek = AsyncMock(side_effect=lambda _: active_at_seek.append(set(consumer._get_active_partitions())))
    consumer._thread.seek_all = seek
    await consumer.read_on({PLACE: 5})
    assert active_at_seek == [set()]
    assert consumer._get_active_partitions() == {PLACE}


async def test_it_fetches_what_is_active(consumer: Any) -> None:
    consumer._set_active_tps({PLACE})
    consumer._getmany = AsyncMock(return_value={PLACE: [chunk(0, 1)]})
    records, active = await consumer._wait_next_records(1.0)
    assert records == consumer._getmany.return_value
    assert active == {PLACE}


async def test_what_is_asked_for_stays_so_however_partitions_are_paused_meanwhile(consumer: Any) -> None:
    """An empty set means all partitions to aiokafka."""
    consumer._set_active_tps({PLACE})

    async def fetch(active_partitions: set[TP], **_: Any) -> dict[TP, Any]:
        consumer.pause_partitions({PLACE})
        assert active_partitions == {PLACE}
        return {}

    consumer._getmany = fetch
    # What is handed on is the living set: nothing of a partition that is paused by now goes further.
    assert await consumer._wait_next_records(1.0) == ({}, set())


async def test_what_ends_the_fetching_ends_the_worker(consumer: Any) -> None:
    consumer._set_active_tps({PLACE})
    told: list[Exception] = []
    consumer.app.tables.on_failed = told.append
    consumer._getmany = AsyncMock(side_effect=GroupAuthorizationFailedError("x.assay"))
    consumer.wait = AsyncMock()
    assert await consumer._wait_next_records(1.0) == ({}, {PLACE})
    assert isinstance(told[0], GroupAuthorizationFailedError)
    # It does not go on as if nothing had been.
    consumer.wait.assert_awaited_once()


async def test_seeks_happen_in_the_thread_that_fetches(consumer: Any) -> None:
    """From another, a seek takes records away from under a fetch (KeyError in fetched_records)."""
    thread = consumer._thread
    sought: list[tuple[Any, ...]] = []
    loop = asyncio.new_event_loop()
    fetching = threading.Thread(target=loop.run_forever)
    fetching.start()
    try:
        thread.thread_loop = loop
        thread._consumer = SimpleNamespace(seek=lambda *what: sought.append((*what, threading.current_thread())))
        await thread.seek_all({PLACE: 12})
    finally:
        loop.call_soon_threadsafe(loop.stop)
        fetching.join()
        loop.close()
    assert sought == [(PLACE, 12, fetching)]


async def test_it_rests_a_moment_when_every_buffer_is_full(consumer: Any) -> None:
    consumer._getmany, consumer.sleep = AsyncMock(), AsyncMock()
    assert await consumer._wait_next_records(1.0) == ({}, set())
    consumer._getmany.assert_not_called()
    ((rest,),) = [asked.args for asked in consumer.sleep.mock_calls]
    assert 0 < rest < 0.1


async def test_it_waits_while_the_flow_is_stopped(consumer: Any) -> None:
    consumer._set_active_tps({PLACE})
    consumer._getmany = AsyncMock(return_value={})
    consumer.stop_flow()
    fetching = asyncio.ensure_future(consumer._wait_next_records(1.0))
    for _ in range(5):
        await asyncio.sleep(0)
    consumer._getmany.assert_not_called()
    consumer.resume_flow()
    assert await fetching == ({}, {PLACE})


async def test_the_thread_reads_committed_records_in_chunks_and_never_commits(consumer: Any) -> None:
    thread = consumer._thread
    thread.app.assignor = Mock()
    built = thread._create_worker_consumer(SimpleNamespace(url=[URL("chunked://kafka-0:9092")], default_port=9092))
    try:
        assert type(built) is ChunkedConsumer
        assert built._isolation_level == "read_committed"
        assert built._enable_auto_commit is False
        assert built._auto_offset_reset == "earliest"
        # A spare worker fetches nothing, and must not be taken for dead after Faust's 1,000 seconds.
        assert built._max_poll_interval_ms == (1 << 31) - 1
        assert built._client._bootstrap_servers == ["kafka-0:9092"]
    finally:
        built._closed = True
    # Faust would complain of commits that it is not told of.
    assert thread.verify_event_path(0.0, PLACE) is None


def test_the_transport_is_found_by_its_scheme_and_may_be_registered_twice() -> None:
    from faust.serializers.codecs import get_codec
    from faust.transport import by_url

    register()
    register()
    assert by_url("chunked://127.0.0.1:9092") is Transport
    assert Transport.Consumer is ChunkConsumer
    whole = chunk(0, 3)
    codec: Any = get_codec("assay-raw")
    assert codec.loads(whole) is whole
    assert codec.dumps(b"as it is") == b"as it is"


class Finished:
    """A task that has ended, or has not."""

    def __init__(self, ended: bool) -> None:
        self.ended = ended

    def done(self) -> bool:
        return self.ended


@pytest.mark.parametrize(
    ("closed", "ended", "raises"), [(False, False, False), (False, True, True), (True, True, False)]
)
async def test_a_fetch_task_that_has_ended_is_noticed(closed: bool, ended: bool, raises: bool) -> None:
    """aiokafka writes one line to the log and never fetches again; on the way out that is as it should be."""
    built = ChunkedConsumer(bootstrap_servers="127.0.0.1:1")
    built._closed = closed
    built._coordinator = SimpleNamespace(check_errors=lambda: None)
    built._fetcher = SimpleNamespace(_fetch_task=Finished(ended))
    try:
        if raises:
            with pytest.raises(KafkaError, match="fetching of records has ended"):
                built.check()
        else:
            built.check()
    finally:
        built._closed = True


async def test_what_the_group_told_aiokafka_alone_is_raised() -> None:
    built = ChunkedConsumer(bootstrap_servers="127.0.0.1:1")

    def check_errors() -> None:
        raise GroupAuthorizationFailedError("x.assay")

    built._coordinator = SimpleNamespace(check_errors=check_errors)
    try:
        with pytest.raises(GroupAuthorizationFailedError):
            built.check()
    finally:
        built._closed = True
