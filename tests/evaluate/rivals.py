"""Plain rules that anybody would try first, each over its thresholds; and rules that look at one field only.

Their alerts are of no family, which the scorer takes as the right one: a rule that knows less is not punished for it.
Each alerts where it begins to hold, and again after a week at the earliest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean, pstdev
from typing import Final

from tests.evaluate.alerts import Fired
from tests.evaluate.facts import FIELD_RULES, HOUR_MS, Facts
from tests.evaluate.rules import ANY, DAY_MS, WEEK_MS

__all__ = ["RIVALS", "field_alerts", "rival_alerts"]

_DAY_HOURS: Final = 24
#: What must have been spent for a ratio to mean anything, dollars: any rule in earnest has such a floor.
_FLOOR: Final = 5.0
_HISTORY_DAYS: Final = 28

Moments = Iterator[tuple[int, int, float]]


def _days(facts: Facts, team: str) -> list[float]:
    hours = facts.hourly[team]
    return [sum(hours[at : at + _DAY_HOURS]) for at in range(0, len(hours), _DAY_HOURS)]


def _static(facts: Facts, team: str) -> Moments:
    for day, spent in enumerate(_days(facts, team)):
        yield day * DAY_MS, (day + 1) * DAY_MS, spent


def _static_hour(facts: Facts, team: str) -> Moments:
    for hour, spent in enumerate(facts.hourly[team]):
        yield hour * HOUR_MS, (hour + 1) * HOUR_MS, spent


def _z_score(facts: Facts, team: str) -> Moments:
    days = _days(facts, team)
    for day in range(_HISTORY_DAYS, len(days)):
        before = days[day - _HISTORY_DAYS : day]
        spread = pstdev(before)
        z = (days[day] - fmean(before)) / spread if spread > 0 and days[day] > _FLOOR else 0.0
        yield day * DAY_MS, (day + 1) * DAY_MS, z


def _week_over_week(facts: Facts, team: str) -> Moments:
    days = _days(facts, team)
    for day in range(14, len(days) + 1, 7):
        now, before = sum(days[day - 7 : day]), sum(days[day - 14 : day - 7])
        yield (day - 7) * DAY_MS, day * DAY_MS, now / max(before, _FLOOR) if now > _FLOOR else 0.0


def _budget_cap(facts: Facts, team: str) -> Moments:
    budget = facts.budgets.get(team)
    if budget is None:
        return
    month, spent = -1, 0.0
    for day, today in enumerate(_days(facts, team)):
        of = datetime.fromtimestamp((facts.labels.start_ms + day * DAY_MS) / 1000, UTC).month
        month, spent = of, (spent if of == month else 0.0) + today
        yield day * DAY_MS, (day + 1) * DAY_MS, spent / budget


def _once(facts: Facts, team: str) -> Moments:
    """Every team once: the threshold is the day, negated so that a lower one alerts later."""
    for day in range(70):
        yield day * DAY_MS, (day + 1) * DAY_MS, float(day)


def _ranked(facts: Facts, team: str) -> Moments:
    """Place on the board of the week's spend, as a number that is higher for a higher place."""
    for week in range(1, 11):
        totals = sorted((sum(facts.hourly[each][(week - 1) * 168 : week * 168]) for each in facts.labels.teams), reverse=True)  # fmt: skip
        mine = sum(facts.hourly[team][(week - 1) * 168 : week * 168])
        yield (week - 1) * WEEK_MS, week * WEEK_MS, -float(totals.index(mine) + 1)


#: By name: what is measured, and the thresholds that are tried.
RIVALS: Final[Mapping[str, tuple[Callable[[Facts, str], Moments], Sequence[float]]]] = {
    "static threshold, day": (_static, (10, 20, 40, 80, 120, 180, 250, 400, 600, 1_000, 2_000)),
    "static threshold, hour": (_static_hour, (3, 6, 12, 25, 50, 75, 100, 150, 250, 500)),
    "z-score": (_z_score, (1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 12)),
    "week over week": (_week_over_week, (1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 6, 10)),
    "leaderboard top N": (_ranked, (-1, -2, -3, -5, -8, -12, -20)),
    "budget cap": (_budget_cap, (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)),
    "every team once": (_once, (7, 14, 21, 28, 31, 35, 38, 42, 49, 56)),
}


def rival_alerts(name: str, threshold: float, facts: Facts) -> list[Fired]:
    """The alerts of a rival at one of its thresholds."""
    measure, _ = RIVALS[name]
    return [
        alert for team in facts.labels.teams for alert in _rising(name, team, facts, measure(facts, team), threshold)
    ]


def field_alerts(name: str, threshold: float, facts: Facts) -> list[Fired]:
    """The alerts of a rule that looks at the share of a week's records in which one field says something."""
    if name not in FIELD_RULES:
        raise ValueError(f"there is no rule of one field named {name}")
    shares = facts.shares[name]
    alerts: list[Fired] = []
    for team in facts.labels.teams:
        weeks = ((week * WEEK_MS, (week + 1) * WEEK_MS, shares.get((team, week), 0.0)) for week in range(10))
        alerts += _rising(name, team, facts, weeks, threshold)
    return alerts


def _rising(name: str, team: str, facts: Facts, moments: Moments, threshold: float) -> Iterator[Fired]:
    held, quiet_until_ms, origin_ms = False, 0, facts.labels.start_ms
    for start_ms, end_ms, value in moments:
        holds = value >= threshold
        if holds and not held and start_ms >= quiet_until_ms:
            quiet_until_ms = end_ms + WEEK_MS
            yield Fired(
                detector=name, family=ANY, team=team, workflow=None, start_ms=origin_ms + start_ms,
                end_ms=origin_ms + end_ms, at_ms=origin_ms + end_ms, alert_id=f"{name} {team} {start_ms}",
            )  # fmt: skip
        held = holds
