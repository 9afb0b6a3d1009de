"""OTLP in both encodings is read into the same records, and what is none is refused as a whole or in its place."""

import base64
from typing import Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Refused
from streams.sources.otlp import reading, records
from tests.otlp_requests import AT_MS, JSON, PROTOBUF, TRACE, as_protobuf, log_record, request, span

ATTRIBUTES = {
    "text": "word", "empty": "", "yes": True, "no": False, "whole": 2**62, "below": -3, "part": 0.5, "raw": b"\x00\xff",
    "list": ["a", 1, ["b"]], "map": {"k": {"deep": [True]}}, "nothing": None,
}  # fmt: skip


def spans(found: dict[str, Any], **options: Any) -> list[Any]:
    body = orjson.dumps(found)
    read = list(reading.spans(body, JSON, **options))
    assert read == list(reading.spans(as_protobuf(found), PROTOBUF, **options))
    return read


def test_a_span_is_the_same_in_both_encodings() -> None:
    events = [{"name": "wanted", "timeUnixNano": "7", "attributes": []}, {"name": "other"}]
    child = span(2, ATTRIBUTES, parentSpanId=f"{1:016x}", status={"code": 2, "message": "said"}, events=events)
    (read,) = spans(request([child], resource={"service.name": "s"}), wanted_events={"wanted"})
    assert read._asdict() == {
        "place": "resourceSpans.0.scopeSpans.0.spans.0",
        "name": "chat",
        "trace_id": TRACE,
        "span_id": "0000000000000002",
        "parent_span_id": "0000000000000001",
        "start_nanos": (AT_MS - 100) * 1_000_000,
        "end_nanos": AT_MS * 1_000_000,
        "failed": True,
        "attributes": ATTRIBUTES,
        "events": (reading.SpanEvent("wanted", 7, {}),),
        "resource": {"service.name": "s"},
        "scope": reading.Scope("test", ""),
    }


def test_only_wanted_attributes_are_read() -> None:
    (read,) = spans(request([span(1, ATTRIBUTES)], resource=ATTRIBUTES), wanted={"text", "list"})
    assert read.attributes == read.resource == {"text": "word", "list": ["a", 1, ["b"]]}


def test_a_log_record_is_the_same_in_both_encodings() -> None:
    made = log_record({"event.name": "named", "n": 1}, traceId=TRACE, spanId=f"{9:016x}", observedTimeUnixNano="5")
    found = request([made], kind="logRecords")
    (read,) = reading.log_records(orjson.dumps(found), JSON)
    assert [read] == list(reading.log_records(as_protobuf(found, "logRecords"), PROTOBUF))
    assert isinstance(read, reading.LogRecord)
    assert (read.name, read.at_nanos, read.observed_nanos) == ("named", AT_MS * 1_000_000, 5)
    assert (read.trace_id, read.span_id) == (TRACE, "0000000000000009")


@pytest.mark.parametrize(
    ("members", "attributes", "name"),
    [
        ({"eventName": "field"}, {}, "field"),
        ({"eventName": "src/lib.rs:7"}, {"event.name": "own"}, "own"),
        ({}, {}, ""),
    ],
)
def test_the_attribute_names_an_event_better_than_the_field(
    members: dict[str, Any], attributes: dict[str, Any], name: str
) -> None:
    found = request([log_record(attributes, **members)], kind="logRecords")
    for read in (
        *reading.log_records(orjson.dumps(found), JSON),
        *reading.log_records(as_protobuf(found, "logRecords"), PROTOBUF),
    ):
        assert isinstance(read, reading.LogRecord)
        assert read.name == name


@pytest.mark.parametrize("value", [5, "5", 5.0])
def test_integers_come_as_numbers_and_texts(value: Any) -> None:
    record = {**span(), "endTimeUnixNano": value, "attributes": [{"key": "n", "value": {"intValue": value}}]}
    (read,) = reading.spans(orjson.dumps(request([record])), JSON)
    assert isinstance(read, reading.Span)
    assert (read.end_nanos, read.attributes) == (5, {"n": 5})


@pytest.mark.parametrize(
    ("trace_id", "expected"),
    [
        (TRACE.upper(), TRACE),
        (base64.b64encode(bytes.fromhex(TRACE)).decode(), TRACE),
        ("0" * 32, ""),
        ("", ""),
        (TRACE[:-1], ""),
        ("not an id", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_ids_are_hex_or_base64_or_none(trace_id: Any, expected: str) -> None:
    (read,) = reading.spans(orjson.dumps(request([{**span(), "traceId": trace_id}])), JSON)
    assert isinstance(read, reading.Span)
    assert read.trace_id == expected


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_enums_come_as_numbers_and_names(code: Any) -> None:
    (read,) = reading.spans(orjson.dumps(request([span(status={"code": code})])), JSON)
    assert isinstance(read, reading.Span)
    assert read.failed


@pytest.mark.parametrize(
    "members",
    [
        {"endTimeUnixNano": "soon"}, {"endTimeUnixNano": "9" * 4000}, {"endTimeUnixNano": 1.5}, {"endTimeUnixNano": []},
        {"name": 7}, {"status": "bad"}, {"attributes": {}}, {"attributes": [7]}, {"attributes": [{"value": {}}]},
        {"attributes": [{"key": "n", "value": {"intValue": "many"}}]}, {"events": 3},
        {"attributes": [{"key": "n", "value": {"arrayValue": {"values": 1}}}]},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_refused_in_its_place_and_the_others_are_read(members: dict[str, Any]) -> None:
    read = list(reading.spans(orjson.dumps(request([span(1), {**span(2), **members}, span(3)])), JSON))
    assert [type(one) for one in read] == [reading.Span, Refused, reading.Span]
    assert isinstance(read[1], Refused)
    assert read[1].place == "resourceSpans.0.scopeSpans.0.spans.1"
    assert read[1].detail.startswith("field ")


@pytest.mark.parametrize("read", [reading.spans, reading.log_records, reading.metric_points])
@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", JSON, Reason.INVALID_JSON),
        (b"{", JSON, Reason.INVALID_JSON),
        (b"[" * 100_000, JSON, Reason.INVALID_JSON),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, JSON, Reason.INVALID_JSON),
        (b'"\xff"', JSON, Reason.INVALID_JSON),
        (b"[]", JSON, Reason.MISSING_FIELD),
        (b'{"batch": []}', JSON, Reason.MISSING_FIELD),
        (b"{}", PROTOBUF, Reason.WRONG_TYPE),
        (b"\x0a\x05\x0a", PROTOBUF, Reason.WRONG_TYPE),
        (b"{}", "text/plain", Reason.UNKNOWN_VALUE),
        (b"{}", "", Reason.UNKNOWN_VALUE),
    ],
)
def test_what_is_no_request_is_refused_as_a_whole(read: Any, body: bytes, content_type: str, reason: Reason) -> None:
    with pytest.raises(BadBody) as refused:
        list(read(body, content_type))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        {"resourceSpans": 1}, {"resourceSpans": [1]}, {"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]},
        {"resourceSpans": [{"resource": []}]}, {"resourceSpans": [{"scopeSpans": [{"scope": {"name": 1}}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]},
    ],
)  # fmt: skip
def test_a_request_of_the_wrong_shape_is_refused_as_a_whole(body: Any) -> None:
    with pytest.raises(BadBody) as refused:
        list(reading.spans(orjson.dumps(body), JSON))
    assert refused.value.reason is Reason.WRONG_TYPE


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", " application/json "])
def test_an_empty_request_is_one(content_type: str) -> None:
    assert list(reading.spans(b"{}", content_type)) == []
    assert list(reading.spans(b"", "application/protobuf")) == []


def test_values_nested_beyond_reason_are_unknown() -> None:
    value: Any = "deep"
    for _ in range(40):
        value = [value]
    found = request([span(1, {"nested": value})])
    for read in (*reading.spans(orjson.dumps(found), JSON), *reading.spans(as_protobuf(found), PROTOBUF)):
        assert isinstance(read, reading.Span)
        assert "deep" not in repr(read.attributes)


def test_protobuf_nested_beyond_the_parsers_bound_is_refused() -> None:
    value = b"\x0a\x01x"
    for _ in range(120):  # AnyValue.array_value.values
        inner = b"\x0a" + _length(value) + value
        value = b"\x2a" + _length(inner) + inner
    body = value
    for tag in (b"\x12", b"\x0a", b"\x0a", b"\x0a"):
        body = tag + _length(body) + body
    with pytest.raises(BadBody):
        list(reading.spans(body, PROTOBUF))


def _length(raw: bytes) -> bytes:
    size = len(raw)
    return bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])


MANY = records.MOST_RECORDS + 1
EMPTY = b"{}," * records.MOST_RECORDS + b"{}"


@pytest.mark.parametrize(
    ("holders", "tags"),
    [
        (b'{"resourceSpans":[%s]}', []),
        (b'{"resourceSpans":[{"scopeSpans":[%s]}]}', [b"\x0a"]),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}', [b"\x0a", b"\x12"]),
    ],
)
def test_a_request_of_countless_empty_records_is_refused(holders: bytes, tags: list[bytes]) -> None:
    # An empty span is two bytes: the largest body that is taken would hold millions.
    body = (b"\x12\x00" if tags else b"\x0a\x00") * MANY
    for tag in reversed(tags):
        body = tag + _varint(len(body)) + body
    for request_body, content_type in ((holders % EMPTY, JSON), (body, PROTOBUF)):
        with pytest.raises(BadBody) as refused:
            list(reading.spans(request_body, content_type))
        assert refused.value.reason is Reason.TOO_LARGE


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


POINT = {"timeUnixNano": "9", "startTimeUnixNano": "3", "attributes": []}


@pytest.mark.parametrize(
    ("data", "kind", "temporality", "monotonic", "value", "observations"),
    [
        ({"sum": {"dataPoints": [{**POINT, "asInt": "7"}], "aggregationTemporality": 2, "isMonotonic": True}}, "sum", "cumulative", True, 7, None),
        ({"sum": {"dataPoints": [{**POINT, "asDouble": 0.5}], "aggregationTemporality": 1}}, "sum", "delta", False, 0.5, None),
        ({"gauge": {"dataPoints": [{**POINT, "asInt": "7"}]}}, "gauge", "unspecified", False, 7, None),
        ({"histogram": {"dataPoints": [{**POINT, "sum": 9.0, "count": "2"}], "aggregationTemporality": 2}}, "histogram", "cumulative", False, 9.0, 2),
        ({"exponentialHistogram": {"dataPoints": [{**POINT, "sum": 9.0, "count": "2"}], "aggregationTemporality": 1}}, "histogram", "delta", False, 9.0, 2),
        ({"summary": {"dataPoints": [{**POINT, "sum": 9.0, "count": "2"}]}}, "other", "unspecified", False, 9.0, 2),
    ],
)  # fmt: skip
def test_data_points_are_the_same_in_both_encodings(
    data: dict[str, Any], kind: str, temporality: str, monotonic: bool, value: float, observations: int | None
) -> None:
    found = request([{"name": "m", **data}], kind="metrics")
    (read,) = reading.metric_points(orjson.dumps(found), JSON)
    assert [read] == list(reading.metric_points(as_protobuf(found, "metrics"), PROTOBUF))
    assert isinstance(read, reading.MetricPoint)
    assert (read.kind, read.temporality, read.monotonic) == (kind, temporality, monotonic)
    assert (read.value, read.observations, read.start_nanos, read.at_nanos) == (value, observations, 3, 9)
    assert read.place == f"resourceMetrics.0.scopeMetrics.0.metrics.0.{next(iter(data))}.dataPoints.0"
