"""Reads OTLP requests: traces, logs and metrics, protobuf or JSON, into the same neutral records.

Every function is lazy and raises :class:`~streams.sources.contract.BadBody` when the body as a whole is not such a
request, possibly only while it is iterated; a record that cannot be read comes as :class:`~streams.sources.contract.Refused`
in its place. Time is linear in the body, and depth is bounded. ``wanted`` names the attributes to read, of records,
resources and events alike: what nobody needs is not even decoded, which is both faster and safer. ``wanted_events``
names the span events to read.

OpenTelemetry protocol 1.x: https://opentelemetry.io/docs/specs/otlp/
"""

from collections.abc import Container, Iterator

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Refused
from streams.sources.otlp import json_form, protobuf_form
from streams.sources.otlp.records import Attributes, LogRecord, MetricPoint, Scope, Span, SpanEvent, Wanted

__all__ = [
    "Attributes",
    "LogRecord",
    "MetricPoint",
    "Scope",
    "Span",
    "SpanEvent",
    "Wanted",
    "log_records",
    "metric_points",
    "signal_of",
    "spans",
]


def spans(
    body: bytes, content_type: str, wanted: Wanted = None, wanted_events: Container[str] = ()
) -> Iterator[Span | Refused]:
    """The spans of an ``ExportTraceServiceRequest`` (or ``TracesData``, which is the same on the wire), in order."""
    if _is_json(content_type):
        return json_form.spans(body, wanted, wanted_events)
    return protobuf_form.spans(body, wanted, wanted_events)


def log_records(body: bytes, content_type: str, wanted: Wanted = None) -> Iterator[LogRecord | Refused]:
    """The log records of an ``ExportLogsServiceRequest``, in order."""
    return json_form.log_records(body, wanted) if _is_json(content_type) else protobuf_form.log_records(body, wanted)


def metric_points(body: bytes, content_type: str, wanted: Wanted = None) -> Iterator[MetricPoint | Refused]:
    """The data points of an ``ExportMetricsServiceRequest``, in order."""
    if _is_json(content_type):
        return json_form.metric_points(body, wanted)
    return protobuf_form.metric_points(body, wanted)


def signal_of(body: bytes) -> str:
    """``traces``, ``logs`` or ``metrics``, by the outermost member of a request in JSON; empty where it says none."""
    return json_form.signal_of(body)


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return True
    if kind in {"application/x-protobuf", "application/protobuf"}:
        return False
    raise BadBody(
        Reason.UNKNOWN_VALUE,
        "header content-type is neither application/x-protobuf nor application/json: use the OTLP/HTTP exporter",
    )
