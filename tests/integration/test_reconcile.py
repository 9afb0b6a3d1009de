"""``assay reconcile`` from the topic: what is committed, each call once, beside a bill."""

import json
from pathlib import Path

import msgspec
from click.testing import CliRunner
from confluent_kafka import Producer

from streams.cli import main
from streams.core.topics import USAGE
from streams.topics_admin import apply
from tests.unit.reconciliation.recordings import event
from tests.unit.sources.billing.test_focus import ROW, table


def test_the_topic_is_compared_with_a_bill(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    apply(kafka, prefix=topic_prefix, app_id="assay", partitions=3, replication_factor=1)
    values = [
        *(msgspec.json.encode(event(number)) for number in range(100)),
        msgspec.json.encode(event(7)),
        b"a stranger's",
    ]
    producer = Producer({"bootstrap.servers": kafka})
    for number, value in enumerate(values):
        producer.produce(topic_prefix + USAGE, key="payments", value=value, partition=number % 3)
    assert producer.flush(30) == 0
    bill = tmp_path / "focus.csv"
    bill.write_bytes(table(ROW | {"ConsumedQuantity": "100", "BilledCost": "1.00"}))
    arguments = ["reconcile", "--brokers", kafka, "--topic-prefix", topic_prefix, "--billed", str(bill), "--json"]
    result = CliRunner(catch_exceptions=False).invoke(main, arguments)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    (it,) = found["comparisons"]
    assert (it["verdict"], it["tokens"]["recorded"], it["cost_micro_usd"]["gap"]) == ("agree", 100_000, 0)
    assert (found["events_duplicate"], found["events_rejected"]) == (1, 1)
