"""A webhook's receiver gets every change of every alert, as CloudEvents that its own libraries read and verify."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from streams.core.avro import ALERT
from streams.core.topics import ALERTS
from streams.subscribers import InvalidSignature, verify_signature
from streams.topics_admin import apply
from tests.integration.bridges import Bridge, Receiver, Request, publish
from tests.integration.workers import assay, eventually
from tests.unit.subscribers.alerts import alert

pytestmark = pytest.mark.slow

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_bmV3LXNlY3JldC1vZi0zMi1ieXRlcy0tLS0tLS0t"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    apply(kafka, prefix=topic_prefix, app_id="assay", partitions=3, replication_factor=1)
    return topic_prefix + ALERTS


@pytest.fixture
def start(kafka: str, topic_prefix: str, receiver: Receiver, tmp_path: Path) -> Callable[..., Bridge]:
    """Starts ``assay forward webhook`` to the receiver."""
    secrets = tmp_path / "secrets"
    secrets.write_text(f"# the new one first\n{NEW}\n{OLD}\n")
    options = ("--brokers", kafka, "--topic-prefix", topic_prefix, "--url", receiver.url, "--secret-file", str(secrets))
    return lambda *more: Bridge(tmp_path, "webhook", *options, *more)


def identities(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_a_receiver_reads_the_event_and_either_secret_verifies_it(
    kafka: str, topic: str, receiver: Receiver, start: Callable[..., Bridge], mode: str
) -> None:
    published = alert("a.1:päy", 2, team="Zahlung & Co %", workflow=None)
    with start("--mode", mode) as bridge:
        publish(kafka, topic, [published])
        (request,) = eventually("it arrives", lambda: list(receiver.requests))
        assert bridge.stop() == 0
    event = from_http_event(HTTPMessage(headers=request.headers, body=request.body))
    assert event.get_id() == request.headers["webhook-id"] == "a%2E1:p%C3%A4y/2"
    assert event.get_source() == f"/assay/{topic}"
    assert event.get_type() == "assay.v1.alert.firing"
    assert event.get_subject() == "Zahlung & Co %"
    assert event.get_time().isoformat() == "2026-01-05T12:00:03+00:00"
    assert ALERT.decode(ALERT.to_json(published)) == ALERT.decode(json.dumps(event.get_data()).encode())
    assert ("ce-id" in request.headers) == (mode == "binary")
    for secret in (OLD, NEW):
        assert verify_signature(request.body, request.headers, secret) == request.headers["webhook-id"]
        Webhook(secret).verify(request.body, request.headers, json_parse=False)
    with pytest.raises(InvalidSignature):
        verify_signature(request.body + b" ", request.headers, [OLD, NEW])


def test_what_is_refused_is_logged_and_passed_over_and_what_fails_is_tried_again(
    kafka: str, topic: str, receiver: Receiver, start: Callable[..., Bridge]
) -> None:
    failures = iter([503, 429, 408])

    def answer(request: Request) -> int:
        if b'"bad"' in request.body:
            return 422
        return next(failures, 204)

    receiver.answer = answer
    with start() as bridge:
        publish(kafka, topic, [alert("same"), alert("bad"), alert("same"), alert("same", 2, state="resolved")])
        eventually("the good ones arrive, in order", lambda: identities(receiver), lambda ids: len(ids) >= 2)
        eventually("the bad one is counted", lambda: bridge.metric("assay_forward_failed_total", reason="refused"))
        eventually("no lag", lambda: bridge.metric("assay_forward_lag_records"), lambda lag: lag == 0)
        assert identities(receiver) == ["same/1", "same/2"]
        (refused,) = bridge.events("alert_not_forwarded")
        assert (refused["alert_id"], refused["status"], refused["reason"]) == ("bad", 422, "refused")
        retried = {reason: bridge.metric("assay_forward_retries_total", reason=reason) for reason in
                   ("server_error", "throttled", "timeout", "unreachable")}  # fmt: skip
        assert retried == {"server_error": 1, "throttled": 1, "timeout": 1, "unreachable": 0}
        assert bridge.stop() == 0


def test_a_bridge_that_is_killed_while_the_receiver_is_away_loses_nothing(
    kafka: str, topic: str, receiver: Receiver, start: Callable[..., Bridge]
) -> None:
    publish(kafka, topic, [alert("a")])
    with start() as first:
        eventually("the first arrives", lambda: identities(receiver), lambda ids: ids == ["a/1"])
        eventually("no lag", lambda: first.metric("assay_forward_lag_records"), lambda lag: lag == 0)
        receiver.answer = lambda _request: 500
        publish(kafka, topic, [alert("a", 2), alert("a", 3, state="resolved"), alert("b")])
        retries = lambda: first.metric("assay_forward_retries_total", reason="server_error")  # noqa: E731
        eventually("it tries", retries, lambda count: (count or 0) >= 1)
        # What waits is neither done nor hidden.
        eventually("it lags", lambda: first.metric("assay_forward_lag_records"), lambda lag: lag == 3)
        assert (first.metric("assay_forward_waiting_seconds") or 0) > 0
        assert first.stop() == 0
    receiver.answer = lambda _request: 204
    with start() as second:
        eventually("all arrive", lambda: identities(receiver), lambda ids: len(ids) >= 4)
        assert second.stop() == 0
    assert [it for it in identities(receiver) if it.startswith("a/")] == ["a/1", "a/2", "a/3"]
    assert sorted(identities(receiver)) == ["a/1", "a/2", "a/3", "b/1"]


def test_a_secret_that_is_too_short_or_a_file_that_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    short = tmp_path / "secrets"
    short.write_text("\nhunter2\n")
    failed = assay("forward", "webhook", "--url", "http://127.0.0.1:9/", "--secret-file", str(short))
    assert failed.returncode == 3
    assert "line 2: the secret has 7 bytes; give at least 24" in failed.stderr
    assert "hunter2" not in failed.stderr
    failed = assay("forward", "webhook", "--url", "http://127.0.0.1:9/", "--secret-file", str(tmp_path / "none"))
    assert failed.returncode == 3
    assert "No such file or directory" in failed.stderr
