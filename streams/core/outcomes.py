"""The outcome event: something the work produced, or undid."""

import math
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any, Final, Literal

import msgspec

from streams.core.bounds import Attributes, Id, Key, OptionalText, Text, TimestampMs
from streams.core.decoding import Decoder, Kind
from streams.core.reasons import Reason
from streams.core.rejections import Rejection
from streams.core.schemas import SchemaCache
from streams.core.texts import refuse_controls

__all__ = ["JoinResult", "OutcomeDecoder", "OutcomeEvent", "OutcomeKind"]


class OutcomeKind(StrEnum):
    """What happened; public, as the field ``kind``. The list is closed: what a kind means decides what it counts as."""

    CHANGE_MERGED = "change_merged"
    CHANGE_CLOSED = "change_closed"
    CHANGE_REVERTED = "change_reverted"
    TICKET_RESOLVED = "ticket_resolved"
    TICKET_REOPENED = "ticket_reopened"
    DEPLOYMENT_SUCCEEDED = "deployment_succeeded"
    DEPLOYMENT_FAILED = "deployment_failed"
    INCIDENT_OPENED = "incident_opened"
    INCIDENT_RESOLVED = "incident_resolved"
    DEFECT_REPORTED = "defect_reported"
    CUSTOMER_RATING = "customer_rating"
    EVAL_PASSED = "eval_passed"
    EVAL_FAILED = "eval_failed"
    REVIEW_SUBMITTED = "review_submitted"


class JoinResult(StrEnum):
    """What became of an outcome that was counted; public, as the label ``join``."""

    RUN = "run"
    """Joined to the run that it names."""
    WORKFLOW = "workflow"
    """It names no run: counted for the workflow that it names."""
    TEAM = "team"
    """It names neither a run nor a workflow: counted for its team alone."""
    UNKNOWN_RUN = "unknown_run"
    """It names a run without usage so far: counted for the workflow that it names, else for its team."""
    NO_USAGE = "no_usage"
    """Counted for a workflow or team of which no usage is known: a name is spelled in two ways, or a source is missing."""
    BEFORE_RUN = "before_run"
    """Dated before the run that it names began: that run cannot have led to it."""
    RUN_LATER = "run_later"
    """Joined to its run after all, when the run's usage came in, or another earlier event of it."""
    REVERSAL = "reversal"
    """It undid the outcome that it names."""
    UNMATCHED_REVERSAL = "unmatched_reversal"
    """It undoes an outcome that is not known (yet), or does not say which."""
    REVERSED_LATER = "reversed_later"
    """It had been undone before it came in: the reversal was first."""
    SAME_OUTCOME = "same_outcome"
    """Another system had reported it already: same team, kind, verdict and ref within 15 minutes. Not counted again."""


class OutcomeEvent(msgspec.Struct, kw_only=True, gc=False):
    """One outcome; ``schemas/outcome_event.avsc`` describes every field. ``occurred_at`` is milliseconds UTC.

    A decoded event is of a known kind, holds no control characters, and has None where an optional text was empty. A
    ``customer_rating`` has a ``value`` from 0 to 1, and what ``reverses`` another outcome has the verdict ``reversed``.
    """

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


class _TimedByText(OutcomeEvent, kw_only=True, gc=False):
    """An outcome event whose time is still text."""

    occurred_at: str  # type: ignore[assignment]


_OPTIONAL_TEXTS: Final = ("workflow", "run_id", "actor", "reverses", "ref")
_TEXTS: Final = ("outcome_id", "source", "team", "kind", *_OPTIONAL_TEXTS)
_texts_of: Final[Callable[[Any], tuple[str | None, ...]]] = attrgetter(*_TEXTS)
_KINDS: Final = frozenset(OutcomeKind)
#: What a kind may look like to be told of, and what of an actor must not be in it.
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]*")
_PARTS: Final = re.compile(r"[^\W_]{3,}")
#: Of an unknown kind's name, in the detail of its dead letter: the name is the one thing that tells who sent it.
_SHOWN: Final = 64


def _tells_nobody(kind: str, actor: str | None) -> bool:
    """Whether a kind is a name as kinds have, and holds nothing of the actor's."""
    if not _NAME.fullmatch(kind):
        return False
    person = (actor or "").casefold()
    parts = _PARTS.findall(person)
    # Of one with short parts alone, all of it.
    if not parts and person and (person in kind or kind in person):
        return False
    return not any(part in kind or kind in part for part in parts)


def _settle(event: OutcomeEvent) -> OutcomeEvent | Rejection:
    texts = _texts_of(event)
    if "" in texts:
        for name in _OPTIONAL_TEXTS:
            setattr(event, name, getattr(event, name) or None)
    refused = refuse_controls(_TEXTS, texts, event.attributes)
    if refused is not None:
        return refused
    if event.kind not in _KINDS:
        said = repr(event.kind[:_SHOWN]) if _tells_nobody(event.kind, event.actor) else "another text"
        detail = f"field kind is {said}, which is not one of {', '.join(OutcomeKind)}"
        return Rejection(Reason.UNKNOWN_KIND, detail)
    value = event.value
    if value is not None and not math.isfinite(value):
        return Rejection(Reason.OUT_OF_RANGE, "field value is out of range: it must be a finite number")
    if event.kind == OutcomeKind.CUSTOMER_RATING and (value is None or not 0 <= value <= 1):
        detail = "field value of a customer_rating must be from 0 to 1: divide stars by the most that can be given"
        return Rejection(Reason.MISSING_FIELD if value is None else Reason.OUT_OF_RANGE, detail)
    if event.reverses is not None and event.verdict != "reversed":
        detail = "field reverses names an outcome, but the verdict is not reversed: say so, or leave reverses out"
        return Rejection(Reason.INCONSISTENT, detail)
    if event.reverses is not None and event.reverses == event.outcome_id:
        return Rejection(Reason.INCONSISTENT, "field reverses names the outcome itself: name the one that it undoes")
    return event


def _all(events: Sequence[OutcomeEvent]) -> set[int]:
    # Outcomes are rare: each is looked at.
    return set(range(len(events)))


_OUTCOME: Final = Kind("outcome event", "outcome_event", OutcomeEvent, _TimedByText, _all, _settle)


class OutcomeDecoder(Decoder[OutcomeEvent]):
    """Decodes and validates chunks of outcome events."""

    def __init__(self, schemas: SchemaCache | None = None, *, max_record_bytes: int = 1_048_576) -> None:
        super().__init__(_OUTCOME, schemas, max_record_bytes)
