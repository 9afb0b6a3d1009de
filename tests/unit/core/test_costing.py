"""What a call cost by its source and by the book, how the two compare, and what KPIs say of both."""

from typing import Any

import pytest

from streams.core.costing import CHECKS, CostCheck, check, computed_cost
from streams.core.events import UsageEvent
from streams.core.prices import PriceBook, Rates, Tier
from tests.engine_runs import DAY, FIVE, HOUR, MONDAY, WEEK, EngineRun, usage

#: A micro-dollar a token of input, two of output; half of it in a batch.
RATES = Rates(input=1_000_000, output=2_000_000, cache_read=100_000)
BOOK = PriceBook(
    "november",
    {"m": [Tier(0, "", 0, RATES), Tier(0, "batch", 0, Rates(input=500_000, output=1_000_000))], "gone": []},
)


def event(**fields: Any) -> UsageEvent:
    return UsageEvent(
        event_id="1", source="s", occurred_at=MONDAY, team="t", workflow="w", **({"model": "m"} | fields)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"input_tokens": 100, "output_tokens": 10}, 120),
        ({"input_tokens": 100, "cache_read_tokens": 1_000, "cache_write_tokens": 7}, 100 + 100 + 7),
        ({"input_tokens": 100, "output_tokens": 10, "attributes": {"service_tier": "batch"}}, 60),
        ({"input_tokens": 100, "attributes": {"service_tier": "standard"}}, 100),
        ({"input_tokens": 100, "attributes": {"other": "batch"}}, 100),
        ({"input_tokens": 100, "model": "another"}, -1),
        ({"input_tokens": 100, "model": "gone"}, -1),
        ({}, 0),
    ],
)
def test_a_cost_is_computed_from_the_book(fields: dict[str, Any], cost: int) -> None:
    assert computed_cost(BOOK, event(**fields)) == cost


@pytest.mark.parametrize(
    ("reported", "computed", "expected"),
    [
        (1_000, 1_000, CostCheck.AGREES),
        (1_000, 950, CostCheck.AGREES),
        (1_000, 949, CostCheck.DIVERGES),
        (949, 1_000, CostCheck.DIVERGES),
        (1, 2, CostCheck.AGREES),
        (1, 3, CostCheck.DIVERGES),
        (5, 0, CostCheck.DIVERGES),
        (0, 0, CostCheck.AGREES),
        (0, 1, CostCheck.REPORTED_ZERO),
        (0, -1, CostCheck.REPORTED_ZERO),
        (5, -1, CostCheck.REPORTED_ONLY),
        (None, 5, CostCheck.COMPUTED_ONLY),
        (None, 0, CostCheck.COMPUTED_ONLY),
        (None, -1, CostCheck.UNPRICED),
    ],
)
def test_the_two_are_compared(reported: int | None, computed: int, expected: CostCheck) -> None:
    """Within five percent, or a micro-dollar, they agree."""
    assert CHECKS[check(reported, computed, 1, 50)] is expected


def test_a_call_without_tokens_may_cost_nothing() -> None:
    """A call that failed, most often."""
    assert CHECKS[check(0, -1, 0, 50)] is CostCheck.REPORTED_ONLY


def test_kpis_carry_both_and_what_was_filled_in() -> None:
    run = EngineRun(prices=BOOK, lateness_ms=0, config_version="v")
    run.feed(
        usage("a", MONDAY, input_tokens=100, cost_micro_usd=130),
        usage("b", MONDAY, input_tokens=10, workflow="other"),
        usage("c", MONDAY, input_tokens=7, model="unheard-of"),
        usage("d", MONDAY, input_tokens=5, model="unheard-of", cost_micro_usd=0),
    )
    run.feed(usage("later", MONDAY + 2 * FIVE, input_tokens=1))
    # Late for its window: a correction, of the hour that is still open as of the five minutes.
    run.feed(usage("late", MONDAY, input_tokens=1_000))
    run.crash()
    run.finish()
    for size in (FIVE, HOUR, DAY, WEEK):
        later = 0 if size == FIVE else 1
        team = run.latest["payments", None, size, MONDAY]
        assert (team.spend_micro_usd, team.priced_calls) == (130, 2)
        assert (team.computed_micro_usd, team.computed_calls) == (100 + 10 + 1_000 + later, 3 + later)
        assert (team.filled_in_micro_usd, team.filled_in_calls) == (10 + 1_000 + later, 2 + later)
        assert (team.calls, team.unpriced_tokens) == (5 + later, 7)
    other = run.latest["payments", "other", FIVE, MONDAY]
    assert (other.spend_micro_usd, other.filled_in_micro_usd, other.computed_micro_usd) == (None, 10, 10)
    checks = sum((effects.cost_checks for effects in run.commits), start=run.commits[0].cost_checks.__class__())
    assert checks == {
        CostCheck.DIVERGES: 1, CostCheck.COMPUTED_ONLY: 3, CostCheck.UNPRICED: 1, CostCheck.REPORTED_ZERO: 1,
    }  # fmt: skip
    # What the metrics are fed with is spend as far as it is known, each part of it once.
    assert {workflow: told[0] for (_, workflow), told in run.told.items()} == {"review": 130 + 1_000 + 1, "other": 10}


def test_without_a_book_nothing_is_computed() -> None:
    run = EngineRun()
    run.feed(usage("a", MONDAY, input_tokens=3), usage("b", MONDAY, cost_micro_usd=5, input_tokens=3))
    run.finish()
    kpi = run.latest["payments", "review", DAY, MONDAY]
    assert (kpi.computed_micro_usd, kpi.computed_calls, kpi.filled_in_micro_usd, kpi.unpriced_tokens) == (
        None,
        0,
        None,
        3,
    )
    assert run.commits[0].cost_checks == {CostCheck.UNPRICED: 1, CostCheck.REPORTED_ONLY: 1}
