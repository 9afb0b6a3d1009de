"""The command line against a real broker: topics are made, and what is sent arrives whole and in its team's partition."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2
from click.testing import CliRunner, Result
from kafka import KafkaConsumer, TopicPartition

from streams.cli import main
from streams.core.topics import OUTCOMES, USAGE

_PARTITIONS = 3


@pytest.fixture
def target(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The environment of an operator: brokers and prefix in variables."""
    monkeypatch.setenv("ASSAY_BROKERS", kafka)
    monkeypatch.setenv("ASSAY_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("ASSAY_PARTITIONS", str(_PARTITIONS))
    return kafka, topic_prefix + USAGE


def assay(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def records(brokers: str, topic: str) -> dict[int, list[tuple[bytes, bytes]]]:
    """Everything in the topic, by partition."""
    consumer = KafkaConsumer(bootstrap_servers=brokers, isolation_level="read_committed", enable_auto_commit=False)
    places = [TopicPartition(topic, number) for number in range(_PARTITIONS)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends = consumer.end_offsets(places)
    found: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    while any(consumer.position(place) < ends[place] for place in places):
        for place, batch in consumer.poll(timeout_ms=1_000).items():
            found[place.partition] += [(record.key, record.value) for record in batch]
    consumer.close()
    return found


def test_a_plan_asks_until_it_is_applied(target: tuple[str, str]) -> None:
    assert assay("topics", "plan").exit_code == 1
    assert assay("topics", "apply").exit_code == 0
    assert assay("topics", "plan").exit_code == 0
    changed = assay("topics", "apply", "--partitions", _PARTITIONS + 1)
    assert changed.exit_code == 3
    assert f"set partitions to {_PARTITIONS}" in changed.stderr


def test_a_simulated_company_arrives_whole_and_in_order(target: tuple[str, str], tmp_path: Path) -> None:
    assay("topics", "apply")
    sent = assay("simulate", "--seed", 3, "--events", 2_500)
    assert sent.exit_code == 0, sent.stderr
    assert json.loads(sent.stdout)["records"] == 2_500
    assay("simulate", "--seed", 3, "--events", 2_500, "--out", tmp_path / "same")
    wanted = defaultdict(list)
    for line in (tmp_path / "same").read_text().splitlines():
        event = json.loads(line)
        wanted[event["team"]].append(event["event_id"])
    arrived = defaultdict(list)
    for partition, batch in records(*target).items():
        for key, value in batch:
            event = json.loads(value)
            assert key.decode() == event["team"]
            assert partition == (murmur2(key) & 0x7FFFFFFF) % _PARTITIONS
            arrived[event["team"]].append(event["event_id"])
    assert arrived == wanted


def test_outcomes_arrive_beside_the_usage_in_their_teams_partitions(target: tuple[str, str], tmp_path: Path) -> None:
    brokers, usage = target
    assay("topics", "apply")
    sent = assay("simulate", "--seed", 3, "--events", 5_000, "--with-outcomes")
    assert sent.exit_code == 0, sent.stderr
    assay("simulate", "--seed", 3, "--events", 5_000, "--out", tmp_path / "usage", "--outcomes", tmp_path / "outcomes")
    wanted = sorted(json.loads(line)["outcome_id"] for line in (tmp_path / "outcomes").read_text().splitlines())
    assert len(wanted) == json.loads(sent.stdout)["outcomes"] > 100
    arrived = []
    for partition, batch in records(brokers, usage.removesuffix(USAGE) + OUTCOMES).items():
        for key, value in batch:
            outcome = json.loads(value)
            assert key.decode() == outcome["team"]
            assert partition == (murmur2(key) & 0x7FFFFFFF) % _PARTITIONS
            arrived.append(outcome["outcome_id"])
    assert sorted(arrived) == wanted
    assert sum(map(len, records(*target).values())) == 5_000


def test_a_trace_arrives_whole(target: tuple[str, str], tmp_path: Path) -> None:
    assay("topics", "apply")
    trace = tmp_path / "trace.csv"
    rows = [f"2024-01-02 03:04:{second:02}.0000000,{second},1" for second in range(60)]
    trace.write_text("\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]))
    result = assay("import", "azure-trace", trace)
    assert result.exit_code == 0, result.stderr
    [batch] = records(*target).values()
    assert [json.loads(value)["input_tokens"] for _, value in batch] == list(range(60))


def test_without_topics_sending_ends_with_4_and_the_next_step(target: tuple[str, str]) -> None:
    result = assay("simulate", "--events", 10)
    assert result.exit_code == 4
    assert target[1] in result.stderr
    assert "assay topics" in result.stderr
