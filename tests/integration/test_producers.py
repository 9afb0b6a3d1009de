"""Both producers against a real broker: each event once, in order, where its team belongs; and what failure looks like."""

import asyncio
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.partitioner.default import murmur2

from deploy.local.broker import LocalKafka
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.topics import USAGE
from streams.producers import (
    AsyncUsageProducer,
    BrokerUnavailable,
    BufferFull,
    DeliveryFailed,
    Failure,
    FlushTimeout,
    UsageFields,
    UsageProducer,
)
from streams.producers.drafts import Encoding

PARTITIONS = 4
TEAMS = [f"team-{number}" for number in range(12)] + ["équipe", "zespół płatności"]


def create_topic(bootstrap: str, name: str) -> str:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        admin.close()
    return name


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    return create_topic(kafka, topic_prefix + USAGE)


def written(bootstrap: str, topic: str) -> dict[int, list[tuple[bytes, UsageEvent]]]:
    """All records of a topic by partition, in order."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        records: dict[int, list[tuple[bytes, UsageEvent]]] = defaultdict(list)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for partition, batch in consumer.poll(timeout_ms=200).items():
                events = UsageDecoder().decode([record.value for record in batch]).events
                for record, event in zip(batch, events, strict=True):
                    assert isinstance(event, UsageEvent), event
                    records[partition.partition].append((record.key, event))
        return records
    finally:
        consumer.close()


def traffic(count: int) -> list[UsageFields]:
    return [
        {
            "event_id": f"e{number}", "team": TEAMS[number % len(TEAMS)], "workflow": f"w{number % 5}",
            "model": "claude-sonnet-4", "input_tokens": number, "cost_micro_usd": number * 3 or None,
        }
        for number in range(count)
    ]  # fmt: skip


def assert_each_once_in_order_and_in_place(
    records: dict[int, list[tuple[bytes, UsageEvent]]], sent: list[UsageFields]
) -> None:
    by_team: dict[str, list[str]] = defaultdict(list)
    for partition, events in records.items():
        for key, event in events:
            assert key == event.team.encode()
            assert partition == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
            by_team[event.team].append(event.event_id)
    expected: dict[str, list[str]] = defaultdict(list)
    for fields in sent:
        expected[fields["team"]].append(fields["event_id"])
    assert by_team == expected
    assert len(records) > 1


@pytest.mark.parametrize("encoding", ["json", "avro"])
def test_the_blocking_producer_writes_each_event_once_in_order_where_its_team_belongs(
    kafka: str, topic: str, encoding: Encoding
) -> None:
    sent = traffic(3_000)
    with UsageProducer(kafka, topic=topic, encoding=encoding) as producer:
        for fields in sent[:500]:
            producer.send(**fields)
        assert producer.send_many(sent[500:]) == 2_500
        producer.flush()
        assert_each_once_in_order_and_in_place(written(kafka, topic), sent)


@pytest.mark.parametrize("encoding", ["json", "avro"])
async def test_the_asyncio_producer_writes_each_event_once_in_order_where_its_team_belongs(
    kafka: str, topic: str, encoding: Encoding
) -> None:
    sent = traffic(6_000)
    async with AsyncUsageProducer(kafka, topic=topic, encoding=encoding) as producer:
        for fields in sent[:500]:
            await producer.send(**fields)
        assert await producer.send_many(sent[500:5_000]) == 4_500
        for fields in sent[5_000:]:
            await producer.send(**fields)
        await producer.flush()
        records = await asyncio.to_thread(written, kafka, topic)
    assert_each_once_in_order_and_in_place(records, sent)


async def test_both_producers_place_and_write_alike(kafka: str, topic: str) -> None:
    event = traffic(8)[7]
    event["occurred_at"] = 1_767_225_600_000
    async with AsyncUsageProducer(kafka, topic=topic) as asynchronous:
        await asynchronous.send(**event)
        await asynchronous.send_many([event])
    with UsageProducer(kafka, topic=topic) as blocking:
        blocking.send(**event)
    [(_, records)] = written(kafka, topic).items()
    assert len(records) == 3
    assert records[0] == records[1] == records[2]


def test_a_program_that_forgets_to_close_delivers_when_it_exits(kafka: str, topic: str) -> None:
    program = (
        "import sys\nfrom streams.producers import UsageProducer\n"
        "producer = UsageProducer(sys.argv[1], topic=sys.argv[2], linger_ms=2_000)\n"
        "for number in range(100):\n    producer.send(team='a', workflow='b', model='c', event_id=str(number))\n"
    )
    subprocess.run([sys.executable, "-c", program, kafka, topic], check=True, cwd=Path(__file__).parents[2])
    [(_, records)] = written(kafka, topic).items()
    assert [event.event_id for _, event in records] == [str(number) for number in range(100)]


async def test_a_topic_that_does_not_exist_is_said_by_name(kafka: str, topic_prefix: str) -> None:
    missing = topic_prefix + "missing"
    with pytest.raises(BrokerUnavailable, match=missing):
        UsageProducer(kafka, topic=missing, block_seconds=1)
    with pytest.raises(BrokerUnavailable, match=missing):
        await AsyncUsageProducer(kafka, topic=missing, block_seconds=1).start()


async def test_an_address_where_nobody_listens_is_said() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(BrokerUnavailable, match=address):
            UsageProducer(address, block_seconds=0.5)
        with pytest.raises(BrokerUnavailable, match=address):
            await AsyncUsageProducer(address, block_seconds=0.5).start()


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker that a test may stop without harm to others."""
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"))
    bootstrap = broker.start()
    create_topic(bootstrap, USAGE)
    yield broker
    broker.stop()


@pytest.mark.kafka
@pytest.mark.slow
def test_a_broker_that_stops_answering_costs_the_blocking_producer_no_event_silently(own_kafka: LocalKafka) -> None:
    told: list[Failure] = []
    producer = UsageProducer(
        own_kafka.bootstrap,
        max_buffered_bytes=20_000,
        block_seconds=1,
        delivery_timeout_seconds=4,
        on_error=told.append,
    )
    producer.send(team="a", workflow="b", model="c")
    producer.flush()
    own_kafka.pause()
    try:
        taken = []
        with pytest.raises(BufferFull):  # noqa: PT012
            while True:
                taken.append(producer.send(team="a", workflow="b", model="c"))
        with pytest.raises(FlushTimeout):
            producer.flush(0.1)
        with pytest.raises(DeliveryFailed) as failed:
            producer.flush(30)
        assert failed.value.count == len(taken)
        assert {failure.event_id for failure in told} == set(taken)
        producer.send(team="a", workflow="b", model="c")
        with pytest.raises(FlushTimeout):
            producer.close(0.1)
    finally:
        own_kafka.resume()


@pytest.mark.kafka
@pytest.mark.slow
async def test_a_broker_that_stops_answering_costs_the_asyncio_producer_no_event_silently(
    own_kafka: LocalKafka,
) -> None:
    told: list[Failure] = []
    producer = AsyncUsageProducer(
        own_kafka.bootstrap, block_seconds=1, on_error=told.append, client_options={"max_batch_size": 16_384}
    )
    await producer.start()
    await producer.send(team="a", workflow="b", model="c")
    await producer.flush()
    own_kafka.pause()
    try:
        taken = []
        with pytest.raises(BufferFull):  # noqa: PT012
            while True:
                taken.append(await producer.send(team="a", workflow="b", model="c"))
        with pytest.raises(BufferFull):
            await producer.send_many({"team": "a", "workflow": "b", "model": "c"} for _ in range(1_000))
        with pytest.raises(FlushTimeout):
            await producer.close(0.1)
        assert {failure.event_id for failure in told} >= set(taken)
    finally:
        own_kafka.resume()


@pytest.mark.kafka
@pytest.mark.slow
async def test_events_survive_a_pause_of_the_broker_once_each(own_kafka: LocalKafka) -> None:
    topic = create_topic(own_kafka.bootstrap, "paused." + USAGE)
    sent = traffic(400)
    async with AsyncUsageProducer(own_kafka.bootstrap, topic=topic) as asynchronous:
        with UsageProducer(own_kafka.bootstrap, topic=topic) as blocking:
            own_kafka.pause()
            for fields in sent[:200]:
                await asynchronous.send(**fields)
            blocking.send_many(sent[200:])
            await asyncio.sleep(1)
            own_kafka.resume()
            await asyncio.to_thread(blocking.flush)
        await asynchronous.flush()
    records = written(own_kafka.bootstrap, topic)
    ids = [event.event_id for events in records.values() for _, event in events]
    assert sorted(ids) == sorted(fields["event_id"] for fields in sent)
