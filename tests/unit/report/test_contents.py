"""What a report says of a week, and in which order."""

import pytest

from streams.core.windows import Window
from streams.report.contents import Origin, Report, Total, report_of
from streams.report.ratios import Ratio, cost_per_accepted
from streams.report.selection import Selection
from tests.unit.report.records import MONDAY_MS, RESULTS, WEEK, day, kpi

LAST_MONDAY_MS = MONDAY_MS - Window.WEEK


def report(*records: object, team: str | None = None) -> Report:
    return report_of(Selection(records), WEEK, team)  # type: ignore[arg-type]


def test_order_is_by_name_whoever_spends_most() -> None:
    found = report(
        kpi("b", spend_micro_usd=1), kpi("a", spend_micro_usd=2), kpi("c", spend_micro_usd=3),
        kpi("b", "z", spend_micro_usd=9), kpi("b", "y", spend_micro_usd=8), kpi("b", "x", spend_micro_usd=10),
    )  # fmt: skip
    assert [team.entry.place.team for team in found.teams] == ["a", "b", "c"]
    assert [entry.place.workflow for entry in found.teams[1].workflows] == ["x", "y", "z"]


def test_one_team_alone() -> None:
    found = report(kpi("a"), kpi("b"), kpi("b", "x"), team="b")
    assert [team.entry.place.team for team in found.teams] == ["b"]
    assert found.totals["calls"] == Total(100, 1, 1)
    assert report(kpi("a"), team="b").teams == ()


def test_a_week_that_has_not_closed_is_the_sum_of_its_days() -> None:
    found = report(day(0), day(1), day(0, workflow="x"), day(1, "search"), kpi("search"))
    payments, search = found.teams
    assert (payments.entry.origin, payments.entry.week.calls, payments.entry.closed) == (Origin.DAYS, 200, False)
    assert (payments.workflows[0].origin, payments.workflows[0].week.calls) == (Origin.DAYS, 100)
    assert (search.entry.origin, search.entry.week.calls) == (Origin.WEEK, 100)
    assert [it is not None for it in payments.entry.days] == [True, True, False, False, False, False, False]


def test_a_team_without_a_record_is_the_sum_of_its_workflows() -> None:
    (team,) = report(kpi(workflow="x"), kpi(workflow="y", accepted=3)).teams
    assert (team.entry.origin, team.entry.week.calls, team.entry.week.accepted) == (Origin.WORKFLOWS, 200, 3)


def test_change_is_against_the_week_before_if_there_is_one() -> None:
    now = kpi(**RESULTS)
    assert report(now).teams[0].entry.cost_change is None
    before = {**RESULTS, "accepted": 10, "cohort_orphan_spend_micro_usd": 1_000_000}
    entry = report(now, kpi(start_ms=LAST_MONDAY_MS, **before)).teams[0].entry
    assert (entry.cost_change, entry.orphan_change) == pytest.approx((0.25, 0.125))
    unknown = report(now, kpi(start_ms=LAST_MONDAY_MS)).teams[0].entry
    assert (unknown.cost_change, unknown.orphan_change) == (None, None)
    free = report(now, kpi(start_ms=LAST_MONDAY_MS, **{**RESULTS, "spend_micro_usd": 0})).teams[0].entry
    assert free.cost_change is None


def test_the_week_before_may_be_days_only() -> None:
    entry = report(kpi(**RESULTS), day(-1, **RESULTS), day(-7, **RESULTS)).teams[0].entry
    assert (len(entry.before), entry.cost_change) == (2, 0.0)


def test_a_ratio_of_days_is_of_those_that_know_both_its_sides() -> None:
    before_any_outcome = {"spend_micro_usd": 90_000_000}
    entry = report(day(0, **before_any_outcome), day(1, **RESULTS), day(2, accepted=2)).teams[0].entry
    assert (entry.week.spend_micro_usd, entry.week.accepted) == (110_000_000, 10)
    assert entry.ratio(cost_per_accepted) == Ratio(20_000_000, 10)
    assert report(day(0), day(1)).teams[0].entry.ratio(cost_per_accepted) == Ratio(None, None)


def test_totals_say_how_many_teams_know_their_part() -> None:
    totals = report(kpi("a", **RESULTS), kpi("b"), kpi("c", spend_micro_usd=None, accepted=0)).totals
    assert totals["accepted"] == Total(8, 2, 3)
    assert totals["spend_micro_usd"] == Total(20_000_000, 2, 3)
    assert totals["calls"] == Total(300, 3, 3)
    assert report(kpi("a")).totals["accepted"] == Total(None, 0, 1)


def test_an_input_that_ends_before_the_week_says_so() -> None:
    assert report(kpi(last_event=WEEK.start_ms + 2 * Window.DAY)).cut_short
    assert not report(kpi(last_event=WEEK.end_ms - Window.HOUR)).cut_short
    assert not report(kpi()).cut_short
