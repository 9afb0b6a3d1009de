"""From what a caller knows about an event to the record that goes to Kafka, judged by the worker's own decoder."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Literal, NamedTuple, Required, TypedDict, TypeVar, get_args

import msgspec

from streams.core.avro import OUTCOME_EVENT, USAGE_EVENT, RecordCodec
from streams.core.decoding import Decoder
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.outcomes import OutcomeDecoder, OutcomeEvent, OutcomeKind
from streams.core.reasons import Reason
from streams.core.rejections import Rejection
from streams.core.unknown_fields import unknown_field
from streams.producers.errors import InvalidEvent

__all__ = ["OUTCOME", "USAGE", "Draft", "Drafter", "Encoding", "EventForm", "OutcomeFields", "UsageFields"]

Encoding = Literal["json", "avro"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class UsageFields(TypedDict, total=False):
    """A usage event as keyword arguments; ARCHITECTURE's record, with the defaults filled in by the producer.

    ``occurred_at`` is integer milliseconds UTC or a datetime with a zone, now by default. ``event_id`` is unique within
    the source and made by default: give your own if you may send the same event again. The token counts are disjoint:
    ``input_tokens`` are those not read from a cache, ``reasoning_tokens`` are a part of ``output_tokens``.
    """

    team: Required[str]
    workflow: Required[str]
    model: Required[str]
    event_id: str
    source: str
    occurred_at: int | datetime
    actor: str | None
    run_id: str | None
    request_id: str | None
    tool: str | None
    provider: str | None
    operation: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_micro_usd: int | None
    status: Literal["ok", "error", "cancelled"]
    trigger: Literal["human", "agent", "schedule", "ci", "unknown"]
    prompt_fingerprint: str | None
    attributes: Mapping[str, str]


class OutcomeFields(TypedDict, total=False):
    """An outcome event as keyword arguments; ARCHITECTURE's record, with the defaults filled in by the producer.

    ``occurred_at`` is integer milliseconds UTC or a datetime with a zone, now by default. ``outcome_id`` is unique within
    the source and made by default: give your own if you may send the same outcome again, or one that undoes it.
    """

    team: Required[str]
    kind: Required[str]
    verdict: Required[Literal["accepted", "rejected", "reversed", "neutral"]]
    outcome_id: str
    source: str
    occurred_at: int | datetime
    workflow: str | None
    run_id: str | None
    actor: str | None
    reverses: str | None
    value: float | None
    cycle_time_ms: int | None
    ref: str | None
    attributes: Mapping[str, str]


_E = TypeVar("_E", bound=UsageEvent | OutcomeEvent)


class EventForm(NamedTuple, Generic[_E]):
    """What a drafter must know of a kind of event: its name, what identifies it, how it is judged and written."""

    name: str
    identity: str
    fields: frozenset[str]
    decoder: Callable[[], Decoder[_E]]
    codec: RecordCodec[_E]


USAGE: Final = EventForm("usage event", "event_id", frozenset(UsageEvent.__struct_fields__), UsageDecoder, USAGE_EVENT)
OUTCOME: Final = EventForm(
    "outcome event", "outcome_id", frozenset(OutcomeEvent.__struct_fields__), OutcomeDecoder, OUTCOME_EVENT
)


class Draft(NamedTuple):
    """A record ready to be sent; the key is the team's name, which places it in the team's partition."""

    event_id: str
    key: bytes
    value: bytes


class Drafter(Generic[_E]):
    """Fills in defaults, validates and serialises events of one form; holds no connection.

    Raises ValueError on making it with an unknown encoding.
    """

    def __init__(
        self, form: EventForm[_E], *, source: str, encoding: Encoding, now_ms: Callable[[], int],
        new_event_id: Callable[[], str],
    ) -> None:  # fmt: skip
        if encoding not in get_args(Encoding):
            raise ValueError(f"encoding is {encoding!r}: give {' or '.join(map(repr, get_args(Encoding)))}")
        self._form: EventForm[_E] = form
        self._source = source
        self._now_ms = now_ms
        self._new_event_id = new_event_id
        self._decoder: Decoder[_E] = form.decoder()
        self._encode = msgspec.json.Encoder().encode
        self._avro = encoding == "avro"

    def draft(self, fields: Mapping[str, Any]) -> Draft:
        """One event; raises InvalidEvent."""
        return self.draft_all((fields,))[0]

    def draft_all(self, many: Sequence[Mapping[str, Any]]) -> list[Draft]:
        """Several events at once, which is cheaper; raises InvalidEvent for the first bad one, naming its place."""
        values: list[bytes] = []
        for place, fields in enumerate(many):
            try:
                values.append(self._written(self._filled(fields)))
            except InvalidEvent as error:
                raise InvalidEvent(_placed(str(error), place, many)) from None
        drafts: list[Draft] = []
        for place, (judged, value) in enumerate(zip(self._decoder.decode(values).events, values, strict=True)):
            if isinstance(judged, Rejection):
                raise InvalidEvent(_placed(judged.detail, place, many), judged.reason)
            if isinstance(judged, OutcomeEvent) and (contradiction := _contradiction(judged)) is not None:
                raise InvalidEvent(_placed(contradiction, place, many), Reason.INCONSISTENT)
            record = self._form.codec.to_avro(judged) if self._avro else value
            drafts.append(Draft(getattr(judged, self._form.identity), judged.team.encode(), record))
        return drafts

    def _filled(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The event as it will be written: what is unknown is left out, what is missing is made."""
        if unknown := fields.keys() - self._form.fields:
            kind = f"{'an' if self._form.name[0] in 'aeio' else 'a'} {self._form.name}"
            name = min(unknown)
            raise InvalidEvent(f"{name} {unknown_field(name, kind, self._form.fields)}")
        filled = {name: value for name, value in fields.items() if value is not None}
        if "source" not in filled:
            filled["source"] = self._source
        if self._form.identity not in filled:
            filled[self._form.identity] = self._new_event_id()
        occurred_at = filled.get("occurred_at")
        if occurred_at is None:
            filled["occurred_at"] = self._now_ms()
        elif isinstance(occurred_at, datetime):
            filled["occurred_at"] = _milliseconds(occurred_at)
        return filled

    def _written(self, filled: dict[str, Any]) -> bytes:
        try:
            return self._encode(filled)
        except _UNWRITABLE:
            for name, value in filled.items():
                try:
                    self._encode(value)
                except _UNWRITABLE as error:
                    raise InvalidEvent(f"field {name} cannot be written as JSON: {error}") from None
            raise


#: Kinds that say how the work went, and the verdict that says the opposite. What undoes another outcome has the verdict
#: ``reversed`` whatever its kind, so that is never among them.
_OPPOSITES: Final[Mapping[str, tuple[str, str]]] = {
    OutcomeKind.CHANGE_REVERTED: ("accepted", "reversed, with reverses"),
    OutcomeKind.TICKET_REOPENED: ("accepted", "reversed, with reverses"),
    OutcomeKind.DEPLOYMENT_FAILED: ("accepted", "rejected"),
    OutcomeKind.EVAL_FAILED: ("accepted", "rejected"),
    OutcomeKind.EVAL_PASSED: ("rejected", "accepted"),
    OutcomeKind.DEPLOYMENT_SUCCEEDED: ("rejected", "accepted"),
}


def _contradiction(event: OutcomeEvent) -> str | None:
    """What is wrong where kind and verdict of an outcome say opposite things.

    The worker counts by the verdict and takes such a record, since a verdict may come from somewhere else than its kind;
    a program that writes both in one call has made a mistake.
    """
    wrong, right = _OPPOSITES.get(event.kind, ("", ""))
    if event.verdict != wrong:
        return None
    return f"field verdict is {wrong}, and field kind is {event.kind}: give the verdict {right}, or another kind"


_UNWRITABLE: Final = (msgspec.MsgspecError, OverflowError, TypeError, ValueError)


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise InvalidEvent("occurred_at is a datetime without a zone: use datetime.now(UTC)")
    return (moment - _EPOCH) // _MILLISECOND


def _placed(message: str, place: int, many: Sequence[object]) -> str:
    return f"event {place} of {len(many)}: {message}" if len(many) > 1 else message
