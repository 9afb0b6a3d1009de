"""Requests to ``/api/public/otel/v1/traces``: Langfuse's own spans, and those of whatever else sends its traces there."""

from collections import Counter

from streams.sources.contract import Context, Decoded, Refused, Skip
from streams.sources.langfuse.spans import INPUT, NAMES, owns, read_spans
from streams.sources.otlp import reading

__all__ = ["decode_traces"]


def decode_traces(body: bytes, context: Context) -> Decoded:
    """The spans of a request, protobuf or JSON as its content type says. Raises BadBody."""
    decoded = Decoded([], [], Counter())
    own = []
    wanted = NAMES if context.fingerprint is None else NAMES | {INPUT}
    for span in reading.spans(body, context.content_type, wanted):
        if isinstance(span, Refused):
            decoded.refused.append(span)
        elif owns(span):
            own.append(span)
        else:
            decoded.skipped[Skip.UNKNOWN] += 1
    read_spans(own, context, decoded)
    return decoded
