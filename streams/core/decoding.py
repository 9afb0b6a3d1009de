"""Decoding a chunk of input records: JSON, Avro single-object encoding and Confluent's wire format, in any mixture.

One decoder for every kind of input event; what is particular about a kind (:class:`Kind`) is said where its event is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from streams.core.nesting import may_nest_deeper
from streams.core.reasons import Reason
from streams.core.rejections import MAX_DEPTH, Rejection, diagnose_json, diagnose_value, is_about, refuse_text
from streams.core.schemas import SchemaCache, known_writers
from streams.core.timestamps import parse_rfc3339
from streams.core.wire import CONFLUENT, SINGLE_OBJECT, read_datum

__all__ = ["Decoded", "Decoder", "Kind"]

E = TypeVar("E", bound=msgspec.Struct)
_OPENING, _CLOSING = b"{}"


@dataclass(frozen=True, slots=True)
class Kind(Generic[E]):
    """A kind of input event.

    Attributes:
        name: What a person calls it, such as ``usage event``.
        schema: Its schema's file name without suffix.
        event: Its struct; every type and range is checked while it is decoded.
        timed_by_text: The same struct with a text for ``occurred_at``.
        doubtful: The places of decoded events that types alone do not settle.
        settle: What types cannot say: gives the event, with empty optional texts made None, or why it is refused.
    """

    name: str
    schema: str
    event: type[E]
    timed_by_text: type[msgspec.Struct]
    doubtful: Callable[[Sequence[E]], set[int]]
    settle: Callable[[E], E | Rejection]


class Decoded(NamedTuple, Generic[E]):
    """One result per value, in order, and how many of them are rejections."""

    events: list[E | Rejection]
    rejected: int


class Decoder(Generic[E]):
    """Decodes and validates chunks of one kind of event.

    A chunk in which every record is a sound JSON object costs one pass in C. Anything else is decoded record by record
    by the same rules: what a record decodes to never depends on its neighbours.
    """

    def __init__(self, kind: Kind[E], schemas: SchemaCache | None, max_record_bytes: int) -> None:
        self._kind = kind
        self._schemas = schemas
        self._max_record_bytes = max_record_bytes
        self._writers = known_writers(kind.schema)
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind.event)
        self._json_timed_by_text = msgspec.json.Decoder(kind.timed_by_text)

    def decode(self, values: Sequence[bytes | None]) -> Decoded[E]:
        """Decode record values as Kafka delivers them; None is a tombstone. Nothing a value holds makes it raise."""
        return self._decode_chunk(values) or self._decode_each(values)

    def _decode_chunk(self, values: Sequence[bytes | None]) -> Decoded[E] | None:
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
        for index in self._kind.doubtful(events) | _may_hold_controls(framed, lines, ascii_only=ascii_only):
            events[index] = event = self._kind.settle(events[index])
            rejected += type(event) is Rejection
        return Decoded(events, rejected)

    def _decode_each(self, values: Sequence[bytes | None]) -> Decoded[E]:
        events = [self._decode_record(value) for value in values]
        return Decoded(events, sum(type(event) is Rejection for event in events))

    def _decode_record(self, value: bytes | None) -> E | Rejection:
        name = self._kind.name
        if value is None:
            return Rejection(Reason.TOMBSTONE, f"the record has no value: {name}s cannot be deleted")
        if not value:
            return Rejection(Reason.EMPTY, f"the record's value is empty: send one {name}")
        if len(value) > self._max_record_bytes:
            most = self._max_record_bytes
            detail = f"the record has {len(value)} bytes and may have {most}: leave out what is not in the schema"
            return Rejection(Reason.TOO_LARGE, detail)
        if value.startswith((CONFLUENT, SINGLE_OBJECT)):
            datum = read_datum(value, self._writers, self._schemas)
            return datum if isinstance(datum, Rejection) else self._convert(datum)
        return self._decode_json(value)

    def _decode_json(self, value: bytes) -> E | Rejection:
        if (rejection := refuse_text(value)) is not None:
            return rejection
        try:
            return self._kind.settle(self._json.decode(value))
        except msgspec.ValidationError as error:
            if not is_about(error, "occurred_at"):
                return diagnose_json(value, error)
            not_a_number = error
        except (msgspec.DecodeError, RecursionError) as error:
            return diagnose_json(value, error)
        try:
            return self._convert(msgspec.structs.asdict(self._json_timed_by_text.decode(value)))
        except (msgspec.DecodeError, RecursionError) as error:
            return diagnose_json(value, not_a_number if is_about(error, "occurred_at") else error)

    def _convert(self, fields: Any) -> E | Rejection:
        """An event from plain dicts, its time in milliseconds or as text."""
        if isinstance(fields, dict) and isinstance(text := fields.get("occurred_at"), str):
            occurred_at = parse_rfc3339(text)
            if occurred_at is None:
                detail = "field occurred_at is not an RFC 3339 time with a zone: send milliseconds since 1970"
                return Rejection(Reason.INVALID_TIMESTAMP, detail)
            fields = {**fields, "occurred_at": occurred_at}
        try:
            return self._kind.settle(msgspec.convert(fields, self._kind.event))
        except msgspec.ValidationError as error:
            return diagnose_value(error)


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


def _may_hold_controls(values: Sequence[bytes], lines: bytes, *, ascii_only: bool) -> set[int]:
    """The places of values that may hold a control character, as far as bytes can tell.

    JSON forbids raw C0 characters: only an escape brings one in. DEL and C1 may stand as they are.
    """
    if b"\\" not in lines and b"\x7f" not in lines and ascii_only:
        return set()
    return {index for index, value in enumerate(values) if b"\\" in value or b"\x7f" in value or b"\xc2" in value}
