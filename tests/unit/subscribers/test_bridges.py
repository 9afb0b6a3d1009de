"""The order of a turn is the guarantee: read, tell, commit; what was not told is not committed."""

from typing import Any, cast

import pytest
from kafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from streams.core.alerts import Alert
from streams.subscribers import alertmanager_bridge
from streams.subscribers.alertmanager_bridge import AlertmanagerBridge
from streams.subscribers.bridge_metrics import BridgeMetrics
from streams.subscribers.reading import TopicReader
from streams.subscribers.signature import verify_signature
from streams.subscribers.webhook_bridge import WebhookBridge
from tests.unit.subscribers.alerts import alert
from tests.unit.subscribers.fakes import Clock, FakeReader, FakeReceiver, courier, value

SECRET = "a-secret-of-twenty-four-bytes"


class Stand:
    """A bridge between a log and a receiver in memory."""

    def __init__(self, kind: str, reader: FakeReader, receiver: FakeReceiver) -> None:
        self.reader, self.receiver = reader, receiver
        self.metrics, self.clock = BridgeMetrics(), Clock()
        them: Any = cast("TopicReader[Alert]", reader), courier(receiver, self.metrics, self.clock), self.metrics
        self.bridge: AlertmanagerBridge | WebhookBridge = (
            AlertmanagerBridge(*them, now_ms=self.clock.now_ms, resolve_after_ms=40_000)
            if kind == "alertmanager"
            else WebhookBridge(*them, now_ms=self.clock.now_ms, secrets=[SECRET.encode()])
        )

    def turn(self, times: int = 3) -> None:
        for _ in range(times):
            self.bridge.turn(0)

    def later(self, seconds: float) -> None:
        self.clock.seconds += seconds

    def told(self) -> list[tuple[str, bool]]:
        """What Alertmanager was told, in order: the alert and whether it fires."""
        now = "1970-01-01T00:16:40.000Z"
        return [(it["labels"]["alert_id"], it["endsAt"] > now) for batch in self.receiver.taken for it in batch]


def alertmanager(*alerts: Alert, committed: int | None = 0, receiver: FakeReceiver | None = None) -> Stand:
    return Stand("alertmanager", FakeReader(*alerts, committed=committed), receiver or FakeReceiver())


def webhook(*alerts: Alert, committed: int | None = 0, receiver: FakeReceiver | None = None) -> Stand:
    return Stand("webhook", FakeReader(*alerts, committed=committed), receiver or FakeReceiver())


def down(_body: object) -> None:
    return None


def test_what_fires_is_told_from_the_beginning_and_what_has_ended_is_not() -> None:
    stand = alertmanager(alert("a"), alert("b"), alert("b", 2, state="resolved"), committed=3)
    stand.turn()
    assert [name for name, _ in stand.told()] == ["a"]
    assert stand.reader.committed_offset == 3


def test_an_end_after_what_was_committed_is_told() -> None:
    stand = alertmanager(alert("a"), alert("a", 2, state="resolved"), committed=1)
    stand.turn()
    assert stand.told() == [("a", False)]
    assert stand.reader.committed_offset == 2


def test_a_new_group_says_where_it_begins_before_it_tells_anything() -> None:
    stand = alertmanager(alert("a"), alert("b"), alert("b", 2, state="resolved"), committed=None)
    stand.receiver.answer = down
    stand.turn()
    assert stand.reader.committed_offset == 3
    assert stand.told() == []


def test_nothing_is_committed_while_alertmanager_is_away_and_all_is_told_when_it_is_back() -> None:
    stand = alertmanager(alert("a"), receiver=FakeReceiver(down))
    stand.turn(5)
    stand.reader.append(alert("b"), alert("a", 2, state="resolved"))
    stand.turn(5)
    assert stand.reader.committed_offset == 0
    assert value(stand.metrics, "assay_forward_retries_total", reason="unreachable") == 1
    stand.receiver.answer = lambda _body: 200
    stand.turn()
    assert stand.told() == [], "before its time nothing is tried"
    stand.later(1)
    stand.turn()
    assert sorted(name for name, _ in stand.told()) == ["a", "b"]
    assert stand.reader.committed_offset == 3
    assert stand.bridge.delivered(0) == 3


def test_alerts_are_told_four_times_in_the_time_they_are_believed() -> None:
    stand = alertmanager(alert("a"))
    for _ in range(40):
        stand.turn(1)
        stand.later(1)
    assert len(stand.told()) == 4
    assert value(stand.metrics, "assay_forward_alerts_total", state="firing") == 1
    assert value(stand.metrics, "assay_forward_firing_alerts") == 1


def test_one_alert_that_is_refused_does_not_take_others_with_it() -> None:
    def answer(body: list[dict[str, Any]]) -> int:
        return 400 if any(it["labels"]["alert_id"] == "bad" for it in body) else 200

    stand = alertmanager(alert("a"), alert("bad"), alert("c"), receiver=FakeReceiver(answer))
    with capture_logs() as lines:
        stand.turn()
    assert [name for name, _ in stand.told()] == ["a", "c"]
    (refused,) = [line for line in lines if line["event"] == "alert_not_forwarded"]
    assert (refused["alert_id"], refused["status"], refused["detail"]) == ("bad", 400, "said so")
    assert value(stand.metrics, "assay_forward_failed_total", reason="refused") == 1
    assert stand.reader.committed_offset == 3


def test_a_rebalance_reads_again_from_the_beginning() -> None:
    stand = alertmanager(alert("a"), alert("b"))
    stand.turn()
    stand.reader.rebalanced = True
    stand.reader.append(alert("b", 2, state="resolved"))
    stand.turn()
    assert [name for name, _ in stand.told()] == ["a", "b", "b", "a"]
    assert stand.reader.committed_offset == 3


def test_what_fires_is_kept_fresh_while_kafka_is_away_and_what_is_known_is_not_forgotten() -> None:
    stand = alertmanager(alert("a"))
    stand.turn()
    stand.reader.rebalanced = stand.reader.away = True
    for _ in range(2):
        stand.later(10)
        with pytest.raises(KafkaTimeoutError):
            stand.turn(1)
    assert [name for name, _ in stand.told()] == ["a", "a", "a"]
    stand.reader.append(alert("a", 2, state="resolved"))
    stand.reader.away = False
    stand.turn()
    assert value(stand.metrics, "assay_forward_alerts_total", state="resolved") == 1
    stand.later(10)
    stand.turn()
    assert len(stand.told()) == 4


def test_many_ends_are_told_before_the_end_of_the_topic_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager_bridge, "_MOST_WAITING", 2)
    log = [alert(name, 2, state="resolved") for name in "ab"]
    stand = alertmanager(*log, alert("f"), alert("c", 2, state="resolved"), alert("f", 2, state="resolved"))
    monkeypatch.setattr(stand.reader, "poll", lambda _wait, _poll=stand.reader.poll: _poll(0, 1))
    stand.turn(8)
    assert stand.told() == [("a", False), ("b", False), ("c", False), ("f", False)]
    assert stand.reader.committed_offset == 5


def test_reading_waits_while_too_many_ends_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager_bridge, "_MOST_WAITING", 2)
    stand = alertmanager(receiver=FakeReceiver(down))
    stand.reader.append(*(alert(name, 2, state="resolved") for name in "ab"))
    stand.turn()
    assert stand.reader.paused
    stand.receiver.answer = lambda _body: 200
    stand.later(60)
    stand.turn()
    assert not stand.reader.paused


def test_more_than_can_be_kept_fresh_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager_bridge, "_MOST_FIRING", 1)
    stand = alertmanager(alert("a"), alert("b"))
    with capture_logs() as lines:
        stand.turn()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["too_many_alerts"]
    assert value(stand.metrics, "assay_forward_failed_total", reason="not_kept_fresh") == 1


@pytest.mark.parametrize("make", [alertmanager, webhook])
def test_a_record_that_cannot_be_read_is_counted_logged_and_passed_over(make: Any) -> None:
    stand = make(alert("a"))
    stand.reader.append("it is no alert", None, key=b"z")
    stand.reader.append(alert("b"))
    with capture_logs() as lines:
        stand.turn()
    (unreadable,) = [line for line in lines if line["event"] == "alert_unreadable"]
    assert (unreadable["offset"], unreadable["detail"]) == (1, "it is no alert")
    assert value(stand.metrics, "assay_forward_failed_total", reason="unreadable") == 1
    assert stand.reader.committed_offset == 4


def test_a_webhook_gets_each_revision_once_in_order_and_signed() -> None:
    stand = webhook(alert("a"), alert("a"), alert("a", 2, state="resolved"), alert("a"))
    stand.turn()
    assert [event["id"] for event in stand.receiver.taken] == ["a/1", "a/2"]
    assert stand.reader.committed_offset == 4
    headers = stand.receiver.headers[0]
    assert headers["webhook-timestamp"] == "1000"
    assert headers["webhook-id"] == "a/1"
    with pytest.raises(ValueError, match="another secret or another body"):
        verify_signature(b"{}", headers, SECRET, now_ms=1_000_000)


def test_each_try_is_signed_at_its_own_time() -> None:
    stand = webhook(alert("a"), receiver=FakeReceiver(down))
    stand.turn()
    stand.later(3_600)
    stand.receiver.answer = lambda _body: 200
    stand.turn()
    assert stand.receiver.headers[0]["webhook-timestamp"] == "4600"


def test_a_webhook_that_fails_holds_what_comes_after_it() -> None:
    stand = webhook(alert("a"), alert("b"), receiver=FakeReceiver(down))
    stand.turn()
    assert stand.reader.paused
    assert (stand.reader.committed_offset, stand.receiver.taken) == (0, [])
    assert value(stand.metrics, "assay_forward_waiting_seconds") == 999
    stand.later(1)
    stand.receiver.answer = lambda _body: 200
    stand.turn()
    assert [event["id"] for event in stand.receiver.taken] == ["a/1", "b/1"]
    assert value(stand.metrics, "assay_forward_waiting_seconds") == 0


def test_a_webhook_whose_commit_failed_sends_nothing_twice_after_a_rebalance() -> None:
    stand = webhook(alert("a"))
    stand.reader.commits_fail = True
    stand.turn()
    stand.reader.commits_fail, stand.reader.rebalanced = False, True
    stand.turn()
    assert [event["id"] for event in stand.receiver.taken] == ["a/1"]
    assert stand.reader.committed_offset == 1


def test_what_waited_when_partitions_were_given_away_is_not_committed() -> None:
    stand = webhook(alert("a"), alert("b"), receiver=FakeReceiver(down))
    stand.turn()
    stand.reader.rebalanced = True
    stand.receiver.answer = lambda _body: 200
    stand.later(1)
    stand.turn(1)
    assert stand.reader.committed_offset == 0
    stand.turn()
    assert [event["id"] for event in stand.receiver.taken] == ["a/1", "b/1"]
    assert stand.reader.committed_offset == 2


def test_a_trouble_is_said_once_and_its_end_too() -> None:
    stand = webhook(alert("a"), receiver=FakeReceiver(down))
    with capture_logs() as lines:
        for _ in range(10):
            stand.turn()
            stand.later(60)
        stand.receiver.answer = lambda _body: 503
        stand.turn()
        stand.later(60)
        stand.receiver.answer = lambda _body: 200
        stand.turn()
    said = [(line["event"], line.get("reason")) for line in lines if line["event"] != "forward_begins"]
    assert said == [
        ("forward_retries", "unreachable"),
        ("forward_retries", "server_error"),
        ("forward_recovered", None),
    ]
