"""OTLP as JSON: how SDKs in JavaScript and the Collector's file exporter and Kafka encoding ``otlp_json`` write it.

The mapping is proto3's, with two exceptions: ids are hex, and enums are numbers. 64-bit integers are texts by the
rule and numbers in what JavaScript sends; some senders have ids in base64 and enums as names. All of these are read.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from collections.abc import Container, Iterator
from typing import Any, Final, Literal

import orjson

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Refused
from streams.sources.otlp.json_values import (
    attributes_of,
    id_of,
    integer_of,
    list_of,
    number_of,
    object_of,
    objects_of,
    text_of,
)
from streams.sources.otlp.records import LogRecord, MetricPoint, Scope, Span, SpanEvent, Wanted, bounded
from streams.sources.readings import BadField

__all__ = ["log_records", "metric_points", "signal_of", "spans"]

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
_SIGNALS: Final = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}


def spans(body: bytes, wanted: Wanted, wanted_events: Container[str]) -> Iterator[Span | Refused]:
    """The spans of an export request."""
    for place, span, resource, scope in _walk(body, "resourceSpans", "scopeSpans", "spans", wanted):
        try:
            yield Span(
                place,
                text_of(span, "name"),
                id_of(span, "traceId", 16),
                id_of(span, "spanId", 8),
                id_of(span, "parentSpanId", 8),
                integer_of(span, "startTimeUnixNano"),
                integer_of(span, "endTimeUnixNano"),
                object_of(span, "status").get("code") in _ERROR,
                attributes_of(span, wanted),
                tuple(
                    SpanEvent(event["name"], integer_of(event, "timeUnixNano"), attributes_of(event, wanted))
                    for event in objects_of(span, "events")
                    if text_of(event, "name") in wanted_events
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
            attributes = attributes_of(record, wanted)
            name = attributes.get("event.name") or text_of(record, "eventName")
            yield LogRecord(
                place,
                name if isinstance(name, str) else "",
                id_of(record, "traceId", 16),
                id_of(record, "spanId", 8),
                integer_of(record, "timeUnixNano"),
                integer_of(record, "observedTimeUnixNano"),
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
                points = list_of(data, "dataPoints")
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


def signal_of(body: bytes) -> str:
    """The signal of a request, by its outermost member; empty where it has none of the three."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return (
        next((signal for member, signal in _SIGNALS.items() if member in request), "")
        if isinstance(request, dict)
        else ""
    )


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
        value = number_of(point, "asDouble") if "asDouble" in point else integer_of(point, "asInt")
        count = None
    else:
        value, count = number_of(point, "sum"), integer_of(point, "count")
    temporality = data.get("aggregationTemporality")
    return MetricPoint(
        place,
        text_of(metric, "name"),
        _KINDS[kind],
        _TEMPORALITIES.get(temporality, "unspecified") if isinstance(temporality, int | str) else "unspecified",
        kind == "sum" and data.get("isMonotonic") is True,
        integer_of(point, "startTimeUnixNano"),
        integer_of(point, "timeUnixNano"),
        value,
        count,
        attributes_of(point, wanted),
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
    try:
        of_resources = objects_of(request, resources)
        number = len(of_resources)
        bounded(number)
        for at, one_resource in enumerate(of_resources):
            resource = attributes_of(object_of(one_resource, "resource"), wanted)
            of_scopes = objects_of(one_resource, scopes)
            number += len(of_scopes)
            bounded(number)
            for scope_at, one_scope in enumerate(of_scopes):
                described = object_of(one_scope, "scope")
                scope = Scope(text_of(described, "name"), text_of(described, "version"))
                found = objects_of(one_scope, records)
                number += len(found)
                bounded(number)
                for record_at, record in enumerate(found):
                    yield f"{resources}.{at}.{scopes}.{scope_at}.{records}.{record_at}", record, resource, scope
    except BadField as bad:
        raise BadBody(bad.reason, str(bad)) from None
