"""What detectors know to be something else: holidays, clocks, storms, rushes, and teams that only go back to where they were."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.findings import Clear, Finding, Insufficient
from streams.core.history import DAYS, FEATURES, Days, Feature, History
from streams.core.snapshot import Organisation, Regular, Snapshot
from streams.detectors.redundant_work import DETECTOR as REDUNDANT
from tests.unit.detectors.scenes import ask, history, quiet, repetition, snapshot

_NOT_LOST = [Feature.STARTS, Feature.OUTCOMES, Feature.ACCEPTED, Feature.REJECTED, Feature.CHANGES]


def _lost(rows: Days, share: float, features: list[Feature] | None = None) -> Days:
    """Three days of which a share is missing, of everything or of what is named."""
    rows = rows.copy()
    columns = list(range(FEATURES)) if features is None else [int(it) for it in features]
    rows[-3:, columns] = np.floor(rows[-3:, columns] * (1 - share))
    return rows


def _usage(rows: Days, share: float) -> Days:
    """Three days of which single calls are missing: hardly a run is, and no outcome."""
    kept = rows.copy()
    kept[-3:] = _lost(rows, share)[-3:]
    kept[-3:, _NOT_LOST] = rows[-3:, _NOT_LOST]
    return kept


def test_telemetry_that_falls_silent_is_a_problem_of_one_team_and_none_of_all() -> None:
    silent = snapshot(_lost(quiet(), 0.97), workflow=None)
    assert isinstance(ask("data_problems", silent), Finding)
    holiday = Organisation([history(_lost(quiet(seed), 0.97)) for seed in range(1, 12)])
    assert not isinstance(ask("data_problems", replace(silent, organisation=holiday)), Finding)


def test_most_calls_are_lost_where_outcomes_keep_coming_and_a_week_is_quiet_where_they_do_not() -> None:
    lost = ask("data_problems", snapshot(_usage(quiet(), 0.75), workflow=None))
    assert isinstance(lost, Finding)
    assert "outcomes came" in lost.summary
    assert not isinstance(ask("data_problems", snapshot(_lost(quiet(), 0.75), workflow=None)), Finding)
    assert not isinstance(ask("data_problems", snapshot(_usage(quiet(), 0.3), workflow=None)), Finding)
    fewer = _usage(quiet(), 0.75)
    fewer[-3:, Feature.STARTS] //= 4
    assert not isinstance(ask("data_problems", snapshot(fewer, workflow=None)), Finding)


def test_one_day_off_is_no_silence() -> None:
    rows = quiet()
    weekend = [day for day in range(DAYS) if (DAYS - 1 - day) % 7 < 2]
    rows[weekend] = 0
    rows[-3:] = 0
    assert not isinstance(ask("data_problems", snapshot(rows, workflow=None)), Finding)


def test_a_share_of_calls_that_two_runs_account_for_is_chance() -> None:
    rows = quiet()
    rows[:, [Feature.CALLS, Feature.STARTS]] = 40, 6
    rows[:, Feature.UNPRICED] = 0
    rows[-2:, Feature.UNPRICED] = 8
    assert not isinstance(ask("data_problems", snapshot(rows, workflow=None)), Finding)
    rows[-2:, Feature.UNPRICED] = 30
    assert isinstance(ask("data_problems", snapshot(rows, workflow=None)), Finding)


def test_what_clocks_and_failures_repeat_is_no_redundant_work() -> None:
    scene = repetition(1.0)
    assert isinstance(ask("redundant_work", scene), Finding)
    for feature in (Feature.MACHINE, Feature.FAILED):
        rows = scene.days.copy()
        rows[-7:, feature] = rows[-7:, Feature.REPEATS]
        assert not isinstance(ask("redundant_work", replace(scene, history=history(rows))), Finding)
    calls = int(scene.recent(Feature.REPEATS, 7))
    assert not isinstance(ask("redundant_work", replace(scene, regular=Regular(99, 1, calls, 1, 1, 900, 990))), Finding)


def test_a_week_of_incidents_is_no_redundant_work() -> None:
    scene = repetition(1.0)
    assert scene.whole is not None
    whole = scene.whole.days.copy()
    whole[-7:, Feature.INCIDENTS] = 2
    assert isinstance(ask("redundant_work", replace(scene, whole=history(whole))), Clear)
    whole[:, Feature.INCIDENTS] = 2
    assert isinstance(ask("redundant_work", replace(scene, whole=history(whole))), Finding)


def test_two_days_that_repeat_are_a_batch() -> None:
    rows = quiet()
    rows[-2:, Feature.REPEATS] = rows[-2:, Feature.FINGERPRINTED]
    rows[-2:, Feature.REPEAT_SPEND] = rows[-2:, Feature.SPEND]
    assert REDUNDANT.min_sample < rows[-7:, Feature.FINGERPRINTED].sum()
    assert not isinstance(ask("redundant_work", snapshot(rows)), Finding)


def test_outcomes_that_only_go_back_to_where_they_were_are_no_loss() -> None:
    rows = quiet()
    rows[-7:, Feature.ACCEPTED] //= 3
    assert isinstance(ask("spend_without_outcomes", snapshot(rows)), Finding)
    rows[:-35, Feature.ACCEPTED] //= 3
    assert not isinstance(ask("spend_without_outcomes", snapshot(rows)), Finding)


def test_outcomes_of_a_rush_are_still_to_come() -> None:
    rows = quiet()
    for feature in (Feature.STARTS, Feature.SPEND, Feature.CALLS, Feature.PRICED):
        rows[-2:, feature] *= 12
    assert not isinstance(ask("spend_without_outcomes", snapshot(rows)), Finding)


def test_two_days_without_outcomes_are_chance_where_work_comes_to_little_and_three_are_a_source() -> None:
    rows = quiet()
    rows[:, [Feature.OUTCOMES, Feature.ACCEPTED]] = 5
    rows[-7:, [Feature.OUTCOMES, Feature.ACCEPTED]] = 1
    rows[-3:-1, [Feature.OUTCOMES, Feature.ACCEPTED]] = 0
    assert isinstance(ask("spend_without_outcomes", snapshot(rows)), Finding)
    rows[-4:-1, [Feature.OUTCOMES, Feature.ACCEPTED]] = 0
    assert isinstance(ask("spend_without_outcomes", snapshot(rows)), Clear)


def _new(came: float, runs: int = 100, spend: int = 40_000_000) -> History:
    """A team of two days, of whose mature runs a share came to something."""
    rows = np.zeros((DAYS, FEATURES))
    rows[-2:] = quiet()[-2:]
    rows[:, Feature.ATTRIBUTED] = 0
    rows[-2, Feature.COHORT_RUNS], rows[-2, Feature.COHORT_SPEND] = runs, spend
    rows[-2, Feature.ORPHAN_RUNS], rows[-2, Feature.ORPHAN_SPEND] = (round(it * (1 - came)) for it in (runs, spend))
    rows[-2:, Feature.ACCEPTED] = came * rows[-2:, Feature.STARTS]
    return history(rows)


def _among(team: History, teams: int = 12) -> Snapshot:
    return snapshot(team.days, workflow=None, organisation=Organisation([team, *(_new(0.5) for _ in range(teams - 1))]))


def test_a_new_team_is_compared_to_the_others() -> None:
    found = ask("spend_without_outcomes", _among(_new(0.1)))
    assert isinstance(found, Finding)
    assert found.observed == pytest.approx(0.9)
    assert found.expected == pytest.approx(0.5)
    assert found.money_micro_usd == pytest.approx(36_000_000, rel=0.01)
    assert isinstance(ask("spend_without_outcomes", _among(_new(0.4))), Clear)
    unnamed = _new(0.1)
    unnamed.days[-2:, Feature.ACCEPTED] = 0.5 * unnamed.days[-2:, Feature.STARTS]
    assert isinstance(ask("spend_without_outcomes", _among(unnamed)), Clear)
    people = _new(0.1)
    people.days[-2:, Feature.ATTRIBUTED] = 9
    assert isinstance(ask("spend_without_outcomes", _among(people)), Insufficient)


def test_a_new_team_needs_runs_money_and_others() -> None:
    assert isinstance(ask("spend_without_outcomes", _among(_new(0.1, runs=29))), Insufficient)
    assert isinstance(ask("spend_without_outcomes", _among(_new(0.1, spend=9_000_000))), Clear)
    assert isinstance(ask("spend_without_outcomes", _among(_new(0.1), teams=7)), Insufficient)


def test_slower_work_and_more_defects_are_one_sign_and_each_alone_less() -> None:
    rows = quiet()
    rows[-14:, Feature.DEFECTS] = np.round(2.5 * rows[-14:, Feature.DEFECTS])
    rows[-14:, Feature.SPEND] = np.round(1.2 * rows[-14:, Feature.SPEND])
    slow = rows.copy()
    slow[-14:, Feature.LOG_CYCLE] += 400 * slow[-14:, Feature.CYCLES]
    alone, together = (ask("quality_erosion", snapshot(it, workflow=None)) for it in (rows, slow))
    assert isinstance(alone, Clear | Finding)
    assert isinstance(together, Finding)
    assert together.score >= alone.score
    still = quiet()
    still[-14:, Feature.LOG_CYCLE] += 800 * still[-14:, Feature.CYCLES]
    assert not isinstance(ask("quality_erosion", snapshot(still, workflow=None)), Finding)


def test_tickets_that_come_back_are_gaming_unless_more_breaks_as_well() -> None:
    rows = quiet()
    for feature in (Feature.ACCEPTED, Feature.OUTCOMES):
        rows[-7:, feature] *= 2
    rows[:, Feature.REOPENED] = 1
    rows[-7:, Feature.REOPENED] = np.round(0.4 * rows[-7:, Feature.ACCEPTED])
    assert isinstance(ask("outcome_gaming", snapshot(rows)), Finding)
    rows[-7:, Feature.DEFECTS] *= 4
    assert not isinstance(ask("outcome_gaming", snapshot(rows)), Finding)
