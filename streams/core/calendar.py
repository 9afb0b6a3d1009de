"""Local days, ISO weeks and months as half-open spans of milliseconds UTC, whatever the clocks of a zone do.

A span is cut where the local calendar turns, never by adding 24 hours: a day lasts 23, 24 or 25 hours where clocks
change, and begins at one o'clock where they jump over midnight. Spans of one kind tile time: each millisecond lies in
exactly one. A local midnight that comes twice counts when it first comes.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

__all__ = ["day_of", "days_of_month", "month_of", "week_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_MS: Final = timedelta(milliseconds=1)
_DAY_MS: Final = 86_400_000


def day_of(at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Start and end of the local day that an instant lies in. Raises OverflowError outside the years 1 to 9998."""
    day = _local_day(at_ms, zone)
    return _start_ms(day, zone), _start_ms(day + _DAY, zone)


def week_of(at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Start and end of the local ISO week, which begins on Monday. Raises as :func:`day_of`."""
    day = _local_day(at_ms, zone)
    monday = day - timedelta(days=day.weekday())
    return _start_ms(monday, zone), _start_ms(monday + timedelta(days=7), zone)


def month_of(at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Start and end of the local month. Raises as :func:`day_of`."""
    first = _local_day(at_ms, zone).replace(day=1)
    return _start_ms(first, zone), _start_ms((first + timedelta(days=31)).replace(day=1), zone)


def days_of_month(end_ms: int, zone: tzinfo) -> tuple[int, int]:
    """How much of the local month is over before an instant, and how much is left, in days of 24 hours to the nearest.

    For what is summed by the days of UTC and judged by the month of an organisation. Raises as :func:`day_of`.
    """
    start_ms, over_ms = month_of(end_ms - 1, zone)
    return round((end_ms - start_ms) / _DAY_MS), round((over_ms - end_ms) / _DAY_MS)


def _local_day(at_ms: int, zone: tzinfo) -> date:
    """The local day by the spans; not always the date that a clock shows.

    Where clocks go back across midnight, the clock shows the old date once more while the new day has begun.
    """
    day = (_EPOCH + at_ms * _MS).astimezone(zone).date()
    while at_ms >= _start_ms(day + _DAY, zone):
        day += _DAY
    return day


def _start_ms(day: date, zone: tzinfo) -> int:
    """The first instant of a local day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    first, second = _ms(midnight), _ms(midnight.replace(fold=1))
    if first <= second:
        return first
    # Clocks skip midnight. PEP 495 then reads it by the offset after the jump (the second reading, which lies before
    # the jump) and by the one before (the first, which lies at the jump or after it); the day begins with the jump.
    before = _offset(second, zone)
    return _first(second, first, lambda at_ms: _offset(at_ms, zone) != before)


def _ms(local: datetime) -> int:
    return (local - _EPOCH) // _MS


def _offset(at_ms: int, zone: tzinfo) -> timedelta | None:
    return (_EPOCH + at_ms * _MS).astimezone(zone).utcoffset()


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The first number above ``low`` for which it holds, when it holds for ``high`` and from some number on."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
