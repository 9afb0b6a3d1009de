"""The subscribers against a real Kafka: every encoding, committed records only, at least once, once in a process."""

import json
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from confluent_kafka import Producer

from streams.core.alerts import Alert
from streams.core.avro import ALERT, KPI, schema_text
from streams.core.topics import ALERTS, KPIS
from streams.core.windows import Window
from streams.errors import DependencyError
from streams.subscribers import AlertSubscriber, BrokerUnavailable, KpiSubscriber
from streams.topics_admin import apply
from tests.integration.workers import eventually
from tests.unit.report.records import kpi
from tests.unit.subscribers.alerts import alert


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    """The topic of alerts."""
    apply(kafka, prefix=topic_prefix, app_id="assay", partitions=3, replication_factor=1)
    return topic_prefix + ALERTS


def send(
    kafka: str, topic: str, records: Iterable[tuple[str, bytes | None]], *, commit: bool = True, partition: int = -1
) -> None:
    """In one transaction, each to the partition of its key or to the one given."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topic}-{commit}"})
    producer.init_transactions()
    producer.begin_transaction()
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=partition)
    producer.flush()
    (producer.commit_transaction if commit else producer.abort_transaction)()


def taken(subscriber: AlertSubscriber, count: int) -> list[tuple[str, int]]:
    """As many alerts as that, all of them handled."""
    found: list[tuple[str, int]] = []

    def handle(record: Alert) -> None:
        found.append((record.alert_id, record.revision))
        if len(found) == count:
            subscriber.stop()

    subscriber.run(handle)
    return found


def test_what_is_committed_is_handed_out_in_every_encoding_and_once(kafka: str, topic: str) -> None:
    avro, json, confluent = ALERT.to_avro, ALERT.to_json, ALERT.to_confluent(alert("c"), 7)
    first = [("a", avro(alert("a"))), ("b", json(alert("b"))), ("c", confluent), ("d", b"a stranger's")]
    # Repeated, worse, and out of order: the same revision and a lower one are no news.
    second = [("a", avro(alert("a"))), ("a", avro(alert("a", 3))), ("a", avro(alert("a", 2)))]
    send(kafka, topic, first, partition=0)
    send(kafka, topic, [("a", avro(alert("a", 9)))], commit=False, partition=0)
    send(kafka, topic, [*second, ("b", json(alert("b", 2, state="resolved")))], partition=0)
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) as subscriber:
        assert taken(subscriber, 4) == [("a", 1), ("b", 1), ("a", 3), ("b", 2)]
        assert subscriber.unreadable == 2


def test_a_record_whose_handler_failed_comes_again_and_handled_ones_do_not(kafka: str, topic: str) -> None:
    send(kafka, topic, [("a", ALERT.to_avro(alert("a", revision))) for revision in range(1, 6)])
    handled: list[int] = []

    def handle(record: Alert) -> None:
        if record.revision == 3:
            raise RuntimeError("the pager is down")
        handled.append(record.revision)

    with (
        AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) as subscriber,
        pytest.raises(RuntimeError, match="the pager is down"),
    ):
        subscriber.run(handle)
    assert handled == [1, 2]
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) as subscriber:
        assert taken(subscriber, 3) == [("a", 3), ("a", 4), ("a", 5)]
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) as subscriber:
        threading.Timer(3, subscriber.stop).start()
        assert list(subscriber) == []


def test_leaving_a_loop_keeps_the_record_for_the_next_one(kafka: str, topic: str) -> None:
    send(kafka, topic, [("a", ALERT.to_avro(alert("a", revision))) for revision in (1, 2, 3)])
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) as subscriber:
        for record in subscriber:
            if record.revision == 2:
                break
        assert taken(subscriber, 2) == [("a", 2), ("a", 3)]


def test_a_group_that_begins_with_the_latest_leaves_out_what_was(kafka: str, topic: str) -> None:
    send(kafka, topic, [("a", ALERT.to_avro(alert("a")))])
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic, start="latest") as subscriber:
        # Its position is known once it has asked; what comes after that is seen.
        subscriber._reader.poll(5)
        assert sum(subscriber._reader.position(number) for number in subscriber._reader.partitions) > 0
        send(kafka, topic, [("b", ALERT.to_avro(alert("b")))])
        assert taken(subscriber, 1) == [("b", 1)]


def test_the_current_state_is_the_highest_revisions_without_what_is_gone(kafka: str, topic: str) -> None:
    avro = ALERT.to_avro
    send(kafka, topic, [("a", avro(alert("a"))), ("b", avro(alert("b"))), ("c", avro(alert("c"))), ("d", b"{}")])
    send(kafka, topic, [("a", avro(alert("a", 2, severity="critical"))), ("b", None)])
    send(kafka, topic, [("a", avro(alert("a"))), ("c", avro(alert("c", 2, state="resolved")))])
    send(kafka, topic, [("a", avro(alert("a", 3)))], commit=False)
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) as subscriber:
        assert sorted((it.alert_id, it.revision) for it in subscriber.current()) == [("a", 2), ("c", 2)]
        assert [it.alert_id for it in subscriber.firing()] == ["a"]


def test_kpis_are_read_in_the_same_way(kafka: str, topic: str, topic_prefix: str) -> None:
    name = topic_prefix + KPIS
    send(kafka, name, [("w", KPI.to_avro(kpi())), ("w", KPI.to_json(kpi(revision=2, calls=7)))])
    with KpiSubscriber(kafka, group=f"{topic}-1", topic=name) as subscriber:
        (found,) = subscriber.current(lambda record: record.window_size_ms == Window.WEEK)
        assert (found.revision, found.calls) == (2, 7)
        records = iter(subscriber)
        assert [next(records).revision, next(records).revision] == [1, 2]
        records.close()


@pytest.fixture
def registry() -> Iterator[tuple[str, list[str]]]:
    """A registry that knows the alert's schema as number 7, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            known = self.path == "/schemas/ids/7"
            body = {"schema": schema_text("alert")} if known else {"error_code": 40403, "message": "not found"}
            text = json.dumps(body).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def test_with_a_registry_its_wire_format_is_read_and_the_registry_asked_once(
    kafka: str, topic: str, registry: tuple[str, list[str]]
) -> None:
    url, asked = registry
    send(kafka, topic, [("a", ALERT.to_confluent(alert("a"), 7)), ("a", ALERT.to_confluent(alert("a", 2), 7))])
    send(kafka, topic, [("a", ALERT.to_confluent(alert("a", 3), 8)), ("a", ALERT.to_avro(alert("a", 4)))])
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic, schema_registry_url=url) as subscriber:
        assert taken(subscriber, 3) == [("a", 1), ("a", 2), ("a", 4)]
        assert subscriber.unreadable == 1
    assert asked.count("/schemas/ids/7") == 1


def test_a_registry_that_is_away_loses_nothing(kafka: str, topic: str, registry: tuple[str, list[str]]) -> None:
    send(kafka, topic, [("a", ALERT.to_confluent(alert("a"), 7))])
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic, schema_registry_url="http://127.0.0.1:9") as away:
        for _ in range(2):
            with pytest.raises(DependencyError, match="schema registry at"):
                taken(away, 1)
    with AlertSubscriber(kafka, group=f"{topic}-1", topic=topic, schema_registry_url=registry[0]) as subscriber:
        assert taken(subscriber, 1) == [("a", 1)]


def test_members_of_a_group_share_the_alerts_and_a_member_that_leaves_hands_over(kafka: str, topic: str) -> None:
    found: list[tuple[str, int]] = []

    def read(subscriber: AlertSubscriber) -> None:
        with subscriber:
            subscriber.run(lambda record: found.append((record.alert_id, record.revision)))

    members = [AlertSubscriber(kafka, group=f"{topic}-1", topic=topic) for _ in range(2)]
    threads = [threading.Thread(target=read, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    names = [f"alert-{number}" for number in range(30)]
    eventually("both have partitions", lambda: [len(it._reader.partitions) for it in members], all)
    send(kafka, topic, [(name, ALERT.to_avro(alert(name))) for name in names])
    eventually("all are read", lambda: sorted(found), lambda them: len(set(them)) == len(names))
    members[0].stop()
    threads[0].join(30)
    send(kafka, topic, [(name, ALERT.to_avro(alert(name, 2))) for name in names])
    eventually("the other reads on", lambda: set(found), lambda them: len(them) == 2 * len(names))
    members[1].stop()
    threads[1].join(30)


def test_a_topic_or_broker_that_is_not_there_is_said(kafka: str, topic: str) -> None:
    with pytest.raises(BrokerUnavailable, match="`assay topics plan` shows what is missing"):
        AlertSubscriber(kafka, group="g", topic=f"no.{topic}")
    with pytest.raises(BrokerUnavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:9"):
        AlertSubscriber("127.0.0.1:9", group="g", client_options={"bootstrap_timeout_ms": 500})
