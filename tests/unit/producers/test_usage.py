"""The blocking producer over a stand-in for the Kafka client: order, refusals, limits, closing."""

import os
from collections.abc import Iterator
from typing import Any

import kafka
import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, UnknownTopicOrPartitionError
from kafka.future import Future

from streams.core.topics import USAGE
from streams.producers.delivery import Failure
from streams.producers.drafts import UsageFields
from streams.producers.errors import (
    BrokerUnavailable,
    BufferFull,
    DeliveryFailed,
    FlushTimeout,
    InvalidEvent,
    ProducerClosed,
)
from streams.producers.usage import UsageProducer

LEAST: UsageFields = {"team": "payments", "workflow": "refund-bot", "model": "claude-sonnet-4"}


class Client:
    """Answers each record at once, unless told to hold its answers or to fail."""

    latest: "Client"

    def __init__(self, **options: Any) -> None:
        if options["bootstrap_servers"] == ["nowhere:1"]:
            raise KafkaConnectionError("nobody home")
        Client.latest = self
        self.options = options
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.held: list[Future] = []
        self.holding = False
        self.error: BaseException | None = None
        self.refusal: BaseException | None = None
        self.closed = 0
        self.forced = False
        self._sender = self

    def partitions_for(self, topic: str) -> set[int]:
        if topic == "missing":
            raise UnknownTopicOrPartitionError("no such topic")
        return {0, 1}

    def send(self, topic: str, *, value: bytes, key: bytes) -> Future:
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((topic, key, value))
        future = Future()
        if self.holding:
            self.held.append(future)
        else:
            self.answer(future)
        return future

    def answer(self, future: Future) -> None:
        if self.error is None:
            future.success("metadata")
        else:
            future.failure(self.error)

    def close(self, timeout: float) -> None:
        self.closed += 1
        if self.held:
            raise KafkaTimeoutError("incomplete")

    def force_close(self) -> None:
        self.forced = True
        for future in self.held:
            future.failure(KafkaTimeoutError("aborted"))


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "KafkaProducer", Client)


def test_an_event_goes_to_the_usage_topic_keyed_by_its_team() -> None:
    with UsageProducer() as producer:
        event_id = producer.send(team="payments", workflow="refund-bot", model="claude-sonnet-4", input_tokens=5)
    [(topic, key, value)] = Client.latest.sent
    assert (topic, key) == (USAGE, b"payments")
    assert event_id.encode() in value
    assert Client.latest.closed == 1


def test_the_guarantees_are_not_left_to_the_clients_defaults() -> None:
    with UsageProducer("a:1, b:2", client_options={"compression_type": "lz4", "linger_ms": 5}):
        options = Client.latest.options
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["acks"] == "all"
    assert options["enable_idempotence"] is True
    assert options["allow_auto_create_topics"] is False
    assert "partitioner" not in options
    assert (options["compression_type"], options["linger_ms"]) == ("lz4", 5)


@pytest.mark.parametrize("option", ["acks", "enable_idempotence", "partitioner", "retries", "key_serializer"])
def test_an_option_that_would_undo_a_guarantee_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is set by the producer itself"):
        UsageProducer(client_options={option: 1})


def test_an_empty_list_of_brokers_is_refused() -> None:
    with pytest.raises(ValueError, match="brokers is empty"):
        UsageProducer(" ,")


def test_many_events_are_sent_in_order_and_counted() -> None:
    with UsageProducer(event_ids=iter(map(str, range(10_000))).__next__) as producer:
        events: Iterator[UsageFields] = ({**LEAST, "team": f"t{number}"} for number in range(2_500))
        assert producer.send_many(events) == 2_500
    assert [key for _, key, _ in Client.latest.sent] == [b"t%d" % number for number in range(2_500)]


def test_a_bad_event_among_many_stops_before_its_thousand() -> None:
    events: list[UsageFields] = [dict(LEAST) for _ in range(1_500)]  # type: ignore[misc]
    events[1_200]["input_tokens"] = -1
    with UsageProducer() as producer, pytest.raises(InvalidEvent, match="event 200 of 500"):
        producer.send_many(events)
    assert len(Client.latest.sent) == 1_000


def test_a_refusal_by_the_broker_is_reported_and_raised_by_the_next_flush_only() -> None:
    told: list[Failure] = []
    with UsageProducer(on_error=told.append) as producer:
        Client.latest.error = OSError("disk full")
        event_id = producer.send(**LEAST)
        with pytest.raises(DeliveryFailed, match=r"1 event; .*disk full"):
            producer.flush()
        Client.latest.error = None
        producer.send(**LEAST)
        producer.flush()
    assert [failure.event_id for failure in told] == [event_id]


def test_refusals_nobody_flushed_surface_when_the_block_ends() -> None:
    def publish() -> None:
        with UsageProducer() as producer:
            Client.latest.error = OSError("disk full")
            producer.send(**LEAST)

    with pytest.raises(DeliveryFailed):
        publish()


def test_the_error_of_the_block_wins_and_carries_the_refusals_as_a_note() -> None:
    def publish() -> None:
        with UsageProducer() as producer:
            Client.latest.error = OSError("disk full")
            producer.send(**LEAST)
            raise KeyError("the caller's own")

    with pytest.raises(KeyError) as raised:
        publish()
    assert any("did not take 1 event" in note for note in raised.value.__notes__)


def test_a_full_buffer_blocks_for_as_long_as_asked_and_then_says_so() -> None:
    with UsageProducer(max_buffered_bytes=1_000, block_seconds=0.01) as producer:
        client = Client.latest
        client.holding = True
        with pytest.raises(BufferFull):
            producer.send_many([LEAST] * 20)
        waiting = len(client.sent)
        assert 1 <= waiting < 20
        client.holding = False
        for future in client.held:
            client.answer(future)
        client.held.clear()
        producer.send(**LEAST)
    assert len(client.sent) == waiting + 1


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (KafkaTimeoutError("no metadata"), BufferFull),
        (UnknownTopicOrPartitionError("gone"), BrokerUnavailable),
        (kafka.errors.MessageSizeTooLargeError("2 MB"), InvalidEvent),
    ],
)
def test_an_event_the_client_refuses_takes_no_room(refusal: Exception, expected: type[Exception]) -> None:
    with UsageProducer(max_buffered_bytes=500, block_seconds=0.01) as producer:
        for _ in range(10):
            Client.latest.refusal = refusal
            with pytest.raises(expected):
                producer.send(**LEAST)
        Client.latest.refusal = None
        producer.send(**LEAST)


def test_closing_gives_up_what_is_still_under_way_and_reports_it() -> None:
    told: list[Failure] = []
    producer = UsageProducer(on_error=told.append)
    Client.latest.holding = True
    producer.send(**LEAST)
    with pytest.raises(FlushTimeout, match=r"still on their way after .*: 1 event$"):
        producer.close(timeout_seconds=0.01)
    assert Client.latest.forced
    assert len(told) == 1


def test_a_closed_producer_takes_nothing_and_closes_again_quietly() -> None:
    producer = UsageProducer()
    producer.close()
    producer.close()
    for use in (lambda: producer.send(**LEAST), producer.flush, lambda: producer.send_many([LEAST])):
        with pytest.raises(ProducerClosed):
            use()
    assert Client.latest.closed == 1


def test_a_fork_may_not_use_its_parents_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = UsageProducer()
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ProducerClosed, match="after the fork"):
            producer.send(**LEAST)
    producer.close()


def test_an_address_without_a_broker_shows_at_once() -> None:
    with pytest.raises(BrokerUnavailable, match=r"nowhere:1.*nobody home"):
        UsageProducer("nowhere:1")


def test_a_topic_that_is_missing_shows_at_once() -> None:
    with pytest.raises(BrokerUnavailable, match="topic missing"):
        UsageProducer(topic="missing")
    assert Client.latest.closed == 1
