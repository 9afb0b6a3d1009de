"""An alert compared with what a replay gave."""

from typing import Any

import pytest

from streams.core.alerting import Reason
from streams.core.alerts import Alert
from streams.core.episodes import Judged, Place
from streams.core.findings import Clear, Finding, Insufficient, Verdict
from streams.core.policy import DetectorPolicy, Policy
from streams.detectors import JUDGES
from streams.explain.lives import Life, lives
from streams.explain.rebuilding import FIGURES, Outcome, Rebuild, Tallies, compare
from tests.unit.subscribers.alerts import OPENED_MS, alert

PLACE = Place("spend_without_outcomes", "payments", "refund-bot")
DETECTOR = JUDGES.detector("spend_without_outcomes")


def life_of(*records: Alert) -> Life:
    return lives(records)[records[0].alert_id]


def rebuilt(
    life: Life, *records: Alert, decisions: list[Judged] | None = None, policy: Policy | None = None
) -> Rebuild:
    tallies = Tallies([life])
    for judged in decisions or []:
        tallies(judged)
    return compare(life, lives(records), tallies.of(life.alert_id), DETECTOR, policy or Policy(), "policy new")


def finding(score: float) -> Finding:
    return Finding(
        score=score,
        days=7,
        observed=1.0,
        expected=None,
        sample_size=9,
        money_micro_usd=None,
        summary="much for nothing",
    )


def judged(reason: Reason, verdict: Verdict, at_ms: int = OPENED_MS) -> Judged:
    return Judged(PLACE, at_ms, reason, verdict)


def test_the_same_alert_with_the_same_figures() -> None:
    life = life_of(alert("a", 1), alert("a", 2))
    found = rebuilt(life, alert("a", 1, config_version="another"), alert("a", 2))
    assert (found.outcome, found.differences) == (Outcome.SAME, ())
    assert "all 2 records" in found.why


def test_words_may_change_and_figures_may_not() -> None:
    words = {"summary": "Other words.", "next_step": "Another.", "benign_causes": []}
    assert rebuilt(life_of(alert("a")), alert("a", **words)).outcome is Outcome.SAME


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_differs_is_named(name: str) -> None:
    other: dict[str, Any] = {
        "state": "resolved", "reason": "worse", "severity": "critical", "evidence": {"orphan_runs": 31.0}
    }  # fmt: skip
    found = rebuilt(life_of(alert("a")), alert("a", **{name: other.get(name, 7)}))
    assert found.outcome is Outcome.DIFFERENT
    assert [(it.revision, it.field) for it in found.differences] == [(1, name)]


def test_a_record_that_does_not_come_out_is_a_difference_and_a_later_one_is_none() -> None:
    short = rebuilt(life_of(alert("a", 1), alert("a", 2)), alert("a", 1))
    assert (short.outcome, short.differences[0].field) == (Outcome.DIFFERENT, "revision")
    long = rebuilt(life_of(alert("a", 1)), alert("a", 1), alert("a", 2))
    assert (long.outcome, long.later) == (Outcome.SAME, 1)


def test_revisions_that_compaction_took_are_not_missed() -> None:
    assert rebuilt(life_of(alert("a", 2)), alert("a", 1), alert("a", 2)).outcome is Outcome.SAME


def test_another_episode_of_the_same_scope_is_told_from_silence() -> None:
    life = life_of(alert("a"))
    assert rebuilt(life, alert("b")).outcome is Outcome.OTHER_EPISODE
    assert "b" in rebuilt(life, alert("b")).why
    elsewhere = [alert("b", workflow=None), alert("c", team="search"), alert("d", detector="runaway")]
    assert rebuilt(life, *elsewhere).outcome is Outcome.SILENT
    month = 30 * 86_400_000
    times = dict.fromkeys(("window_start", "window_end", "opened_at", "updated_at"), OPENED_MS + month)
    assert rebuilt(life, alert("b", **times)).outcome is Outcome.SILENT


def test_the_reason_of_the_best_finding_says_what_kept_it_silent() -> None:
    decisions = [
        judged(Reason.QUIET, Clear(0.9)),
        judged(Reason.PENDING, finding(1.2)),
        judged(Reason.SNOOZED, finding(2.5)),
        judged(Reason.SNOOZED, finding(1.5)),
    ]
    found = rebuilt(life_of(alert("a")), decisions=decisions)
    assert found.outcome is Outcome.SILENT
    assert "score 2.5" in found.why
    assert "(snoozed). The policy says not to tell now." in found.why
    assert [(it.reason, it.count, it.score) for it in found.decisions] == [
        (Reason.QUIET, 1, None),
        (Reason.PENDING, 1, 1.2),
        (Reason.SNOOZED, 2, 2.5),
    ]


def test_of_too_few_people_no_score_is_told() -> None:
    found = rebuilt(life_of(alert("a")), decisions=[judged(Reason.GROUP_MINIMUM, finding(9.5))])
    assert "(group_minimum). It concerns too few people." in found.why
    assert "9.5" not in found.why
    assert found.decisions[0].score is None


def test_too_little_to_judge_by_is_told_in_numbers() -> None:
    decisions = [judged(Reason.INSUFFICIENT, Insufficient(n, 33)) for n in (5, 21, 8)]
    assert "21 of 33" in rebuilt(life_of(alert("a")), decisions=decisions).why


def test_a_policy_comes_before_what_was_decided() -> None:
    off = Policy(detectors={"spend_without_outcomes": DetectorPolicy(enabled=False)})
    assert "turns the detector off" in rebuilt(life_of(alert("a")), policy=off).why


def test_nothing_heard_of_a_scope_asks_for_the_log() -> None:
    assert "does the log hold the team's usage then?" in rebuilt(life_of(alert("a"))).why
    quiet = [judged(Reason.QUIET, Clear())]
    assert "nothing reached the threshold" in rebuilt(life_of(alert("a")), decisions=quiet).why


def test_only_decisions_of_the_scope_and_the_time_count() -> None:
    life = life_of(alert("a"))
    tallies = Tallies([life])
    tallies(judged(Reason.SNOOZED, finding(2.0), OPENED_MS - 90 * 86_400_000))
    tallies(judged(Reason.SNOOZED, finding(2.0), OPENED_MS + 90 * 86_400_000))
    tallies(Judged(PLACE._replace(team="search"), OPENED_MS, Reason.SNOOZED, finding(2.0)))
    assert tallies.of("a") == ()


def test_a_detector_that_is_gone_is_said() -> None:
    life = life_of(alert("a", detector="lockstep"))
    assert "no detector lockstep" in compare(life, {}, (), None, Policy(), "").why
