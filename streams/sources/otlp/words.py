"""Single attribute values as texts, counts, money and times: the first of several names that a value is found under."""

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.otlp.records import Attributes, LogRecord, Span
from streams.sources.readings import BadField, count, dollars, instant_ms, nanos_ms

__all__ = ["content_id", "first_count", "first_dollars", "first_word", "log_time_ms", "one_of", "span_time_ms"]

_MOST: Final = 2**53
#: More characters than any id has that a record may hold.
_LONGEST_PART: Final = 1_024
#: The year 2255; what lies beyond is looked at by those who know how far a time may be out.
_FAR_NANOS: Final = 9 * 10**18


def first_word(attributes: Attributes, names: Iterable[str]) -> str | None:
    """The first of the attributes that is a text, not empty, or an integer, which some send as an id."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            if type(value) is str:
                if value:
                    return value
            elif type(value) is int:
                return str(value)
    return None


def one_of(attributes: Attributes, name: str, known: frozenset[str]) -> str | None:
    """The attribute if it is one of the known words: free text of a sender goes nowhere."""
    value = attributes.get(name)
    return value if isinstance(value, str) and value in known else None


def first_count(attributes: Attributes, names: Iterable[str]) -> int | None:
    """The first of the attributes that is there, as a count. Raises BadField where it is none.

    NaN is what the AI SDK's version 4 says of usage that it does not know.
    """
    for name in names:
        value = attributes.get(name)
        if value is not None:
            # What nearly all are, without the way through decimals.
            if type(value) is int and 0 <= value <= _MOST:
                return value
            if not (isinstance(value, float) and math.isnan(value)):
                return count(value, name)
    return None


def first_dollars(attributes: Attributes, names: Iterable[str]) -> int | None:
    """The first of the attributes that is there, in micro-dollars. Raises BadField where it is no amount."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return dollars(value, name)
    return None


def span_time_ms(span: Span) -> int:
    """When the call ended, which is when its usage was known; of a span without an end, when it began."""
    at_ms = _ms(span.end_nanos, "endTimeUnixNano") or _ms(span.start_nanos, "startTimeUnixNano")
    if at_ms is None:
        raise BadField("endTimeUnixNano", Reason.MISSING_FIELD, "is missing: a span needs its times")
    return at_ms


def log_time_ms(record: LogRecord) -> int:
    """When it happened: the record's time, else the attribute ``event.timestamp``, else when it was seen.

    Codex leaves the first at 0.
    """
    at_ms = (
        _ms(record.at_nanos, "timeUnixNano")
        or instant_ms(record.attributes.get("event.timestamp"), "event.timestamp")
        or _ms(record.observed_nanos, "observedTimeUnixNano")
    )
    if at_ms is None:
        raise BadField("timeUnixNano", Reason.MISSING_FIELD, "is missing, and there is no event.timestamp either")
    return at_ms


def content_id(*parts: Any) -> str:
    """An id of what has none of its own: the same parts give the same id, so that what is sent again counts once.

    Of a text the beginning counts: a session of megabytes may stand on a resource, above thousands of records.
    """
    short = tuple(part[:_LONGEST_PART] if type(part) is str else part for part in parts)
    return blake2b(repr(short).encode(errors="replace"), digest_size=16).hexdigest()


def _ms(nanos: int, field: str) -> int | None:
    if 0 < nanos < _FAR_NANOS:
        return nanos // 1_000_000
    return nanos_ms(nanos, field)
