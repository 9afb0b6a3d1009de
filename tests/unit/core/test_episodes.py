"""Episodes: what is published of verdicts, what is kept, and what a restart makes of it."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import keys
from streams.core.alerting import Circumstances, Reason, alert_id, expire
from streams.core.alerts import Alert
from streams.core.effects import Effects
from streams.core.episodes import Episodes, Place
from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.store import Writes
from streams.state.memory import MemoryStore
from tests.engine_runs import DAY, HOUR, MONDAY, WEEK

DETECTOR = Detector(
    name="pattern", family="waste", rule="r", silent="s", benign_causes=("one", "two"), next_step="Do.", min_sample=13,
    detect=None, persistence=(1, 1),
)  # fmt: skip
PLACE = Place("pattern", "payments", "review")
FINDING = Finding(
    score=2.345, days=7, observed=123.456, expected=45.678, sample_size=12_345, money_micro_usd=98_765_432, summary="It is so.",
    evidence={"z": 4.5678, "a": 1 / 3},
)  # fmt: skip


class Told:
    """Episodes over a store, and all that they published; each verdict is a transaction."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.effects = Effects()
        self.restart()

    def restart(self) -> None:
        self.episodes = Episodes(self.store, "policy 1")

    def say(self, verdict: Verdict, days: float, place: Place = PLACE, coarse: bool = False, **around: Any) -> Reason:
        known = Circumstances(now_ms=MONDAY + round(days * DAY), **around)
        decision = self.episodes.judge(DETECTOR, place, verdict, known, self.effects, coarse=coarse)
        writes: Writes = {}
        assert self.episodes.pending or not decision.episode or decision.reason is Reason.OPEN
        self.episodes.drain(writes)
        assert not self.episodes.pending
        self.store.write(writes)
        return decision.reason

    @property
    def alerts(self) -> list[Alert]:
        return self.effects.alerts


def test_a_finding_becomes_a_record_with_all_that_is_known_of_it() -> None:
    told = Told()
    assert told.say(FINDING, 10) is Reason.FIRST
    now = MONDAY + 10 * DAY
    assert told.alerts == [
        Alert(
            alert_id=alert_id("pattern", "payments", "review", now), revision=1, state="firing", reason="first",
            detector="pattern", family="waste", severity="warning", team="payments", workflow="review",
            window_start=now - 7 * DAY, window_end=now, opened_at=now, updated_at=now, observed=123.456, expected=45.678,
            ratio=123.456 / 45.678, sample_size=12_345, min_sample_size=13, money_at_stake_micro_usd=98_765_432,
            evidence={"a": 1 / 3, "z": 4.5678, "score": 2.3}, summary="It is so.", benign_causes=["one", "two"],
            next_step="Do.", config_version="policy 1",
        )
    ]  # fmt: skip


def test_where_people_stand_behind_it_figures_have_two_digits() -> None:
    """An exact one, less what one knows of oneself, would be what the others did."""
    told = Told()
    told.say(FINDING, 10, coarse=True)
    alert = told.alerts[0]
    assert (alert.observed, alert.expected, alert.ratio) == (120.0, 46.0, 2.7)
    assert (alert.sample_size, alert.money_at_stake_micro_usd) == (12_000, 99_000_000)
    assert alert.evidence == {"a": 0.33, "z": 4.6, "score": 2.3}


@pytest.mark.parametrize(("said", "rounded"), [
    ("1234 calls came in three days where 56789 are ordinary.", "1,200 calls came in three days where 57,000 are ordinary."),
    ("$1,200 in 7 days, 14.36 times the pace of $98,765.", "$1,200 in 7 days, 14 times the pace of $99,000."),
    ("100% of 40 calls, 0.25 where 0.254 is ordinary; 3.14159.", "100% of 40 calls, 0.25 where 0.25 is ordinary; 3.1."),
    ("1,000 and 20, 305, and 0.", "1,000 and 20, 300, and 0."),
])  # fmt: skip
def test_words_tell_no_more_digits_than_figures(said: str, rounded: str) -> None:
    told = Told()
    told.say(replace(FINDING, summary=said), 1, coarse=True)
    told.say(replace(FINDING, summary=said), 1, PLACE._replace(team="machines"))
    assert [alert.summary for alert in told.alerts] == [rounded, said]


def test_what_is_not_known_stays_unknown() -> None:
    told = Told()
    told.say(replace(FINDING, observed=None, expected=None, money_micro_usd=None), 1, coarse=True)
    alert = told.alerts[0]
    assert (alert.observed, alert.expected, alert.ratio, alert.money_at_stake_micro_usd) == (None, None, None, None)
    told.say(replace(FINDING, expected=0.0, score=9.0), 2)
    assert told.alerts[1].ratio is None


def test_what_is_told_at_once_is_about_now() -> None:
    """A window is never empty."""
    told = Told()
    told.say(replace(FINDING, days=0), 1)
    alert = told.alerts[0]
    assert alert.window_start == MONDAY + DAY == alert.window_end - 1


def test_the_life_of_an_alert_is_one_id_and_revisions_that_count_up() -> None:
    """With whatever a restart comes between."""
    told = Told()
    reasons = []
    for day, verdict in enumerate([
        FINDING, FINDING, replace(FINDING, score=9.0), *[FINDING] * 7, Clear(), FINDING, Clear(), Insufficient(1, 13), Clear(), FINDING,
    ]):  # fmt: skip
        reasons.append(told.say(verdict, day))
        told.restart()
    assert [alert.reason for alert in told.alerts] == ["first", "worse", "still", "resolved", "first"]
    assert [alert.revision for alert in told.alerts] == [1, 2, 3, 4, 1]
    assert [alert.state for alert in told.alerts] == ["firing"] * 3 + ["resolved", "firing"]
    ids = [alert.alert_id for alert in told.alerts]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]
    assert told.effects.verdicts.total() == len(reasons) == 16
    assert told.effects.verdicts["pattern", Reason.OPEN] == reasons.count(Reason.OPEN)


def test_the_record_that_resolves_repeats_what_was_told_last() -> None:
    """Who reads only the last record of a compacted topic sees what it was about."""
    told = Told()
    told.say(FINDING, 1, coarse=True)
    told.restart()
    told.say(Clear(), 2)
    told.say(Clear(), 3)
    first, last = told.alerts
    assert (last.state, last.reason, last.revision, last.updated_at) == ("resolved", "resolved", 2, MONDAY + 3 * DAY)
    for name in (
        "observed",
        "money_at_stake_micro_usd",
        "summary",
        "evidence",
        "opened_at",
        "window_end",
        "sample_size",
    ):
        assert getattr(last, name) == getattr(first, name)
    assert not [key for key in told.store.data if key.startswith(keys.EPISODE + b"e")]
    assert told.episodes.find(PLACE) is None


def test_an_episode_that_was_never_told_ends_without_a_record() -> None:
    told = Told()
    assert told.say(FINDING, 1, snoozed=True) is Reason.SNOOZED
    assert told.episodes.find(PLACE) is not None
    assert told.say(Clear(), 2) is Reason.QUIET
    assert told.alerts == []
    assert not [key for key in told.store.data if key.startswith(keys.EPISODE + b"e")]


def test_it_fires_as_of_its_beginning_once_it_may() -> None:
    """The id is by when it was told first, whenever the episode began."""
    told = Told()
    told.say(FINDING, 8, snoozed=True)
    told.say(FINDING, 9)
    assert told.alerts[0].alert_id == alert_id("pattern", "payments", "review", MONDAY + 9 * DAY)
    assert told.alerts[0].opened_at == MONDAY + 9 * DAY


def test_episodes_that_look_back_to_one_beginning_are_two_alerts() -> None:
    """Else a subscriber would take the first revision of the second for an old one of the first, and never show it."""
    told = Told()
    told.say(FINDING, 10)
    told.say(Clear(), 11)
    told.say(Clear(), 12)
    told.say(replace(FINDING, days=21), 24)
    first, over, second = told.alerts
    assert (first.state, over.state, second.state) == ("firing", "resolved", "firing")
    assert first.window_start == second.window_start
    assert first.alert_id == over.alert_id != second.alert_id


def test_an_alert_keeps_the_name_that_it_was_told_under() -> None:
    """Whatever its next revision would be called by itself: a state may have been written under another rule."""
    told = Told()
    told.say(FINDING, 10)
    state = told.episodes._states[PLACE]
    assert state.alert is not None
    state.alert = msgspec.structs.replace(state.alert, alert_id="pattern-named-otherwise")
    told.say(replace(FINDING, score=9.0), 12)
    assert [it.alert_id for it in told.alerts[1:]] == ["pattern-named-otherwise"]


def test_a_team_is_told_of_four_alerts_a_week_but_for_what_cannot_wait() -> None:
    """Beyond that nobody reads them; the next week begins anew, and so it is after a restart."""
    told = Told()
    for number in range(4):
        assert not told.episodes.over_budget("payments", MONDAY)
        told.say(FINDING, 0, PLACE._replace(workflow=f"w{number}"))
    told.restart()
    assert told.episodes.over_budget("payments", MONDAY + WEEK - 1)
    assert not told.episodes.over_budget("payments", MONDAY + WEEK)
    assert not told.episodes.over_budget("search", MONDAY)
    told.say(FINDING, 7, PLACE._replace(workflow="later"))
    assert not told.episodes.over_budget("payments", MONDAY + WEEK)


def test_what_cannot_wait_and_what_is_no_beginning_uses_nothing_up() -> None:
    told = Told()
    for number in range(9):
        told.say(replace(FINDING, severity="critical"), 0, PLACE._replace(workflow=f"w{number}"))
    told.say(FINDING, 0)
    for day in range(1, 4):
        told.say(replace(FINDING, score=3.0**day * 9), day)
    assert len(told.alerts) == 13
    assert not told.episodes.over_budget("payments", MONDAY)


def test_episodes_are_gone_through_in_order_whatever_came_first() -> None:
    """A restart reads them back in order: records must not come in another one for it."""
    told = Told()
    places = [Place("pattern", team, workflow) for team in "ba" for workflow in ("z", None, "c")]
    for place in places:
        told.say(FINDING, 0, place)
    before = [place for place, _ in told.episodes]
    told.restart()
    assert [place for place, _ in told.episodes] == before
    assert set(before) == set(places)


STEPS = st.lists(
    st.tuples(
        st.one_of(st.builds(lambda score: replace(FINDING, score=score), st.floats(1, 9)), st.just(Clear()), st.just(Insufficient(1, 2))),
        st.sampled_from([None, "a", "b"]), st.booleans(), st.booleans(),
    ),
    max_size=25,
)  # fmt: skip


@given(STEPS)
@settings(deadline=None, max_examples=80)
def test_restarts_do_not_show(steps: list[tuple[Verdict, str | None, bool, bool]]) -> None:
    """Records, decisions and state are the same whether there were any or not."""
    through, broken = Told(), Told()
    for number, (verdict, workflow, snoozed, restart) in enumerate(steps):
        if restart:
            broken.restart()
        for told in (through, broken):
            told.say(verdict, number * 0.7, PLACE._replace(workflow=workflow), snoozed=snoozed)
    assert broken.alerts == through.alerts
    assert broken.store.data == through.store.data
    assert broken.effects.verdicts == through.effects.verdicts


@pytest.mark.parametrize("hours", [5, 30])
def test_an_alert_that_is_over_says_when_it_was(hours: int) -> None:
    told = Told()
    told.say(replace(FINDING, days=0), 0)
    episode = told.episodes.find(PLACE)
    assert episode is not None
    decision = expire(episode, MONDAY + hours * HOUR, 6 * HOUR)
    told.episodes.apply(DETECTOR, PLACE, decision, None, MONDAY + 6 * HOUR, told.effects)
    assert len(told.alerts) == (1 if hours < 6 else 2)
