"""Weeks by name, by day and by instant."""

from datetime import date

import pytest

from streams.core.windows import Window
from streams.report.weeks import Week


@pytest.mark.parametrize("text", ["2026-W02", "2026W02", "2026-w02", " 2026-W02 ", "2026-01-05", "2026-01-11"])
def test_a_week_is_named_or_is_that_of_a_day(text: str) -> None:
    week = Week.parse(text)
    assert (week.name, week.first_day, week.days[-1]) == ("2026-W02", date(2026, 1, 5), date(2026, 1, 11))
    assert week.end_ms - week.start_ms == Window.WEEK


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-W54", "2026-W00", "2026-02-30", "W02", "last", "2026-01-05T00:00:00Z"]
)
def test_what_is_no_week_is_answered_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2026-W02"):
        Week.parse(text)


def test_the_year_of_a_week_is_that_of_its_thursday() -> None:
    assert Week.parse("2025-12-29").name == "2026-W01"
    assert Week.parse("2027-01-03").name == "2026-W53"


def test_weeks_are_the_windows_of_the_engine() -> None:
    week = Week.parse("2026-W02")
    bucket = Window.WEEK.bucket_of(week.start_ms)
    assert (Window.WEEK.start_of(bucket), Window.WEEK.start_of(bucket + 1)) == (week.start_ms, week.end_ms)
    assert Week.of(week.start_ms) == Week.of(week.end_ms - 1) == week
    assert Week.of(week.start_ms - 1) == week.before
    assert [week.day_of(week.start_ms + number * Window.DAY + 5) for number in range(7)] == list(range(7))
