"""What adds up, and what does not."""

import pytest

from streams.report.ratios import RATIOS, Ratio, cost_per_accepted, known_spend, outcomes
from streams.report.selection import Place
from streams.report.sums import COUNTS, KNOWN, sum_of
from tests.unit.report.records import RESULTS, WEEK, day, kpi

TEAM = Place("payments", None)


def test_numerators_and_denominators_add_up_and_ratios_follow_from_them() -> None:
    total = sum_of([day(0, **RESULTS), day(1, **{**RESULTS, "accepted": 2, "spend_micro_usd": 5_000_000})], WEEK, TEAM)
    assert (total.calls, total.accepted, total.spend_micro_usd) == (200, 10, 15_000_000)
    assert cost_per_accepted(total).value == 1_500_000
    assert RATIOS["orphan_spend_ratio"](total) == Ratio(4_000_000, 16_000_000)
    assert RATIOS["customer_rating"](total) == Ratio(6.0, 8)


def test_unknown_is_not_zero() -> None:
    total = sum_of([day(0), day(1)], WEEK, TEAM)
    assert (total.accepted, total.cohort_runs, total.filled_in_micro_usd) == (None, None, None)
    assert cost_per_accepted(total).value is None
    assert sum_of([day(0), day(1, accepted=3)], WEEK, TEAM).accepted == 3
    assert sum_of([day(0, accepted=0), day(1)], WEEK, TEAM).accepted == 0


def test_percentiles_do_not_add_up_unless_one_record_has_all_of_them() -> None:
    none = {**RESULTS, "cycle_times": 0, "cycle_time_p50_ms": None, "cycle_time_p90_ms": None}
    alone = sum_of([day(0, **RESULTS), day(1, **none)], WEEK, TEAM)
    assert (alone.cycle_times, alone.cycle_time_p50_ms) == (8, 5_400_000)
    both = sum_of([day(0, **RESULTS), day(1, **RESULTS)], WEEK, TEAM)
    assert (both.cycle_times, both.cycle_time_p50_ms, both.cycle_time_p90_ms) == (16, None, None)


def test_bands_of_people_do_not_add_up_and_what_is_withheld_stays_so() -> None:
    total = sum_of([day(0, active_actors="5-9"), day(1, active_actors="5-9", withheld="group_minimum")], WEEK, TEAM)
    assert total.active_actors is None
    assert total.withheld == "group_minimum"
    assert sum_of([day(0)], WEEK, TEAM).withheld is None


def test_a_sum_says_that_it_was_not_published() -> None:
    total = sum_of([day(3, workflow="a", first_event=7, last_event=9), day(5, workflow="a")], WEEK, Place("t", "a"))
    assert (total.revision, total.scope, total.window_start) == (0, "workflow", WEEK.start_ms)
    assert (total.first_event, total.last_event) == (7, 9)


def test_every_figure_of_a_record_is_added_up_or_left_out_on_purpose() -> None:
    left_out = {
        "scope", "team", "workflow", "window_size_ms", "window_start", "window_end", "revision", "runs", "runs_exact",
        "active_actors", "first_event", "last_event", "cost_per_accepted_micro_usd", "orphan_spend_ratio",
        "duplicate_ratio", "outcome_coverage", "config_version", "cycle_time_p50_ms", "cycle_time_p90_ms", "withheld",
        "licensed_actors", "adoption", "depth",
    }  # fmt: skip
    assert left_out | {*COUNTS, *KNOWN} == set(kpi().__struct_fields__)


def test_the_ratios_of_a_record() -> None:
    record = kpi(
        **RESULTS, filled_in_micro_usd=2_000_000, filled_in_calls=5, failed_micro_usd=600_000, calls_with_run=75
    )
    assert known_spend(record) == 12_000_000
    assert outcomes(record) == 10
    assert {name: ratio(record).value for name, ratio in RATIOS.items()} == pytest.approx(
        {
            "acceptance_rate": 0.8,
            "reversal_rate": 1 / 9,
            "defects_per_accepted": 0.25,
            "incidents_per_accepted": 0.125,
            "customer_rating": 0.75,
            "failed_spend_share": 0.05,
            "cache_hit_share": 0.75,
            "price_coverage": 0.95,
            "call_attribution": 0.75,
            "outcome_attribution": 0.9,
            "orphan_spend_ratio": 0.25,
            "outcome_coverage": 0.75,
        }
    )


def test_over_nothing_a_ratio_is_unknown() -> None:
    assert [Ratio(1, 0).value, Ratio(1, None).value, Ratio(None, 1).value, Ratio(1, -1).value] == [None] * 4
    assert Ratio(0, 1).value == 0
    idle = kpi(calls=0, spend_micro_usd=None, input_tokens=0, cache_read_tokens=0, accepted=0, rejected=0, reversed=0)
    assert [ratio(idle).value for ratio in RATIOS.values()] == [None] * len(RATIOS)
    assert RATIOS["failed_spend_share"](kpi(spend_micro_usd=None)).numerator == 0


def test_a_share_of_money_is_at_most_all_of_it_though_amounts_are_rounded() -> None:
    record = kpi(
        spend_micro_usd=996, failed_micro_usd=1_000, cohort_spend_micro_usd=980, cohort_orphan_spend_micro_usd=990
    )
    assert RATIOS["failed_spend_share"](record).value == 1
    assert RATIOS["orphan_spend_ratio"](record).value == 1
