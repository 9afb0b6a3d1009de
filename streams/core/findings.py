"""What one detector says about one snapshot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from streams.core.pace import Pace
from streams.core.policy import DetectorPolicy
from streams.core.runs import Pattern
from streams.core.snapshot import Snapshot
from streams.core.watches import Watch

__all__ = ["CALM", "Clear", "Detector", "Family", "Finding", "Insufficient", "Judges", "Severity", "Verdict"]

Family = Literal["waste", "runaway", "gaming", "budget", "quality", "data"]
Severity = Literal["critical", "warning", "info"]

#: The least score at which an alert that is open stays open.
CALM: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Spend and outcome part, and here is how.

    ``score`` is 1 at the threshold and grows with the evidence. ``observed`` and ``expected`` are in the unit that the
    rule's words name. ``chance`` is how often there would be as much by chance, 0 where that is no question. ``days`` is how
    many days up to the snapshot's the finding is about. ``money_micro_usd`` is the
    spend in question, None where it has no price. ``evidence`` are named numbers.
    """

    score: float
    chance: float = 0.0
    severity: Severity = "warning"
    days: int
    observed: float | None
    expected: float | None
    sample_size: int
    money_micro_usd: int | None
    evidence: Mapping[str, float] = field(default_factory=dict)
    summary: str


@dataclass(frozen=True, slots=True)
class Insufficient:
    """Too little to say anything: ``n`` observations of ``need``."""

    n: int
    need: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing to say; ``score`` is how near it came, from 0 to 1."""

    score: float = 0.0


Verdict = Finding | Insufficient | Clear


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One pattern: its rule in code and in words.

    ``persistence`` is (m, n): it fires when m of the last n verdicts are findings. ``weekly`` ones are asked on the last
    day of ISO weeks only. ``group`` is how many people the figures must concern where they concern people. ``team`` and
    ``workflow`` say which scopes are looked at. ``fast`` ones are asked as calls come in, and have no ``detect``.
    """

    name: str
    family: Family
    rule: str
    silent: str
    """What would have kept it silent."""
    benign_causes: tuple[str, ...]
    next_step: str
    min_sample: int
    detect: Callable[[Snapshot, DetectorPolicy], Verdict] | None
    persistence: tuple[int, int] = (2, 3)
    weekly: bool = False
    group: int = 5
    team: bool = True
    workflow: bool = True
    after_days: int = 14
    """Days of history before it is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """All detectors as the stage *detect* asks them: the registry, and the rules that are asked as calls come in.

    ``run`` judges a run that goes in circles (watch, pattern, its calls and spend, the run's spend and accepted outcomes), ``velocity`` what
    a workflow spends in an hour. ``tiers`` are, for a budget, how often a step is looked at, in steps, and the rule for it.
    ``forecast`` judges what a month comes to: the budget, what is spent, what is to come and its standard deviation, how much faster it goes, calls.
    """

    registry: tuple[Detector, ...]
    run: Callable[[Watch, Pattern, int, int, int, int], Verdict]
    velocity: Callable[[Watch], Verdict]
    tiers: tuple[tuple[int, Callable[[Pace, int, int], Verdict]], ...]
    forecast: Callable[[int, float, float, float, float, int], Verdict]

    def detector(self, name: str) -> Detector:
        """A detector by its name."""
        return next(it for it in self.registry if it.name == name)
