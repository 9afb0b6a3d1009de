"""Compares alerts with labels, by the rules of :mod:`tests.evaluate.rules`; pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

from streams.simulation.labelled.labels import Episode, Labels, LookAlike
from tests.evaluate.alerts import Fired
from tests.evaluate.rules import (
    ANY,
    CONSEQUENCES,
    DAY_MS,
    FAMILIES,
    FREE_REPEATS,
    LONGEST_WINDOW_MS,
    TOLERATED,
    WEEK_MS,
    deadline_ms,
)

__all__ = ["Score", "Verdict", "clean_team_weeks", "found_by_chance", "score"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one alert was worth: ``found``, ``repeat``, ``late``, ``consequence``, ``tolerated`` or ``false``.

    ``about`` is what it was about: the behaviour or kind of look-alike in its team at its time, ``innocent`` where there
    was none. ``why`` says what was wrong about a false one.
    """

    alert: Fired
    worth: str
    about: str
    why: str = ""
    declared: bool = False


@dataclass(slots=True)
class Score:
    """The result for one seed; ``found`` has the alert by episode."""

    labels: Labels
    verdicts: list[Verdict] = field(default_factory=list)
    found: dict[str, Fired] = field(default_factory=dict)
    clean_team_weeks: int = 0

    @property
    def false(self) -> list[Verdict]:
        """Alerts about nothing, about something harmless, or by the wrong name."""
        return [verdict for verdict in self.verdicts if verdict.worth == "false"]

    def delays_ms(self) -> list[tuple[Episode, int]]:
        """From the start of each episode that was found to its alert."""
        return [
            (episode, self.found[episode.id].at_ms - episode.start_ms)
            for episode in self.labels.episodes
            if episode.id in self.found
        ]


def score(labels: Labels, alerts: Iterable[Fired]) -> Score:
    """Judge each alert, first come, first served: an episode is found once, by the first alert that is right."""
    result = Score(labels, clean_team_weeks=clean_team_weeks(labels))
    spent: Counter[str] = Counter()
    for alert in sorted(alerts, key=lambda each: (each.at_ms, each.alert_id)):
        result.verdicts.append(_judge(labels, alert, result.found, spent))
    return result


def _judge(labels: Labels, alert: Fired, found: dict[str, Fired], spent: Counter[str]) -> Verdict:
    about = _about(labels, alert)
    if alert.end_ms - alert.start_ms > LONGEST_WINDOW_MS:
        return Verdict(alert, "false", about[0], "window", about[1])
    for episode in labels.episodes:
        if not _meets(episode, alert):
            continue
        worth = ""
        if alert.family == ANY or alert.family in FAMILIES[episode.behaviour]:
            if alert.at_ms > deadline_ms(episode, labels.start_ms):
                worth = "late"
            elif episode.id in found:
                worth = "repeat"
            else:
                found[episode.id] = alert
                return Verdict(alert, "found", episode.behaviour)
        elif alert.family in CONSEQUENCES.get(episode.behaviour, ()):
            worth = "consequence"
        if worth:
            spent[episode.id] += 1
            if spent[episode.id] <= FREE_REPEATS:
                return Verdict(alert, worth, episode.behaviour)
            return Verdict(alert, "false", episode.behaviour, "too many")
        return Verdict(alert, "false", episode.behaviour, "family")
    for benign in labels.benign:
        if alert.family in TOLERATED.get(benign.kind, ()) and _meets(benign, alert):
            return Verdict(alert, "tolerated", benign.kind)
    return Verdict(alert, "false", about[0], "nothing there", about[1])


def _meets(what: Episode | LookAlike, alert: Fired) -> bool:
    """Same team, not another workflow, not before it began, and the window touches it."""
    return (
        alert.team == what.team
        and (alert.workflow is None or what.workflow is None or alert.workflow == what.workflow)
        and alert.at_ms >= what.start_ms
        and alert.start_ms < what.end_ms
        and alert.end_ms > what.start_ms
    )


def _about(labels: Labels, alert: Fired) -> tuple[str, bool]:
    for benign in labels.benign:
        if _meets(benign, alert):
            return benign.kind, benign.declared
    for episode in labels.episodes:
        if _meets(episode, alert):
            return episode.behaviour, False
    return "innocent", False


def found_by_chance(labels: Labels, alerts: Iterable[Fired], rng: Random, times: int = 20) -> float:
    """The share of episodes that the same alerts find when each episode is said to be another team's.

    A good share of what is really found means that the alerts are many, not that they are right.
    """
    fired = list(alerts)
    hits = 0
    for _ in range(times):
        teams = rng.sample(labels.teams, len(labels.teams))
        other = dict(zip(labels.teams, teams, strict=True))
        moved = [replace(episode, team=other[episode.team], workflow=None) for episode in labels.episodes]
        hits += len(score(replace(labels, episodes=moved, benign=[]), fired).found)
    return hits / (times * len(labels.episodes)) if labels.episodes else 0.0


def clean_team_weeks(labels: Labels) -> int:
    """Weeks of teams in which no episode went on, nor could still be found; look-alikes are clean."""
    weeks = (labels.end_ms - labels.start_ms) // WEEK_MS
    spoiled: set[tuple[str, int]] = set()
    for episode in labels.episodes:
        last_ms = max(episode.end_ms, deadline_ms(episode, labels.start_ms), episode.start_ms + DAY_MS)
        first, last = (episode.start_ms - labels.start_ms) // WEEK_MS, (last_ms - 1 - labels.start_ms) // WEEK_MS
        spoiled.update((episode.team, week) for week in range(first, min(last, weeks - 1) + 1))
    return len(labels.teams) * weeks - len(spoiled)
