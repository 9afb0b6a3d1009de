"""Windows nest exactly, and the watermark never goes back."""

import pytest

from streams.core.windows import BASE_MS, SIZES, Scope, Watermark, Window

MINUTE = 60_000
#: 2026-01-05T00:00:00Z.
MONDAY = 1_767_571_200_000


def readings(mark: Watermark) -> tuple[int, int, int]:
    """Newest event, watermark and closing time."""
    return mark.newest_ms, mark.value_ms, mark.closing_ms


# ------------------------------------------------------------------------------------------------------------ windows


def test_each_window_is_a_whole_number_of_the_finer_one() -> None:
    """So that coarser windows are sums of finer ones."""
    assert [size // size.finer for size in SIZES] == [1, 12, 24]
    assert SIZES[0] == BASE_MS


def test_coarser_and_finer_are_inverse() -> None:
    """The finest window is its own finer one, the coarsest has no coarser one."""
    for size in SIZES:
        assert size.coarser is None or size.coarser.finer is size
    assert Window.FIVE_MINUTES.finer is Window.FIVE_MINUTES
    assert Window.DAY.coarser is None


def test_codes_and_labels_are_what_was_published() -> None:
    """Codes are in stored keys and labels on dashboards: a change breaks both."""
    assert [(size.code, size.label) for size in SIZES] == [(1, "5m"), (2, "1h"), (3, "1d")]
    assert [(int(scope), scope.label) for scope in Scope] == [(1, "workflow"), (2, "team")]


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


def test_before_the_first_event_idle_time_moves_nothing() -> None:
    """There is no event time to move on from."""
    mark = Watermark(MINUTE)
    mark.idle(10**9, MONDAY)
    assert readings(mark) == (0, 0, 0)


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
