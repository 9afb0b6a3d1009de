"""OTLP as protobuf: how nearly every OpenTelemetry SDK and Collector sends it."""

from collections.abc import Container, Iterable, Iterator
from typing import Any, Final, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2

from streams.core.reasons import Reason
from streams.sources.contract import BadBody
from streams.sources.otlp.records import LogRecord, MetricPoint, Scope, Span, SpanEvent, Wanted, bounded

__all__ = ["log_records", "metric_points", "spans"]

_ERROR: Final = 2  # Status.STATUS_CODE_ERROR
_TEMPORALITIES: Final[dict[int, Literal["unspecified", "delta", "cumulative"]]] = {1: "delta", 2: "cumulative"}
_ZEROS: Final = bytes(16)
#: Lists and maps within values: no known client goes beyond 4. The parser itself refuses a message deeper than 100.
_DEEPEST: Final = 16


def spans(body: bytes, wanted: Wanted, wanted_events: Container[str]) -> Iterator[Span]:
    """The spans of an export request."""
    request = ExportTraceServiceRequest()
    _parse(request, body, "traces")
    number = len(request.resource_spans)
    bounded(number)
    for at, one_resource in enumerate(request.resource_spans):
        number += len(one_resource.scope_spans)
        bounded(number)
        resource = _attributes(one_resource.resource.attributes, wanted)
        for scope_at, one_scope in enumerate(one_resource.scope_spans):
            prefix = f"resourceSpans.{at}.scopeSpans.{scope_at}.spans."
            scope = _scope(one_scope.scope)
            number += len(one_scope.spans)
            bounded(number)
            for span_at, span in enumerate(one_scope.spans):
                events = span.events
                yield Span(
                    prefix + str(span_at),
                    span.name,
                    _id(span.trace_id, 16),
                    _id(span.span_id, 8),
                    _id(span.parent_span_id, 8),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == _ERROR,
                    _attributes(span.attributes, wanted),
                    tuple(
                        SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes, wanted))
                        for event in events
                        if event.name in wanted_events
                    )
                    if events
                    else (),
                    resource,
                    scope,
                )


def log_records(body: bytes, wanted: Wanted) -> Iterator[LogRecord]:
    """The log records of an export request."""
    request = ExportLogsServiceRequest()
    _parse(request, body, "logs")
    number = len(request.resource_logs)
    bounded(number)
    for at, one_resource in enumerate(request.resource_logs):
        number += len(one_resource.scope_logs)
        bounded(number)
        resource = _attributes(one_resource.resource.attributes, wanted)
        for scope_at, one_scope in enumerate(one_resource.scope_logs):
            prefix = f"resourceLogs.{at}.scopeLogs.{scope_at}.logRecords."
            scope = _scope(one_scope.scope)
            number += len(one_scope.log_records)
            bounded(number)
            for record_at, record in enumerate(one_scope.log_records):
                attributes = _attributes(record.attributes, wanted)
                name = attributes.get("event.name") or record.event_name
                yield LogRecord(
                    prefix + str(record_at),
                    name if isinstance(name, str) else "",
                    _id(record.trace_id, 16),
                    _id(record.span_id, 8),
                    record.time_unix_nano,
                    record.observed_time_unix_nano,
                    attributes,
                    resource,
                    scope,
                )


def metric_points(body: bytes, wanted: Wanted) -> Iterator[MetricPoint]:
    """The data points of an export request."""
    request = ExportMetricsServiceRequest()
    _parse(request, body, "metrics")
    number = len(request.resource_metrics)
    bounded(number)
    for at, one_resource in enumerate(request.resource_metrics):
        number += len(one_resource.scope_metrics)
        bounded(number)
        resource = _attributes(one_resource.resource.attributes, wanted)
        for scope_at, one_scope in enumerate(one_resource.scope_metrics):
            prefix = f"resourceMetrics.{at}.scopeMetrics.{scope_at}.metrics."
            scope = _scope(one_scope.scope)
            for metric_at, metric in enumerate(one_scope.metrics):
                kind = metric.WhichOneof("data")
                if kind is None:
                    continue
                data: Any = getattr(metric, kind)
                number += len(data.data_points)
                bounded(number)
                for point_at, point in enumerate(data.data_points):
                    value, count = _measured(kind, point)
                    yield MetricPoint(
                        f"{prefix}{metric_at}.{_JSON_NAMES[kind]}.dataPoints.{point_at}",
                        metric.name,
                        _KINDS.get(kind, "other"),
                        _TEMPORALITIES.get(getattr(data, "aggregation_temporality", 0), "unspecified"),
                        kind == "sum" and data.is_monotonic,
                        point.start_time_unix_nano,
                        point.time_unix_nano,
                        value,
                        count,
                        _attributes(point.attributes, wanted),
                        resource,
                        scope,
                    )


_KINDS: Final[dict[str, Literal["gauge", "sum", "histogram", "other"]]] = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponential_histogram": "histogram",
}
_JSON_NAMES: Final = {
    "gauge": "gauge",
    "sum": "sum",
    "histogram": "histogram",
    "exponential_histogram": "exponentialHistogram",
    "summary": "summary",
}


def _measured(kind: str, point: Any) -> tuple[float, int | None]:
    if isinstance(point, metrics_pb2.NumberDataPoint):
        return (point.as_int if point.WhichOneof("value") == "as_int" else point.as_double), None
    return point.sum, point.count


def _parse(request: Any, body: bytes, signal: str) -> None:
    try:
        request.ParseFromString(body)
    except DecodeError:
        detail = f"the body is no OTLP request of {signal} in protobuf: it is cut off, or a text in it is not UTF-8"
        raise BadBody(Reason.WRONG_TYPE, detail) from None


def _scope(scope: InstrumentationScope) -> Scope:
    return Scope(scope.name, scope.version)


def _id(raw: bytes, length: int) -> str:
    return raw.hex() if len(raw) == length and raw != _ZEROS[:length] else ""


def _attributes(pairs: Iterable[KeyValue], wanted: Wanted) -> dict[str, Any]:
    if wanted is None:
        return {pair.key: _value(pair.value, 0) for pair in pairs}
    found: dict[str, Any] = {}
    for pair in pairs:
        key = pair.key
        if key in wanted:
            value = pair.value
            # Nearly all values are texts or integers, and not empty: a look is cheaper than to ask which it is.
            found[key] = value.string_value or value.int_value or _value(value, 0)
    return found


def _value(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEEPEST:
        return None
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return getattr(value, kind)
