"""OTLP as JSON: how SDKs in JavaScript and the Collector's file exporter and Kafka encoding ``otlp_json`` write it.

The mapping is proto3's, with two exceptions: ids are hex, and enums are numbers. 64-bit integers are texts by the
rule and numbers in what JavaScript sends; some senders have ids in base64 and enums as names. All of these are read.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from base64 import b64decode
from collections.abc import Container, Iterator
from typing import Any, Final, Literal

import orjson

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Refused
from streams.sources.otlp.records import LogRecord, MetricPoint, Scope, Span, SpanEvent, Wanted, bounded
from streams.sources.readings import BadField

__all__ = ["log_records", "metric_points", "spans"]

_ERROR: Final = (2, "STATUS_CODE_ERROR")
_TEMPORALITIES: Final[dict[Any, Literal["delta", "cumulative"]]] = {
    1: "delta",
    2: "cumulative",
    "AGGREGATION_TEMPORALITY_DELTA": "delta",
    "AGGREGATION_TEMPORALITY_CUMULATIVE": "cumulative",
}
_KINDS: Final[dict[str, Literal["gauge", "sum", "histogram", "other"]]] = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponentialHistogram": "histogram",
    "summary": "other",
}
_DEEPEST: Final = 16
_MOST_DIGITS: Final = 20
_LONGEST: Final = 2**64


def spans(body: bytes, wanted: Wanted, wanted_events: Container[str]) -> Iterator[Span | Refused]:
    """The spans of an export request."""
    for place, span, resource, scope in _walk(body, "resourceSpans", "scopeSpans", "spans", wanted):
        try:
            yield Span(
                place,
                _text(span, "name"),
                _id(span, "traceId", 16),
                _id(span, "spanId", 8),
                _id(span, "parentSpanId", 8),
                _integer(span, "startTimeUnixNano"),
                _integer(span, "endTimeUnixNano"),
                _object(span, "status").get("code") in _ERROR,
                _attributes(span, wanted),
                tuple(
                    SpanEvent(event["name"], _integer(event, "timeUnixNano"), _attributes(event, wanted))
                    for event in _list(span, "events")
                    if isinstance(event, dict) and event.get("name") in wanted_events
                ),
                resource,
                scope,
            )
        except BadField as bad:
            yield bad.refused(place)


def log_records(body: bytes, wanted: Wanted) -> Iterator[LogRecord | Refused]:
    """The log records of an export request."""
    for place, record, resource, scope in _walk(body, "resourceLogs", "scopeLogs", "logRecords", wanted):
        try:
            attributes = _attributes(record, wanted)
            name = attributes.get("event.name") or _text(record, "eventName")
            yield LogRecord(
                place,
                name if isinstance(name, str) else "",
                _id(record, "traceId", 16),
                _id(record, "spanId", 8),
                _integer(record, "timeUnixNano"),
                _integer(record, "observedTimeUnixNano"),
                attributes,
                resource,
                scope,
            )
        except BadField as bad:
            yield bad.refused(place)


def metric_points(body: bytes, wanted: Wanted) -> Iterator[MetricPoint | Refused]:
    """The data points of an export request."""
    number = 0
    for place, metric, resource, scope in _walk(body, "resourceMetrics", "scopeMetrics", "metrics", wanted):
        for kind in _KINDS:
            data = metric.get(kind)
            if not isinstance(data, dict):
                continue
            try:
                points = _list(data, "dataPoints")
            except BadField as bad:
                yield bad.refused(place)
                continue
            number += len(points)
            bounded(number)
            for at, point in enumerate(points):
                point_place = f"{place}.{kind}.dataPoints.{at}"
                try:
                    yield _point(point_place, metric, kind, data, point, wanted, resource, scope)
                except BadField as bad:
                    yield bad.refused(point_place)


def _point(
    place: str,
    metric: dict[str, Any],
    kind: str,
    data: dict[str, Any],
    point: Any,
    wanted: Wanted,
    resource: dict[str, Any],
    scope: Scope,
) -> MetricPoint:
    if not isinstance(point, dict):
        raise BadField("dataPoints", Reason.WRONG_TYPE, "holds something that is no object")
    if kind in {"gauge", "sum"}:
        value = _number(point, "asDouble") if "asDouble" in point else _integer(point, "asInt")
        count = None
    else:
        value, count = _number(point, "sum"), _integer(point, "count")
    temporality = data.get("aggregationTemporality")
    return MetricPoint(
        place,
        _text(metric, "name"),
        _KINDS[kind],
        _TEMPORALITIES.get(temporality, "unspecified") if isinstance(temporality, int | str) else "unspecified",
        kind == "sum" and data.get("isMonotonic") is True,
        _integer(point, "startTimeUnixNano"),
        _integer(point, "timeUnixNano"),
        value,
        count,
        _attributes(point, wanted),
        resource,
        scope,
    )


def _walk(
    body: bytes, resources: str, scopes: str, records: str, wanted: Wanted
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], Scope]]:
    """The record objects of a request with their place, resource attributes and scope."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        detail = "the body is not JSON: it is cut off, nested too deeply, or holds a text that is not UTF-8"
        raise BadBody(Reason.INVALID_JSON, detail) from None
    if not isinstance(request, dict) or (request and resources not in request):
        raise BadBody(Reason.MISSING_FIELD, f"the body has no {resources}: send the request to the path of its signal")
    number = 0
    try:
        for at, one_resource in enumerate(_objects(request, resources)):
            resource = _attributes(_object(one_resource, "resource"), wanted)
            for scope_at, one_scope in enumerate(_objects(one_resource, scopes)):
                described = _object(one_scope, "scope")
                scope = Scope(_text(described, "name"), _text(described, "version"))
                found = _objects(one_scope, records)
                number += len(found)
                bounded(number)
                for record_at, record in enumerate(found):
                    yield f"{resources}.{at}.{scopes}.{scope_at}.{records}.{record_at}", record, resource, scope
    except BadField as bad:
        raise BadBody(bad.reason, str(bad)) from None


def _objects(holder: dict[str, Any], field: str) -> list[dict[str, Any]]:
    found = _list(holder, field)
    for item in found:
        if not isinstance(item, dict):
            raise BadField(field, Reason.WRONG_TYPE, "holds something that is no object")
    return found


def _list(holder: dict[str, Any], field: str) -> list[Any]:
    found = holder.get(field)
    if found is None:
        return []
    if not isinstance(found, list):
        raise BadField(field, Reason.WRONG_TYPE, "is not a list")
    return found


def _object(holder: dict[str, Any], field: str) -> dict[str, Any]:
    found = holder.get(field)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadField(field, Reason.WRONG_TYPE, "is not an object")
    return found


def _text(holder: dict[str, Any], field: str) -> str:
    found = holder.get(field)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise BadField(field, Reason.WRONG_TYPE, "is not a text")
    return found


def _integer(holder: dict[str, Any], field: str) -> int:
    """A 64-bit integer: number or text of digits; a whole float is what JavaScript makes of one. 0 where absent."""
    found = holder.get(field, 0)
    if type(found) is int:
        return found
    if found is None:
        return 0
    if isinstance(found, str) and 0 < len(found) <= _MOST_DIGITS:
        try:
            return int(found)
        except ValueError:
            pass
    if isinstance(found, float) and found.is_integer() and abs(found) < _LONGEST:
        return int(found)
    raise BadField(field, Reason.WRONG_TYPE, "is not an integer")


def _number(holder: dict[str, Any], field: str) -> float:
    """A double; proto3 writes those that JSON cannot as texts."""
    found = holder.get(field, 0.0)
    if isinstance(found, float | int) and not isinstance(found, bool):
        return found
    if found in ("NaN", "Infinity", "-Infinity"):
        return float(found)
    raise BadField(field, Reason.WRONG_TYPE, "is not a number")


def _id(holder: dict[str, Any], field: str, length: int) -> str:
    found = holder.get(field)
    if not isinstance(found, str) or not found:
        return ""
    try:
        raw = bytes.fromhex(found) if len(found) == 2 * length else b64decode(found, validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == length and any(raw) else ""


def _attributes(holder: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    found = {}
    for pair in _list(holder, "attributes"):
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
            raise BadField("attributes", Reason.WRONG_TYPE, "holds something that is no pair of key and value")
        key = pair["key"]
        if wanted is None or key in wanted:
            found[key] = _value(pair.get("value"), 0)
    return found


def _value(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    if "stringValue" in value:
        return _text(value, "stringValue")
    if "intValue" in value:
        return _integer(value, "intValue")
    if "doubleValue" in value:
        return _number(value, "doubleValue")
    if "boolValue" in value:
        return value["boolValue"] is True
    if "arrayValue" in value:
        return [_value(item, depth + 1) for item in _list(_object(value, "arrayValue"), "values")]
    if "kvlistValue" in value:
        pairs = _list(_object(value, "kvlistValue"), "values")
        return {
            pair["key"]: _value(pair.get("value"), depth + 1)
            for pair in pairs
            if isinstance(pair, dict) and isinstance(pair.get("key"), str)
        }
    if "bytesValue" in value:
        try:
            return b64decode(_text(value, "bytesValue"), validate=True)
        except ValueError:
            return None
    return None
