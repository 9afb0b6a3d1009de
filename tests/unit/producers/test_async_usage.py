"""The asyncio producer over a stand-in for the Kafka client: order, refusals, limits, closing."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)

from streams.producers import async_usage
from streams.producers.async_usage import AsyncUsageProducer
from streams.producers.delivery import Failure
from streams.producers.drafts import UsageFields
from streams.producers.errors import (
    BrokerUnavailable,
    BufferFull,
    DeliveryFailed,
    GivenUp,
    InvalidEvent,
    ProducerClosed,
    ProducerError,
)

LEAST: UsageFields = {"team": "payments", "workflow": "refund-bot", "model": "claude-sonnet-4"}


class Builder:
    """A batch that has room for three records."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def append(self, *, key: bytes, value: bytes, timestamp: int | None) -> object | None:
        if len(self.keys) == 3:
            return None
        self.keys.append(key)
        return object()

    def size(self) -> int:
        return 100


class Client:
    """Answers at once, unless told to hold its answers or to fail."""

    latest: "Client"
    partitions: set[int] = {0, 1}  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        Client.latest = self
        self.options = options
        self.sent: list[tuple[int | None, list[bytes]]] = []
        self.error: BaseException | None = None
        self.refusal: BaseException | None = None
        self.blocking = False
        self.holding = False
        self.held: list[asyncio.Future[object]] = []
        self.stopped = 0
        self._sender = self
        self._message_accumulator = self
        self.sender_task = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        if self.options["bootstrap_servers"] == ["nowhere:1"]:
            raise KafkaConnectionError("nobody home")

    async def stop(self) -> None:
        self.stopped += 1

    async def partitions_for(self, topic: str) -> set[int]:
        if topic == "missing":
            raise UnknownTopicOrPartitionError("no such topic")
        return self.partitions

    def create_batch(self) -> Builder:
        return Builder()

    async def send(self, topic: str, *, value: bytes, key: bytes) -> asyncio.Future[object]:
        return await self._take(None, [key])

    async def send_batch(self, builder: Builder, topic: str, *, partition: int) -> asyncio.Future[object]:
        return await self._take(partition, builder.keys)

    async def _take(self, partition: int | None, keys: list[bytes]) -> asyncio.Future[object]:
        if self.blocking:
            await asyncio.Event().wait()
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((partition, keys))
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.holding:
            self.held.append(future)
        elif self.error is None:
            future.set_result("metadata")
        else:
            future.set_exception(self.error)
        return future

    def fail_all(self, error: BaseException) -> None:
        for future in self.held:
            future.set_exception(error)


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_usage, "AIOKafkaProducer", Client)


async def test_an_event_is_keyed_by_its_team_under_the_guarantees() -> None:
    async with AsyncUsageProducer("a:1,b:2", client_options={"compression_type": "lz4"}) as producer:
        await producer.send(**LEAST)
    client = Client.latest
    assert client.sent == [(None, [b"payments"])]
    assert client.options["bootstrap_servers"] == ["a:1", "b:2"]
    assert (client.options["acks"], client.options["enable_idempotence"]) == ("all", True)
    assert client.options["compression_type"] == "lz4"
    assert client.stopped == 1


async def test_many_events_go_in_whole_batches_of_one_partition_each() -> None:
    events: list[UsageFields] = [{**LEAST, "team": f"t{number % 5}"} for number in range(20)]
    async with AsyncUsageProducer() as producer:
        assert await producer.send_many(events) == 20
    places: dict[bytes, set[int | None]] = {}
    for partition, keys in Client.latest.sent:
        assert len(keys) <= 3
        for key in keys:
            places.setdefault(key, set()).add(partition)
    assert sum(len(keys) for _, keys in Client.latest.sent) == 20
    assert all(len(partitions) == 1 for partitions in places.values())


async def test_a_bad_event_among_many_stops_before_its_thousand_and_sends_what_was_sound() -> None:
    events: list[UsageFields] = [LEAST] * 1_200
    events[1_100] = {**LEAST, "input_tokens": -1}
    async with AsyncUsageProducer() as producer:
        with pytest.raises(InvalidEvent, match="event 100 of 200"):
            await producer.send_many(events)
    assert sum(len(keys) for _, keys in Client.latest.sent) == 1_000


async def test_refusals_are_reported_by_event_and_raised_by_the_next_flush_only() -> None:
    told: list[Failure] = []
    async with AsyncUsageProducer(on_error=told.append, event_ids=iter("abcdefgh").__next__) as producer:
        Client.latest.error = OSError("disk full")
        await producer.send(**LEAST)
        await producer.send_many([LEAST] * 4)
        with pytest.raises(DeliveryFailed, match=r"5 events; a: OSError: disk full"):
            await producer.flush()
        await producer.flush()
    assert sorted(failure.event_id for failure in told) == list("abcde")


async def test_the_error_of_the_block_wins_and_carries_the_refusals_as_a_note() -> None:
    async def publish() -> None:
        async with AsyncUsageProducer() as producer:
            Client.latest.error = OSError("disk full")
            await producer.send(**LEAST)
            raise KeyError("the caller's own")

    with pytest.raises(KeyError) as raised:
        await publish()
    assert any("did not take 1 event" in note for note in raised.value.__notes__)


async def test_refusals_nobody_flushed_surface_when_the_block_ends() -> None:
    async def publish() -> None:
        async with AsyncUsageProducer() as producer:
            Client.latest.error = OSError("disk full")
            await producer.send(**LEAST)

    with pytest.raises(DeliveryFailed):
        await publish()
    assert Client.latest.stopped == 1


async def test_a_full_buffer_blocks_for_as_long_as_asked_and_then_says_so() -> None:
    async with AsyncUsageProducer(block_seconds=0.01) as producer:
        Client.latest.blocking = True
        with pytest.raises(BufferFull):
            await producer.send(**LEAST)
        with pytest.raises(BufferFull):
            await producer.send_many([LEAST])


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (KafkaTimeoutError(), BufferFull),
        (UnknownTopicOrPartitionError(), BrokerUnavailable),
        (MessageSizeTooLargeError(), InvalidEvent),
    ],
)
async def test_what_the_client_refuses_is_said_in_our_terms(refusal: Exception, expected: type[ProducerError]) -> None:
    async with AsyncUsageProducer() as producer:
        Client.latest.refusal = refusal
        with pytest.raises(expected):
            await producer.send(**LEAST)


async def test_closing_gives_up_what_is_still_under_way_and_reports_it() -> None:
    told: list[Failure] = []
    producer = AsyncUsageProducer(on_error=told.append)
    await producer.start()
    Client.latest.holding = True
    event_id = await producer.send(**LEAST)
    with pytest.raises(ProducerError, match=r"still on their way after .*: 1 event$"):
        await producer.close(0.01)
    assert [failure.event_id for failure in told] == [event_id]
    assert isinstance(told[0].error, GivenUp)
    assert Client.latest.stopped == 1


async def test_a_producer_that_is_not_open_takes_nothing_and_closes_quietly() -> None:
    producer = AsyncUsageProducer()
    with pytest.raises(ProducerClosed):
        await producer.send(**LEAST)
    await producer.start()
    await producer.close()
    await producer.close()
    with pytest.raises(ProducerClosed):
        await producer.flush()
    assert Client.latest.stopped == 1


@pytest.mark.parametrize(("brokers", "topic", "said"), [("nowhere:1", "t", "nowhere:1"), ("a:1", "missing", "missing")])
async def test_a_broker_or_topic_that_is_missing_shows_on_entering(brokers: str, topic: str, said: str) -> None:
    with pytest.raises(BrokerUnavailable, match=said):
        await AsyncUsageProducer(brokers, topic=topic).start()
    assert Client.latest.stopped == 1
