"""Requests of traces, straight from an SDK or through a Collector: Langfuse's own spans, and those of whatever else comes along.

The SDKs from version 4 on send the spans of other instrumentations along. Where one of these tells a call that an
observation around it tells, too, the inner one counts, which knows the response's id.
"""

from collections import Counter

from streams.sources.contract import Context, Decoded, Form, Refused
from streams.sources.langfuse.spans import INPUT, NAMES, owns, read_spans
from streams.sources.otlp import prompts, reading
from streams.sources.otlp.decoding import SPAN_EVENTS, SPAN_NAMES, decode_spans
from streams.sources.otlp.records import Span

__all__ = ["decode_traces"]

_NAMES = NAMES | SPAN_NAMES
_PROMPTS = prompts.NAMES | {INPUT}


def decode_traces(body: bytes, context: Context) -> Decoded:
    """The spans of a request in any dialect, protobuf or JSON as its content type says. Raises BadBody."""
    decoded = Decoded([], [], Counter())
    own: list[Span] = []
    others: list[Span] = []
    wanted = _NAMES if context.fingerprint is None else _NAMES | _PROMPTS
    for span in reading.spans(body, context.content_type, wanted, SPAN_EVENTS):
        if isinstance(span, Refused):
            decoded.refused.append(span)
        else:
            (own if owns(span) else others).append(span)
    foreign = decode_spans(others, context)
    decoded.items.extend(foreign.items)
    decoded.refused.extend(foreign.refused)
    decoded.skipped.update(foreign.skipped)
    told = {
        item.place
        for item in foreign.items
        if item.form is Form.USAGE and "usage" not in item.fields.get("attributes", {})
    }
    read_spans(own, context, decoded, others, [span for span in others if span.place in told])
    return decoded
