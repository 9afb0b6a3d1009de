"""Alerts as CloudEvents; that a receiver's own library reads them is tested with a real receiver."""

import json
from urllib.parse import unquote

import pytest

from streams.core.avro import ALERT
from streams.subscribers.cloud_events import event_id, message
from tests.unit.subscribers.alerts import alert

TOPIC = "prod.assay.alerts.v1"
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "spend_without_outcomes:payments:1/1",
    "source": "/assay/prod.assay.alerts.v1",
    "type": "assay.v1.alert.firing",
    "subject": "payments/refund-bot",
    "time": "2026-01-05T12:00:01.500Z",
}


def test_structured_mode_has_everything_in_the_body() -> None:
    event = message(alert(), TOPIC, binary=False)
    assert event.headers == {"content-type": "application/cloudevents+json; charset=utf-8"}
    body = json.loads(event.body)
    data = body.pop("data")
    assert body == {**ATTRIBUTES, "datacontenttype": "application/json"}
    assert ALERT.decode(json.dumps(data).encode()) == alert()


def test_binary_mode_has_the_attributes_in_headers_and_the_record_in_the_body() -> None:
    event = message(alert(), TOPIC, binary=True)
    headers = {name: unquote(value) for name, value in event.headers.items() if name.startswith("ce-")}
    assert headers == {f"ce-{name}": value for name, value in ATTRIBUTES.items()}
    assert event.headers["content-type"] == "application/json"
    assert ALERT.decode(event.body) == alert()


@pytest.mark.parametrize("binary", [False, True])
def test_both_modes_are_the_same_event(binary: bool) -> None:
    assert message(alert(), TOPIC, binary=binary).identity == event_id(alert())


@pytest.mark.parametrize("name", ["a.b.1", "ü\r\nx-evil: 1", '50 % "x"', "a/b"])
def test_what_stands_in_headers_is_plain(name: str) -> None:
    event = message(alert(name, team=name), TOPIC, binary=True)
    for value in (event.identity, *event.headers.values()):
        assert value.isascii()
        assert value.isprintable()
    # Signed as id.timestamp.body: a dot in the id would let one signature stand for another request.
    assert "." not in event.identity
    assert unquote(event.headers["ce-subject"]) == f"{name}/refund-bot"


def test_revisions_and_ends_are_other_events_of_the_same_subject() -> None:
    first, end = (message(it, TOPIC, binary=True) for it in (alert(), alert(revision=2, state="resolved")))
    assert first.identity != end.identity
    assert end.headers["ce-type"] == "assay.v1.alert.resolved"
    assert first.headers["ce-subject"] == end.headers["ce-subject"]
    assert message(alert(workflow=None), TOPIC, binary=True).headers["ce-subject"] == "payments"
