"""Recorded against billed: each verdict by numbers worked out by hand, and what may not change one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.reconciliation.comparing import SETTLED_AFTER_MS, Window
from streams.reconciliation.ledger import Contradiction, Ledger
from streams.reconciliation.verdicts import Tolerance, Verdict, Why, apart
from streams.sources.billing.bill import Bill, Report, Span
from tests.unit.reconciliation.recordings import (
    DAY,
    DAY_MS,
    LATER,
    bill,
    billed,
    compared,
    event,
    ledger_of,
    the_one,
)

HOUR_MS = 3_600_000
#: A hundred calls: 100,000 tokens for a dollar.
HUNDRED = [event(number) for number in range(100)]


@pytest.mark.parametrize(
    ("tokens", "cost", "verdict"),
    [(100_000, 1_000_000, Verdict.AGREE), (102_000, 1_050_000, Verdict.AGREE), (98_000, 950_000, Verdict.AGREE),
     (103_000, 1_000_000, Verdict.RECORDED_LOW), (97_000, 1_000_000, Verdict.RECORDED_HIGH),
     (100_000, 1_060_000, Verdict.RECORDED_LOW), (100_000, 940_000, Verdict.RECORDED_HIGH),
     (200_000, 500_000, Verdict.RECORDED_LOW), (0, 0, Verdict.UNBILLED)],
)  # fmt: skip
def test_verdicts_of_a_hundred_calls(tokens: int, cost: int, verdict: Verdict) -> None:
    it = the_one(compared(HUNDRED, bill(billed(tokens), billed(cost=cost))))
    assert (it.verdict, it.why, it.model) == (verdict, None, "claude-sonnet-4")
    assert (it.tokens.gap, it.dollars.gap) == (100_000 - tokens, 1_000_000 - cost)
    assert it.tokens.ratio == (100_000 / tokens if tokens else None)
    assert it.price_coverage == 1


def test_what_is_billed_and_not_recorded_is_unrecorded() -> None:
    found = compared(HUNDRED, bill(billed(100_000), billed(50_000, model="claude-opus-4-1")))
    assert [(it.model, it.verdict) for it in found.comparisons] == [
        ("claude-opus-4-1", Verdict.UNRECORDED), ("claude-sonnet-4", Verdict.AGREE),
    ]  # fmt: skip
    assert [it.model for it in found.findings] == ["claude-opus-4-1"]


def test_what_is_recorded_of_a_day_that_the_bill_covers_and_not_billed_is_unbilled() -> None:
    found = compared([*HUNDRED, *(event(100 + it, model="claude-opus-4-1") for it in range(2))], bill(billed(100_000)))
    assert [it.verdict for it in found.comparisons] == [Verdict.UNBILLED, Verdict.AGREE]


def test_an_empty_bucket_says_that_nothing_was_used() -> None:
    after = Span(Report.ANTHROPIC_USAGE, "anthropic", DAY + DAY_MS, DAY + 2 * DAY_MS)
    late = [event(200 + it, occurred_at=DAY + DAY_MS) for it in range(2)]
    found = compared([*HUNDRED, *late], bill(billed(100_000)), Bill(covered=[after]))
    assert [it.verdict for it in found.comparisons] == [Verdict.AGREE, Verdict.UNBILLED]


def test_small_gaps_are_none() -> None:
    assert the_one(compared([event()], bill(billed(2_000), billed(cost=20_000)))).verdict is Verdict.AGREE
    assert the_one(compared([event()], bill(billed(2_001)))).verdict is Verdict.RECORDED_LOW
    strict = Tolerance(0, 0, 0, 0)
    assert the_one(compared([event()], bill(billed(1_001)), tolerance=strict)).verdict is Verdict.RECORDED_LOW


def test_dollars_of_which_some_are_unknown_are_a_lower_bound() -> None:
    some = [event(number, cost_micro_usd=None if number < 50 else 10_000) for number in range(100)]
    it = the_one(compared(some, bill(billed(100_000), billed(cost=1_000_000))))
    assert (it.verdict, it.price_coverage) == (Verdict.AGREE, 0.5)
    assert the_one(compared(some, bill(billed(cost=300_000)))).verdict is Verdict.RECORDED_HIGH
    it = the_one(compared(some, bill(billed(cost=1_000_000))))
    assert (it.verdict, it.why) == (Verdict.INCOMPARABLE, Why.NO_FIGURE)


def test_costs_that_nobody_knows_are_not_zero() -> None:
    it = the_one(compared([event(cost_micro_usd=None)], bill(billed(cost=1_000_000))))
    assert (it.verdict, it.dollars.recorded, it.dollars.gap, it.dollars.ratio) == (
        Verdict.INCOMPARABLE,
        None,
        None,
        None,
    )


def test_a_cost_reported_as_zero_is_recorded_too_low() -> None:
    """Streamed calls whose tokens were right and whose spend was 0 (litellm#37923)."""
    free = [event(number, cost_micro_usd=0) for number in range(100)]
    assert the_one(compared(free, bill(billed(100_000), billed(cost=1_000_000)))).verdict is Verdict.RECORDED_LOW


def test_telemetry_that_stops_silently_shows_as_low() -> None:
    """Three percent of the tokens recorded (claude-code#92776)."""
    it = the_one(compared(HUNDRED[:3], bill(billed(100_000))))
    assert (it.verdict, it.tokens.ratio) == (Verdict.RECORDED_LOW, 0.03)


@pytest.mark.parametrize(
    ("window", "why"),
    [(Window(LATER, since_ms=DAY + 1), Why.PARTLY_RECORDED), (Window(LATER, until_ms=DAY + DAY_MS - 1), Why.PARTLY_RECORDED),
     (Window(DAY + DAY_MS + SETTLED_AFTER_MS - 1), Why.NOT_SETTLED), (Window(LATER, DAY, DAY + DAY_MS), None),
     (Window(DAY + DAY_MS + SETTLED_AFTER_MS), None)],
)  # fmt: skip
def test_a_day_that_is_recorded_in_part_or_may_still_grow_is_not_compared(window: Window, why: Why | None) -> None:
    it = the_one(compared(HUNDRED, bill(billed(100_000)), window=window))
    assert (it.verdict, it.why) == (Verdict.AGREE if why is None else Verdict.INCOMPARABLE, why)


def test_a_day_that_is_billed_in_part_is_not_compared() -> None:
    hours = [billed(4_000, start_ms=DAY + hour * HOUR_MS, bucket_ms=HOUR_MS) for hour in range(23)]
    it = the_one(compared(HUNDRED, bill(*hours)))
    assert (it.verdict, it.why, it.tokens.covered) == (Verdict.INCOMPARABLE, Why.PARTLY_BILLED, 23 / 24)
    last = billed(8_000, start_ms=DAY + 23 * HOUR_MS, bucket_ms=HOUR_MS)
    assert the_one(compared(HUNDRED, bill(*hours, last))).verdict is Verdict.AGREE


def test_a_recorded_day_that_no_bill_speaks_of_is_not_compared() -> None:
    found = compared([event(1, occurred_at=DAY + DAY_MS)], bill(billed(0)))
    assert [(it.verdict, it.why) for it in found.comparisons] == [
        (Verdict.AGREE, None), (Verdict.INCOMPARABLE, Why.PARTLY_BILLED),
    ]  # fmt: skip


def test_a_bill_of_a_month_is_compared_by_the_month() -> None:
    month = billed(cost=3_000_000, bucket_ms=31 * DAY_MS)
    days = [event(number, occurred_at=DAY + (number % 31) * DAY_MS) for number in range(300)]
    it = the_one(compared(days, bill(month)))
    assert (it.verdict, it.usage.calls, it.end_ms - it.start_ms) == (Verdict.AGREE, 300, 31 * DAY_MS)
    crossing = billed(cost=1, start_ms=DAY + HOUR_MS, bucket_ms=DAY_MS)
    assert the_one(compared([], bill(crossing))).why is Why.NOT_PARTED


def test_a_bill_without_models_is_compared_with_all_models() -> None:
    found = compared(
        [*HUNDRED, event(100, model="claude-opus-4-1")], bill(billed(101_000, model=None), billed(cost=1_010_000))
    )
    assert [(it.model, it.tokens.billed, it.dollars.billed) for it in found.comparisons] == [
        (None, 101_000, None), ("claude-opus-4-1", None, 0), ("claude-sonnet-4", None, 1_010_000),
    ]  # fmt: skip
    assert found.comparisons[0].verdict is Verdict.AGREE


def test_a_figure_that_nobody_bills_makes_no_comparison_of_its_own() -> None:
    it = the_one(compared([*HUNDRED, event(100, model="claude-opus-4-1")], bill(billed(101_000, model=None))))
    assert (it.model, it.dollars.recorded, it.dollars.billed, it.verdict) == (None, 1_010_000, None, Verdict.AGREE)


def test_rows_without_a_model_beside_others_are_told_and_not_lost() -> None:
    found = compared(HUNDRED, bill(billed(100_000), billed(7_000, model=None)))
    assert (the_one(found).verdict, found.unnamed) == (Verdict.AGREE, {"tokens": 7_000})


def test_a_report_that_has_rows_without_a_figure_does_not_tell_it() -> None:
    users = {"report": Report.COPILOT_USERS, "provider": "github", "model": None}
    found = compared([], bill(billed(5_000, **users), billed(cost=9, start_ms=DAY + DAY_MS, **users)))
    assert [it.tokens.billed for it in found.comparisons] == [5_000, None]


def test_of_two_reports_of_one_figure_the_better_one_counts() -> None:
    part: dict[str, Any] = {"report": Report.ANTHROPIC_CLAUDE_CODE}
    it = the_one(
        compared(
            HUNDRED,
            bill(billed(40_000, **part), billed(100_000), billed(cost=1, report=Report.FOCUS), billed(cost=1_000_000)),
        )
    )
    assert (it.tokens.billed, it.tokens.report, it.dollars.billed) == (100_000, Report.ANTHROPIC_USAGE, 1_000_000)


def test_providers_of_whom_there_is_no_bill_are_told_apart() -> None:
    found = compared([event(1), event(2, provider="aws.bedrock")], bill(billed(1_000)))
    assert (the_one(found).verdict, {name: usage.calls for name, usage in found.outside.items()}) == (
        Verdict.AGREE,
        {"aws": 1},
    )


def test_a_row_that_comes_again_counts_once_and_one_that_contradicts_is_an_error() -> None:
    row = billed(100_000, identity="a")
    ledger = ledger_of(bill(row), bill(row))
    assert ledger.repeated == 1
    assert the_one(compared(HUNDRED, bill(row), bill(row))).verdict is Verdict.AGREE
    with pytest.raises(Contradiction, match="anthropic_usage"):
        ledger.add(bill(row._replace(unsplit_tokens=1)))


def test_one_report_in_two_widths_of_bucket_would_count_twice() -> None:
    with pytest.raises(Contradiction, match="one bucket width"):
        ledger_of(bill(billed(100_000)), bill(billed(4_000, bucket_ms=HOUR_MS)))
    ledger_of(bill(billed(cost=2, report=Report.FOCUS)), bill(billed(cost=1, report=Report.FOCUS, bucket_ms=HOUR_MS)))


def test_a_day_whose_last_page_is_missing_is_not_compared() -> None:
    row = billed(100_000, report=Report.ANTHROPIC_CLAUDE_CODE)
    span = Span(row.report, "anthropic", DAY, DAY + DAY_MS)
    first = Bill(rows=[row], covered=[span], unfinished={span})
    assert the_one(compared(HUNDRED, first)).why is Why.PARTLY_BILLED
    assert the_one(compared(HUNDRED, first, Bill(covered=[span], finished={span}))).verdict is Verdict.AGREE


_ROWS = st.lists(
    st.builds(
        lambda tokens, cost, day, model: billed(tokens, start_ms=DAY + day * DAY_MS, model=model)
        if cost is None
        else billed(cost=cost, start_ms=DAY + day * DAY_MS, model=model),
        st.integers(0, 10**6), st.none() | st.integers(0, 10**9), st.integers(0, 3), st.sampled_from(["a", "b", "b-20250101"]),
    ), max_size=20,
)  # fmt: skip
_EVENTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]), st.integers(0, 10**5)), max_size=20)


@given(_ROWS, _EVENTS, st.randoms())
def test_order_does_not_matter_and_sums_are_kept(rows: list[Any], calls: list[Any], random: Any) -> None:
    events = [event(at, occurred_at=DAY + day * DAY_MS, model=model, input_tokens=tokens) for at, (day, model, tokens) in enumerate(calls)]  # fmt: skip
    found = compared(events, bill(*rows))
    shuffled_events, shuffled_rows = list(events), list(rows)
    random.shuffle(shuffled_events)
    random.shuffle(shuffled_rows)
    middle = len(rows) // 2
    assert compared(shuffled_events, bill(*shuffled_rows[:middle]), bill(*shuffled_rows[middle:])) == found
    assert sum(it.tokens.billed or 0 for it in found.comparisons) == sum(row.unsplit_tokens or 0 for row in rows)
    assert sum(it.dollars.billed or 0 for it in found.comparisons) == sum(row.cost_micro_usd or 0 for row in rows)
    assert sum(it.usage.calls for it in found.comparisons) + sum(it.calls for it in found.outside.values()) == len(
        calls
    )


@given(st.lists(st.integers(0, 10**6), min_size=24, max_size=24), _EVENTS)
def test_hours_add_up_to_their_day(tokens: list[int], calls: list[Any]) -> None:
    events = [event(at, model=model, input_tokens=fresh) for at, (_, model, fresh) in enumerate(calls)]
    hours = [
        billed(each, start_ms=DAY + hour * HOUR_MS, bucket_ms=HOUR_MS, model="a") for hour, each in enumerate(tokens)
    ]
    assert compared(events, bill(*hours)) == compared(events, bill(billed(sum(tokens), model="a")))


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 1000), st.integers(0, 10**6))
def test_a_gap_has_one_direction(one: int, other: int, permille: int, least: int) -> None:
    assert apart(one, other, permille, least) == -apart(other, one, permille, least)
    assert apart(one, one, permille, least) == 0


def test_an_empty_ledger_has_no_billers() -> None:
    assert Ledger().billers == set()
