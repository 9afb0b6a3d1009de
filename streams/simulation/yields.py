"""How well a workflow does at the moment: everyone's luck differs, drifts, and has good and bad days.

A share that stood still would be a telltale: whatever wandered would then be the one thing that somebody had planted.
"""

import math
from random import Random
from typing import Final, NamedTuple

from streams.simulation.company import Workflow

__all__ = ["Rates", "Yields", "shifted"]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

#: Walks, each with its spread in log odds and the time in which two thirds of a deviation are forgotten. The first
#: makes workflows differ, for good as far as a log of days can tell, and drift; the second makes their days differ.
_OF_WORKFLOW: Final = ((0.45, 60 * _DAY_MS), (0.30, _DAY_MS))
#: What happens to all at once: a release freeze, a bad week.
_OF_COMPANY: Final = ((0.20, 4 * _DAY_MS),)


class Rates(NamedTuple):
    """By how much, in log odds, the shares of the same name of a :class:`Prospect` are off."""

    comes: float
    good: float
    undone: float


def shifted(share: float, log_odds: float) -> float:
    """A share from 0 to 1, moved; certainty stays certain."""
    moved = share * math.exp(log_odds)
    return moved / (1 - share + moved)


class _Walker:
    """Rates that wander about zero in event time (Ornstein and Uhlenbeck's process, stepped by the hour)."""

    __slots__ = ("_at_ms", "_levels", "_rng", "_walks", "rates")

    def __init__(self, rng: Random, walks: tuple[tuple[float, int], ...], at_ms: int) -> None:
        self._rng = rng
        self._walks = walks
        self._at_ms = at_ms
        self._levels = [[rng.gauss(0, spread) for _ in Rates._fields] for spread, _ in walks]
        self.rates = Rates(*map(sum, zip(*self._levels, strict=True)))

    def move(self, at_ms: int) -> None:
        """Wander on to a time; an earlier one, or one within the hour, changes nothing."""
        passed_ms = at_ms - self._at_ms
        if passed_ms < _HOUR_MS:
            return
        self._at_ms = at_ms
        for levels, (spread, memory_ms) in zip(self._levels, self._walks, strict=True):
            kept = math.exp(-passed_ms / memory_ms)
            fresh = spread * math.sqrt(1 - kept * kept)
            levels[:] = [level * kept + self._rng.gauss(0, fresh) for level in levels]
        self.rates = Rates(*map(sum, zip(*self._levels, strict=True)))


class Yields:
    """The rates of every workflow over time; one hand for all, so ask in the order of the log."""

    def __init__(self, rng: Random, start_ms: int) -> None:
        self._rng = rng
        self._company = _Walker(rng, _OF_COMPANY, start_ms)
        self._workflows: dict[str, _Walker] = {}

    def at(self, workflow: Workflow, at_ms: int) -> Rates:
        """How far off a workflow is at a time."""
        own = self._workflows.get(workflow.name)
        if own is None:
            own = self._workflows[workflow.name] = _Walker(self._rng, _OF_WORKFLOW, at_ms)
        own.move(at_ms)
        self._company.move(at_ms)
        common = self._company.rates
        return Rates(*(mine + everyones for mine, everyones in zip(own.rates, common, strict=True)))
