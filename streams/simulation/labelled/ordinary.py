"""The ordinary weeks of a team: how many runs a day, when, by whom; with the effects in force at the time."""

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Final

from streams.simulation.labelled.climate import DAYS, Weather
from streams.simulation.labelled.company import Team, Workflow
from streams.simulation.labelled.draws import poisson
from streams.simulation.labelled.effects import ORDINARY, Effect, in_force
from streams.simulation.labelled.ledger import DAY_MS, HOUR_MS, WEEK_MS, Ledger
from streams.simulation.labelled.plan import TeamPlan
from streams.simulation.labelled.results import Results
from streams.simulation.labelled.work import Work

__all__ = ["Weeks"]

_OFFICE: Final = (1, 1, 0, 0, 0, 1, 4, 18, 60, 92, 100, 92, 60, 84, 98, 100, 92, 66, 34, 18, 12, 9, 6, 3)
_NIGHT: Final = (96, 100, 92, 66, 34, 18, 10, 5, 2, 1, 1, 1, 2, 3, 4, 6, 10, 20, 40, 60, 75, 84, 90, 94)
_OFFICE_SUMS: Final = tuple(accumulate(_OFFICE))
_NIGHT_SUMS: Final = tuple(accumulate(_NIGHT))
_WEEKDAYS: Final = (1.0, 1.08, 1.1, 1.05, 0.88)
_WEEKEND: Final = {"human": 0.10, "agent": 0.22, "ci": 0.2, "schedule": 0.9}
_FRIDAY: Final = 4
#: Of a day's number of runs beyond chance: gamma noise of this shape.
_SHAPE: Final = 6.0


class Weeks:
    """Fills the ten weeks of one team after the other."""

    def __init__(self, rng: Random, work: Work, results: Results, ledger: Ledger, start_ms: int) -> None:
        self._rng = rng
        self._work = work
        self._results = results
        self._ledger = ledger
        self._start_ms = start_ms

    def fill(self, team: Team, plan: TeamPlan, weather: Weather) -> None:
        """Write all ordinary runs of a team."""
        sums = list(accumulate(team.weights))
        for day in range(DAYS):
            for workflow in team.workflows:
                self._day(team, workflow, day, sums, plan, weather)

    def person(self, team: Team, sums: list[float], day: int) -> str:
        """Who begins a run; a few begin most of them."""
        rng = self._rng
        while True:
            person = team.people[min(bisect(sums, rng.random() * sums[-1]), len(sums) - 1)]
            if team.joined.get(person, 0) <= day:
                return person

    def time(self, team: Team, workflow: Workflow, day: int, *, night: bool) -> int:
        """When on a local day a run begins."""
        rng, trigger = self._rng, workflow.kind.trigger
        local_ms = self._start_ms + day * DAY_MS - team.offset_hours * HOUR_MS
        if trigger == "schedule":
            # Every six hours, and seldom to the minute.
            slot = workflow.minute + 360 * rng.randrange(4) + rng.gauss(0, 8)
            return local_ms + int((slot % 1440) * 60_000)
        sums = _NIGHT_SUMS if night else _OFFICE_SUMS
        hour = bisect(sums, rng.random() * sums[-1])
        return local_ms + int((hour + rng.random()) * HOUR_MS)

    def _day(
        self, team: Team, workflow: Workflow, day: int, sums: list[float], plan: TeamPlan, weather: Weather
    ) -> None:
        if not workflow.first_day <= day < workflow.last_day:
            return
        rng, trigger = self._rng, workflow.kind.trigger
        weekday = day % 7
        season = _WEEKDAYS[weekday] if weekday <= _FRIDAY else _WEEKEND[trigger]
        noise = rng.gammavariate(_SHAPE, 1 / _SHAPE)
        base = workflow.runs_a_day * season * weather.volume[day] * noise
        midnight_ms = self._start_ms + day * DAY_MS
        touched = [
            effect for effect in plan.effects if effect.end_ms > midnight_ms - DAY_MS and effect.start_ms < midnight_ms + 2 * DAY_MS
        ]  # fmt: skip
        for _ in range(poisson(rng, base)):
            at_ms = self.time(team, workflow, day, night=any(effect.night for effect in touched))
            self._one(team, workflow, day, at_ms, sums, in_force(touched, workflow.name, at_ms), weather)
        for effect in touched:
            if effect.meets(workflow.name):
                self._more(team, workflow, day, base, effect, sums, weather)

    def _more(
        self, team: Team, workflow: Workflow, day: int, base: float, effect: Effect, sums: list[float], weather: Weather
    ) -> None:
        """Runs on top of the ordinary ones, within the effect only."""
        rng = self._rng
        surge = effect.surge if day % 7 == _FRIDAY else 1.0
        repeated = effect.repeats / (1 - effect.repeats)
        for factor, repeats in ((effect.volume * surge - 1, None), (repeated, 1.0)):
            for _ in range(poisson(rng, base * factor)):
                at_ms = self.time(team, workflow, day, night=effect.night)
                if effect.start_ms <= at_ms < effect.end_ms:
                    self._one(team, workflow, day, at_ms, sums, effect, weather, repeats=repeats)

    def _one(
        self, team: Team, workflow: Workflow, day: int, at_ms: int, sums: list[float], effect: Effect, weather: Weather,
        *, repeats: float | None = None,
    ) -> None:  # fmt: skip
        person = self.person(team, sums, day)
        if effect is not ORDINARY and effect.cap is not None:
            week = (at_ms - self._start_ms) // WEEK_MS
            if self._ledger.calls[person, week] >= effect.cap:
                return
        actor = person if workflow.kind.trigger in ("human", "agent") else f"svc-{team.name}"
        run = self._work.run(
            team, workflow, at_ms, actor, tokens=weather.tokens[day], failing=weather.failing[day], effect=effect,
            repeats=repeats,
        )  # fmt: skip
        share = 0.25 if repeats is not None else 1.0
        self._results.run_ended(run, comes=weather.comes[day], undone=weather.undone[day], effect=effect, share=share)
