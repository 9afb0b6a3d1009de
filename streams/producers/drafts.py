"""From what a caller knows about a model call to the record that goes to Kafka, judged by the worker's own decoder."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Required, TypedDict

import msgspec

from streams.core.avro import USAGE_EVENT
from streams.core.events import Rejection, UsageDecoder, UsageEvent
from streams.producers.errors import InvalidEvent

__all__ = ["Draft", "Drafter", "Encoding", "UsageFields"]

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


class Draft(NamedTuple):
    """A record ready to be sent; the key is the team's name, which places it in the team's partition."""

    event_id: str
    key: bytes
    value: bytes


class Drafter:
    """Fills in defaults, validates and serialises events; holds no connection."""

    def __init__(
        self, *, source: str, encoding: Encoding, now_ms: Callable[[], int], new_event_id: Callable[[], str]
    ) -> None:
        self._source = source
        self._now_ms = now_ms
        self._new_event_id = new_event_id
        self._decoder = UsageDecoder()
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
            record = USAGE_EVENT.to_avro(judged) if self._avro else value
            drafts.append(Draft(judged.event_id, judged.team.encode(), record))
        return drafts

    def _filled(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The event as it will be written: what is unknown is left out, what is missing is made."""
        if unknown := fields.keys() - _FIELDS:
            raise InvalidEvent(_unknown_field(min(unknown)))
        filled = {name: value for name, value in fields.items() if value is not None}
        if "source" not in filled:
            filled["source"] = self._source
        if "event_id" not in filled:
            filled["event_id"] = self._new_event_id()
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


_FIELDS: Final = frozenset(UsageEvent.__struct_fields__)
_CONTENT: Final = frozenset({"completion", "content", "input", "messages", "output", "prompt", "response", "text"})
_UNWRITABLE: Final = (msgspec.MsgspecError, OverflowError, TypeError, ValueError)


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise InvalidEvent("occurred_at is a datetime without a zone: use datetime.now(UTC)")
    return (moment - _EPOCH) // _MILLISECOND


def _unknown_field(name: str) -> str:
    if name in _CONTENT:
        return f"{name} is not a field of a usage event: what was asked and answered is never sent"
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    hint = f"did you mean {near[0]}?" if near else "put what has no field of its own into attributes"
    return f"{name} is not a field of a usage event: {hint}"


def _placed(message: str, place: int, many: Sequence[object]) -> str:
    return f"event {place} of {len(many)}: {message}" if len(many) > 1 else message
