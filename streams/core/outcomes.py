"""The outcome event: something the work produced, or undid."""

from typing import Annotated, Literal

import msgspec

from streams.core.bounds import Attributes, Id, Key, OptionalText, Text, TimestampMs

__all__ = ["OutcomeEvent"]


class OutcomeEvent(msgspec.Struct, kw_only=True, gc=False):
    """One outcome; ``schemas/outcome_event.avsc`` describes every field. ``occurred_at`` is milliseconds UTC."""

    outcome_id: Id
    source: Text
    occurred_at: TimestampMs
    team: Key
    workflow: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    run_id: OptionalText = None
    actor: OptionalText = None
    kind: Text
    verdict: Literal["accepted", "rejected", "reversed", "neutral"]
    reverses: OptionalText = None
    value: float | None = None
    cycle_time_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    ref: OptionalText = None
    attributes: Attributes = msgspec.field(default_factory=dict)
