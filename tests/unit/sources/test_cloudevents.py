"""Events of one's own making: bare, and as CloudEvents in every mode."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from streams.core.pseudonyms import Pseudonyms
from streams.core.reasons import Reason
from streams.sources.booking import Attribution, Binding, Booker, Rule
from streams.sources.cloudevents import decode
from streams.sources.contract import BadBody, Context, Decoded, Form, Skip
from tests.engine_runs import KEY, MONDAY

CALL = {
    "event_id": "e1",
    "source": "gateway",
    "occurred_at": MONDAY,
    "team": "payments",
    "workflow": "review",
    "model": "m",
    "input_tokens": 3,
}
RESULT = {
    "outcome_id": "o1",
    "source": "forge",
    "occurred_at": MONDAY,
    "team": "payments",
    "kind": "change_merged",
    "verdict": "accepted",
}


def read(body: bytes | object, content_type: str = "application/json", **headers: str) -> Decoded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(
        raw, Context(0, content_type=content_type, headers={name.replace("_", "-"): it for name, it in headers.items()})
    )


def enveloped(data: object = None, **attributes: Any) -> dict[str, Any]:
    said = {
        "specversion": "1.0",
        "id": "ce-1",
        "source": "/forge",
        "type": "assay.outcome.v1",
        "time": "2026-01-05T00:00:00Z",
    }
    event = {**said, **attributes, "data": RESULT if data is None else data}
    return {name: it for name, it in event.items() if it is not None}


# --------------------------------------------------------------------------------------------------------------- native


@pytest.mark.parametrize("body", [
    [CALL, RESULT],
    (json.dumps(CALL) + "\n" + json.dumps(RESULT)).encode(),
    (json.dumps(CALL) + "\r\n\r\n" + json.dumps(RESULT) + "\r\n").encode(),
    b"\xef\xbb\xbf" + json.dumps([CALL, RESULT]).encode(),
])  # fmt: skip
def test_native_events_are_told_by_what_identifies_them(body: Any) -> None:
    decoded = read(body)
    assert [(it.form, it.fields) for it in decoded.items] == [
        (Form.USAGE, CALL),
        (Form.OUTCOME, RESULT),
    ]
    assert (decoded.refused, decoded.skipped, decoded.links) == ([], {}, {"unnamed": 1})
    booked = Booker(Pseudonyms(KEY)).book(decoded.items, Binding())
    assert [len(booked.usage), len(booked.outcomes), len(booked.refused)] == [1, 1, 0]
    assert booked.attributed == {Attribution.PAYLOAD: 2}


def test_one_object_is_one_event_and_unknowns_are_left_out() -> None:
    decoded = read({**RESULT, "run_id": "run-1", "workflow": None, "ref": None})
    assert decoded.items[0].fields == {**RESULT, "run_id": "run-1"}
    assert decoded.links == {"field": 1}
    assert read({**RESULT, "workflow": "review"}).links == {"workflow": 1}
    assert read(CALL).links == {}


def test_a_time_may_be_a_text_and_the_actor_stays_hidden() -> None:
    decoded = read({**CALL, "occurred_at": "2026-01-05T01:00:00+01:00", "actor": "ada@example.com"})
    assert decoded.items[0].fields["occurred_at"] == MONDAY
    (record,) = Booker(Pseudonyms(KEY)).book(decoded.items, Binding()).usage
    assert b"ada" not in record.value
    assert b"pseudonym:" in record.value


def test_rules_go_by_attributes_and_source() -> None:
    decoded = read({**CALL, "team": None, "attributes": {"service.name": "checkout", "source": "not this one"}})
    assert decoded.items[0].labels == {"service.name": "checkout", "source": "gateway"}
    rules = (Rule("service.name", "check*", team="shop"),)
    (record,) = Booker(Pseudonyms(KEY)).book(decoded.items, Binding(rules=rules)).usage
    assert record.key == b"shop"


@pytest.mark.parametrize(("body", "detail", "reason"), [
    ({**CALL, "input_token": 3}, "field input_token is not a field of a usage event: did you mean input_tokens?", Reason.UNKNOWN_VALUE),
    ({**CALL, "prompt": "secret"}, "field prompt is not a field of a usage event: what was asked and answered is never sent", Reason.UNKNOWN_VALUE),
    ({**RESULT, "zzz": 1}, "field zzz is not a field of an outcome event: put what has no field of its own into attributes", Reason.UNKNOWN_VALUE),
    ({**RESULT, "my secret": 1}, "field names of an outcome event have one that is no name of a field: see the schema", Reason.UNKNOWN_VALUE),
    ({**CALL, "outcome_id": "o"}, "field outcome_id stands beside event_id: a record is a call or an outcome", Reason.INCONSISTENT),
    ({"team": "payments"}, "field event_id is missing: a usage event has event_id, an outcome event outcome_id", Reason.MISSING_FIELD),
    ({**CALL, "model": {"a": 1}}, "field model is not of its type: attributes are texts, all else is plain", Reason.WRONG_TYPE),
    ({**CALL, "attributes": [1]}, "field attributes is not of its type: attributes are texts, all else is plain", Reason.WRONG_TYPE),
    ({**CALL, "attributes": {"a": {"b": 1}}}, "field attributes is not of its type: attributes are texts, all else is plain", Reason.WRONG_TYPE),
    ({**CALL, "occurred_at": "soon"}, "field occurred_at is not an ISO 8601 time: send one with a zone", Reason.INVALID_TIMESTAMP),
    ([7], "the record must be a JSON object", Reason.WRONG_TYPE),
])  # fmt: skip
def test_what_is_no_event_is_refused_with_the_field_and_the_fix(body: object, detail: str, reason: Reason) -> None:
    decoded = read(body)
    assert [(it.place, it.detail, it.reason) for it in decoded.refused] == [("0", detail, reason)]
    assert decoded.items == []


def test_a_bad_line_costs_nobody_elses() -> None:
    lines = json.dumps(CALL) + "\n{broken\n" + json.dumps(RESULT) + '\n{"event_id": "cut o'
    decoded = read(lines.encode(), "application/x-ndjson")
    assert [it.place for it in decoded.items] == ["line 1", "line 3"]
    assert [(it.place, it.reason) for it in decoded.refused] == [
        ("line 2", Reason.INVALID_JSON),
        ("line 4", Reason.INVALID_JSON),
    ]


@pytest.mark.parametrize(("body", "reason"), [
    (b"", Reason.EMPTY), (b" \n\n", Reason.EMPTY), (b"{", Reason.INVALID_JSON), (b"{\n \"a\": 1,\n", Reason.INVALID_JSON), (b"\xff\xfe{}", Reason.INVALID_UTF8),
    (b"[" * 100_000, Reason.INVALID_JSON), (b'{"a":' * 2000 + b"1" + b"}" * 2000, Reason.INVALID_JSON), (b"NaN", Reason.INVALID_JSON),
    (b"one\ntwo", Reason.INVALID_JSON),
])  # fmt: skip
def test_a_body_of_which_nothing_can_be_read_is_refused(body: bytes, reason: Reason) -> None:
    with pytest.raises(BadBody) as raised:
        read(body)
    assert raised.value.reason is reason


def test_many_unknown_names_are_refused_quickly() -> None:
    decoded = read([{**CALL, f"input_tokenz{number}": 1} for number in range(2000)])
    assert "did you mean input_tokens?" in decoded.refused[0].detail
    assert len(decoded.refused) == 2000
    assert not any("did you mean" in it.detail for it in decoded.refused[20:])


# ---------------------------------------------------------------------------------------------------------- CloudEvents


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8", "application/json"]
)
def test_a_structured_event(content_type: str) -> None:
    (item,) = read(enveloped(subject="acme/shop"), content_type).items
    assert (item.form, item.fields) == (Form.OUTCOME, RESULT)
    assert item.labels == {"source": "forge", "type": "assay.outcome.v1", "subject": "acme/shop"}


def test_a_batch() -> None:
    decoded = read(
        [enveloped(), enveloped(CALL, type="assay.usage.v1"), enveloped(type="other.v1", data={"a": 1})],
        "application/cloudevents-batch+json",
    )
    assert [it.form for it in decoded.items] == [Form.OUTCOME, Form.USAGE]
    assert decoded.skipped == {Skip.UNKNOWN: 1}
    assert read([], "application/cloudevents-batch+json").items == []


BARE = {name: it for name, it in RESULT.items() if name not in ("outcome_id", "source", "occurred_at")}


def test_the_envelope_fills_in_what_the_event_leaves_out() -> None:
    (item,) = read(enveloped(BARE)).items
    assert item.fields == {**BARE, "outcome_id": "ce-1", "source": "/forge", "occurred_at": MONDAY}


def test_a_type_of_ones_own_is_told_by_what_identifies_it() -> None:
    assert read(enveloped(type="com.acme.merged")).items[0].form is Form.OUTCOME
    assert read(enveloped(CALL, type="com.acme.call")).items[0].form is Form.USAGE
    assert read(enveloped(BARE, type="com.acme.merged")).skipped == {Skip.UNKNOWN: 1}


def test_data_may_be_in_base64() -> None:
    encoded = base64.b64encode(json.dumps(RESULT).encode()).decode()
    event = {**enveloped(), "data_base64": encoded}
    del event["data"]
    assert read(event).items[0].fields == RESULT


@pytest.mark.parametrize(("changes", "field"), [
    ({"id": None}, "id"), ({"id": ""}, "id"), ({"source": 7}, "source"), ({"type": None}, "type"), ({"specversion": "0.3"}, "specversion"),
    ({"specversion": "10"}, "specversion"), ({"specversion": "1.0-beta"}, "specversion"), ({"datacontenttype": "text/plain"}, "datacontenttype"), ({"datacontenttype": 7}, "datacontenttype"),
    ({"data": [1]}, "data"), ({"data": "text"}, "data"), ({"data": None, "data_base64": "%%%"}, "data_base64"),
    ({"data": None, "data_base64": base64.b64encode(b"\xff").decode()}, "data_base64"), ({"data": None}, "data"),
    ({"time": "soon", "data": BARE}, "occurred_at"),
])  # fmt: skip
def test_an_envelope_that_is_broken_is_refused_with_the_field(changes: dict[str, Any], field: str) -> None:
    event = {name: it for name, it in {**enveloped(), **changes}.items() if it is not None}
    (refused,) = read(event, "application/cloudevents+json").refused
    assert refused.detail.startswith(f"field {field} ")


# --------------------------------------------------------------------------------- as the CloudEvents SDK sends them


ATTRIBUTES = {
    "id": "münchen %1", "source": "/forge", "type": "assay.outcome.v1", "time": datetime(2026, 1, 5, tzinfo=UTC),
    "datacontenttype": "application/json",
}  # fmt: skip
SENT = {**BARE, "outcome_id": "münchen %1", "source": "/forge", "occurred_at": MONDAY}


def received(message: http.HTTPMessage | kafka.KafkaMessage, value: bytes) -> Decoded:
    headers = {name.lower(): it.decode() if isinstance(it, bytes) else it for name, it in message.headers.items()}
    return decode(value, Context(0, content_type=headers.get("content-type", ""), headers=headers))


def test_what_the_sdk_sends_over_http() -> None:
    event = CloudEvent(ATTRIBUTES, BARE)
    for message in (http.to_binary(event, JSONFormat()), http.to_structured(event, JSONFormat())):
        assert [it.fields for it in received(message, message.body).items] == [SENT]


def test_what_the_sdk_sends_through_kafka() -> None:
    event = CloudEvent(ATTRIBUTES, BARE)
    for message in (kafka.to_binary(event, JSONFormat()), kafka.to_structured(event, JSONFormat())):
        assert [it.fields for it in received(message, message.value).items] == [SENT]


def test_data_of_a_binary_event_that_is_not_json_is_refused() -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "assay.usage.v1"}
    with pytest.raises(BadBody):
        read(b"text", **headers)
    (refused,) = read(b"{}", "text/plain", **headers).refused
    assert refused.detail.startswith("field datacontenttype ")
    (refused,) = read(b"[]", **headers).refused
    assert refused.detail.startswith("field data ")
