"""The scorer: what buys nothing must buy nothing."""

from random import Random
from typing import Any

import orjson
import pytest

from streams.simulation.labelled import BEHAVIOURS, Episode, Labels, LookAlike
from tests.evaluate.alerts import Fired, read_alerts
from tests.evaluate.rules import ANY, CONSEQUENCES, DAY_MS, FAMILIES, WEEK_MS, deadline_ms
from tests.evaluate.score import clean_team_weeks, found_by_chance, score

_MONDAY = 1_767_571_200_000
_HOUR = 3_600_000


def _episode(behaviour: str = "runaway", day: float = 24.0, days: float = 1.0, **more: Any) -> Episode:
    start_ms = _MONDAY + int(day * DAY_MS)
    fields = {"id": "e1", "strength": "strong", "team": "payments", "workflow": None, **more}
    return Episode(behaviour=behaviour, start_ms=start_ms, end_ms=start_ms + int(days * DAY_MS), **fields)


def _labels(*episodes: Episode, benign: tuple[LookAlike, ...] = ()) -> Labels:
    return Labels(
        scenario="ten-weeks", seed=0, start_ms=_MONDAY, end_ms=_MONDAY + 10 * WEEK_MS,
        teams=["payments", "search", "ads", "web"], episodes=list(episodes), benign=list(benign),
    )  # fmt: skip


def _alert(at_day: float, family: str = "runaway", team: str = "payments", days: float = 1.0, **more: Any) -> Fired:
    at_ms = _MONDAY + int(at_day * DAY_MS)
    fields = {"detector": family, "workflow": None, "alert_id": f"{at_day}", **more}
    return Fired(family=family, team=team, start_ms=at_ms - int(days * DAY_MS), end_ms=at_ms, at_ms=at_ms, **fields)


def _worth(labels: Labels, *alerts: Fired) -> list[str]:
    return [verdict.worth for verdict in score(labels, alerts).verdicts]


def test_the_first_right_alert_in_time_finds_an_episode() -> None:
    judged = score(_labels(_episode()), [_alert(24.5)])
    assert [verdict.worth for verdict in judged.verdicts] == ["found"]
    assert [delay for _, delay in judged.delays_ms()] == [12 * _HOUR]
    assert judged.false == []


def test_silence_finds_nothing() -> None:
    judged = score(_labels(_episode()), [])
    assert judged.found == {}
    assert judged.delays_ms() == []


def test_repeats_are_neutral_up_to_three_and_then_false() -> None:
    alerts = [_alert(24.1 + number / 10) for number in range(6)]
    assert _worth(_labels(_episode()), *alerts) == ["found", "repeat", "repeat", "repeat", "false", "false"]


def test_one_alert_finds_one_episode_at_most() -> None:
    episodes = (_episode(), _episode(team="search", id="e2"))
    judged = score(_labels(*episodes), [_alert(24.5)])
    assert set(judged.found) == {"e1"}


@pytest.mark.parametrize("alert", [
    _alert(24.5, family="quality"),
    _alert(24.5, team="search"),
    _alert(23.9),
    _alert(24.5, days=57),
], ids=["wrong family", "innocent team", "before it began", "window of eight weeks and more"])  # fmt: skip
def test_what_is_wrong_is_false(alert: Fired) -> None:
    judged = score(_labels(_episode()), [alert])
    assert [verdict.worth for verdict in judged.verdicts] == ["false"]
    assert judged.found == {}


def test_a_window_that_does_not_meet_the_episode_is_false() -> None:
    assert _worth(_labels(_episode()), _alert(26.5)) == ["false"]


def test_a_late_alert_finds_nothing() -> None:
    judged = score(_labels(_episode()), [_alert(26.5, days=2)])
    assert [verdict.worth for verdict in judged.verdicts] == ["late"]
    assert judged.found == {}


def test_another_workflow_is_another_thing() -> None:
    labels = _labels(_episode(workflow="coding-a"))
    assert _worth(labels, _alert(24.5, workflow="review-b")) == ["false"]
    assert _worth(labels, _alert(24.5, workflow="coding-a")) == ["found"]
    assert _worth(labels, _alert(24.5)) == ["found"]


def test_consequences_are_neutral_and_share_the_limit_of_repeats() -> None:
    alerts = [_alert(24.1 + number / 10, family="budget") for number in range(4)]
    assert _worth(_labels(_episode()), *alerts) == ["consequence", "consequence", "consequence", "false"]


def test_a_rule_of_no_family_is_taken_for_the_right_one() -> None:
    assert _worth(_labels(_episode("quality_erosion", days=30)), _alert(30, family=ANY)) == ["found"]


def test_alerts_on_look_alikes_are_false_and_say_what_was_declared() -> None:
    benign = tuple(
        LookAlike(
            kind=kind,
            team=team,
            workflow=None,
            start_ms=_MONDAY + 20 * DAY_MS,
            end_ms=_MONDAY + 30 * DAY_MS,
            declared=declared,
        )
        for kind, team, declared in (("research_team", "search", True), ("hackathon", "ads", False))
    )
    judged = score(_labels(benign=benign), [_alert(24, team="search"), _alert(24, team="ads"), _alert(40, team="ads")])
    assert [(each.about, each.declared) for each in judged.false] == [
        ("research_team", True), ("hackathon", False), ("innocent", False),
    ]  # fmt: skip


def test_an_integration_that_is_silent_is_a_problem_of_the_data_and_of_nothing_else() -> None:
    moved = LookAlike(
        kind="moved_integration", team="search", workflow=None, start_ms=_MONDAY, end_ms=_MONDAY + WEEK_MS,
        declared=False,
    )  # fmt: skip
    labels = _labels(benign=(moved,))
    assert _worth(labels, _alert(3, "data", "search"), _alert(4, "waste", "search")) == ["tolerated", "false"]


def test_clean_team_weeks_leave_out_those_in_which_something_could_be_found() -> None:
    assert clean_team_weeks(_labels()) == 40
    # Day 24 lies in the fourth week, and so does the end of the two days in which it must be found.
    assert clean_team_weeks(_labels(_episode(day=24))) == 39
    # Days 27 and 28 lie in two weeks.
    assert clean_team_weeks(_labels(_episode(day=27.5))) == 38


@pytest.mark.parametrize(("behaviour", "days"), [("runaway", 2), ("budget_burn", 2), ("data_problems", 4)])
def test_what_is_visible_at_once_must_be_found_at_once(behaviour: str, days: int) -> None:
    episode = _episode(behaviour)
    assert deadline_ms(episode, _MONDAY) == episode.start_ms + days * DAY_MS


def test_weekly_statistics_get_the_weeks_of_evidence_and_one_more() -> None:
    # From Wednesday on there are five days of evidence in the first week.
    assert deadline_ms(_episode("context_padding", day=23), _MONDAY) == _MONDAY + 5 * WEEK_MS
    # From Friday on there are not enough.
    assert deadline_ms(_episode("context_padding", day=25), _MONDAY) == _MONDAY + 6 * WEEK_MS
    assert deadline_ms(_episode("leaderboard_race", day=21), _MONDAY) == _MONDAY + 7 * WEEK_MS


def test_every_behaviour_has_a_family_and_a_deadline() -> None:
    assert set(FAMILIES) == set(BEHAVIOURS)
    for behaviour in BEHAVIOURS:
        assert deadline_ms(_episode(behaviour), _MONDAY) > _episode(behaviour).start_ms
        assert not set(FAMILIES[behaviour]) & set(CONSEQUENCES.get(behaviour, ()))


def test_alerts_on_everything_find_as_much_by_chance() -> None:
    labels = _labels(_episode(day=24))
    everywhere = [_alert(24.5, team=team) for team in labels.teams]
    assert found_by_chance(labels, everywhere, Random(0)) == 1.0
    assert found_by_chance(labels, [_alert(24.5)], Random(0), times=400) == pytest.approx(1 / 4, abs=0.08)
    assert found_by_chance(_labels(), everywhere, Random(0)) == 0.0


def _record(identity: str, revision: int, state: str, at_day: int) -> bytes:
    at_ms = _MONDAY + at_day * DAY_MS
    return orjson.dumps(
        {
            "alert_id": identity, "revision": revision, "state": state, "detector": "runaway", "family": "runaway",
            "team": "payments", "workflow": None, "window_start": at_ms - DAY_MS, "window_end": at_ms,
            "opened_at": _MONDAY, "updated_at": at_ms,
        }
    )  # fmt: skip


def test_an_alert_counts_each_time_it_begins_to_fire_and_is_dated_when_it_was_decided() -> None:
    lines = [
        _record("a", 1, "firing", 3), _record("a", 2, "firing", 4), _record("a", 2, "firing", 4),
        _record("a", 3, "resolved", 5), _record("a", 1, "firing", 3), _record("a", 4, "firing", 9),
        _record("b", 1, "firing", 2), b"\n",
    ]  # fmt: skip
    fired = read_alerts(lines)
    assert [(each.alert_id, (each.at_ms - _MONDAY) // DAY_MS) for each in fired] == [("b", 2), ("a", 3), ("a", 9)]
