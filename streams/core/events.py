"""The usage event, and decoding a chunk of them: JSON, Avro single-object encoding and Confluent's wire format."""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

import msgspec

from streams.core.bounds import Attributes, Id, Key, MicroUsd, OptionalText, Text, TimestampMs, Tokens
from streams.core.nesting import may_nest_deeper
from streams.core.reasons import Reason
from streams.core.rejections import MAX_DEPTH, Rejection, diagnose_json, diagnose_value, is_about, refuse_text
from streams.core.schemas import SchemaCache, known_writers
from streams.core.timestamps import parse_rfc3339
from streams.core.wire import CONFLUENT, SINGLE_OBJECT, read_datum, schema_ids

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


class Decoded(NamedTuple):
    """One result per value, in order, and how many of them are rejections."""

    events: list[UsageEvent | Rejection]
    rejected: int


_OPTIONAL_TEXTS: Final = ("actor", "run_id", "request_id", "tool", "provider", "prompt_fingerprint")
_TEXTS: Final = ("event_id", "source", "team", "workflow", "model", "operation", *_OPTIONAL_TEXTS)
_texts_of: Final[Callable[[Any], tuple[str | None, ...]]] = attrgetter(*_TEXTS)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_OPENING, _CLOSING = b"{}"


class UsageDecoder:
    """Decodes and validates chunks of usage events.

    A chunk in which every record is a sound JSON object costs one pass in C. Anything else is decoded record by record
    by the same rules: what a record decodes to never depends on its neighbours.
    """

    def __init__(self, schemas: SchemaCache | None = None, *, max_record_bytes: int = 1_048_576) -> None:
        self._schemas = schemas
        self._max_record_bytes = max_record_bytes
        self._writers = known_writers("usage_event")
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(UsageEvent)
        self._json_timed_by_text = msgspec.json.Decoder(_TimedByText)

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode record values as Kafka delivers them; None is a tombstone. Nothing a value holds makes it raise."""
        return self._decode_chunk(values) or self._decode_each(values)

    def _decode_chunk(self, values: Sequence[bytes | None]) -> Decoded | None:
        """The whole chunk at once, or None when some record needs a closer look."""
        framed = _framed(values)
        if framed is None:
            return None
        lines = b"\n".join(framed)
        if len(lines) > self._max_record_bytes and max(map(len, framed)) > self._max_record_bytes:
            return None
        if _may_nest_deeply(framed, lines):
            return None
        ascii_only = lines.isascii()
        try:
            if not ascii_only:
                lines.decode()  # msgspec does not look into the strings of fields it skips
            events = self._json.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if len(events) != len(framed):
            return None
        rejected = 0
        for index in _doubtful(framed, lines, events, ascii_only=ascii_only):
            events[index] = event = _settle(events[index])
            rejected += type(event) is Rejection
        return Decoded(events, rejected)

    def _decode_each(self, values: Sequence[bytes | None]) -> Decoded:
        events = [self._decode_record(value) for value in values]
        return Decoded(events, sum(type(event) is Rejection for event in events))

    def _decode_record(self, value: bytes | None) -> UsageEvent | Rejection:
        if value is None:
            return Rejection(Reason.TOMBSTONE, "the record has no value: usage events cannot be deleted")
        if not value:
            return Rejection(Reason.EMPTY, "the record's value is empty: send one usage event")
        if len(value) > self._max_record_bytes:
            detail = (
                f"the record has {len(value)} bytes and may have {self._max_record_bytes}: leave out what is not usage"
            )
            return Rejection(Reason.TOO_LARGE, detail)
        if value.startswith((CONFLUENT, SINGLE_OBJECT)):
            datum = read_datum(value, self._writers, self._schemas)
            return datum if isinstance(datum, Rejection) else _convert(datum)
        return self._decode_json(value)

    def _decode_json(self, value: bytes) -> UsageEvent | Rejection:
        if (rejection := refuse_text(value)) is not None:
            return rejection
        try:
            return _settle(self._json.decode(value))
        except msgspec.ValidationError as error:
            if not is_about(error, "occurred_at"):
                return diagnose_json(value, error)
            not_a_number = error
        except (msgspec.DecodeError, RecursionError) as error:
            return diagnose_json(value, error)
        try:
            return _convert(msgspec.structs.asdict(self._json_timed_by_text.decode(value)))
        except (msgspec.DecodeError, RecursionError) as error:
            return diagnose_json(value, not_a_number if is_about(error, "occurred_at") else error)


def _framed(values: Sequence[bytes | None]) -> Sequence[bytes] | None:
    """The values, if each begins and ends as a JSON object does.

    It makes joining safe. A JSON string cannot hold a raw newline, and no document holds a closing brace, a newline and
    an opening brace in a row; so each newline between two such values ends a document, each value holds at least one,
    and as many documents as values means one each. Counting newlines would not do: a document may straddle two values
    while another value holds two.
    """
    try:
        unframed = [1 for value in values if value[0] != _OPENING or value[-1] != _CLOSING]  # type: ignore[index]
    except (TypeError, IndexError):  # a tombstone, an empty value
        return None
    return None if unframed else values  # type: ignore[return-value]


def _may_nest_deeply(values: Sequence[bytes], lines: bytes) -> bool:
    if not may_nest_deeper(lines, max(map(len, values), default=0), MAX_DEPTH):
        return False
    return any(value.count(b"{") + value.count(b"[") > MAX_DEPTH for value in values)


def _doubtful(values: Sequence[bytes], lines: bytes, events: list[Any], *, ascii_only: bool) -> set[int]:
    """The indices of the events that types alone do not settle; what no event can need is told from the bytes."""
    doubtful = {
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
    # JSON forbids raw C0 characters: only an escape brings one in. DEL and C1 may stand as they are.
    if b"\\" in lines or b"\x7f" in lines or not ascii_only:
        doubtful.update(
            index for index, value in enumerate(values) if b"\\" in value or b"\x7f" in value or b"\xc2" in value
        )
    return doubtful


def _convert(fields: Any) -> UsageEvent | Rejection:
    """An event from plain dicts, its time in milliseconds or as text."""
    if isinstance(fields, dict) and isinstance(text := fields.get("occurred_at"), str):
        occurred_at = parse_rfc3339(text)
        if occurred_at is None:
            detail = "field occurred_at is not an RFC 3339 time with a zone: send milliseconds since 1970"
            return Rejection(Reason.INVALID_TIMESTAMP, detail)
        fields = {**fields, "occurred_at": occurred_at}
    try:
        return _settle(msgspec.convert(fields, UsageEvent))
    except msgspec.ValidationError as error:
        return diagnose_value(error)


def _settle(event: UsageEvent) -> UsageEvent | Rejection:
    """What types cannot say: empty optional texts are unknown, no control characters, reasoning within the output."""
    texts = _texts_of(event)
    if "" in texts:
        for name in _OPTIONAL_TEXTS:
            setattr(event, name, getattr(event, name) or None)
    if event.reasoning_tokens > event.output_tokens:
        detail = "field reasoning_tokens exceeds output_tokens: reasoning is a part of the output, count it in both"
        return Rejection(Reason.INCONSISTENT, detail)
    joined = "".join(filter(None, texts))
    if not joined.isprintable() and _CONTROL.search(joined):
        name = next(name for name, text in zip(_TEXTS, texts, strict=True) if text and _CONTROL.search(text))
        return Rejection(Reason.FORBIDDEN_CHARACTER, f"field {name} holds a control character: remove it")
    if event.attributes and (_CONTROL.search("".join(event.attributes)) or "\0" in "".join(event.attributes.values())):
        detail = "field attributes holds a control character in a key or a NUL in a value: remove it"
        return Rejection(Reason.FORBIDDEN_CHARACTER, detail)
    return event
