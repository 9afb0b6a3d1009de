"""Intervals, sums over seeds, and the rivals' curves."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.simulation.labelled import BEHAVIOURS, Labels, keys
from tests.evaluate.facts import Facts
from tests.evaluate.intervals import bootstrap_ratio, wilson
from tests.evaluate.report import REPORT_SEEDS, TUNING_SEEDS, aggregate, purpose, table
from tests.evaluate.rivals import RIVALS, field_alerts, rival_alerts
from tests.evaluate.rules import DAY_MS, WEEK_MS
from tests.evaluate.run import main, seeds_of
from tests.evaluate.score import score
from tests.evaluate.seed import measure, points
from tests.evaluate.test_score import _alert, _episode, _labels

_MONDAY = 1_767_571_200_000


def test_wilson_is_that_of_the_textbook() -> None:
    # Agresti and Coull (1998): 0 of 10 has the upper bound 0.278; Newcombe (1998): 81 of 263 gives 0.2553 to 0.3662.
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 0) is None


def test_the_bootstrap_resamples_seeds() -> None:
    assert bootstrap_ratio([(1.0, 10.0)], Random(0)) is None
    assert bootstrap_ratio([(1.0, 10.0)] * 5, Random(0)) == (0.1, 0.1)
    low, high = bootstrap_ratio([(0.0, 10.0), (4.0, 10.0), (1.0, 10.0)], Random(0)) or (1.0, 0.0)
    assert low < 1 / 6 < high


def test_tuning_and_reporting_are_kept_apart() -> None:
    assert not set(TUNING_SEEDS) & set(REPORT_SEEDS)
    assert len(REPORT_SEEDS) >= 20
    assert purpose([3, 4]) == "tuning"
    assert purpose([60, 79]) == "report"
    assert purpose([49, 50]).startswith("mixed")


@pytest.mark.parametrize(("text", "seeds"), [("3", [3]), ("10-12,20", [10, 11, 12, 20])])
def test_seeds_are_numbers_and_ranges(text: str, seeds: list[int]) -> None:
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-", "5-4", "1,1", "-3"])
def test_what_is_no_seed_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        seeds_of(text)


def test_without_alerts_there_is_nothing_to_judge(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.evaluate.run.can_alert", lambda: False)
    assert main(["--seeds", "0"]) == 2
    assert "has no --alerts" in capsys.readouterr().err


def _facts(labels: Labels) -> Facts:
    hourly = {team: [1.0] * (70 * 24) for team in labels.teams}
    facts = Facts(labels, hourly, {"payments": 1_000.0})
    facts.shares["no reviews"] = {("search", 2): 0.4, ("search", 3): 0.4, ("ads", 5): 0.1}
    return facts


def test_a_rival_alerts_where_its_rule_begins_to_hold() -> None:
    labels = _labels(_episode(day=24))
    facts = _facts(labels)
    facts.hourly["payments"][24 * 24 : 26 * 24] = [20.0] * 48
    (alert,) = rival_alerts("static threshold, day", 250, facts)
    assert (alert.team, (alert.at_ms - _MONDAY) / DAY_MS) == ("payments", 25)
    assert [each.team for each in rival_alerts("z-score", 3, facts)] == []
    assert {each.team for each in rival_alerts("week over week", 1.5, facts)} == {"payments"}
    assert {each.team for each in rival_alerts("every team once", 31, facts)} == set(labels.teams)
    assert {each.team for each in rival_alerts("leaderboard top N", -1, facts)} >= {"payments"}
    assert {each.team for each in rival_alerts("budget cap", 0.6, facts)} == {"payments"}


def test_a_rule_of_one_field_looks_at_the_share_of_a_week() -> None:
    facts = _facts(_labels())
    assert [(each.team, (each.at_ms - _MONDAY) // WEEK_MS) for each in field_alerts("no reviews", 0.2, facts)] == [
        ("search", 3)
    ]
    with pytest.raises(ValueError, match="no rule"):
        field_alerts("no such field", 0.2, facts)


def _result(seed: int, found: bool) -> dict[str, Any]:
    labels = _labels(_episode(day=24))
    facts = _facts(labels)
    alerts = [_alert(24.5)] if found else [_alert(24.5, team="search")]
    rival = {name: points(labels, {x: rival_alerts(name, x, facts) for x in xs}) for name, (_, xs) in RIVALS.items()}
    ours = measure(score(labels, alerts), facts)
    return {"seed": seed, "scenario": "ten-weeks", "episodes": 1, "ours": ours, "rivals": rival}


def test_seeds_add_up() -> None:
    report = aggregate([_result(10, found=True), _result(11, found=True), _result(12, found=False)])
    ours = report["ours"]
    assert ours["recall"]["strong"]["hits"] == 2
    assert ours["recall"]["weak"]["value"] is None
    assert ours["precision"]["value"] == pytest.approx(2 / 3)
    assert ours["false_per_clean_team_week"]["value"] == pytest.approx(1 / (3 * 39))
    assert ours["delay"]["runaway"]["median_hours"] == 12
    assert ours["spent_before_found_usd"]["runaway"] == 12
    assert ours["by_detector"]["runaway"]["false"] == 1
    assert ours["found_by"]["runaway"] == {"runaway": 2}
    assert 0 < ours["recall_by_chance"] < 0.7
    once = report["rivals"]["every team once"]
    assert once["at_equal_false_alerts"] is None or once["at_equal_false_alerts"]["recall"] < 1
    assert "runaway" in table(report)


def test_where_nothing_is_planted_every_alert_is_false() -> None:
    labels = _labels()
    facts = _facts(labels)
    once = {"every team once": points(labels, {7.0: rival_alerts("every team once", 7.0, facts)})}
    ours = measure(score(labels, [_alert(24.5)]), facts)
    report = aggregate([{"seed": 10, "scenario": "quiet", "episodes": 0, "ours": ours, "rivals": once}] * 2)
    assert report["ours"]["precision"]["value"] == 0
    assert report["ours"]["false_per_clean_team_week"]["value"] == 1 / 40
    assert report["rivals"]["every team once"]["points"][0]["false"] == 8
    assert "precision 0.00" in table(report)


def test_the_page_names_every_behaviour_and_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    for name in (*BEHAVIOURS, *keys.__all__):
        assert f"`{getattr(keys, name, name)}`" in page, name
