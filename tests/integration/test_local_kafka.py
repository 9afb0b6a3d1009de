"""The local Apache Kafka is a real one: it keeps data over restarts, can be frozen, and never outlives its owner."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.local import background
from deploy.local.broker import LocalKafka, brokers, local_kafka
from streams.errors import DependencyError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_TOPIC = "notes"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        with KafkaAdminClient(bootstrap_servers=kafka.bootstrap) as admin:
            admin.create_topics({_TOPIC: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        yield kafka


def write(bootstrap: str, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    try:
        for value in values:
            producer.send(_TOPIC, value).get(timeout=60)
    finally:
        producer.close()


def read(bootstrap: str) -> list[bytes]:
    partition = TopicPartition(_TOPIC, 0)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        values: list[bytes] = []
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                values.extend(record.value for record in records)
        return values
    finally:
        consumer.close()


def test_what_is_produced_is_consumed_in_order(broker: LocalKafka) -> None:
    before = read(broker.bootstrap)
    write(broker.bootstrap, b"one", b"two")
    assert read(broker.bootstrap) == [*before, b"one", b"two"]


def test_a_restart_keeps_the_data_and_the_address(broker: LocalKafka) -> None:
    write(broker.bootstrap, b"kept")
    before, address = read(broker.bootstrap), broker.bootstrap
    assert broker.restart() == address
    assert read(address) == before


def test_a_killed_broker_comes_back_with_what_it_acknowledged(broker: LocalKafka) -> None:
    write(broker.bootstrap, b"acknowledged")
    before, address = read(broker.bootstrap), broker.bootstrap
    broker.kill()
    assert broker.start() == address
    assert read(address) == before


def test_a_paused_broker_answers_nothing_and_a_resumed_one_goes_on(broker: LocalKafka) -> None:
    broker.pause()
    try:
        with pytest.raises(KafkaError):
            KafkaAdminClient(
                bootstrap_servers=broker.bootstrap, bootstrap_timeout_ms=1_000, request_timeout_ms=1_000
            ).close()
    finally:
        broker.resume()
    write(broker.bootstrap, b"after the pause")
    assert read(broker.bootstrap)[-1] == b"after the pause"


def test_starting_a_running_broker_changes_nothing(broker: LocalKafka) -> None:
    pid = broker.pid
    assert broker.start() == broker.bootstrap
    assert broker.pid == pid


def test_a_broker_that_cannot_start_says_why_with_the_end_of_its_log(tmp_path: Path) -> None:
    with LocalKafka(tmp_path) as kafka:
        host, port = kafka.bootstrap.split(":")
    with socket.create_server((host, int(port))), pytest.raises(DependencyError, match="Address already in use"):
        kafka.start()
    with pytest.raises(DependencyError, match="not running"):
        kafka.pause()


def test_a_broker_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux can tie a child's life to its parent's")
    script = (
        "import os, pathlib, sys, threading\n"
        "from deploy.local.broker import LocalKafka\n"
        "kafka = LocalKafka(pathlib.Path(sys.argv[1]))\n"
        # The thread that starts it ends at once; the broker must not.
        "starter = threading.Thread(target=kafka.start)\n"
        "starter.start(); starter.join()\n"
        "print(kafka.pid, kafka._process.poll(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    owner = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    pid, ended = owner.stdout.split()
    assert ended == "None"
    command_line = Path(f"/proc/{pid}/cmdline")
    while command_line.exists() and command_line.read_text():
        time.sleep(0.05)


def test_a_background_broker_is_found_again_and_stopped(tmp_path: Path) -> None:
    assert background.running(tmp_path) is None
    started = background.start(tmp_path)
    try:
        assert background.running(tmp_path) == started
        assert background.start(tmp_path) == started
    finally:
        assert background.stop(tmp_path)
    assert background.running(tmp_path) is None
    assert not background.stop(tmp_path)


def test_a_given_kafka_is_used_instead_of_a_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_BROKERS", "kafka.example:9092")
    with local_kafka(tmp_path / "unused") as bootstrap:
        assert bootstrap == "kafka.example:9092"
    assert not (tmp_path / "unused").exists()
    monkeypatch.setenv("ASSAY_BROKERS", " ")
    assert brokers() is None
