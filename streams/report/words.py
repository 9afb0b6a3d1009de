"""Figures as a person reads them. What is not known is the word for it, and never zero."""

from datetime import UTC, date, datetime
from typing import Final

__all__ = [
    "UNKNOWN",
    "change",
    "count",
    "day",
    "duration",
    "instant",
    "money",
    "per_hundred",
    "plural",
    "points",
    "share",
    "short_money",
]

UNKNOWN: Final = "unknown"
_MICRO: Final = 1_000_000
_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
#: From two days on, days say more than hours.
_IN_DAYS: Final = 2 * _DAY
_UNITS: Final = (("B", 1e9), ("M", 1e6), ("k", 1e3))
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def money(micro_usd: float | None) -> str:
    """Dollars and cents; below a dollar in hundredths of a cent, so that a cost per outcome does not become nothing."""
    if micro_usd is None:
        return UNKNOWN
    sign, amount = ("-", -micro_usd) if micro_usd < 0 else ("", micro_usd)
    if amount == 0 or amount >= _MICRO:
        return f"{sign}${amount / _MICRO:,.2f}"
    if amount < 100:
        return f"{sign}<$0.0001"
    return f"{sign}${amount / _MICRO:.4f}"


def short_money(micro_usd: float) -> str:
    """The same in few characters, for charts."""
    dollars = micro_usd / _MICRO
    for unit, size in _UNITS:
        if dollars >= size:
            return f"${dollars / size:,.1f}{unit}"
    return f"${dollars:,.0f}" if dollars >= 100 else money(micro_usd)


def count(number: int | None) -> str:
    """With separators of thousands."""
    return UNKNOWN if number is None else f"{number:,}"


def share(ratio: float | None) -> str:
    """In percent. What is nearly nothing or nearly all is not rounded to it."""
    if ratio is None:
        return UNKNOWN
    percent = f"{100 * ratio:,.1f}%"
    if percent == "0.0%" and ratio > 0:
        return "<0.1%"
    if percent == "100.0%" and ratio < 1:
        return ">99.9%"
    return percent


def per_hundred(ratio: float | None) -> str:
    """How many there are for each hundred of something."""
    return UNKNOWN if ratio is None else f"{100 * ratio:,.1f}"


def change(ratio: float | None) -> str:
    """A relative change, signed, in percent."""
    return UNKNOWN if ratio is None else f"{_signed(100 * ratio)}%"


def points(difference: float | None) -> str:
    """A difference of two shares, signed, in percentage points."""
    return UNKNOWN if difference is None else f"{_signed(100 * difference)} points"


def _signed(number: float) -> str:
    text = f"{number:+,.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def duration(ms: int | None) -> str:
    """In the unit that a person would choose."""
    if ms is None:
        return UNKNOWN
    if ms < _SECOND:
        return f"{ms} ms"
    if ms < _MINUTE:
        return f"{ms / _SECOND:.0f} s"
    if ms < _HOUR:
        return f"{ms / _MINUTE:.0f} min"
    return f"{ms / _HOUR:.1f} h" if ms < _IN_DAYS else f"{ms / _DAY:.1f} days"


def instant(ms: int | None) -> str:
    """A time to the minute, UTC."""
    return UNKNOWN if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(on: date, *, with_year: bool = False) -> str:
    """Such as ``Mon 5 January``; not by the machine's language."""
    text = f"{_WEEKDAYS[on.weekday()]} {on.day} {_MONTHS[on.month - 1]}"
    return f"{text} {on.year}" if with_year else text


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
