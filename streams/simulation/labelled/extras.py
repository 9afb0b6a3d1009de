"""What behaviours and look-alikes add to ordinary work: loops, schedules, calls for show, races."""

import math
from itertools import accumulate
from random import Random
from typing import Final

from streams.simulation.labelled.climate import DAYS, Weather
from streams.simulation.labelled.company import Team, Workflow
from streams.simulation.labelled.draws import lognormal, output_tokens
from streams.simulation.labelled.effects import Effect
from streams.simulation.labelled.labels import Episode
from streams.simulation.labelled.ledger import DAY_MS, HOUR_MS, WEEK_MS, Ledger
from streams.simulation.labelled.ordinary import Weeks
from streams.simulation.labelled.plan import TeamPlan
from streams.simulation.labelled.results import Results
from streams.simulation.labelled.work import Work, near

__all__ = ["Extras"]

#: Weak, medium and strong.
_STEPS: Final = {"weak": 0, "medium": 1, "strong": 2}
#: How many times what they used before leaders of a race come to use.
_MOST: Final = 6.0
#: Intervals of schedules, and what a run must cost for one to be set up: seldom ones where there is little to spend.
_EVERY_MS: Final = tuple(minutes * 60_000 for minutes in (15, 20, 30, 60, 120, 180, 240))
_CHEAPEST_RUN: Final = 120_000


class Extras:
    """Writes what comes on top, after the ordinary weeks of the team are written."""

    def __init__(self, rng: Random, work: Work, results: Results, ledger: Ledger, weeks: Weeks, start_ms: int) -> None:
        self._rng, self._work, self._results, self._ledger, self._weeks = rng, work, results, ledger, weeks
        self._start_ms = start_ms

    def add(self, team: Team, plan: TeamPlan, weather: Weather, target: tuple[str, int] | None) -> None:
        """All that the plan of a team adds."""
        episode, benign = plan.episode, plan.benign
        if episode is not None:
            if episode.behaviour == "runaway":
                self._runaway(team, episode)
            elif episode.behaviour == "busywork_automation" and plan.extra is not None:
                self._busywork(team, plan.extra, episode, weather)
            elif episode.behaviour == "target_chasing" and target is not None:
                self._chase(team, episode, target)
            elif episode.behaviour == "leaderboard_race":
                self._race(team, episode, weather)
            elif episode.behaviour == "adoption_theatre":
                self._theatre(team, episode)
        if benign is not None and plan.extra is not None:
            if benign.kind in ("research_team", "migration"):
                self._project(team, plan.extra, benign.start_ms, benign.end_ms, weather)
            elif benign.kind == "eval_batch":
                self._batch(team, plan.extra, benign.start_ms, benign.end_ms, weather)
            else:
                weekly = max(10e6, 0.15 * self._weekly(team, benign.start_ms))
                came = benign.kind == "undeclared_ci_with_outcomes"
                self._schedule(
                    team, plan.extra, benign.start_ms, benign.end_ms, weather, weekly=weekly, jitter=0.05, drops=0.03,
                    outcomes=came, trigger="ci",
                )  # fmt: skip

    def _weather(self, at_ms: int, days: list[float]) -> float:
        return days[max(0, min(DAYS - 1, (at_ms - self._start_ms) // DAY_MS))]

    def _weekly(self, team: Team, until_ms: int) -> float:
        """Micro-dollars of an ordinary week of a team: the mean of three."""
        day = (until_ms - self._start_ms) // DAY_MS
        return sum(self._ledger.spend[team.name, each] for each in range(day - 21, day)) / 3

    def _schedule(
        self, team: Team, workflow: Workflow, begins_ms: int, ends_ms: int, weather: Weather, *, weekly: float,
        jitter: float, drops: float, outcomes: bool, trigger: str,
    ) -> None:  # fmt: skip
        """Runs at an interval, day and night, that cost about so much a week, in micro-dollars."""
        rng, ledger = self._rng, self._ledger
        worth = [every for every in _EVERY_MS if weekly * every / WEEK_MS >= _CHEAPEST_RUN] or [_EVERY_MS[-1]]
        every_ms = rng.choice(worth[:3])
        workflow.trigger = trigger
        workflow.kind = workflow.kind._replace(trigger=trigger)
        length, before, wanted = 0.3, ledger.paid, 0.0
        actor = f"svc-{team.name}" if trigger in ("ci", "schedule") else rng.choice(team.people)
        at_ms = begins_ms + rng.randrange(every_ms)
        while at_ms < ends_ms:
            if rng.random() >= drops:
                off_ms = int(rng.gauss(0, jitter) * every_ms)
                run = self._work.run(
                    team, workflow, min(max(begins_ms, at_ms + off_ms), ends_ms - 1), actor,
                    tokens=self._weather(at_ms, weather.tokens), failing=self._weather(at_ms, weather.failing),
                    length=length,
                )  # fmt: skip
                # Whoever set it up wanted a certain amount of work, not a number of calls.
                wanted += weekly * every_ms / WEEK_MS
                length = min(30.0, max(0.02, length * (wanted / max(1.0, ledger.paid - before)) ** 0.25))
                if outcomes:
                    comes = self._weather(at_ms, weather.comes)
                    self._results.run_ended(run, comes=comes, undone=self._weather(at_ms, weather.undone))
            at_ms += every_ms

    def _busywork(self, team: Team, workflow: Workflow, episode: Episode, weather: Weather) -> None:
        rng, step = self._rng, _STEPS[episode.strength]
        share, least = ((0.10, 5.0), (0.22, 12.0), (0.40, 25.0))[step]
        self._schedule(
            team, workflow, episode.start_ms, episode.end_ms, weather,
            weekly=max(least * 1e6, share * self._weekly(team, episode.start_ms)), jitter=(0.15, 0.08, 0.03)[step],
            drops=(0.12, 0.06, 0.02)[step], outcomes=False,
            trigger=rng.choice(("agent", "unknown", "schedule", "human")),
        )  # fmt: skip

    def _project(self, team: Team, workflow: Workflow, begins_ms: int, ends_ms: int, weather: Weather) -> None:
        """A workflow of its own for some weeks, of which hardly anything comes until it is over."""
        rng, sums = self._rng, list(accumulate(team.weights))
        for day in range((begins_ms - self._start_ms) // DAY_MS, (ends_ms - self._start_ms) // DAY_MS + 1):
            busy = workflow.runs_a_day * weather.volume[min(day, DAYS - 1)] * (0.15 if day % 7 > 4 else 1.0)
            for _ in range(round(busy * rng.uniform(0.6, 1.4))):
                at_ms = self._weeks.time(team, workflow, day, night=False)
                if begins_ms <= at_ms < ends_ms:
                    person = self._weeks.person(team, sums, day)
                    run = self._work.run(
                        team, workflow, at_ms, person, tokens=self._weather(at_ms, weather.tokens), failing=0.04,
                        repeats=max(team.repeats, 0.15),
                    )  # fmt: skip
                    self._results.run_ended(run, comes=-3.0, undone=0.0)

    def _batch(self, team: Team, workflow: Workflow, begins_ms: int, ends_ms: int, weather: Weather) -> None:
        """A grid of evaluations, for days on end, with results."""
        rng = self._rng
        runs = max(12, round(team.calls_a_week() * rng.uniform(0.5, 1.2) / 20))
        for _ in range(runs):
            at_ms = begins_ms + int(rng.random() * (ends_ms - begins_ms - HOUR_MS))
            run = self._work.run(
                team, workflow, at_ms, f"svc-{team.name}", tokens=self._weather(at_ms, weather.tokens), failing=0.02
            )
            self._results.run_ended(run, comes=self._weather(at_ms, weather.comes), undone=0.0)

    def _runaway(self, team: Team, episode: Episode) -> None:
        """A loop: as many calls as the team makes in this share of a day, or at least enough to be one."""
        rng, step, ledger = self._rng, _STEPS[episode.strength], self._ledger
        workflow = next(each for each in team.workflows if each.name == episode.workflow)
        span_ms = episode.end_ms - episode.start_ms
        many = 2.5 if episode.variant == "spend_velocity" else 1.0
        calls = max(round(many * (40, 120, 400)[step]), round(team.calls_a_week() / 5.5 * (0.12, 0.4, 1.2)[step]))
        variant, person = episode.variant, rng.choice(team.people)
        kind, effect = workflow.kind, Effect(start_ms=0, end_ms=0)
        lanes = 12 if variant == "spend_velocity" else 1
        runs = [f"{rng.getrandbits(64):016x}" for _ in range(lanes)]
        prompts = [f"{rng.getrandbits(64):016x}" for _ in range(2)]
        context, attempt = 40_000.0, 1
        for number in range(calls):
            gap = span_ms / calls
            at_ms = episode.start_ms + int(number * gap + rng.random() * gap * 0.8)
            fingerprint: str | None = f"{rng.getrandbits(64):016x}"
            status, read, fresh = "ok", int(lognormal(rng, 80_000, 0.25)), int(lognormal(rng, kind.input * 1.5, 0.4))
            output = output_tokens(rng, kind.output)
            if variant == "repeated_calls":
                fingerprint = prompts[0] if rng.random() < 0.95 else near(rng, prompts[0], 2)
            elif variant == "ping_pong":
                fingerprint = prompts[number % 2]
            elif variant == "retry_storm":
                fingerprint = prompts[0] if rng.random() < 0.7 else fingerprint
                failed = rng.random() < (0.7, 0.8, 0.92)[step]
                status, output, fresh = ("error", 0, fresh * 3) if failed else ("ok", output, fresh)
                attempt = attempt + 1 if failed else 1
            elif variant == "context_growth":
                context *= math.exp(0.08 * rng.uniform(0.6, 1.4))
                context = min(context, 700_000)
                read, fresh = int(context), int(context * 0.08)
            else:
                read, output = read * 2, output * 2
            ledger.write(
                team, workflow, at_ms, actor=person, run_id=runs[number % lanes], fresh=fresh, read=read, written=fresh // 2,
                output=output, fingerprint=fingerprint if team.fingerprints else None, status=status,
                attempt=(attempt - 1) % 5 + 1, effect=effect,
            )  # fmt: skip

    def _filler(self, team: Team, workflow: Workflow, person: str, at_ms: int, scale: float = 1.0) -> int:
        """One call for show; gives its tokens."""
        rng = self._rng
        fresh = int(lognormal(rng, workflow.kind.input * 0.5 * scale, 0.8)) + 10
        read = int(lognormal(rng, 22_000 * scale, 0.7)) if workflow.kind.conversation else 0
        output = output_tokens(rng, workflow.kind.output * 0.5 * scale)
        self._ledger.write(
            team, workflow, at_ms, actor=person, run_id=f"{rng.getrandbits(64):016x}", fresh=fresh, read=read, written=0,
            output=output, fingerprint=self._work.fingerprint(team, team.repeats),
        )  # fmt: skip
        return fresh + read + output

    def _chase(self, team: Team, episode: Episode, target: tuple[str, int]) -> None:
        """People below the target make up for it, mostly late in the week, and stop just above."""
        rng, step = self._rng, _STEPS[episode.strength]
        unit, amount = target
        movers = [person for person in team.people if rng.random() < (0.35, 0.65, 0.92)[step]]
        late = (0.5, 0.7, 0.9)[step]
        totals = self._ledger.calls if unit == "calls" else self._ledger.tokens
        for week in range(DAYS // 7):
            ends_ms = self._start_ms + (week + 1) * WEEK_MS
            if not episode.start_ms <= ends_ms - DAY_MS * 2 < episode.end_ms:
                continue
            for person in movers:
                wanted = amount * (1 + abs(rng.gauss(0, 0.045)))
                reached = totals[person, week]
                if not 0.12 * amount < reached < amount:
                    continue
                while reached < wanted:
                    back = rng.random() * 1.9 if rng.random() < late else rng.random() * 5
                    workday = ends_ms - int((2.05 + back) * DAY_MS) - team.offset_hours * HOUR_MS
                    at_ms = max(workday, ends_ms - WEEK_MS, episode.start_ms)
                    got = self._filler(team, team.main, person, at_ms)
                    reached += 1 if unit == "calls" else got

    def _race(self, team: Team, episode: Episode, weather: Weather) -> None:
        """Those who lead anyway outdo each other week by week, and nothing more comes of it."""
        rng, step = self._rng, _STEPS[episode.strength]
        ranked = sorted(zip(team.weights, team.people, strict=True), reverse=True)
        leaders = ranked[: max(3, len(ranked) // 6)]
        total = sum(team.weights)
        growth = (1.15, 1.3, 1.5)[step]
        day, last = (episode.start_ms - self._start_ms) // DAY_MS, (episode.end_ms - self._start_ms) // DAY_MS
        while day <= min(last, DAYS - 1):
            weeks = (day * DAY_MS + self._start_ms - episode.start_ms) / WEEK_MS
            surge = 2.0 if day % 7 == 4 else 0.25 if day % 7 > 4 else 0.9
            for weight, person in leaders:
                own = team.main.runs_a_day / team.main.share * weight / total
                for _ in range(round(own * (min(_MOST, growth ** (weeks + 1)) - 1) * surge * rng.uniform(0.7, 1.3))):
                    at_ms = self._weeks.time(team, team.main, day, night=False)
                    if episode.start_ms <= at_ms < episode.end_ms:
                        run = self._work.run(
                            team, team.main, at_ms, person, tokens=weather.tokens[day], failing=weather.failing[day]
                        )
                        self._results.run_ended(run, comes=weather.comes[day], undone=weather.undone[day], share=0.1)
            day += 1

    def _theatre(self, team: Team, episode: Episode) -> None:
        """Licensed people who do nothing with it make a few calls each week, because that is counted."""
        rng, step = self._rng, _STEPS[episode.strength]
        idle = [person for person, weight in zip(team.people, team.weights, strict=True) if weight == 0]
        actors = [person for person in idle if rng.random() < (0.4, 0.7, 1.0)[step]]
        workflow = team.main
        for week in range(DAYS // 7):
            for person in actors:
                day = rng.choice((2, 3, 4, 4, 4)) if rng.random() < 0.9 else 1
                for _ in range(rng.choice((1, 1, 2, 2, 3))):
                    at_ms = self._weeks.time(team, workflow, week * 7 + day, night=False)
                    if episode.start_ms <= at_ms < episode.end_ms:
                        self._filler(team, workflow, person, at_ms, scale=0.12)
