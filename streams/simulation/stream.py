"""The simulated log: runs of workflows start, interleave and end over the span."""

import math
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from operator import itemgetter
from random import Random
from typing import Final, TypedDict, Unpack

from streams.simulation.company import Company
from streams.simulation.disorder import disorder
from streams.simulation.outcomes import Outcomes
from streams.simulation.runs import BITS, Run
from streams.simulation.scenario import Scenario
from streams.simulation.tally import OutcomeTally, Tally

__all__ = ["Simulation", "simulate"]

_MINUTE_MS: Final = 60_000
#: Average length of a run; with a lognormal number of calls, from a minute to some hours.
_RUN_MS: Final = 15 * _MINUTE_MS
#: Fewest calls of an average run: more records make longer runs, fewer make fewer runs.
_MIN_CALLS: Final = 8
#: Spread of run lengths, and the mean of a lognormal with that spread and median 1.
_CALLS_SIGMA: Final = 0.9
_CALLS_MEAN: Final = math.exp(_CALLS_SIGMA**2 / 2)
#: Runs at once, bounded by the bits that choose among them.
_MOST_RUNS: Final = 1 << 16
#: Events reach the log a moment after they happen, each by its own path.
_JITTER_MS: Final = 2_048


class Simulation:
    """One pass over a simulated log: iterate once; ``tally`` says what came so far.

    With outcomes, take those that have come due every now and then; untaken ones are held.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.tally = Tally()
        # Separate streams of chance: the company stays the same whatever is made of its log.
        self._company = Company(
            _chance("company", scenario),
            teams=scenario.teams,
            workflows=scenario.workflows,
            actors=scenario.actors,
        )
        self._rng = _chance("runs", scenario)
        copies = scenario.duplicate_share + scenario.mirrored_share
        self._events = scenario.events - round(scenario.events * copies)
        self._mean_calls = max(_MIN_CALLS, scenario.events / scenario.runs)
        self._outcomes: Outcomes | None = None
        if scenario.outcomes:
            self._outcomes = Outcomes(scenario, _chance("outcomes", scenario), _chance("outcome copies", scenario))
        #: The minute that the log has come to.
        self._minute_ms = scenario.start_ms

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Pairs of team (the record's key) and record, in the order of the log."""
        if not self.scenario.is_disordered:
            return self._count(self._valid())
        return disorder(self._valid(), self.scenario, _chance("disorder", self.scenario), self.tally)

    @property
    def outcome_tally(self) -> OutcomeTally:
        """What outcomes were taken so far."""
        return self._outcomes.tally if self._outcomes else OutcomeTally()

    def take_outcomes(self, until_ms: int | None = None) -> list[tuple[str, bytes]]:
        """Pairs of team and outcome that came due since the last time and up to an event time, in order of time.

        By default that is the beginning of the minute that the log has come to, and it is never beyond its end; once all
        of the log was read it is the end of the span. A scenario without outcomes has none.
        """
        if self._outcomes is None:
            return []
        if self.tally.records == self.scenario.events:
            reached_ms = known_ms = self.scenario.start_ms + self.scenario.span_ms
        else:
            # What a run of this minute comes to is later than the minute: see SOONEST_MS.
            reached_ms, known_ms = self._minute_ms, self._minute_ms + _MINUTE_MS
        return self._outcomes.take(reached_ms if until_ms is None else min(until_ms, known_ms))

    def _count(self, records: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        tally = self.tally
        for record in records:
            tally.records += 1
            tally.valid += 1
            yield record

    def _valid(self) -> Iterator[tuple[str, bytes]]:
        getrandbits = self._rng.getrandbits
        earliest_ms = self.scenario.start_ms
        outcomes = self._outcomes
        active: list[Run] = []
        for minute_ms, length_ms, count in self._minutes():
            self._minute_ms = minute_ms
            wanted = self._runs_wanted(count, length_ms)
            while len(active) < wanted:
                active.append(self._new_run(minute_ms))
            for number in range(count):
                bits = getrandbits(BITS)
                index = (bits >> 48 & 0xFFFF) * len(active) >> 16
                run = active[index]
                at_ms = minute_ms + number * length_ms // count - (bits >> 224) % _JITTER_MS
                line = run.call(max(at_ms, earliest_ms), bits)
                if not run.left:
                    if outcomes is not None:
                        outcomes.run_ended(run, max(at_ms, earliest_ms))
                    if len(active) > wanted:
                        active[index] = active[-1]
                        active.pop()
                    else:
                        active[index] = self._new_run(minute_ms)
                yield run.team, line.encode()

    def _minutes(self) -> Iterator[tuple[int, int, int]]:
        """Start, length in milliseconds and number of records of each minute of the span."""
        start_ms, span_ms, events = self.scenario.start_ms, self.scenario.span_ms, self._events
        starts = range(start_ms, start_ms + span_ms, _MINUTE_MS)
        # Cumulative integer shares: rounding never loses a record.
        shares: Iterator[int]
        if self.scenario.steady:
            total = span_ms
            shares = (min(at_ms + _MINUTE_MS - start_ms, span_ms) for at_ms in starts)
        else:
            cumulative = list(accumulate(self._company.intensity(at_ms) for at_ms in starts))
            total, shares = cumulative[-1], iter(cumulative)
        done = 0
        for at_ms, share in zip(starts, shares, strict=True):
            until = events * share // total
            yield at_ms, min(_MINUTE_MS, start_ms + span_ms - at_ms), until - done
            done = until

    def _runs_wanted(self, count: int, length_ms: int) -> int:
        """Runs that must go on at once, for their calls to make up this many records."""
        wanted = count * _RUN_MS / (length_ms * self._mean_calls)
        # A short log at a high rate must still hold whole runs.
        return max(1, round(min(wanted, self._events / self._mean_calls, _MOST_RUNS)))

    def _new_run(self, at_ms: int) -> Run:
        rng = self._rng
        weights = self._company.cumulative_weights(at_ms)
        workflow = self._company.workflows[bisect(weights, rng.random() * weights[-1])]
        typical = self._mean_calls * workflow.kind.length / _CALLS_MEAN
        return Run(rng, workflow, max(1, round(typical * rng.lognormvariate(0, _CALLS_SIGMA))), at_ms)


def _chance(purpose: str, scenario: Scenario) -> Random:
    return Random(f"{purpose}-{scenario.seed}")  # noqa: S311  (reproducible on purpose)


class _Parameters(TypedDict, total=False):
    events: int
    teams: int
    workflows: int
    actors: int
    runs: int
    start_ms: int
    span_ms: int
    steady: bool
    duplicate_share: float
    mirrored_share: float
    poison_share: float
    out_of_order_share: float
    out_of_order_ms: int


def simulate(seed: int, **parameters: Unpack[_Parameters]) -> Iterator[bytes]:
    """The records of a scenario, in the order of the log; parameters are those of :class:`Scenario`."""
    return map(itemgetter(1), Simulation(Scenario(seed=seed, **parameters)))
