"""The report for programs."""

import json

import pytest

from streams.report.contents import NO_RANKING, report_of
from streams.report.document import document
from streams.report.selection import Selection
from tests.unit.report.records import MONDAY_MS, RESULTS, WEEK, day, kpi


def test_a_ratio_is_beside_what_it_is_made_of() -> None:
    found = document(report_of(Selection([kpi(**RESULTS), kpi(workflow="x", **RESULTS)]), WEEK))
    (team,) = found["teams"]
    assert team["period"]["cost_per_accepted_micro_usd"] == {
        "value": 1_250_000, "numerator": 10_000_000, "denominator": 8,
    }  # fmt: skip
    assert team["period"]["acceptance_rate"] == {"value": 0.8, "numerator": 8, "denominator": 10}
    assert team["cohort"]["orphan_spend_ratio"] == {"value": 0.25, "numerator": 2_000_000, "denominator": 8_000_000}
    assert team["coverage"]["outcome_attribution"] == {"value": 0.9, "numerator": 9, "denominator": 10}
    assert team["workflows"][0]["workflow"] == "x"
    assert found["totals"]["accepted"] == {"value": 8, "known": 1, "teams": 1}
    assert found["no_ranking"] == NO_RANKING


def test_what_is_not_known_is_null() -> None:
    (team,) = document(report_of(Selection([kpi(spend_micro_usd=None)]), WEEK))["teams"]
    assert team["period"]["spend_micro_usd"] is None
    assert team["period"]["cost_per_accepted_micro_usd"] == {"value": None, "numerator": None, "denominator": None}
    assert team["cohort"]["mature_runs"] is None
    assert team["change"]["cost_per_accepted"] == {"before_micro_usd": None, "relative": None}
    assert [it["told"] for it in team["days"]] == [False] * 7
    assert team["people"] == {"active": None, "licensed": None, "adoption": None, "depth": None}


def test_days_and_open_weeks_say_what_they_are() -> None:
    records = [day(1, **RESULTS, withheld="group_minimum"), day(2, spend_micro_usd=None)]
    (team,) = document(report_of(Selection(records), WEEK))["teams"]
    assert (team["closed"], team["figures_from"], team["withheld"]) == (False, "days", "group_minimum")
    assert team["days"][1] == {
        "start_ms": MONDAY_MS + 86_400_000, "told": True, "withheld": "group_minimum", "calls": 100,
        "spend_micro_usd": 10_000_000, "accepted": 8,
        "cost_per_accepted_micro_usd": {"value": None, "numerator": None, "denominator": 8},
    }  # fmt: skip
    assert team["days"][2]["spend_micro_usd"] is None


def test_the_report_gives_no_cost_per_accepted_outcome_that_the_record_withholds() -> None:
    """Of spend that is not all it would be too low; of days that leave nothing out it is known."""
    for withheld, value in (("group_minimum", None), (None, 1_250_000)):
        (team,) = document(report_of(Selection([kpi(**RESULTS, withheld=withheld)]), WEEK))["teams"]
        assert team["period"]["cost_per_accepted_micro_usd"]["value"] == value
    records = [day(1, **RESULTS, withheld="group_minimum"), day(2, **RESULTS)]
    (team,) = document(report_of(Selection(records), WEEK))["teams"]
    assert team["period"]["cost_per_accepted_micro_usd"] == {
        "value": 1_250_000, "numerator": 10_000_000, "denominator": 8,
    }  # fmt: skip


def test_the_names_of_fields_are_public() -> None:
    found = document(report_of(Selection([kpi(), kpi(workflow="x")]), WEEK))
    assert list(found) == ["format", "week", "as_of_ms", "input_ends_early", "totals", "teams", "no_ranking"]
    (team,) = found["teams"]
    entry = ["closed", "figures_from", "withheld", "period", "cohort", "coverage", "change", "days", "people"]
    assert list(team) == ["team", *entry, "workflows"]
    assert list(team["workflows"][0]) == ["workflow", *entry]
    assert list(team["period"]) == [
        "spend_micro_usd", "reported_micro_usd", "filled_in_micro_usd", "unpriced_tokens", "calls", "accepted",
        "rejected", "reversed", "neutral", "defects", "incidents", "cycle_times", "cycle_time_p50_ms",
        "cycle_time_p90_ms", "outcomes", "cost_per_accepted_micro_usd", "acceptance_rate", "reversal_rate",
        "defects_per_accepted", "incidents_per_accepted", "customer_rating", "failed_spend_share", "cache_hit_share",
    ]  # fmt: skip
    assert list(team["cohort"]) == [
        "mature_runs", "spend_micro_usd", "accepted", "orphan_runs", "orphan_spend_micro_usd", "orphan_spend_ratio",
    ]  # fmt: skip
    assert list(team["coverage"]) == ["price_coverage", "call_attribution", "outcome_attribution", "outcome_coverage"]


@pytest.mark.parametrize("name", ["\ud800", "\u202e", "\x00", "</script>"])
def test_names_are_whole_and_the_text_is_plain_ascii(name: str) -> None:
    said = json.dumps(document(report_of(Selection([kpi(name)]), WEEK)))
    assert said.isascii()
    assert json.loads(said)["teams"][0]["team"] == name


@pytest.mark.parametrize(("unpriced", "value"), [(0, 1_250_000), (50, 1_250_000), (51, None)])
def test_tokens_of_unknown_cost_do_not_seem_free(unpriced: int, value: int | None) -> None:
    tokens = {"input_tokens": 70, "output_tokens": 10, "cache_read_tokens": 15, "cache_write_tokens": 5}
    (team,) = document(report_of(Selection([kpi(**RESULTS, **tokens, unpriced_tokens=unpriced)]), WEEK))["teams"]
    assert team["period"]["cost_per_accepted_micro_usd"]["value"] == value
