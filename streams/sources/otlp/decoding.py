"""From an OTLP request to usage and outcome events: which signal it is, and who reads each of its records.

The order in which dialects are asked is the order of the tuples here, and the first that knows a record has it. Coding agents
come first, because they use the names of the conventions in their own ways.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from streams.core.reasons import Reason
from streams.sources.contract import BadBody, Context, Decoded, Item, Refused, Skip
from streams.sources.otlp import (
    attribution,
    claude_code,
    codex,
    evaluations,
    gemini_cli,
    genai,
    metrics,
    openinference,
    prompts,
    reading,
    vercel_ai,
)
from streams.sources.otlp.calls import Call, item_of_span
from streams.sources.otlp.leaves import Leaf, once_each
from streams.sources.otlp.records import LogRecord, Span
from streams.sources.otlp.words import log_time_ms, span_time_ms
from streams.sources.readings import BadField, nanos_ms

__all__ = ["PATH_OF_TOPIC", "SPAN_EVENTS", "SPAN_NAMES", "decode", "decode_spans", "signal_of"]

#: Topics of the Collector's Kafka exporter, whose values are requests without HTTP around them.
PATH_OF_TOPIC: Final = {"otlp_spans": "/v1/traces", "otlp_logs": "/v1/logs", "otlp_metrics": "/v1/metrics"}

#: Whose a span is, and what is made of it.
_SPAN_CLIENTS: Final[tuple[tuple[Callable[[Span], bool], Callable[[Span], Skip]], ...]] = (
    (claude_code.owns_span, claude_code.read_span),
    (codex.owns_span, codex.read_span),
    (gemini_cli.owns_span, gemini_cli.read_span),
)
_SPAN_DIALECTS: Final[tuple[Callable[[Span], Call | Skip | None], ...]] = (
    vercel_ai.read,
    openinference.read,
    genai.read,
)
_LOG_CLIENTS: Final[tuple[tuple[Callable[[LogRecord], bool], Callable[[LogRecord], Item | Skip]], ...]] = (
    (claude_code.owns_log, claude_code.read_log),
    (codex.owns_log, codex.read_log),
    (gemini_cli.owns_log, gemini_cli.read_log),
)

#: All that is read of a request's attributes: prompts, arguments, hosts and paths are not decoded at all.
SPAN_NAMES: Final = (
    attribution.NAMES | evaluations.NAMES | vercel_ai.NAMES | openinference.NAMES | genai.NAMES | codex.SPAN_NAMES
)
_LOG_NAMES: Final = (
    attribution.NAMES | evaluations.NAMES | genai.NAMES | claude_code.NAMES | codex.NAMES | gemini_cli.NAMES
)
SPAN_EVENTS: Final = frozenset({evaluations.EVENT})


def decode(body: bytes, context: Context) -> Decoded:
    """A request to ``/v1/traces``, ``/v1/logs`` or ``/v1/metrics``, protobuf or JSON as ``context.content_type`` says.

    Without a path, as in a file that the Collector wrote, JSON says itself which of the three it is.
    """
    signal = signal_of(body, context)
    if signal == "traces":
        return _spans(body, context)
    if signal == "logs":
        return _log_records(body, context)
    if signal == "metrics":
        return _metric_points(body, context)
    raise BadBody(Reason.UNKNOWN_VALUE, "the path names no signal: send to /v1/traces, /v1/logs or /v1/metrics")


def signal_of(body: bytes, context: Context) -> str:
    """Which signal a request is: by its path, or where it has none by itself. Another word, or none, is no signal."""
    return context.path.rstrip("/").rpartition("/")[2] if context.path else reading.signal_of(body)


def _spans(body: bytes, context: Context) -> Decoded:
    wanted = SPAN_NAMES if context.fingerprint is None else SPAN_NAMES | prompts.NAMES
    return decode_spans(reading.spans(body, context.content_type, wanted, SPAN_EVENTS), context)


def decode_spans(spans: Iterable[Span | Refused], context: Context) -> Decoded:
    """The spans of one request, read with :data:`SPAN_NAMES` and :data:`SPAN_EVENTS`."""
    decoded = Decoded([], [], Counter())
    leaves: list[Leaf] = []
    for span in spans:
        if isinstance(span, Refused):
            decoded.refused.append(span)
            continue
        try:
            read = _span(span)
        except BadField as bad:
            decoded.refused.append(bad.refused(span.place))
            continue
        if isinstance(read, Skip):
            decoded.skipped[read] += 1
        else:
            leaves.append(read)
            if context.fingerprint is not None and (prompt := prompts.text_of(span.attributes)):
                read.item.fields["prompt_fingerprint"] = context.fingerprint(prompt)
        if span.events:
            _evaluations(span, decoded)
    items, repeated = once_each(leaves)
    decoded.items.extend(items)
    decoded.skipped.update(repeated)
    return decoded


def _span(span: Span) -> Leaf | Skip:
    for owns, read_span in _SPAN_CLIENTS:
        if owns(span):
            return read_span(span)
    for read in _SPAN_DIALECTS:
        call = read(span)
        if isinstance(call, Skip):
            return call
        if call is not None:
            return Leaf(span, item_of_span(span, call), call.tokens)
    return Skip.IRRELEVANT


def _evaluations(span: Span, decoded: Decoded) -> None:
    """Results that stand on the span that they are about; each is a record of its own."""
    for at, event in enumerate(span.events):
        place = f"{span.place}.events.{at}"
        try:
            at_ms = nanos_ms(event.at_nanos, "timeUnixNano") or span_time_ms(span)
            read = evaluations.read(
                place, {**span.attributes, **event.attributes}, span.resource, span.trace_id, span.span_id, at_ms
            )
        except BadField as bad:
            decoded.refused.append(bad.refused(place))
            continue
        if isinstance(read, Item):
            decoded.items.append(read)
        else:
            decoded.skipped[read] += 1


def _log_records(body: bytes, context: Context) -> Decoded:
    decoded = Decoded([], [], Counter())
    for record in reading.log_records(body, context.content_type, _LOG_NAMES):
        if isinstance(record, Refused):
            decoded.refused.append(record)
            continue
        try:
            read = _log_record(record)
        except BadField as bad:
            decoded.refused.append(bad.refused(record.place))
            continue
        if isinstance(read, Item):
            decoded.items.append(read)
        else:
            decoded.skipped[read] += 1
    return decoded


def _log_record(record: LogRecord) -> Item | Skip:
    for owns, read_log in _LOG_CLIENTS:
        if owns(record):
            return read_log(record)
    if record.name == evaluations.EVENT:
        return evaluations.read(
            record.place, record.attributes, record.resource, record.trace_id, record.span_id, log_time_ms(record)
        )
    # The conventions' event of a call: its span tells the same.
    return Skip.REPEATED if genai.tells_usage(record.attributes) else Skip.IRRELEVANT


def _metric_points(body: bytes, context: Context) -> Decoded:
    decoded = Decoded([], [], Counter())
    for point in reading.metric_points(body, context.content_type, metrics.NAMES):
        if isinstance(point, Refused):
            decoded.refused.append(point)
        else:
            decoded.skipped[metrics.read(point)] += 1
    return decoded
