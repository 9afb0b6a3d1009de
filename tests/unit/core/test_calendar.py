"""Local days, weeks and months tile time, whatever clocks do; and known ones are where they are known to be."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.calendar import day_of, days_of_month, month_of, week_of

HOUR = 3_600_000
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Santiago", "America/Havana",
    "America/St_Johns", "Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo",
    "Pacific/Chatham", "Pacific/Kiritimati",
)  # fmt: skip
SPANS = (day_of, week_of, month_of)


def ms(text: str) -> int:
    """Milliseconds of an instant in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def local(at_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)


instants = st.integers(ms("2012-01-01"), ms("2040-01-01"))
zones = st.sampled_from(ZONES).map(ZoneInfo)


@given(at_ms=instants, zone=zones, span_of=st.sampled_from(SPANS))
# In these hours the clocks of the zone skip or repeat midnight.
@example(ms("2018-11-04T03:00"), ZoneInfo("America/Sao_Paulo"), day_of)
@example(ms("2018-11-04T02:59"), ZoneInfo("America/Sao_Paulo"), week_of)
@example(ms("2018-02-18T02:30"), ZoneInfo("America/Sao_Paulo"), day_of)
@example(ms("2024-03-30T22:00"), ZoneInfo("Asia/Beirut"), day_of)
@example(ms("2024-10-26T21:30"), ZoneInfo("Asia/Beirut"), month_of)
@example(ms("2024-11-03T04:30"), ZoneInfo("America/Havana"), day_of)
@settings(deadline=None, max_examples=1_000)
def test_spans_tile_time(at_ms: int, zone: ZoneInfo, span_of: Callable[[int, tzinfo], tuple[int, int]]) -> None:
    start, end = span_of(at_ms, zone)
    assert start <= at_ms < end
    for same in (start, end - 1):
        assert span_of(same, zone) == (start, end)
    assert span_of(start - 1, zone)[1] == start
    assert span_of(end, zone)[0] == end


@given(at_ms=instants, zone=zones)
@example(ms("2018-11-04T03:00"), ZoneInfo("America/Sao_Paulo"))
@example(ms("2024-03-30T22:00"), ZoneInfo("Asia/Beirut"))
@settings(deadline=None, max_examples=1_000)
def test_a_day_is_what_the_clock_shows_as_one_date(at_ms: int, zone: ZoneInfo) -> None:
    start, end = day_of(at_ms, zone)
    assert (end - start) / HOUR in (23, 23.5, 24, 24.5, 25)
    shown = {local(at, zone).date() for at in range(start, end, HOUR // 4)} | {local(end - 1, zone).date()}
    assert shown == {local(at_ms, zone).date()}
    assert local(start - 1, zone).date() < local(start, zone).date() < local(end, zone).date()


@given(at_ms=instants, zone=zones)
@settings(deadline=None, max_examples=500)
def test_weeks_and_months_are_whole_days(at_ms: int, zone: ZoneInfo) -> None:
    today = local(at_ms, zone).date()
    for span_of, most in ((week_of, 7), (month_of, 31)):
        start, end = span_of(at_ms, zone)
        days = [at := start]
        while (at := day_of(at, zone)[1]) < end:
            days.append(at)
        assert at == end
        dates = [local(day, zone).date() for day in days]
        assert today in dates
        assert len(days) == most if span_of is week_of else 28 <= len(days) <= most
        if span_of is week_of:
            assert (dates[0].isoweekday(), dates[-1].isoweekday()) == (1, 7)
            assert {date.isocalendar()[:2] for date in dates} == {today.isocalendar()[:2]}
        else:
            assert dates[0].day == 1
            assert {(date.year, date.month) for date in dates} == {(today.year, today.month)}


@pytest.mark.parametrize(
    ("zone", "inside", "start", "hours"),
    [
        ("UTC", "2026-03-29T12:00", "2026-03-29T00:00", 24),
        ("Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("America/New_York", "2026-03-08T12:00", "2026-03-08T05:00", 23),
        ("Australia/Lord_Howe", "2026-10-03T20:00", "2026-10-03T13:30", 23.5),
        ("Australia/Lord_Howe", "2026-04-05T00:00", "2026-04-04T13:00", 24.5),
        ("Asia/Kathmandu", "2026-10-03T20:00", "2026-10-03T18:15", 24),
        # Midnight is skipped: the day begins at one o'clock.
        ("America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00", 23),
        ("Asia/Beirut", "2024-03-31T12:00", "2024-03-30T22:00", 23),
        # Clocks go back at midnight, into the day before.
        ("America/Sao_Paulo", "2018-02-17T12:00", "2018-02-17T02:00", 25),
        # Midnight comes twice: the day begins with the first.
        ("America/Havana", "2024-11-03T12:00", "2024-11-03T04:00", 25),
        # Clocks jump from half past eleven to half past midnight: the day begins with the jump.
        ("America/Toronto", "1919-03-31T12:00", "1919-03-31T04:30", 23.5),
        ("America/Toronto", "1919-03-30T12:00", "1919-03-30T05:00", 23.5),
    ],
)
def test_days_that_are_known(zone: str, inside: str, start: str, hours: float) -> None:
    assert day_of(ms(inside), ZoneInfo(zone)) == (ms(start), ms(start) + hours * HOUR)


def test_a_date_that_a_zone_skipped_has_no_span() -> None:
    """Samoa went from the 29th of December 2011 to the 31st."""
    zone = ZoneInfo("Pacific/Apia")
    turn = ms("2011-12-30T10:00")
    assert day_of(turn - 1, zone) == (turn - 24 * HOUR, turn)
    assert day_of(turn, zone) == (turn, turn + 24 * HOUR)
    assert week_of(turn, zone) == (ms("2011-12-26T10:00"), ms("2012-01-01T10:00"))


def test_a_date_that_the_clock_shows_again_after_midnight_is_the_new_day() -> None:
    """Until 2011, clocks in St. John's went from one past midnight back into the evening."""
    zone = ZoneInfo("America/St_Johns")
    midnight = ms("2010-11-07T02:30")
    assert local(midnight, zone).date() > local(midnight + 2 * 60_000, zone).date()
    assert day_of(midnight, zone) == day_of(midnight + 2 * 60_000, zone) == (midnight, ms("2010-11-08T03:30"))
    assert day_of(midnight - 1, zone)[1] == midnight


@pytest.mark.parametrize(
    ("span_of", "inside", "start", "end"),
    [
        (week_of, "2026-03-29T12:00", "2026-03-22T23:00", "2026-03-29T22:00"),
        (week_of, "2027-01-02T12:00", "2026-12-27T23:00", "2027-01-03T23:00"),
        (month_of, "2026-10-31T22:59", "2026-09-30T22:00", "2026-10-31T23:00"),
        (month_of, "2026-12-31T23:00", "2026-12-31T23:00", "2027-01-31T23:00"),
        (month_of, "2028-02-29T12:00", "2028-01-31T23:00", "2028-02-29T23:00"),
    ],
)
def test_weeks_and_months_that_are_known(
    span_of: Callable[[int, tzinfo], tuple[int, int]], inside: str, start: str, end: str
) -> None:
    assert span_of(ms(inside), ZoneInfo("Europe/Berlin")) == (ms(start), ms(end))


@pytest.mark.parametrize(
    ("end", "zone", "days"),
    [
        ("2026-12-01", "UTC", (30, 0)),
        ("2026-12-02", "UTC", (1, 30)),
        # There it is still November, for eight hours of the 31 days of December.
        ("2026-12-01", "America/Los_Angeles", (30, 0)),
        ("2026-12-02", "America/Los_Angeles", (1, 30)),
        # There December has begun fourteen hours ago.
        ("2026-12-01", "Pacific/Kiritimati", (1, 30)),
        # An hour of a month is no day of it.
        ("2026-12-01", "Europe/Berlin", (0, 31)),
        # October has an hour more, March one less.
        ("2026-10-31", "Europe/Berlin", (30, 1)),
        ("2026-03-31", "Europe/Berlin", (30, 1)),
    ],
)
def test_days_of_a_month_are_those_of_its_zone_to_the_nearest(end: str, zone: str, days: tuple[int, int]) -> None:
    assert days_of_month(ms(end), ZoneInfo(zone)) == days
