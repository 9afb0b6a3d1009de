"""Closing: borders, what is due, and the order of publications."""

import pytest

from streams.core.closing import Closer
from streams.core.effects import Effects
from streams.core.events import UsageEvent
from streams.core.figures import Figures, actor_band
from streams.core.params import EngineParams
from streams.core.rows import Rows
from streams.core.windows import BASE_MS, Watermark, Window
from streams.state.memory import MemoryStore
from tests.engine_runs import DAY, FIVE, HOUR, MONDAY, EngineRun, usage


@pytest.mark.parametrize(
    ("actors", "band"),
    [
        (0, "0"), (1, "1-4"), (4, "1-4"), (5, "5-9"), (9, "5-9"), (10, "10-19"), (19, "10-19"), (20, "20-49"),
        (49, "20-49"), (50, "50-99"), (99, "50-99"), (100, "100+"), (10**9, "100+"),
    ],
)  # fmt: skip
def test_numbers_of_actors_are_told_as_bands(actors: int, band: str) -> None:
    """Both ends of each."""
    assert actor_band(actors) == band


def closer_at(value_ms: int, closing_ms: int, grace_ms: int) -> tuple[Closer, Watermark]:
    """A closer over an empty store."""
    store = MemoryStore()
    mark = Watermark(0, value_ms, value_ms, closing_ms)
    params = EngineParams(grace_ms=grace_ms, min_actors=0)
    return Closer(Rows(store, closing_ms), store, mark, params, Figures(params, set())), mark


@pytest.mark.parametrize(
    ("value", "grace", "too_late_before"),
    [
        (MONDAY, 0, MONDAY),
        (MONDAY + BASE_MS - 1, 0, MONDAY),
        (MONDAY, 1, MONDAY - BASE_MS),
        (MONDAY, BASE_MS, MONDAY - BASE_MS),
        (MONDAY, BASE_MS + 1, MONDAY - 2 * BASE_MS),
        (MONDAY, DAY, MONDAY - DAY),
        (0, DAY, -DAY),
    ],
)
def test_grace_is_rounded_up_to_whole_windows(value: int, grace: int, too_late_before: int) -> None:
    """And moves at 5-minute borders only."""
    closer, _ = closer_at(value, value, grace)
    assert closer.too_late_before * BASE_MS == too_late_before


def test_closed_moves_at_ticks_and_too_late_does_not_follow_closing() -> None:
    """What closed early because of idle time still takes events."""
    closer, mark = closer_at(MONDAY, MONDAY, 0)
    mark.closing_ms = MONDAY + HOUR
    before = closer.closed_before, closer.due
    closer.close(Effects())
    assert (before, (closer.closed_before, closer.due)) == (
        (MONDAY // BASE_MS, True),
        ((MONDAY + HOUR) // BASE_MS, False),
    )
    assert closer.too_late_before * BASE_MS == MONDAY


def test_a_correction_is_due() -> None:
    """So that idle time publishes it."""
    closer, _ = closer_at(MONDAY, MONDAY, DAY)
    effects = Effects()
    event = UsageEvent(event_id="1", source="s", occurred_at=MONDAY - 1, team="t", workflow="w", model="m")
    due = [closer.due]
    closer.correct(event, 0, 0, -1, effects)
    due.append(closer.due)
    assert len(effects.writes) == 8
    closer.close(effects)
    closer.publish(effects)
    due.append(closer.due)
    assert due == [False, True, False]
    assert len(effects.publications) == 8


def test_publications_come_in_an_order_of_their_own() -> None:
    """Finest windows first, older before newer, teams by name, a team after its workflows; corrections last."""
    run = EngineRun(lateness_ms=0)
    run.feed(
        usage("1", MONDAY, team="b", workflow="y"), usage("2", MONDAY, team="b", workflow="x"),
        usage("3", MONDAY, team="a", workflow="z"), usage("4", MONDAY + FIVE, team="a", workflow="z"),
        usage("5", MONDAY + 2 * FIVE),
    )  # fmt: skip
    assert [(kpi.team, kpi.workflow, kpi.window_start - MONDAY) for kpi in run.kpis] == [
        ("a", "z", 0), ("b", "x", 0), ("b", "y", 0), ("a", None, 0), ("b", None, 0),
        ("a", "z", FIVE), ("a", None, FIVE),
    ]  # fmt: skip
    run.publications.clear()
    run.feed(usage("6", MONDAY, team="b", workflow="x"), usage("7", MONDAY + HOUR, team="c"))
    assert [(kpi.team, kpi.workflow, kpi.window_size_ms, kpi.revision) for kpi in run.kpis] == [
        ("payments", "review", FIVE, 1), ("payments", None, FIVE, 1),
        ("a", "z", HOUR, 1), ("b", "x", HOUR, 1), ("b", "y", HOUR, 1), ("payments", "review", HOUR, 1),
        ("a", None, HOUR, 1), ("b", None, HOUR, 1), ("payments", None, HOUR, 1),
        ("b", "x", FIVE, 2), ("b", None, FIVE, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("size", list(Window))
def test_one_tick_may_close_many_windows(size: Window) -> None:
    """After a gap, each of them by itself and with its own figures."""
    run = EngineRun(lateness_ms=50 * DAY, grace_ms=60 * DAY)
    run.feed(*(usage(str(number), MONDAY + number * size, input_tokens=number) for number in range(6)))
    assert run.kpis == []
    run.feed(usage("end", MONDAY + 100 * DAY, team="end"))
    found = [
        (kpi.window_start, kpi.input_tokens) for kpi in run.kpis if kpi.window_size_ms == size and not kpi.workflow
    ]
    assert found == [(MONDAY + number * size, number) for number in range(6)]


def test_a_corrected_window_of_absurd_figures_is_written_and_published() -> None:
    """The largest number JavaScript holds, as a sentinel: sums go over 64 bits, and the worker must not stop for it."""
    run = EngineRun()
    cost = 1 << 53
    run.feed(*(usage(f"e-{number}", MONDAY, cost_micro_usd=cost) for number in range(1_023)))
    run.feed(usage("later", MONDAY + HOUR))
    # Late for its window, and the border that publishes the correction, in one transaction.
    run.feed(
        *(usage(f"late-{number}", MONDAY, cost_micro_usd=cost) for number in range(2)), usage("b", MONDAY + 2 * HOUR)
    )
    run.crash()
    run.feed(usage("again", MONDAY, cost_micro_usd=cost), usage("c", MONDAY + 3 * HOUR))
    latest = run.latest["payments", "review", FIVE, MONDAY]
    assert (latest.calls, latest.spend_micro_usd, latest.revision) == (1_026, (1 << 63) - 1, 3)
