"""A model call as a dialect tells it, and the usage event that it becomes."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.core.reasons import Reason
from streams.sources.contract import USAGE_UNKNOWN, Form, Item
from streams.sources.otlp.attribution import attribute
from streams.sources.otlp.records import Span
from streams.sources.otlp.words import span_time_ms
from streams.sources.readings import BadField

__all__ = ["SOURCE", "UNKNOWN_MODEL", "Call", "item_of_span", "usage_fields"]

#: Source of everything that comes as spans, whichever library recorded it.
SOURCE: Final = "opentelemetry"

#: Stands for a model that nobody names: its tokens are counted, and have no price.
UNKNOWN_MODEL: Final = "unknown"


class Call(NamedTuple):
    """One call of a model. ``tokens`` are the token fields, None where the sender does not tell; ``cost`` micro-dollars.

    ``error`` is the sender's class of error, None where there was none. ``attributes`` are words of our own.
    """

    model: str | None
    operation: str = "chat"
    provider: str | None = None
    request_id: str | None = None
    tokens: dict[str, int] | None = None
    cost: int | None = None
    error: str | None = None
    attributes: Mapping[str, str] = {}


def usage_fields(call: Call, event_id: str, source: str, at_ms: int) -> dict[str, Any]:
    """The fields of the call's usage event, without those that say whose it is."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "source": source,
        "occurred_at": at_ms,
        "model": call.model or UNKNOWN_MODEL,
        "operation": call.operation,
    }
    attributes = call.attributes
    if call.tokens is None:
        attributes = {**attributes, **USAGE_UNKNOWN}
    else:
        fields.update(call.tokens)
    if call.provider:
        fields["provider"] = call.provider
    if call.request_id:
        fields["request_id"] = call.request_id
    if call.cost is not None:
        fields["cost_micro_usd"] = call.cost
    if call.error is not None:
        fields["status"] = _status(call.error)
    if attributes:
        fields["attributes"] = attributes
    return fields


def item_of_span(span: Span, call: Call) -> Item:
    """The usage event of a call that came as a span; its run is the trace where no session is named."""
    if not span.trace_id or not span.span_id:
        raise BadField("spanId", Reason.MISSING_FIELD, "or traceId is missing or malformed: a call needs its identity")
    fields = usage_fields(call, f"{span.trace_id}:{span.span_id}", SOURCE, span_time_ms(span))
    labels = attribute(fields, span.attributes, span.resource)
    if "run_id" not in fields:
        fields["run_id"] = span.trace_id
    if span.failed and "status" not in fields:
        fields["status"] = "error"
    return Item(span.place, Form.USAGE, fields, labels)


def _status(error: str) -> str:
    lowered = error.lower()
    return "cancelled" if "cancel" in lowered or "abort" in lowered else "error"
