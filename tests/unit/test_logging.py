"""Logs are one event a line, carry neither content nor secrets, and keep Kafka's harmless retries quiet."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from aiokafka.errors import NotEnoughReplicasError, NotLeaderForPartitionError
from aiokafka.structs import TopicPartition

from streams.logging import CommitMarkerRetries, Repetitions, configure_logging

RETRYING = "Got error produce response on topic-partition %s, retrying. Error: %s"
SENDER = "aiokafka.producer.sender"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger(SENDER).filters.clear()
    for name in ("aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_time_level_and_logger() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("streams.shards").info("shard_taken_over", partition=3, seconds=0.5)
    [event] = lines(stream)
    assert event.pop("timestamp")
    assert event == {
        "event": "shard_taken_over", "partition": 3, "seconds": 0.5, "level": "info", "logger": "streams.shards",
    }  # fmt: skip


def test_the_standard_library_goes_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("faust.app").warning("Missing sensor state for rebalance #%s", 4)
    [event] = lines(stream)
    assert event["event"] == "Missing sensor state for rebalance #4"
    assert (event["level"], event["logger"]) == ("warning", "faust.app")


def test_the_level_holds_for_both() -> None:
    stream = io.StringIO()
    configure_logging("warning", "json", stream)
    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    structlog.get_logger("a").warning("loud")
    assert [event["event"] for event in lines(stream)] == ["loud"]


@pytest.mark.parametrize(("stream", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_json_unless_a_person_is_watching(stream: io.StringIO, is_json: bool) -> None:
    configure_logging("info", "auto", stream)
    structlog.get_logger("a").info("started")
    assert stream.getvalue().startswith("{") == is_json
    assert "started" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_content_and_secrets_are_masked_wherever_they_stand(log_format: str) -> None:
    stream = io.StringIO()
    configure_logging("debug", log_format, stream)  # type: ignore[arg-type]
    structlog.get_logger("a").info(
        "https://me:hunter2@registry/x",
        prompt="hunter2",
        pseudonym_key="hunter2",
        actor="hunter2",
        nested={"api_key": "hunter2", "list": [{"token": "hunter2"}, b"hunter2"]},
        payload=b"hunter2",
        record=b"hunter2",
        url="kafka://me:hunter2@broker:9092",
        input_tokens=7,
    )
    assert "hunter2" not in stream.getvalue()
    assert "7" in stream.getvalue()
    assert "<7 bytes>" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(log_format: str) -> None:
    stream = Terminal()
    configure_logging("info", log_format, stream)  # type: ignore[arg-type]
    record = "content " + "of a prompt"
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("a").exception("failed", partition=len(record))
    assert "RuntimeError" in stream.getvalue()
    assert "content of a prompt" not in stream.getvalue()


@pytest.mark.parametrize("client", ["aiokafka.conn", "kafka.producer.kafka"])
def test_the_kafka_clients_may_not_print_records_even_at_debug_level(client: str) -> None:
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    logging.getLogger(client).debug("Sending (key=%r value=%r)", b"k", b"prompt")
    logging.getLogger(client).info("connected")
    assert [event["event"] for event in lines(stream)] == ["connected"]


def retry(at: float, error: object = NotEnoughReplicasError, partition: int = 0) -> logging.LogRecord:
    tp = TopicPartition("assay-state-changelog", partition)
    record = logging.LogRecord(SENDER, logging.WARNING, __file__, 1, RETRYING, (tp, error), None)
    record.created = at
    return record


@pytest.mark.parametrize(("level", "shown"), [("info", []), ("debug", ["debug"])])
def test_the_retry_after_a_commit_is_a_matter_for_debugging(level: str, shown: list[str]) -> None:
    stream = io.StringIO()
    configure_logging(level, "json", stream)
    logging.getLogger(SENDER).warning(RETRYING, TopicPartition("t", 0), NotEnoughReplicasError)
    assert [event["level"] for event in lines(stream)] == shown


def test_other_retries_stay_warnings() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger(SENDER).warning(RETRYING, TopicPartition("t", 0), NotLeaderForPartitionError)
    logging.getLogger(SENDER).warning("Cannot send %r to %s: %r", "a", 1, "b")
    assert [event["level"] for event in lines(stream)] == ["warning", "warning"]


def test_replicas_that_stay_away_are_reported_but_not_at_every_retry() -> None:
    logging.getLogger().setLevel(logging.INFO)
    retries = CommitMarkerRetries()
    shown = [tenth for tenth in range(700) if retries.filter(retry(tenth / 10))]
    assert shown == [50, 350, 650]


def test_retries_of_separate_commits_are_no_streak() -> None:
    logging.getLogger().setLevel(logging.INFO)
    retries = CommitMarkerRetries()
    assert not any(retries.filter(retry(at)) for at in range(0, 100, 2))


def test_partitions_have_streaks_of_their_own() -> None:
    logging.getLogger().setLevel(logging.INFO)
    retries = CommitMarkerRetries()
    for tenth in range(50):
        assert not retries.filter(retry(tenth / 10, partition=0))
    assert retries.filter(retry(5.0, partition=0))
    assert not retries.filter(retry(5.0, partition=1))


def test_what_a_client_says_at_each_of_many_tries_is_shown_once_in_a_while() -> None:
    once = Repetitions()

    def shown(message: str, at: float, node: int = 1) -> bool:
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, (node,), None)
        record.created = at
        return once.filter(record)

    assert [shown("no node %s", at / 10, at) for at in range(305)] == [True, *[False] * 299, True, *[False] * 4]
    assert shown("another node %s", 0.0)
