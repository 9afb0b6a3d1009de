"""The contract that every detector keeps, whatever it looks for."""

import importlib
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from streams.core.findings import Clear, Detector, Finding, Insufficient
from streams.core.history import DAYS, FEATURES, Feature
from streams.core.pace import Pace
from streams.core.policy import DETECTORS
from streams.core.snapshot import Organisation, Snapshot
from streams.core.watches import Watch
from streams.detectors import JUDGES, REGISTRY
from tests.unit.detectors.scenes import (
    DAY,
    FAST,
    SCENES,
    STRENGTHS,
    TEAM,
    WORKFLOW,
    ask,
    findings,
    history,
    quiet,
    score_of,
    snapshot,
    verdict_on,
)  # fmt: skip

NAMES = [it.name for it in REGISTRY]
SLOW = [it.name for it in REGISTRY if it.detect is not None]
#: Those whose rule compares money, and those whose rule compares outcomes.
OF_MONEY = {
    "spend_without_outcomes", "redundant_work", "context_padding", "busywork_automation", "quality_erosion",
}  # fmt: skip
OF_OUTCOMES = {"spend_without_outcomes", "busywork_automation", "outcome_gaming", "quality_erosion"}
_MONEY = (
    Feature.SPEND, Feature.PRICED, Feature.FAILED_SPEND, Feature.REPEAT_SPEND, Feature.REPORTED, Feature.COMPUTED,
)  # fmt: skip
_OUTCOMES = range(Feature.OUTCOMES, Feature.LOG_CYCLE + 1)
_NUMBERS = {5: "five", 10: "ten", 12: "twelve"}


def test_every_pattern_of_a_policy_is_a_detector_and_is_planted_here() -> None:
    assert set(NAMES) == set(DETECTORS) == {*SCENES, *FAST}
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_silent_on_an_ordinary_case_and_speaks_of_a_clear_one(name: str) -> None:
    assert not isinstance(verdict_on(name, 0.0), Finding)
    found = verdict_on(name, 1.0)
    assert isinstance(found, Finding)
    assert found.score >= 1


@pytest.mark.parametrize("name", NAMES)
def test_more_of_the_behaviour_is_never_less_evidence(name: str) -> None:
    scores = [score_of(verdict_on(name, strength)) for strength in STRENGTHS]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_same_view_gets_the_same_verdict(name: str, strength: float) -> None:
    assert verdict_on(name, strength) == verdict_on(name, strength)


@pytest.mark.parametrize("name", SLOW)
def test_a_view_is_not_changed_by_looking_at_it(name: str) -> None:
    scene = SCENES[name](1.0)
    rows = scene.days.copy()
    first = ask(name, scene)
    assert np.array_equal(scene.days, rows)
    assert ask(name, scene) == first


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("workflow", [None, WORKFLOW])
def test_nothing_is_said_of_an_empty_history(name: str, workflow: str | None) -> None:
    """Nor of zeros: neither division nor logarithm is in the way."""
    empty = history(np.zeros((DAYS, FEATURES)))
    scene = Snapshot(TEAM, workflow, DAY, empty, Organisation([empty]), outcomes_expected=True, whole=empty)
    assert not isinstance(ask(name, scene), Finding)


def test_nothing_is_said_of_a_workflow_or_a_budget_of_which_nothing_is_known() -> None:
    assert isinstance(JUDGES.velocity(Watch(TEAM, WORKFLOW, 1)), Clear)
    assert all(isinstance(judge(Pace(), 10**9, 300), Clear) for _, judge in JUDGES.tiers)
    assert isinstance(JUDGES.forecast(10**9, 0.0, 0.0, 0.0, 1.0, 0), Clear)


@pytest.mark.parametrize("name", sorted(set(SLOW) - {"busywork_automation"}))
def test_too_little_is_said_to_be_too_little(name: str) -> None:
    """A week of a team of one: never a finding; and what is too little is told as so many of so many."""
    rows = np.zeros((DAYS, FEATURES))
    rows[-7:] = np.ceil(quiet()[-7:] / 500)
    shapes = tuple(replace(week, people=1, brief=1) for week in SCENES["adoption_theatre"](1.0).weeks[-1:])
    found = [
        ask(name, snapshot(rows, workflow=workflow, weeks=shapes, people=1, whole=history(rows)))
        for workflow in (None, WORKFLOW)
    ]
    assert not any(isinstance(it, Finding) for it in found)
    few = [it for it in found if isinstance(it, Insufficient)]
    assert all(0 <= it.n < it.need for it in few)


@pytest.mark.parametrize("name", sorted(set(SLOW) - {"busywork_automation", "context_padding"}))
def test_a_history_of_days_is_insufficient_data(name: str) -> None:
    """Plenty happens, but there is nothing to compare it to. (What costs too little to matter is asked no further.)"""
    rows = np.zeros((DAYS, FEATURES))
    rows[-7:] = SCENES[name](1.0).days[-7:] if name != "quality_erosion" else 5 * quiet()[-7:]
    assert isinstance(ask(name, replace(SCENES[name](1.0), history=history(rows), weeks=())), Insufficient)


@pytest.mark.parametrize("name", sorted(OF_OUTCOMES))
def test_unknown_outcomes_are_no_missing_ones(name: str) -> None:
    """Where no source of outcomes is connected, nothing is said that rests on them."""
    scene = SCENES[name](1.0)
    rows, whole = scene.days.copy(), quiet(7)
    rows[:, _OUTCOMES] = 0
    whole[:, _OUTCOMES] = 0
    blind = replace(scene, history=history(rows), whole=history(whole), outcomes_expected=False)
    assert not isinstance(ask(name, blind), Finding)


@pytest.mark.parametrize("name", SLOW)
def test_unknown_prices_are_no_money(name: str) -> None:
    """What rests on money is silent without prices; what does not puts no figure on it."""
    scene = SCENES[name](1.0)
    rows = scene.days.copy()
    rows[:, _MONEY] = 0
    rows[:, Feature.UNPRICED] = rows[:, Feature.CALLS]
    found = ask(name, replace(scene, history=history(rows), regular=replace(scene.regular, spend=0)))
    if name in OF_MONEY:
        assert not isinstance(found, Finding)
    elif isinstance(found, Finding):
        assert not found.money_micro_usd


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_holds_finite_numbers_and_no_names(name: str) -> None:
    """Records are JSON too, which knows no infinity; numpy's numbers would be another type after a restart."""
    found = findings()[name]
    numbers = [found.score, found.chance, *found.evidence.values()]
    numbers += [it for it in (found.observed, found.expected) if it is not None]
    assert all(type(it) in {int, float} and math.isfinite(it) for it in numbers)
    assert type(found.sample_size) is int
    assert type(found.money_micro_usd) in {int, type(None)}
    assert found.money_micro_usd is None or found.money_micro_usd >= 0
    assert 0 <= found.chance <= 1
    assert found.sample_size >= 1
    said = found.summary + " ".join(found.evidence)
    assert found.summary.endswith(".")
    assert TEAM not in said
    assert WORKFLOW not in said


@pytest.mark.parametrize("detector", REGISTRY, ids=NAMES)
def test_it_says_in_words_what_it_does(detector: Detector) -> None:
    assert detector.rule
    assert detector.silent
    assert detector.next_step.endswith(".")
    assert detector.benign_causes
    assert all(detector.benign_causes)
    assert detector.min_sample > 0
    needed, among = detector.persistence
    assert 1 <= needed <= among


@pytest.mark.parametrize("detector", REGISTRY, ids=NAMES)
def test_it_never_speaks_of_a_person(detector: Detector) -> None:
    """Of members, people and users there are many; one of them is nobody's business."""
    said = [detector.rule, detector.silent, detector.next_step, *detector.benign_causes]
    said.append(findings()[detector.name].summary)
    words = set(re.findall(r"[a-z]+", " ".join(said).lower()))
    singular = {
        "employee", "person", "he", "she", "him", "her", "his", "hers", "developer", "engineer", "member", "user",
        "actor", "somebody", "someone", "individual", "colleague", "author",
    }  # fmt: skip
    assert not words & singular


@pytest.mark.parametrize("detector", REGISTRY, ids=NAMES)
def test_its_module_cites_a_source_and_says_how_much_it_needs(detector: Detector) -> None:
    said = importlib.import_module(f"streams.detectors.{detector.name}").__doc__ or ""
    assert re.search(r"^Source: \S.{10,}", said, re.MULTILINE)
    assert re.search(r"\bNeeds? |\bneed\b|or more\b", said.partition("Source:")[0])
    number = _NUMBERS.get(detector.min_sample, "nothing")
    stated = re.search(rf"\b({detector.min_sample}|{number})\b", said)
    assert stated


@pytest.mark.parametrize("detector", [it for it in REGISTRY if it.detect is not None], ids=SLOW)
def test_shapes_of_people_need_more_of_them(detector: Detector) -> None:
    """Five for totals, ten for how they spread, twenty for concentration."""
    least = {"target_chasing": 10, "adoption_theatre": 10, "leaderboard_race": 20}
    assert detector.group >= least.get(detector.name, 5)
    assert detector.weekly is (detector.name in least)
    assert not (detector.weekly and detector.workflow)
