"""The life of an alert: a table of decisions, one by one, and what follows from them over time."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.alerting import (
    PUBLISHED,
    Circumstances,
    Decision,
    Episode,
    Reason,
    alert_id,
    decide,
    expire,
    rare_enough,
)
from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from tests.engine_runs import DAY, HOUR, MONDAY

DETECTOR = Detector(
    name="pattern", family="waste", rule="r", silent="s", benign_causes=("b",), next_step="n.", min_sample=10,
    detect=None, persistence=(2, 3),
)  # fmt: skip
AT_ONCE = replace(DETECTOR, persistence=(1, 1))
FIRING = Episode(MONDAY, 0b11, 0, 1, MONDAY, MONDAY, MONDAY, 2.0, "warning")
PENDING = Episode(MONDAY, 0b1, seen_ms=MONDAY)


def finding(score: float = 2.0, **fields: Any) -> Finding:
    """A finding about seven days."""
    known: dict[str, Any] = {
        "days": 7,
        "observed": 2.0,
        "expected": 1.0,
        "sample_size": 40,
        "money_micro_usd": 5,
        "summary": "It is so.",
    }
    return Finding(score=score, **{**known, **fields})


def around(days: float = 1, **fields: Any) -> Circumstances:
    """Days later, and nothing else matters unless ``fields`` say so."""
    return Circumstances(now_ms=MONDAY + round(days * DAY), **fields)


HIT, LITTLE, CLEAR, NEARLY = finding(), Insufficient(3, 10), Clear(), Clear(0.7)
#: Episode, verdict, circumstances, reason, whether the episode goes on.
TABLE: list[tuple[Episode | None, Verdict, Circumstances, Reason, bool]] = [
    # Nothing was there.
    (None, CLEAR, around(), Reason.QUIET, False),
    (None, LITTLE, around(), Reason.INSUFFICIENT, False),
    (None, HIT, around(), Reason.PENDING, True),
    # Once more within three.
    (PENDING, HIT, around(), Reason.FIRST, True),
    (replace(PENDING, hits=0b10, calm=1), HIT, around(), Reason.FIRST, True),
    (replace(PENDING, hits=0b100, calm=2), HIT, around(), Reason.PENDING, True),
    (PENDING, CLEAR, around(), Reason.PENDING, True),
    (PENDING, LITTLE, around(), Reason.PENDING, True),
    (replace(PENDING, hits=0b100, calm=2), CLEAR, around(), Reason.QUIET, False),
    # What keeps it back, and what of it comes first.
    (PENDING, HIT, around(declared=True), Reason.DECLARED, True),
    (PENDING, HIT, around(snoozed=True), Reason.SNOOZED, True),
    (PENDING, HIT, around(rare=False), Reason.NOT_RARE, True),
    (PENDING, HIT, around(explained=True), Reason.SUPPRESSED_BY_PARENT, True),
    (PENDING, HIT, around(enough_people=False), Reason.GROUP_MINIMUM, True),
    (PENDING, HIT, around(over_budget=True), Reason.OVER_BUDGET, True),
    (None, HIT, around(declared=True, snoozed=True, rare=False), Reason.DECLARED, True),
    (None, HIT, around(explained=True, over_budget=True), Reason.PENDING, True),
    (PENDING, HIT, around(explained=True, enough_people=False, over_budget=True), Reason.SUPPRESSED_BY_PARENT, True),
    # It fires.
    (FIRING, HIT, around(), Reason.OPEN, True),
    (FIRING, finding(3.0), around(), Reason.WORSE, True),
    (FIRING, finding(3.0), around(0.9), Reason.OPEN, True),
    (FIRING, finding(2.9), around(), Reason.OPEN, True),
    (FIRING, finding(severity="critical"), around(0.1), Reason.WORSE, True),
    (FIRING, finding(severity="info"), around(), Reason.OPEN, True),
    (FIRING, HIT, around(7), Reason.STILL, True),
    (FIRING, HIT, around(6.9), Reason.OPEN, True),
    (FIRING, finding(3.0), around(8), Reason.WORSE, True),
    # It fires, and goes on; news of it is kept back for the same reasons as the beginning, but for those of telling too much.
    (FIRING, finding(9.0), around(8, declared=True), Reason.DECLARED, True),
    (FIRING, finding(9.0), around(8, snoozed=True), Reason.SNOOZED, True),
    (FIRING, finding(9.0), around(8, enough_people=False), Reason.GROUP_MINIMUM, True),
    (FIRING, HIT, around(8, rare=False, explained=True, over_budget=True), Reason.STILL, True),
    # It is over when it was calm twice in a row.
    (FIRING, CLEAR, around(), Reason.OPEN, True),
    (FIRING, LITTLE, around(), Reason.OPEN, True),
    (replace(FIRING, calm=1), CLEAR, around(), Reason.RESOLVED, False),
    (replace(FIRING, calm=1), LITTLE, around(), Reason.RESOLVED, False),
    (replace(FIRING, calm=1), NEARLY, around(), Reason.OPEN, True),
    (replace(FIRING, calm=1), HIT, around(), Reason.OPEN, True),
]  # fmt: skip


@pytest.mark.parametrize(("episode", "verdict", "circumstances", "reason", "goes_on"), TABLE)
def test_each_decision_has_its_reason(
    episode: Episode | None, verdict: Verdict, circumstances: Circumstances, reason: Reason, goes_on: bool
) -> None:
    decision = decide(DETECTOR, episode, verdict, circumstances)
    assert decision.reason is reason
    assert (decision.episode is not None) is goes_on
    revision = episode.revision if episode else 0
    if decision.episode is not None:
        assert decision.episode.revision == revision + (reason in PUBLISHED)


def test_every_reason_is_reached() -> None:
    assert {row[3] for row in TABLE} == set(Reason)


def test_what_is_published_is_what_changes_a_reader_s_mind() -> None:
    assert {Reason.FIRST, Reason.WORSE, Reason.STILL, Reason.RESOLVED} == PUBLISHED


def test_an_episode_begins_where_what_it_is_about_began() -> None:
    """Seven days before the first finding, which need not be the one that fires; a fast one, at once."""
    episode = decide(DETECTOR, None, HIT, around(1)).episode
    assert episode is not None
    assert episode.start_ms == MONDAY - 6 * DAY
    episode = decide(DETECTOR, episode, HIT, around(2)).episode
    assert episode is not None
    assert (episode.start_ms, episode.opened_ms) == (MONDAY - 6 * DAY, MONDAY + 2 * DAY)
    episode = decide(AT_ONCE, None, finding(days=0), around(1)).episode
    assert episode is not None
    assert episode.start_ms == episode.opened_ms == MONDAY + DAY


def test_a_score_that_was_told_is_not_told_again_when_it_comes_back() -> None:
    """Half as much again is measured from the worst that was told."""
    episode: Episode | None = replace(FIRING, score=2.0)
    for day, score, reason in (
        (1, 4.0, Reason.WORSE),
        (8, 2.0, Reason.STILL),
        (9, 4.0, Reason.OPEN),
        (10, 6.0, Reason.WORSE),
    ):
        decision = decide(DETECTOR, episode, finding(score), around(day))
        assert decision.reason is reason
        episode = decision.episode


def test_a_calm_day_between_findings_does_not_add_up() -> None:
    """Two calm verdicts in a row resolve, not two in all."""
    episode: Episode | None = FIRING
    for verdict in (CLEAR, HIT, CLEAR, NEARLY, CLEAR, HIT):
        decision = decide(DETECTOR, episode, verdict, around())
        assert decision.reason is Reason.OPEN
        episode = decision.episode


VERDICTS = st.lists(
    st.one_of(
        st.builds(finding, st.floats(1, 9), severity=st.sampled_from(["info", "warning", "critical"])),
        st.builds(Clear, st.floats(0, 0.99)), st.just(LITTLE),
    ),
    max_size=30,
)  # fmt: skip
AROUND = st.fixed_dictionaries({
    name: st.booleans() for name in ("explained", "declared", "snoozed", "enough_people", "over_budget", "rare")
})  # fmt: skip


@given(VERDICTS, st.data())
@settings(deadline=None, max_examples=150)
def test_records_of_an_episode_make_sense_in_order(verdicts: Sequence[Verdict], data: st.DataObject) -> None:
    """It fires first, is resolved last and once, and its revisions count up by one; nothing else is ever told."""
    episode: Episode | None = None
    told: list[tuple[Reason, int, int]] = []
    for day, verdict in enumerate(verdicts):
        before = episode
        decision = decide(DETECTOR, episode, verdict, around(day, **data.draw(AROUND)))
        episode = decision.episode
        if decision.reason in PUBLISHED:
            known = episode or before
            assert known is not None
            told.append((decision.reason, known.start_ms, known.revision + (decision.reason is Reason.RESOLVED)))
    for one, other in pairwise(told):
        if one[0] is Reason.RESOLVED:
            assert (other[0], other[2]) == (Reason.FIRST, 1)
        else:
            assert other[0] is not Reason.FIRST
            assert other[1:] == (one[1], one[2] + 1)
    assert not told or told[0][::2] == (Reason.FIRST, 1)


# --------------------------------------------------------------------------------------------------------------- expiry


@pytest.mark.parametrize(("episode", "hours", "expected"), [
    (FIRING, 5, Decision(FIRING, Reason.OPEN)), (FIRING, 6, Decision(None, Reason.RESOLVED)),
    (PENDING, 5, Decision(PENDING, Reason.PENDING)), (PENDING, 6, Decision(None, Reason.QUIET)),
])  # fmt: skip
def test_what_is_not_seen_for_long_is_over(episode: Episode, hours: int, expected: Decision) -> None:
    assert expire(episode, MONDAY + hours * HOUR, 6 * HOUR) == expected


# --------------------------------------------------------------------------------------------------------------- identity


def test_an_alert_is_known_by_where_and_when_it_began() -> None:
    """The id is public: it is the key of a compacted topic, and must not change under a state."""
    assert alert_id("runaway", "payments", "review", MONDAY) == "runaway-58b687f56c4716ad"
    others = {
        alert_id(*it)
        for it in (
            ("runaway", "payments", "review", MONDAY), ("runaway", "payments", None, MONDAY), ("budget_burn", "payments", None, MONDAY),
            ("runaway", "paymentsreview", None, MONDAY), ("runaway", "payments", "review", MONDAY + 1),
        )
    }  # fmt: skip
    assert len(others) == 5


# --------------------------------------------------------------------------------------------------------------- chance


def naive(chances: list[float], tests: int, rate: float) -> set[float]:
    """Benjamini and Hochberg, as written: reject the hypotheses of the first k for the largest k that fits."""
    ordered = sorted(chances)
    fitting = [k for k in range(1, len(ordered) + 1) if ordered[k - 1] <= k / max(tests, 1) * rate]
    return set(ordered[: max(fitting)]) if fitting else set()


@given(st.lists(st.floats(0, 1), max_size=12), st.integers(0, 40), st.sampled_from([0.01, 0.05, 0.1, 0.5]))
@settings(deadline=None, max_examples=200)
def test_rare_enough_is_what_the_paper_rejects(chances: list[float], more: int, rate: float) -> None:
    tests = len(chances) + more
    limit = rare_enough(chances, tests, rate)
    rejected = naive(chances, tests, rate)
    assert {it for it in chances if it <= limit} - {0.0} == rejected - {0.0}
    # What is no question of chance is always rare enough.
    assert limit >= 0


def test_the_paper_s_own_example_is_given_back() -> None:
    """Benjamini and Hochberg 1995, section 3.2: of fifteen, four are rejected at 0.05."""
    chances = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    limit = rare_enough(chances, 15, 0.05)
    assert sum(it <= limit for it in chances) == 4


def test_among_more_scopes_one_must_be_rarer() -> None:
    limits = [rare_enough([0.001], tests, 0.1) for tests in (1, 10, 100, 1_000)]
    assert limits == [0.001, 0.001, 0.001, 0.0]
