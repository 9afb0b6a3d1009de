"""What OTLP carries, in one neutral form, whichever encoding it came in."""

from collections.abc import Container, Mapping
from typing import Any, Final, Literal, NamedTuple

from streams.core.reasons import Reason
from streams.sources.contract import BadBody

__all__ = ["MOST_RECORDS", "Attributes", "LogRecord", "MetricPoint", "Scope", "Span", "SpanEvent", "Wanted", "bounded"]

#: Attribute values: text, bool, int, float, bytes, None (empty, or nested too deeply), lists and dicts of these.
Attributes = Mapping[str, Any]

#: Names of the attributes that are read; the values of others are not looked at. None reads all.
Wanted = Container[str] | None

#: Spans, log records or data points in one request, with the resources and scopes that hold them. Ten times what the
#: largest body of ordinary records holds; one of the same size full of empty records would keep a receiver busy for many
#: seconds.
MOST_RECORDS: Final = 100_000


def bounded(number: int) -> None:
    """Raise :class:`BadBody` where a request holds more records than anyone may send in one."""
    if number > MOST_RECORDS:
        raise BadBody(Reason.TOO_LARGE, f"the request holds more than {MOST_RECORDS} records: send smaller batches")


class Scope(NamedTuple):
    """The instrumentation library that recorded something; texts are empty where unknown."""

    name: str
    version: str


class SpanEvent(NamedTuple):
    """Something that happened during a span. ``at_nanos`` is 0 where unknown."""

    name: str
    at_nanos: int
    attributes: Attributes


class Span(NamedTuple):
    """One span. Ids are lower-case hex, empty where missing or malformed; times are nanoseconds since 1970, 0 unknown.

    ``place`` is its path in the request, such as ``resourceSpans.0.scopeSpans.1.spans.2``. ``failed`` says that its
    status is error; the status message is left unread, because it tells what was asked.
    """

    place: str
    name: str
    trace_id: str
    span_id: str
    parent_span_id: str
    start_nanos: int
    end_nanos: int
    failed: bool
    attributes: Attributes
    events: tuple[SpanEvent, ...]
    resource: Attributes
    scope: Scope


class LogRecord(NamedTuple):
    """One log record or event. Its body is left unread: what is wanted of the known clients stands in attributes.

    ``name`` is the name of the event, from the attribute ``event.name`` or else the record's own field, in which Codex
    has a place in its source; empty where there is none. Ids and times as in :class:`Span`.
    """

    place: str
    name: str
    trace_id: str
    span_id: str
    at_nanos: int
    observed_nanos: int
    attributes: Attributes
    resource: Attributes
    scope: Scope


class MetricPoint(NamedTuple):
    """One data point of a metric. ``value`` is the sum of a counter or histogram or a gauge's value.

    ``observations`` is how many a histogram's point sums up, and None for others. ``start_nanos`` is when the
    series began: a later one is a restart of its sender.
    """

    place: str
    name: str
    kind: Literal["gauge", "sum", "histogram", "other"]
    temporality: Literal["unspecified", "delta", "cumulative"]
    monotonic: bool
    start_nanos: int
    at_nanos: int
    value: float
    observations: int | None
    attributes: Attributes
    resource: Attributes
    scope: Scope
