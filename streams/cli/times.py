"""Points in time on the command line."""

from datetime import UTC, datetime
from typing import Any

import click

from streams.core.bounds import EARLIEST_MS

__all__ = ["TimeMs"]


class TimeMs(click.ParamType):
    """``2026-01-05T08:00:00Z``, with any zone; a day alone is its midnight UTC; an integer is milliseconds UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since the epoch."""
        if isinstance(value, int):
            return value
        text = str(value)
        # Digits that would be a time before 2015 are a year, or seconds.
        if text.isdecimal() and int(text) >= EARLIEST_MS:
            return int(text)
        try:
            if text.isdecimal():
                raise ValueError
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is not a time; write for example 2026-01-05T08:00:00Z", param, ctx)
        if moment.tzinfo is None:
            if "T" in text or " " in text:
                self.fail(f"{text!r} has no zone; write {text}Z for UTC", param, ctx)
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
