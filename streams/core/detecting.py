"""Stage *detect*: verdicts on every scope, in time, and what becomes of them.

Two paths. The *fast* one judges runs as their calls come in, and spend by the 5-minute step. The *slow* one judges whole
days, an hour after they end, each scope against its own past and against all teams of the shard. Both go by event time and
by the order of the log alone: the same log gives the same alerts.
"""

from operator import attrgetter
from typing import Any, Final

import orjson
from xxhash import xxh3_64_intdigest

from streams.core import keys
from streams.core.alerting import Circumstances, Reason, expire
from streams.core.effects import Effects
from streams.core.episodes import Episodes, Listener, Place
from streams.core.findings import Clear, Judges, Verdict
from streams.core.history import Feature
from streams.core.judging import Judging
from streams.core.outcome_signals import count_outcome
from streams.core.outcomes import OutcomeEvent
from streams.core.pace import STEP_MS, Pace
from streams.core.params import EngineParams
from streams.core.results import Results
from streams.core.runs import Pattern, Run
from streams.core.snapshot import DAY_MS
from streams.core.store import StateView, Writes
from streams.core.varint import read_longs, write_longs
from streams.core.watches import Stint, Watch

__all__ = ["Detect"]

#: A day is judged so long after its end: outcomes come by another way than usage.
_AFTER_MS: Final = 3_600_000
_STEPS_AN_HOUR: Final = 3_600_000 // STEP_MS
#: How many days a shard that had stood still catches up with.
_MOST_DAYS: Final = 70
#: An alert of the fast path is over when nothing was found for so long.
_OVER_MS: Final = {"runaway": 6 * 3_600_000, "budget_burn": 26 * 3_600_000}


class Detect:
    """One shard's detectors: what they watch, what they know, and what they have open."""

    def __init__(
        self, store: StateView, params: EngineParams, judges: Judges, listener: Listener | None = None
    ) -> None:  # fmt: skip
        self._store = store
        self._params = params
        self._policy = params.policy
        self._judges = judges
        self._runaway = judges.detector("runaway")
        self._burn = judges.detector("budget_burn")
        self._asked = {it.name for it in judges.registry if params.policy.detector(it.name).enabled}
        self.watches: dict[tuple[str, str], Watch] = {}
        self._touched: list[Watch] = []
        self.paces: dict[str, Pace] = {}
        self.episodes = Episodes(store, params.config_version, listener)
        meta = orjson.loads(store.get(keys.DETECT) or b"{}")
        #: The first day and the first step that are not judged; 0 as long as nothing came in.
        self.day: int = meta.get("day", 0)
        self.step: int = meta.get("step", 0)
        self._changed = False
        self._load()
        self._judging = Judging(store, params, judges, self.watches, self.paces, self.episodes, self.touch)

    def _load(self) -> None:
        by_number: dict[int, Watch] = {}
        for key, data in self._store.range(*keys.all_of(keys.WATCH)):
            team, _, workflow = key[1:].decode().partition("\0")
            watch = Watch.decode(team, workflow, self._number(team, workflow), data)
            self.watches[team, workflow] = by_number[watch.number] = watch
        for key, data in self._store.range(*keys.all_of(keys.STINT)):
            week, number, actor = (int.from_bytes(it, "big") for it in (key[1:5], key[5:13], key[13:21]))
            if number in by_number:
                by_number[number].stints.setdefault(week, {})[actor] = Stint.decode(data)
        for team, known in self._policy.teams.items():
            if known.monthly_budget_micro_usd and "budget_burn" in self._asked:
                profile = self._store.get(keys.PROFILE + team.encode())
                pace = self.paces[team] = Pace(read_longs(profile) if profile else ())
                prefix = keys.PACE + team.encode() + b"\0"
                for key, data in self._store.range(prefix, prefix + b"\xff" * 9):
                    spend, calls = read_longs(data)
                    pace.steps[int.from_bytes(key[len(prefix) :], "big")] = spend, calls

    def _number(self, team: str, workflow: str) -> int:
        return xxh3_64_intdigest(f"{team}\0{workflow}".encode(), self._params.seed)

    # ------------------------------------------------------------------------------------------------- what comes in

    def watch(self, team: str, workflow: str) -> Watch:
        """The watch of a workflow, a new one on first sight."""
        watch = self.watches.get((team, workflow))
        if watch is None:
            watch = self.watches[team, workflow] = Watch(team, workflow, self._number(team, workflow))
        return watch

    def touch(self, watch: Watch) -> None:
        """Mark a watch as changed."""
        if not watch.touched:
            watch.touched = True
            self._touched.append(watch)

    def outcome(self, event: OutcomeEvent, workflow: str) -> None:
        """Count an outcome for the workflow that it was joined to; none stands for its team."""
        watch = self.watch(event.team, workflow)
        count_outcome(watch.of_day(event.occurred_at // DAY_MS), event)
        self.touch(watch)

    def collided(self, team: str, workflow: str, at_ms: int) -> None:
        """Count an event whose identity was taken."""
        watch = self.watch(team, workflow)
        watch.of_day(at_ms // DAY_MS)[Feature.COLLISIONS] += 1
        self.touch(watch)

    def settled(self, team: str, workflow: str, at_ms: int, results: Results) -> None:
        """Count what the mature runs that began at an instant have come to."""
        watch = self.watch(team, workflow)
        counts = watch.of_day(at_ms // DAY_MS)
        counts[Feature.COHORT_RUNS] += results.cohort_runs
        counts[Feature.COHORT_SPEND] += results.cohort_spend
        counts[Feature.ORPHAN_RUNS] += results.orphan_runs
        counts[Feature.ORPHAN_SPEND] += results.orphan_spend
        self.touch(watch)

    def circles(self, watch: Watch, run: Run, pattern: int, at_ms: int, effects: Effects) -> None:
        """Judge a run that goes in circles, at the call that shows it."""
        if "runaway" not in self._asked:
            return
        shown = Pattern(pattern)
        calls, spend = run.circle(shown)
        verdict = self._judges.run(watch, shown, calls, spend, run.spend, run.accepted)
        if not isinstance(verdict, Clear):
            self._fast(watch.team, watch.workflow, verdict, at_ms, effects)

    def _fast(self, team: str, workflow: str | None, verdict: Verdict, at_ms: int, effects: Effects) -> None:
        detector = self._burn if workflow is None else self._runaway
        known = self._policy.workflow(team, workflow or "")
        around = Circumstances(
            now_ms=at_ms,
            declared=known.declared_schedule,
            snoozed=known.snoozed_on(at_ms // DAY_MS),
        )
        self.episodes.judge(detector, Place(detector.name, team, workflow), verdict, around, effects, coarse=True)

    # ------------------------------------------------------------------------------------------------- time passes

    def tick(self, closing_ms: int, effects: Effects) -> None:
        """Judge every step and every day that is over, once anything has come in."""
        if not self.watches and not self.step:
            # Time passes in an empty shard, too: a change without a record could not be committed.
            return
        step = closing_ms // STEP_MS
        if step > self.step:
            if self.step:
                self._steps(self.step, step, effects)
            self.step = step
            self._changed = True
        day = (closing_ms - _AFTER_MS) // DAY_MS
        if day > self.day:
            self._days(day, effects)
        self._expire(closing_ms, effects)

    def finish(self, newest_ms: int, effects: Effects, *, settled: bool = False) -> None:
        """Judge what is left at the end of a finite log: the last day, too, if the log holds nearly all of it.

        ``settled`` when nothing will follow and all runs count as mature: then the last day is over whatever it holds, and
        what came of its runs is asked twice, on that day and the next, as a finding must last.
        """
        end = newest_ms // DAY_MS + 2 if settled else (newest_ms + 2 * _AFTER_MS) // DAY_MS
        self._days(end, effects)

    def _days(self, end: int, effects: Effects) -> None:
        if self.day:
            for day in range(max(self.day, end - _MOST_DAYS), end):
                # As if time had passed step by step, however far one event moved it.
                self._expire((day + 1) * DAY_MS + _AFTER_MS, effects)
                self._judging.judge(day, effects)
        self.day = max(end, self.day)
        self._changed = True

    def _steps(self, start: int, end: int, effects: Effects) -> None:
        """Judge steps that are over: each as if it had been judged by itself, however many one event ends."""
        for team, pace in sorted(self.paces.items()):
            budget = self._policy.team(team).monthly_budget_micro_usd or 0
            for step in pace.between(start, end):
                for every, judge in self._judges.tiers:
                    if (step + 1) % every == 0:
                        verdict = judge(pace, budget, step)
                        if not isinstance(verdict, Clear):
                            self._fast(team, None, verdict, (step + 1) * STEP_MS, effects)
        if "runaway" in self._asked:
            for watch in sorted(self._spending(start, end), key=attrgetter("team", "workflow")):
                verdict = self._judges.velocity(watch)
                if not isinstance(verdict, Clear):
                    first = watch.hour * _STEPS_AN_HOUR
                    for step in range(max(start, first), min(end, first + _STEPS_AN_HOUR)):
                        self._fast(watch.team, watch.workflow, verdict, (step + 1) * STEP_MS, effects)

    def _spending(self, start: int, end: int) -> list[Watch]:
        """The watches of which an hour that steps lie in is known, and ordinary hours."""
        hours = range(start // _STEPS_AN_HOUR, (end - 1) // _STEPS_AN_HOUR + 1)
        return [it for it in self.watches.values() if it.typical_hour >= 0 and it.hour in hours]

    def _expire(self, now_ms: int, effects: Effects) -> None:
        for place, episode in self.episodes:
            after = _OVER_MS.get(place.detector)
            if after is not None:
                decision = expire(episode, now_ms, after)
                if decision.reason in {Reason.RESOLVED, Reason.QUIET}:
                    detector = self._judges.detector(place.detector)
                    # It was over then, whenever that is noticed.
                    self.episodes.apply(detector, place, decision, None, episode.seen_ms + after, effects)

    # ------------------------------------------------------------------------------------------------- the state

    @property
    def pending(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._touched or self._changed or self.episodes.pending)

    def drain(self, writes: Writes) -> None:
        """Write everything that changed."""
        for watch in self._touched:
            watch.drain(writes)
        self._touched = []
        for team, pace in self.paces.items():
            prefix = keys.PACE + team.encode() + b"\0"
            for step in pace.forget(self.step, self.day):
                writes[prefix + step.to_bytes(8, "big")] = None
            for step in pace.touched:
                writes[prefix + step.to_bytes(8, "big")] = write_longs(pace.steps[step])
            pace.touched = set()
            if pace.changed:
                pace.changed = False
                writes[keys.PROFILE + team.encode()] = write_longs(pace.numbers)
        self._judging.drain(writes)
        self.episodes.drain(writes)
        if self._changed:
            self._changed = False
            meta: dict[str, Any] = {"day": self.day, "step": self.step}
            writes[keys.DETECT] = orjson.dumps(meta)
