"""What detectors see, and nothing else: the immutable view of one scope at the end of one day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.core.history import Days, Feature, History
from streams.core.policy import TeamPolicy, WorkflowPolicy

__all__ = ["DAY_MS", "LEAST_TEAMS", "Measure", "Organisation", "Regular", "Snapshot", "Week"]

DAY_MS: Final = 86_400_000
#: Teams from which a movement of the whole organisation is told from that of a few.
LEAST_TEAMS: Final = 8

#: What is measured of a history up to a day: a number on a logarithmic scale, or None where there is too little.
Measure = Callable[[History], float | None]


@dataclass(frozen=True, slots=True)
class Week:
    """How the people of a team spread over one ISO week: shapes, no people.

    ``near_tokens`` and ``near_events`` count people by the distance of their week from a target that they may know, in 16
    steps of 0.1 on the scale of natural logarithms, from -0.8 to 0.8; empty without a target. ``gini`` is corrected for
    small groups; ``leaders`` and ``median`` are natural logarithms of tokens, of the mean of the upper tenth (at least
    two) and of the median; ``top_share`` is the share of the upper fifth in all tokens.
    ``brief`` counts those who were at work on a single day with at most :data:`streams.core.people.BRIEF_CALLS` calls,
    ``day_tokens`` are all tokens by day of the week.
    """

    number: int
    people: int
    near_tokens: tuple[int, ...] = ()
    near_events: tuple[int, ...] = ()
    gini: float = 0.0
    leaders: float = 0.0
    median: float = 0.0
    top_share: float = 0.0
    brief: int = 0
    brief_together: int = 0
    """Of them, those at work on the day on which most of them were."""


@dataclass(frozen=True, slots=True)
class Regular:
    """Work of one week that begins as regularly as clocks do: how many beginnings, and what it cost in micro-dollars."""

    starts: int = 0
    streams: int = 0
    calls: int = 0
    spend: int = 0
    output: int = 0
    gap_seconds: int = 0
    permille: int = 0
    """How regular the most regular of them is, 1,000 for a clock: one less the median deviation of gaps over their median."""


class Organisation:
    """All teams of a shard at once, to tell what moves everyone from what moves one."""

    def __init__(self, teams: Sequence[History]) -> None:
        self._teams = teams
        self._shifts: dict[object, float] = {}

    def shift(self, key: object, measure: Measure) -> float:
        """The median of a measure over all teams; 0 where fewer than :data:`LEAST_TEAMS` have one.

        ``key`` names the measure: it is worked out once.
        """
        found = self._shifts.get(key)
        if found is None:
            values = [value for team in self._teams if (value := measure(team)) is not None]
            found = self._shifts[key] = float(np.median(values)) if len(values) >= LEAST_TEAMS else 0.0
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One scope at the end of the UTC day ``day`` (days since the epoch).

    ``workflow`` is None for the whole team. ``people`` is how many different people are known to stand behind the last
    seven days, at least. ``frozen_from`` is the day on which the detector's open alert began: what came since is no
    baseline. ``weeks`` are the weeks that are over, the newest last, and empty but on the last day of a week.
    """

    team: str
    workflow: str | None
    day: int
    history: History
    organisation: Organisation
    people: int = 0
    weeks: tuple[Week, ...] = ()
    regular: Regular = field(default_factory=Regular)
    policy: TeamPolicy = field(default_factory=TeamPolicy)
    place: WorkflowPolicy = field(default_factory=WorkflowPolicy)
    outcomes_expected: bool = False
    frozen_from: int | None = None
    whole: History | None = None
    """Of a workflow: its team's history."""
    memory: dict[object, object] = field(default_factory=dict, compare=False)
    """What was worked out of it already, by whoever works things out: detectors ask alike."""

    @property
    def end_ms(self) -> int:
        """The instant at which the day ends."""
        return (self.day + 1) * DAY_MS

    @property
    def days(self) -> Days:
        """The history's rows, the newest last."""
        return self.history.days

    def recent(self, feature: Feature, span: int) -> float:
        """The sum of the last ``span`` days."""
        return float(self.history.days[-span:, feature].sum())
