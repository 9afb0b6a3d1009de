"""The LiteLLM logger straight to a real Kafka: each call once, nobody named, and nothing lost while no broker answers."""

import time
from functools import partial
from pathlib import Path

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.local.broker import LocalKafka
from streams.core.topics import USAGE
from streams.producers.litellm.account import Limits
from streams.producers.litellm.delivery import Delivery
from streams.producers.litellm.kafka_sink import KafkaSink
from streams.sources.booking import Binding
from tests.integration.test_producers import PARTITIONS, create_topic
from tests.unit.producers.litellm.test_delivery import listed
from tests.unit.sources.litellm_events import event, failure

KEY = b"sixteen bytes or more"
LIMITS = Limits(linger_seconds=0.05, first_wait_seconds=0.1, longest_wait_seconds=0.5)


def values(bootstrap: str, topic: str) -> list[dict[str, object]]:
    """All records of a topic."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        found: list[dict[str, object]] = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                found += [orjson.loads(record.value) for record in batch]
        return found
    finally:
        consumer.close()


def call(n: int) -> bytes:
    return orjson.dumps(event(litellm_call_id=f"call-{n}", metadata={"user_api_key_team_alias": f"team-{n % 5}"}))


def delivery(bootstrap: str, topic: str, directory: Path) -> Delivery:
    binding = Binding(default_workflow="gateway")
    return Delivery(lambda: KafkaSink(bootstrap, key=KEY, binding=binding, topic=topic), directory, LIMITS)


def sent(running: Delivery, count: int, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while running.account.counts.sent < count:
        assert time.monotonic() < until, running.account.counts
        time.sleep(0.05)


def test_every_call_is_on_the_topic_once(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    topic = create_topic(kafka, topic_prefix + USAGE)
    running = delivery(kafka, topic, tmp_path)
    for n in range(700):
        running.accept(partial(call, n))
    running.accept(lambda: orjson.dumps(failure("500")))
    running.accept(lambda: orjson.dumps(event(call_type="aget_responses")))
    sent(running, 702)
    running.close()
    found = values(kafka, topic)
    assert len(found) == 701
    assert {value["event_id"] for value in found} >= {f"call-{n}" for n in range(700)}
    assert {value["source"] for value in found} == {"litellm"}
    assert {value["workflow"] for value in found} == {"gateway"}
    assert all(str(value["actor"]).startswith("pseudonym:") for value in found)
    assert sum(int(str(value["cache_read_tokens"])) for value in found) == 700 * 2_000
    assert listed(tmp_path) == []


@pytest.mark.kafka
def test_what_comes_while_no_broker_answers_is_sent_when_one_does(topic_prefix: str, tmp_path: Path) -> None:
    with LocalKafka(tmp_path / "kafka") as broker:
        topic = create_topic(broker.bootstrap, topic_prefix + USAGE)
        running = delivery(broker.bootstrap, topic, tmp_path / "spool")
        running.accept(partial(call, 0))
        sent(running, 1)
        broker.kill()
        for n in range(1, 100):
            running.accept(partial(call, n))
        while running.account.counts.retries < 1:
            time.sleep(0.05)
        broker.start()
        sent(running, 100)
        running.close()
        found = values(broker.bootstrap, topic)
    assert {value["event_id"] for value in found} == {f"call-{n}" for n in range(100)}


def test_a_bad_event_is_set_aside_and_the_rest_arrives(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    topic = create_topic(kafka, topic_prefix + USAGE)
    running = delivery(kafka, topic, tmp_path)
    for n in range(20):
        running.accept(partial(call, n))
    running.accept(lambda: orjson.dumps(event(litellm_call_id="bad", prompt_tokens=-1)))
    sent(running, 20)
    while not running.account.counts.refused:
        time.sleep(0.05)
    running.close()
    assert len(values(kafka, topic)) == 20
    assert b'"bad"' in (tmp_path / "refused.ndjson").read_bytes()
