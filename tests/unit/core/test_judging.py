"""What becomes of a day's verdicts: which explain which, which are rare enough, which rise, and which are not asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.core.alerting import Circumstances, Reason
from streams.core.alerts import Alert
from streams.core.effects import Effects
from streams.core.episodes import Episodes, Place
from streams.core.findings import Clear, Detector, Finding, Insufficient, Judges, Verdict
from streams.core.history import DAYS, FEATURES, Feature, History
from streams.core.judging import Judging
from streams.core.pace import Pace
from streams.core.params import EngineParams
from streams.core.policy import DetectorPolicy, Policy, TeamPolicy
from streams.core.snapshot import Organisation, Snapshot
from streams.state.memory import MemoryStore

#: A Thursday, and the Sunday after it.
THURSDAY, SUNDAY = 20_461, 20_464
FINDING = Finding(score=2.0, days=7, observed=2.0, expected=1.0, sample_size=40, money_micro_usd=5, summary="It is so.")
Said = dict[tuple[str, str | None], Verdict]


def detector(name: str, family: str = "waste", **fields: Any) -> Detector:
    """A detector that fires at once, and says what it is told to."""
    known: dict[str, Any] = {
        "rule": f"rule of {name}", "silent": "s", "benign_causes": ("b",), "next_step": "n.", "min_sample": 9,
        "persistence": (1, 1), "after_days": 10,
    }  # fmt: skip
    return Detector(name=name, family=family, detect=lambda snapshot, setting: Clear(), **{**known, **fields})  # type: ignore[arg-type]


class Days:
    """Judges days of a team and its workflows, by detectors that say what a test tells them to."""

    def __init__(self, *detectors: Detector, **policy: Any) -> None:
        self.said: dict[str, Said] = {}
        self.asked: list[tuple[str, Snapshot]] = []
        registry = tuple(replace(it, detect=self._answer(it.name)) for it in detectors)
        never: Callable[..., Verdict] = lambda *_: Clear()  # noqa: E731
        store = MemoryStore()
        self.params = EngineParams(policy=Policy(**policy), config_version="test")
        self.episodes = Episodes(store, "test")
        judges = Judges(registry=registry, run=never, velocity=never, tiers=(), forecast=never)
        self.judging = Judging(store, self.params, judges, {}, {}, self.episodes, lambda watch: None)
        self.effects = Effects()

    def _answer(self, name: str) -> Callable[[Snapshot, DetectorPolicy], Verdict]:
        def detect(snapshot: Snapshot, setting: DetectorPolicy) -> Verdict:
            self.asked.append((name, snapshot))
            return self.said.get(name, {}).get((snapshot.team, snapshot.workflow), Clear())

        return detect

    def day(self, day: int, *scopes: Snapshot) -> list[Alert]:
        """Judge a day; the records of it."""
        told = len(self.effects.alerts)
        self.judging.weigh(list(scopes), day, self.effects)
        return self.effects.alerts[told:]

    def reasons(self, name: str) -> dict[str, int]:
        """How often which reason was decided for."""
        return {reason: n for (detector, reason), n in self.effects.verdicts.items() if detector == name}


def scope(
    workflow: str | None, *, team: str = "payments", people: int = 40, attributed: int = 1, age: int = 30, **fields: Any
) -> Snapshot:
    """The view of a scope; nobody stands behind it if ``attributed`` is zero."""
    rows = np.zeros((DAYS, FEATURES))
    rows[-age:, [Feature.CALLS, Feature.PRICED]] = 1
    rows[-age:, Feature.ATTRIBUTED] = attributed
    history = History(THURSDAY, rows, THURSDAY - age + 1)
    return Snapshot(team, workflow, THURSDAY, history, Organisation([]), people, **fields)


def test_what_explains_more_keeps_what_it_explains_silent() -> None:
    """The one in front in the registry, of a scope that overlaps; nothing else does."""
    days = Days(detector("cause"), detector("effect"))
    days.said = {
        "cause": {("payments", "a"): FINDING},
        "effect": {("payments", "a"): FINDING, ("payments", "b"): FINDING, ("payments", None): FINDING},
    }
    told = days.day(THURSDAY, scope("a"), scope("b"), scope(None))
    assert {(it.detector, it.workflow) for it in told} == {("cause", "a"), ("effect", "b")}
    assert days.reasons("effect") == {Reason.SUPPRESSED_BY_PARENT: 2, Reason.FIRST: 1}


def test_it_explains_though_it_is_not_told_yet() -> None:
    """Else the effect would be told a day before its cause."""
    days = Days(detector("cause", persistence=(2, 3)), detector("effect"))
    days.said = {"cause": {("payments", "a"): FINDING}, "effect": {("payments", "a"): FINDING}}
    assert days.day(THURSDAY, scope("a")) == []
    assert [it.detector for it in days.day(THURSDAY + 1, scope("a"))] == ["cause"]


def test_what_is_told_of_nobody_explains_nothing() -> None:
    """A cause that is chance, or snoozed, or concerns too few: on the day, and on the next."""
    days = Days(detector("cause", "gaming"), detector("effect"))
    days.said = {"cause": {("payments", None): FINDING}, "effect": {("payments", None): FINDING}}
    assert days.day(THURSDAY, scope(None, people=3)) == []
    days.said["cause"] = {("payments", None): replace(FINDING, chance=0.9)}
    assert [it.detector for it in days.day(THURSDAY + 1, scope(None))] == ["effect"]
    assert days.reasons("cause") == {Reason.GROUP_MINIMUM: 1, Reason.NOT_RARE: 1}


def test_a_workflow_s_alert_speaks_for_its_team() -> None:
    """Once it fires, of the same detector."""
    days = Days(detector("one"))
    days.said = {"one": {("payments", "a"): FINDING, ("payments", None): FINDING}}
    assert [it.workflow for it in days.day(THURSDAY, scope("a"), scope(None))] == ["a"]


def test_findings_that_may_be_chance_are_told_if_they_are_rare_among_all() -> None:
    """The same chance, among few scopes and among many; by family; what was not judged does not count."""
    for others, told in ((0, True), (200, False)):
        days = Days(detector("one"), detector("other", "gaming"))
        days.said = {"one": {("payments", "a"): replace(FINDING, chance=0.005)}}
        for number in range(others):
            days.said["one"]["payments", f"x{number}"] = Clear(0.3)
        many = [scope(f"x{number}") for number in range(others)]
        assert bool(days.day(THURSDAY, scope("a"), *many)) is told
    days = Days(detector("one"))
    days.said = {
        "one": {("payments", "a"): replace(FINDING, chance=0.005)}
        | {("payments", f"x{n}"): Insufficient(1, 9) for n in range(200)}
    }
    assert days.day(THURSDAY, scope("a"), *[scope(f"x{number}") for number in range(200)])


def test_weekly_detectors_are_asked_on_sundays() -> None:
    days = Days(detector("weekly", weekly=True), detector("daily"))
    days.day(THURSDAY, scope(None))
    assert [name for name, _ in days.asked] == ["daily"]
    days.day(SUNDAY, replace(scope(None), day=SUNDAY))
    assert sorted(name for name, _ in days.asked[1:]) == ["daily", "weekly"]


def test_each_is_asked_about_the_scopes_that_it_looks_at() -> None:
    days = Days(detector("teams", workflow=False), detector("workflows", team=False), detector("both"))
    days.day(THURSDAY, scope("a"), scope(None))
    assert {(name, view.workflow) for name, view in days.asked} == {
        ("teams", None), ("workflows", "a"), ("both", "a"), ("both", None),
    }  # fmt: skip


def test_a_short_history_is_not_looked_at_at_all() -> None:
    days = Days(detector("one"))
    days.day(THURSDAY, scope("a", age=9))
    assert days.asked == []
    assert days.reasons("one") == {Reason.INSUFFICIENT: 1}
    days.day(THURSDAY, scope("a", age=10))
    assert len(days.asked) == 1


def test_a_detector_that_is_off_is_not_asked_and_its_alert_is_resolved() -> None:
    days = Days(detector("one"), detector("off"), detectors={"off": DetectorPolicy(enabled=False)})
    days.said = {"one": {("payments", "a"): FINDING}, "off": {("payments", "a"): FINDING}}
    place = Place("off", "payments", "a")
    days.episodes.judge(detector("off"), place, FINDING, around(THURSDAY), days.effects, coarse=False)
    told = [alert for day in range(1, 3) for alert in days.day(THURSDAY + day, scope("a"))]
    assert {name for name, _ in days.asked} == {"one"}
    assert [(it.detector, it.state) for it in told] == [("one", "firing"), ("off", "resolved")]


def around(day: int) -> Circumstances:
    """Nothing but the end of a day."""
    return Circumstances(now_ms=(day + 1) * 86_400_000)


def test_an_open_episode_freezes_what_its_detector_compares_to() -> None:
    days = Days(detector("one"))
    days.said = {"one": {("payments", "a"): FINDING}}
    days.day(THURSDAY, scope("a"))
    days.day(THURSDAY + 1, scope("a"), scope("b"))
    frozen = {view.workflow: view.frozen_from for _, view in days.asked[1:]}
    assert frozen == {"a": THURSDAY + 1 - 7, "b": None}


@pytest.mark.parametrize(("people", "attributed", "workflow"), [(4, 1, None), (5, 1, "a"), (1, 0, "a")])
def test_findings_about_too_few_people_rise_without_figures(people: int, attributed: int, workflow: str | None) -> None:
    """What concerns nobody is free."""
    days = Days(detector("one"))
    days.said = {"one": {("payments", "a"): replace(FINDING, evidence={"calls": 1234.0})}}
    (alert,) = days.day(THURSDAY, scope("a", people=people, attributed=attributed), scope(None))
    assert alert.workflow == workflow
    if workflow is None:
        assert (alert.observed, alert.expected, alert.money_at_stake_micro_usd) == (None, None, None)
        assert alert.evidence == {"score": 2.0}
        assert "rule of one" in alert.summary
    else:
        assert alert.observed == 2.0


def test_what_the_team_says_itself_comes_before_what_rises() -> None:
    days = Days(detector("one"))
    days.said = {"one": {("payments", "a"): FINDING, ("payments", None): replace(FINDING, summary="The team's own.")}}
    (alert,) = days.day(THURSDAY, scope("a", people=1), scope(None))
    assert (alert.workflow, alert.summary) == (None, "The team's own.")


def test_what_rises_to_a_team_of_too_few_is_not_told() -> None:
    days = Days(detector("one"))
    days.said = {"one": {("payments", "a"): FINDING}}
    assert days.day(THURSDAY, scope("a", people=1), scope(None, people=4)) == []
    assert days.reasons("one") == {Reason.GROUP_MINIMUM: 1}


def test_detectors_of_shapes_ask_for_more_people_and_so_may_the_policy() -> None:
    for group, least, people, told in ((20, 5, 19, False), (20, 5, 20, True), (5, 8, 7, False), (5, 8, 8, True)):
        days = Days(detector("one", group=group))
        days.judging._params = replace(days.params, min_actors=least)
        days.said = {"one": {("payments", None): FINDING}}
        assert bool(days.day(THURSDAY, scope(None, people=people))) is told


def test_a_team_is_told_what_explains_more_before_its_week_is_used_up() -> None:
    """Of six detectors that find something in workflows of their own, the first four are told."""
    names = [f"d{number}" for number in range(6)]
    days = Days(*[detector(name) for name in names])
    days.said = {name: {("payments", f"w{name}"): FINDING} for name in names}
    told = days.day(THURSDAY, *[scope(f"w{name}") for name in reversed(names)])
    assert [it.detector for it in told] == names[:4]
    assert days.reasons("d5")[Reason.OVER_BUDGET] == 1
    assert days.day(THURSDAY, replace(scope("wd0"), team="search")) == []


def test_money_that_nobody_knows_is_unknown() -> None:
    days = Days(detector("one"))
    days.said = {"one": {("payments", "a"): FINDING, ("payments", "b"): FINDING}}
    unpriced = scope("b")
    unpriced.history.days[:, Feature.PRICED] = 0
    told = {it.workflow: it.money_at_stake_micro_usd for it in days.day(THURSDAY, scope("a"), unpriced)}
    assert told == {"a": 5, "b": None}


def test_teams_are_told_apart() -> None:
    """What one team's alert explains is its own."""
    days = Days(detector("cause"), detector("effect"), teams={"search": TeamPolicy()})
    days.said = {"cause": {("payments", None): FINDING}, "effect": {("search", None): FINDING}}
    told = days.day(THURSDAY, scope(None), scope(None, team="search"))
    assert {(it.detector, it.team) for it in told} == {("cause", "payments"), ("effect", "search")}


@pytest.mark.parametrize(("zone", "of_month"), [("UTC", 31), ("Pacific/Kiritimati", 1)])
def test_the_month_of_a_budget_is_the_organisations(zone: str, of_month: int) -> None:
    """On the last day of January in UTC it has long been February on Kiritimati: other days are summed."""
    last_of_january = 20_484
    asked: list[float] = []

    def forecast(budget: int, spent: float, *_: Any) -> Verdict:
        asked.append(spent)
        return Clear()

    days = Days(detector("budget_burn", "budget"))
    history = History(last_of_january, np.zeros((DAYS, FEATURES)), last_of_january - 60)
    history.days[:, Feature.SPEND] = 1_000_000
    policy = Policy(time_zone=zone, teams={"payments": TeamPolicy(monthly_budget_micro_usd=10**9)})
    judges = Judges(registry=(detector("budget_burn"),), run=forecast, velocity=forecast, tiers=(), forecast=forecast)
    judging = Judging(
        MemoryStore(), replace(days.params, policy=policy), judges, {}, {"payments": Pace()}, days.episodes,
        lambda watch: None,
    )  # fmt: skip
    judging._forecast("payments", history, last_of_january, days.effects)
    # Of a month that is hardly a day old nothing is forecast.
    assert asked == ([of_month * 1e6] if of_month >= 3 else [])
