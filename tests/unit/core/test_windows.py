"""Windows nest exactly, and the watermark never goes back."""

from datetime import datetime

import pytest

from streams.core.windows import BASE_MS, PUBLISHED, SIZES, Scope, Watermark, Window

MINUTE, HOUR = 60_000, 3_600_000
#: 2026-01-05T00:00:00Z.
MONDAY = 1_767_571_200_000


def readings(mark: Watermark) -> tuple[int, int, int]:
    """Newest event, watermark and closing time."""
    return mark.newest_ms, mark.value_ms, mark.closing_ms


# ------------------------------------------------------------------------------------------------------------ windows


def test_each_window_is_a_whole_number_of_the_finer_one() -> None:
    """So that coarser windows are sums of finer ones."""
    assert [size // size.finer for size in SIZES] == [1, 12, 24, 7]
    assert SIZES[0] == BASE_MS
    for size in SIZES:
        for bucket in (0, 1, 2_922):
            start, end = size.start_of(bucket), size.start_of(bucket + 1)
            assert end - start == size
            assert size.finer.start_of(size.finer.bucket_of(start)) == start
            assert size.finer.start_of(size.finer.bucket_of(end)) == end


@pytest.mark.parametrize(
    ("size", "first", "last"),
    [
        (Window.FIVE_MINUTES, "2026-01-04T23:55", "2026-01-04T23:59:59.999"),
        (Window.HOUR, "2026-01-04T23:00", "2026-01-04T23:59:59.999"),
        (Window.DAY, "2026-01-04T00:00", "2026-01-04T23:59:59.999"),
        (Window.WEEK, "2025-12-29T00:00", "2026-01-04T23:59:59.999"),
        (Window.WEEK, "1970-01-05T00:00", "1970-01-11T23:59:59.999"),
    ],
)
def test_a_bucket_is_what_the_calendar_says(size: Window, first: str, last: str) -> None:
    """Weeks are those of ISO 8601, from Monday on; all times are UTC."""
    start, end = (round(datetime.fromisoformat(f"{at}+00:00").timestamp() * 1_000) for at in (first, last))
    bucket = size.bucket_of(start)
    assert (size.bucket_of(start - 1), size.bucket_of(end), size.bucket_of(end + 1)) == (bucket - 1, bucket, bucket + 1)
    assert size.start_of(bucket) == start


def test_buckets_are_never_negative_from_the_epoch_on() -> None:
    """State keys hold them without a sign: the week of 1970-01-01 is the first."""
    assert [size.bucket_of(0) for size in SIZES] == [0, 0, 0, 0]
    assert Window.WEEK.start_of(0) == -3 * 86_400_000


def test_coarser_and_finer_are_inverse() -> None:
    """The finest window is its own finer one, the coarsest has no coarser one."""
    for size in SIZES:
        assert size.coarser is None or size.coarser.finer is size
    assert Window.FIVE_MINUTES.finer is Window.FIVE_MINUTES
    assert Window.WEEK.coarser is None


def test_codes_and_labels_are_what_was_published() -> None:
    """Codes are in stored keys and labels on dashboards: a change breaks both."""
    assert [(size.code, size.label) for size in SIZES] == [(1, "5m"), (2, "1h"), (3, "1d"), (4, "1w")]
    assert [(int(scope), scope.label) for scope in PUBLISHED] == [(1, "workflow"), (2, "team")]
    assert [(int(scope), scope.name) for scope in Scope if scope not in PUBLISHED] == [
        (3, "HELD"), (4, "POOLED"), (5, "LATE"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- watermark


def test_the_watermark_is_the_newest_event_less_the_lateness() -> None:
    """Both readings follow the newest event."""
    mark = Watermark(MINUTE)
    mark.observe(MONDAY)
    assert readings(mark) == (MONDAY, MONDAY - MINUTE, MONDAY - MINUTE)


@pytest.mark.parametrize("older", [MONDAY, MONDAY - 1, 0, -5])
def test_an_event_that_is_not_newer_moves_nothing(older: int) -> None:
    """Events out of order are the rule."""
    mark = Watermark(MINUTE)
    mark.observe(MONDAY)
    before = readings(mark)
    mark.observe(older)
    assert readings(mark) == before


def test_before_the_first_event_idle_time_moves_closing_alone() -> None:
    """There is no event time to move on from, and nothing is too late; what outcomes counted is published."""
    mark = Watermark(MINUTE)
    mark.idle(10**9, MONDAY)
    assert readings(mark) == (0, 0, MONDAY - MINUTE)
    mark.observe(MONDAY - HOUR)
    assert readings(mark) == (MONDAY - HOUR, MONDAY - HOUR - MINUTE, MONDAY - MINUTE)


@pytest.mark.parametrize(
    ("now", "idle_for", "value", "closing"),
    [
        pytest.param(MONDAY, 0, MONDAY, MONDAY, id="live, no time has passed"),
        pytest.param(MONDAY + 9, 9, MONDAY + 9, MONDAY + 9, id="live, moves with time"),
        pytest.param(MONDAY + 9, 5, MONDAY + 5, MONDAY + 9, id="the last event was 4 ms old when it came"),
        pytest.param(MONDAY + 10**9, 9, MONDAY + 9, MONDAY + 10**9, id="a history closes, but is not too late"),
        pytest.param(MONDAY - 50, 9, MONDAY, MONDAY, id="events ahead of the clock: waits for the clock"),
        pytest.param(MONDAY + 3, 9, MONDAY + 3, MONDAY + 3, id="no further than the clock"),
    ],
)
def test_idle_time_moves_the_watermark_with_the_clock(now: int, idle_for: int, value: int, closing: int) -> None:
    """What is too late moves by the time that passed; what closes goes up to the wall clock."""
    mark = Watermark(0)
    mark.observe(MONDAY)
    mark.idle(idle_for, now)
    assert readings(mark) == (MONDAY, value, closing)


def test_lateness_is_kept_while_idle() -> None:
    """Stragglers get their time after the clock, too."""
    mark = Watermark(MINUTE)
    mark.observe(MONDAY)
    mark.idle(2 * MINUTE, MONDAY + 5 * MINUTE)
    assert readings(mark) == (MONDAY, MONDAY + MINUTE, MONDAY + 4 * MINUTE)


def test_nothing_goes_back_when_events_follow_idle_time() -> None:
    """An event older than the idle watermark is newer than any event, and still moves nothing back."""
    mark = Watermark(0)
    mark.observe(MONDAY)
    mark.idle(MINUTE, MONDAY + 10 * MINUTE)
    mark.observe(MONDAY + 1)
    assert readings(mark) == (MONDAY + 1, MONDAY + MINUTE, MONDAY + 10 * MINUTE)
    mark.idle(1, MONDAY + 2 * MINUTE)
    assert readings(mark) == (MONDAY + 1, MONDAY + MINUTE, MONDAY + 10 * MINUTE)


def test_a_restored_watermark_is_where_it_was() -> None:
    """Even when the lateness was raised in between: it does not take back what it said."""
    mark = Watermark(10 * MINUTE, MONDAY, MONDAY - MINUTE, MONDAY + MINUTE)
    mark.observe(MONDAY + 1)
    assert readings(mark) == (MONDAY + 1, MONDAY - MINUTE, MONDAY + MINUTE)


def test_the_steps_to_a_far_event_do_not_follow_from_how_the_log_was_cut() -> None:
    """Events since the last border have been observed, or not yet."""
    steps = []
    for cut in (False, True):
        mark = Watermark(0)
        mark.observe(MONDAY + MINUTE)
        if cut:
            mark.observe(MONDAY + 3 * MINUTE)
        steps.append([*mark.approach(MONDAY + 2 * Window.DAY + 2 * MINUTE, Window.DAY, 50 * Window.DAY)])
    assert steps[0] == steps[1] == [MONDAY + Window.DAY, MONDAY + 2 * Window.DAY]
