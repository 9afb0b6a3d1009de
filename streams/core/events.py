"""The usage event: one model call and what it consumed."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from streams.core.bounds import Attributes, Id, Key, MicroUsd, OptionalText, Text, TimestampMs, Tokens
from streams.core.decoding import Decoded, Decoder, Kind
from streams.core.reasons import Reason
from streams.core.rejections import Rejection
from streams.core.schemas import SchemaCache
from streams.core.texts import refuse_controls
from streams.core.wire import schema_ids

__all__ = ["Decoded", "Rejection", "UsageDecoder", "UsageEvent", "schema_ids"]


class UsageEvent(msgspec.Struct, kw_only=True, gc=False):
    """One model call and what it consumed; ``schemas/usage_event.avsc`` describes every field.

    ``occurred_at`` is milliseconds UTC and money is micro-dollars. The token fields are disjoint, except that
    ``reasoning_tokens`` is a part of ``output_tokens``. Decoded events keep every bound of the types, hold no control
    characters, and have None where an optional text was empty.
    """

    event_id: Id
    source: Text
    occurred_at: TimestampMs
    team: Key
    workflow: Key
    actor: OptionalText = None
    run_id: OptionalText = None
    request_id: OptionalText = None
    tool: OptionalText = None
    provider: OptionalText = None
    model: Text
    operation: Text = "chat"
    input_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    output_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    cost_micro_usd: MicroUsd | None = None
    status: Literal["ok", "error", "cancelled"] = "ok"
    trigger: Literal["human", "agent", "schedule", "ci", "unknown"] = "unknown"
    prompt_fingerprint: OptionalText = None
    attributes: Attributes = msgspec.field(default_factory=dict)


class _TimedByText(UsageEvent, kw_only=True, gc=False):
    """A usage event whose time is still text."""

    occurred_at: str  # type: ignore[assignment]


_OPTIONAL_TEXTS: Final = ("actor", "run_id", "request_id", "tool", "provider", "prompt_fingerprint")
_TEXTS: Final = ("event_id", "source", "team", "workflow", "model", "operation", *_OPTIONAL_TEXTS)
_texts_of: Final[Callable[[Any], tuple[str | None, ...]]] = attrgetter(*_TEXTS)


def _doubtful(events: Sequence[UsageEvent]) -> set[int]:
    return {
        index
        for index, event in enumerate(events)
        if event.reasoning_tokens > event.output_tokens
        or event.actor == ""
        or event.run_id == ""
        or event.request_id == ""
        or event.tool == ""
        or event.provider == ""
        or event.prompt_fingerprint == ""
    }


def _settle(event: UsageEvent) -> UsageEvent | Rejection:
    """Empty optional texts are unknown, no control characters, reasoning within the output."""
    texts = _texts_of(event)
    if "" in texts:
        for name in _OPTIONAL_TEXTS:
            setattr(event, name, getattr(event, name) or None)
    if event.reasoning_tokens > event.output_tokens:
        detail = "field reasoning_tokens exceeds output_tokens: reasoning is a part of the output, count it in both"
        return Rejection(Reason.INCONSISTENT, detail)
    return refuse_controls(_TEXTS, texts, event.attributes) or event


_USAGE: Final = Kind("usage event", "usage_event", UsageEvent, _TimedByText, _doubtful, _settle)


class UsageDecoder(Decoder[UsageEvent]):
    """Decodes and validates chunks of usage events."""

    def __init__(self, schemas: SchemaCache | None = None, *, max_record_bytes: int = 1_048_576) -> None:
        super().__init__(_USAGE, schemas, max_record_bytes)
