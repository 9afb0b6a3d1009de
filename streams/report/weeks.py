"""ISO weeks in UTC: what the weekly windows are, by the names that people give them."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, Self

from streams.core.windows import Window

__all__ = ["Week"]

_NAME: Final = re.compile(r"(\d{4})-?W(\d{2})", re.IGNORECASE)
_DAYS: Final = 7


class Week(NamedTuple):
    """One ISO week, from Monday 00:00 UTC; ``start_ms`` is inclusive, ``end_ms`` exclusive."""

    start_ms: int

    @classmethod
    def of(cls, at_ms: int) -> Self:
        """The week that holds an instant."""
        return cls(Window.WEEK.start_of(Window.WEEK.bucket_of(at_ms)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """``2026-W02``, or any day in it, such as ``2026-01-05``.

        Raises:
            ValueError: The text is neither; the message says what to write.
        """
        try:
            if named := _NAME.fullmatch(text.strip()):
                day = date.fromisocalendar(int(named[1]), int(named[2]), 1)
            else:
                day = date.fromisoformat(text.strip())
        except ValueError:
            msg = f"{text!r} is not a week; write for example 2026-W02, or a day in it, 2026-01-05"
            raise ValueError(msg) from None
        return cls.of(round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000))

    @property
    def end_ms(self) -> int:
        """The first millisecond of the next week."""
        return self.start_ms + Window.WEEK

    @property
    def before(self) -> Self:
        """The week before this one."""
        return type(self)(self.start_ms - Window.WEEK)

    @property
    def name(self) -> str:
        """Such as ``2026-W02``."""
        year, week, _ = self.first_day.isocalendar()
        return f"{year}-W{week:02}"

    @property
    def first_day(self) -> date:
        """Monday."""
        return datetime.fromtimestamp(self.start_ms / 1000, UTC).date()

    @property
    def days(self) -> tuple[date, ...]:
        """Monday to Sunday."""
        return tuple(self.first_day + timedelta(days=number) for number in range(_DAYS))

    def day_of(self, at_ms: int) -> int:
        """Which day of this week holds an instant: 0 is Monday."""
        return (at_ms - self.start_ms) // Window.DAY
