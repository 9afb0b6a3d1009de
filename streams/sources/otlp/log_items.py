"""Items from log records of the coding agents, which have no ids of their own."""

from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Form, Item
from streams.sources.otlp.attribution import attribute
from streams.sources.otlp.calls import Call, usage_fields
from streams.sources.otlp.records import LogRecord
from streams.sources.otlp.words import content_id, first_word, log_time_ms

__all__ = ["decision_item", "outcome_item", "usage_item"]

#: Parts of a record's identity, beside its tokens: what a client repeats when it sends a record again.
_IDENTITY: Final = (
    "event.sequence",
    "event.timestamp",
    "prompt.id",
    "prompt_id",
    "request_id",
    "auth.request_id",
    "attempt",
)


def usage_item(record: LogRecord, call: Call, source: str, *, session: str | None) -> Item:
    """The usage event of a call. Its id is a hash of session, sequence, times, request id and tokens: see docs/sources."""
    event_id = _identity(record, session, call.model, call.tokens)
    fields = usage_fields(call, event_id, source, log_time_ms(record))
    fields["tool"] = source
    labels = attribute(fields, record.attributes, record.resource)
    if session and "run_id" not in fields:
        fields["run_id"] = session
    return Item(record.place, Form.USAGE, fields, labels)


def outcome_item(record: LogRecord, source: str, session: str | None, **fields: Any) -> Item:
    """An outcome of the session; ``fields`` are those that tell what happened."""
    fields = {
        "outcome_id": _identity(record, session, *sorted(fields.items(), key=str)),
        "source": source,
        "occurred_at": log_time_ms(record),
        **fields,
    }
    labels = attribute(fields, record.attributes, record.resource)
    if session and "run_id" not in fields:
        fields["run_id"] = session
    return Item(record.place, Form.OUTCOME, fields, labels)


def decision_item(record: LogRecord, source: str, session: str | None, *, accepted: bool) -> Item:
    """A person's decision on a change that an agent proposed: told, but neutral.

    Taking an edit over is a step of the work, not what came of it: counted as accepted, clicking yes would make spend
    cheap, and one merged change would count a hundred times.
    """
    call_id = first_word(record.attributes, ("tool_use_id", "call_id"))
    item = outcome_item(
        record,
        source,
        session,
        kind=OutcomeKind.REVIEW_SUBMITTED.value,
        verdict="neutral",
        attributes={"decision": "edit_accepted" if accepted else "edit_rejected"},
    )
    if call_id:
        item.fields["outcome_id"] = content_id(session, call_id)
    return item


def _identity(record: LogRecord, session: str | None, *parts: Any) -> str:
    attributes = record.attributes
    return content_id(
        record.name, session, record.at_nanos, *[attributes.get(name) for name in _IDENTITY], *parts
    )  # fmt: skip
