"""What a step wants done: state to write, records to send, figures to count. Nothing here does it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.core.alerts import Alert
from streams.core.costing import CostCheck
from streams.core.deadletters import DeadLetter
from streams.core.kpis import Kpi
from streams.core.outcomes import JoinResult
from streams.core.reasons import Reason
from streams.core.store import Writes

__all__ = ["Amounts", "Counts", "Effects", "Reroute", "SourcePair"]


class Reroute(NamedTuple):
    """A record that lay in the wrong partition, to be sent on unchanged to its team's."""

    topic: str
    partition: int
    key: bytes
    value: bytes


#: Spend in micro-dollars as far as it is known, then input, cache read, cache write and output tokens.
Amounts = tuple[int, int, int, int, int]


class SourcePair(NamedTuple):
    """Two sources that reported one request: the first in log order, and the later one."""

    first: str
    later: str


@dataclass(slots=True)
class Counts:
    """What became of one topic's records; ``received`` is the sum of all others."""

    received: int = 0
    applied: int = 0
    duplicate: int = 0
    late: int = 0
    rerouted: int = 0
    dead_lettered: Counter[Reason] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        """Whether every record received is accounted for."""
        sent_on = self.late + self.rerouted + self.dead_lettered.total()
        return self.received == self.applied + self.duplicate + sent_on

    def add(self, other: "Counts") -> None:
        """Add another's figures."""
        self.received += other.received
        self.applied += other.applied
        self.duplicate += other.duplicate
        self.late += other.late
        self.rerouted += other.rerouted
        self.dead_lettered.update(other.dead_lettered)


@dataclass(slots=True)
class Effects:
    """All effects since the last drain; they become visible together or not at all.

    ``said`` is what publications tell for the first time, by team and workflow (an empty one where only the team's
    figures tell it): windows repeat what finer windows said, and metrics must count it once. ``withheld_micro_usd`` is
    spend that no window will ever tell. ``verdicts`` counts decisions by detector and reason. ``newest`` is the newest event time of each topic.
    """

    writes: Writes = field(default_factory=dict)
    publications: list[Kpi] = field(default_factory=list)
    said: dict[tuple[str, str], Amounts] = field(default_factory=dict)
    withheld_micro_usd: int = 0
    joins: Counter[JoinResult] = field(default_factory=Counter)
    alerts: list[Alert] = field(default_factory=list)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    reroutes: list[Reroute] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    duplicate_requests: Counter[SourcePair] = field(default_factory=Counter)
    cost_checks: Counter[CostCheck] = field(default_factory=Counter)
    request_conflicts: Counter[SourcePair] = field(default_factory=Counter)
    applied: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    newest_ms: int = 0
    watermark_ms: int = 0

    def tell(self, team: str, workflow: str, amounts: Amounts) -> None:
        """Count what is published for the first time."""
        known = self.said.get((team, workflow))
        if known is not None:
            amounts = (
                known[0] + amounts[0], known[1] + amounts[1], known[2] + amounts[2], known[3] + amounts[3],
                known[4] + amounts[4],
            )  # fmt: skip
        self.said[team, workflow] = amounts

    def of_topic(self, topic: str) -> Counts:
        """The counts of one topic, made on first use."""
        counts = self.counts.get(topic)
        if counts is None:
            counts = self.counts[topic] = Counts()
        return counts
