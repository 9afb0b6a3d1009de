"""``assay report`` from the topic: what is committed, in every encoding, up to the end that there is at the start."""

import json

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from streams.cli import main
from streams.core.avro import KPI
from streams.core.topics import KPIS
from streams.core.windows import Window
from streams.topics_admin import apply
from tests.unit.report.records import MONDAY_MS, RESULTS, day, kpi


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    """The topic of KPIs."""
    apply(kafka, prefix=topic_prefix, app_id="assay", partitions=3, replication_factor=1)
    return topic_prefix + KPIS


def send(kafka: str, topic: str, values: list[bytes | None], *, commit: bool) -> None:
    """In one transaction, to all partitions in turn."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topic}-{commit}"})
    producer.init_transactions()
    producer.begin_transaction()
    for number, value in enumerate(values):
        producer.produce(topic, key=str(number), value=value, partition=number % 3)
    producer.flush()
    (producer.commit_transaction if commit else producer.abort_transaction)()


def report(kafka: str, prefix: str, *arguments: str) -> Result:
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(main, ["report", "--brokers", kafka, "--topic-prefix", prefix, *arguments])


def test_what_is_committed_is_read_in_every_encoding(kafka: str, topic_prefix: str, topic: str) -> None:
    records = [
        KPI.to_avro(kpi(**RESULTS)),
        KPI.to_json(kpi(workflow="refund-bot", **RESULTS)),
        KPI.to_avro(day(0, workflow="refund-bot", last_event=MONDAY_MS + Window.HOUR)),
        KPI.to_json(kpi("search", revision=2, calls=7)),
        KPI.to_avro(kpi("search")),
        b"a stranger's",
        None,
    ]
    send(kafka, topic, records, commit=True)
    send(kafka, topic, [KPI.to_avro(kpi("search", revision=9, calls=9_999))], commit=False)
    result = report(kafka, topic_prefix, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert [(team["team"], team["period"]["calls"]) for team in found["teams"]] == [("payments", 100), ("search", 7)]
    assert found["teams"][0]["workflows"][0]["days"][0]["told"]
    assert found["as_of_ms"] == MONDAY_MS + Window.HOUR
    assert "left out 1 of 6 records" in result.stderr


def test_a_registry_that_is_away_is_no_reason_to_leave_records_out(kafka: str, topic_prefix: str, topic: str) -> None:
    send(kafka, topic, [KPI.to_avro(kpi()), KPI.to_confluent(kpi("search"), 7)], commit=True)
    without = report(kafka, topic_prefix)
    assert without.exit_code == 0
    assert "set schema_registry_url" in without.stderr
    away = report(kafka, topic_prefix, "--schema-registry-url", "http://127.0.0.1:9")
    assert away.exit_code == 4
    assert "the schema registry at http://127.0.0.1:9" in away.stderr


def test_an_empty_topic_and_no_topic_are_told_apart(kafka: str, topic_prefix: str, topic: str) -> None:
    empty = report(kafka, topic_prefix)
    assert (empty.exit_code, empty.stdout) == (5, "")
    assert "no record of a day or a week" in empty.stderr
    missing = report(kafka, f"{topic_prefix}no.")
    assert missing.exit_code == 4
    assert "`assay topics plan` shows what is missing" in missing.stderr
