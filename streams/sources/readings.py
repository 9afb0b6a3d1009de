"""Single values as foreign systems write them: numbers as texts, money in three units, times in five forms.

Every function takes a value and the name of its field and raises :class:`BadField` where the value is none; None and an empty
text are unknown, and come back as None. Bounds are those of the records (:mod:`streams.core.bounds`), checked later
by the worker's own decoder; what is checked here is only what conversion needs.
"""

import math
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

from streams.core.reasons import Reason
from streams.sources.contract import Refused

__all__ = ["BadField", "cents", "count", "dollars", "epoch_ms", "instant_ms", "nanos_ms", "text"]

#: A double holds every integer below it; beyond, and in any sensible record, a count is a mistake.
_MOST: Final = 2**53
_MOST_DIGITS: Final = 32
_MICRO: Final = Decimal(1_000_000)
#: Dollars beyond which an amount is a slip of the pen, and its micro-dollars no 64-bit integer.
_MOST_DOLLARS: Final = Decimal(10**12)


class BadField(ValueError):
    """A value that is not what its field holds."""

    def __init__(self, field: str, reason: Reason, why: str) -> None:
        super().__init__(f"field {field} {why}")
        self.reason = reason

    def refused(self, place: str) -> Refused:
        """The refusal of the item that has the field."""
        return Refused(place, self.reason, str(self))


def count(value: Any, field: str) -> int | None:
    """A number of tokens, calls or milliseconds: an integer, a whole float, or either as text. Not negative."""
    number = _number(value, field)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise BadField(field, Reason.WRONG_TYPE, "is not a whole number: send a count")
    if not 0 <= number <= _MOST:
        raise BadField(field, Reason.OUT_OF_RANGE, "is negative or too large to be a count")
    return int(number)


def dollars(value: Any, field: str) -> int | None:
    """An amount of US dollars, number or decimal text, as micro-dollars, rounded half to even. Not negative."""
    return _micro_usd(_number(value, field), field)


def cents(value: Any, field: str) -> int | None:
    """An amount of US cents, number or decimal text, as micro-dollars, rounded half to even. Not negative."""
    number = _number(value, field)
    return _micro_usd(None if number is None else number / 100, field)


def epoch_ms(value: Any, field: str) -> int | None:
    """Seconds since 1970, whole or not, number or text, as milliseconds, cut off. Zero is no time, but unknown."""
    number = _number(value, field)
    return None if not number else _in_reach(int(number * 1000), field)


def nanos_ms(value: Any, field: str) -> int | None:
    """Nanoseconds since 1970, integer or text (OTLP in JSON), as milliseconds, cut off. Zero is unknown."""
    number = _number(value, field)
    return None if not number else _in_reach(int(number) // 1_000_000, field)


def instant_ms(value: Any, field: str) -> int | None:
    """An ISO 8601 text as milliseconds UTC, cut off; one without a zone is UTC. Numbers are epoch seconds."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return epoch_ms(value, field)
    if not isinstance(value, str) or len(value) > 64:
        raise BadField(field, Reason.WRONG_TYPE, "is not a time: send ISO 8601 with a zone")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise BadField(field, Reason.INVALID_TIMESTAMP, "is not an ISO 8601 time: send one with a zone") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = moment - _EPOCH
    return _in_reach(since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000, field)


def text(value: Any, field: str) -> str | None:
    """A text as it is; the empty one is unknown."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadField(field, Reason.WRONG_TYPE, "is not a text")
    return value


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The year 10000: whatever lies further is a wrong unit, and would not fit what reads it.
_END_MS: Final = 253_402_300_800_000


def _in_reach(at_ms: int, field: str) -> int:
    if not 0 < at_ms < _END_MS:
        raise BadField(field, Reason.TIMESTAMP_OUT_OF_RANGE, "is out of range: check its unit")
    return at_ms


def _micro_usd(amount: Decimal | None, field: str) -> int | None:
    if amount is None:
        return None
    if not 0 <= amount <= _MOST_DOLLARS:
        raise BadField(field, Reason.OUT_OF_RANGE, "is a negative amount of money, or one beyond reason")
    return int((amount * _MICRO).to_integral_value(ROUND_HALF_EVEN))


def _number(value: Any, field: str) -> Decimal | None:
    """A finite number; a float stands for its shortest decimal, as its sender printed it."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadField(field, Reason.WRONG_TYPE, "is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadField(field, Reason.WRONG_TYPE, "is not a finite number")
    if isinstance(value, int) and abs(value) > 2**63:
        raise BadField(field, Reason.OUT_OF_RANGE, "is larger than any number a field holds")
    try:
        # Bounded before it is parsed: a text of many digits, or a huge exponent, takes long to turn into an integer.
        number = Decimal(str(value)) if len(str(value)) <= _MOST_DIGITS else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise BadField(field, Reason.WRONG_TYPE, "is not a number")
    if number.adjusted() > 30:
        raise BadField(field, Reason.OUT_OF_RANGE, "is larger than any number a field holds")
    return number
