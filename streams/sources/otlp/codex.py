"""Codex: one of the two ``response.completed`` events of each answer has the tokens; the rest repeats or is noise.

Input includes what is cached and output what was reasoned; ``tool_token_count`` is the total, whatever its name. Counts
are texts or integers. There is no id of the response, and one of the request only where it failed; ``timeUnixNano`` is 0.
Metrics and traces repeat the usage.

Sources: Codex 0.169.0 run offline; its configuration reference.
"""

from typing import Final

from streams.sources.contract import Item, Skip
from streams.sources.otlp import tokens
from streams.sources.otlp.calls import Call
from streams.sources.otlp.log_items import decision_item, usage_item
from streams.sources.otlp.records import Attributes, LogRecord, Span
from streams.sources.otlp.words import first_count, first_word, one_of

__all__ = ["NAMES", "SOURCE", "SPAN_NAMES", "owns_log", "owns_span", "read_log", "read_span"]

SOURCE: Final = "codex"

_PREFIX: Final = "codex."
_TOKENS: Final = tokens.Names(
    input=("input_token_count",),
    output=("output_token_count",),
    cache_read=("cached_token_count",),
    cache_write=("cache_write_token_count",),
    reasoning=("reasoning_token_count",),
)
_SESSION: Final = ("conversation.id",)
_STATUS: Final = ("http.response.status_code",)
_EDITS: Final = frozenset({"apply_patch"})
_DECISIONS: Final = {
    "approved": True,
    "approved_for_session": True,
    "approvedforsession": True,
    "denied": False,
    "abort": False,
}
_TURNS: Final = frozenset({"session_task.turn", "handle_responses"})
NAMES: Final = frozenset(
    (
        *(name for names in _TOKENS for name in names),
        *_SESSION,
        *_STATUS,
        "event.name",
        "event.kind",
        "event.timestamp",
        "error.message",
        "auth.request_id",
        "attempt",
        "success",
        "model",
        "tool_name",
        "call_id",
        "decision",
        "source",
    )
)

SPAN_NAMES: Final = frozenset({"service.name", "telemetry.sdk.language"})


def owns_log(record: LogRecord) -> bool:
    """Whether Codex wrote it."""
    return record.name.startswith(_PREFIX)


def owns_span(span: Span) -> bool:
    """Whether Codex wrote it. The name of the service depends on how Codex is run, so it is not enough."""
    service = span.resource.get("service.name")
    in_rust = span.resource.get("telemetry.sdk.language") == "rust"
    return in_rust and isinstance(service, str) and service.startswith("codex")


def read_span(span: Span) -> Skip:
    """Its traces repeat the usage of its events on two nested spans."""
    return Skip.REPEATED if span.name in _TURNS else Skip.IRRELEVANT


def read_log(record: LogRecord) -> Item | Skip:
    """What an event tells. Raises BadField where a number or time is none."""
    attributes = record.attributes
    name = record.name
    session = first_word(attributes, _SESSION)
    if name == "codex.sse_event":
        used = tokens.read(attributes, _TOKENS)
        completed = attributes.get("event.kind") == "response.completed"
        if used is not None and completed:
            return usage_item(record, _call(attributes, used), SOURCE, session=session)
        if attributes.get("error.message") is not None:
            return usage_item(record, _call(attributes, None, "error"), SOURCE, session=session)
        if used is not None:
            return Skip.UNKNOWN
        return Skip.REPEATED if completed else Skip.IRRELEVANT
    if name in {"codex.api_request", "codex.websocket_request"}:
        return (
            usage_item(record, _call(attributes, None, "error"), SOURCE, session=session)
            if _failed(attributes)
            else Skip.REPEATED
        )
    if name == "codex.tool_decision":
        decision = _DECISIONS.get((first_word(attributes, ("decision",)) or "").lower())
        by_person = (first_word(attributes, ("source",)) or "").lower() == "user"
        if decision is None or not by_person or one_of(attributes, "tool_name", _EDITS) is None:
            return Skip.IRRELEVANT
        return decision_item(record, SOURCE, session, accepted=decision)
    return Skip.IRRELEVANT


def _failed(attributes: Attributes) -> bool:
    status = first_count(attributes, _STATUS)
    if attributes.get("error.message") is not None or attributes.get("success") in (False, "false"):
        return True
    return status is not None and not 200 <= status < 300


def _call(attributes: Attributes, used: dict[str, int] | None, error: str | None = None) -> Call:
    # Attempts count from 0 here, and from 1 where they are read.
    attempt = first_count(attributes, ("attempt",))
    return Call(
        model=first_word(attributes, ("model",)),
        request_id=first_word(attributes, ("auth.request_id",)),
        tokens=used,
        error=error,
        attributes={} if attempt is None else {"attempt": str(attempt + 1)},
    )
