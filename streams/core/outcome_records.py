"""Outcomes as the state keeps them: for as long as one may be repeated, undone, or joined to another run."""

from typing import Any, Final

import orjson

from streams.core.outcomes import OutcomeEvent, OutcomeKind
from streams.core.results import RATING_UNIT, Results, slot
from streams.core.windows import Window

__all__ = ["Outcome"]

_VERSION: Final = 2


class Outcome:
    """One outcome; mutable, owned by one shard.

    ``workflow`` is as the outcome names it, ``place`` the workflow that it is counted for (of no name: the team alone),
    ``run`` the hash of the run that it names and ``joined`` whether it counts as that run's. ``start`` is the finest
    window that it is counted in, 0 where it came after its week and waits: then ``turn`` says with whom
    (:meth:`streams.core.closing.Closer.late_turn`). ``personal`` if it concerns somebody, by itself or as its run's.
    ``target`` is the identity of what it undoes and ``reversers`` counts what undoes it. ``reference`` is the hash of
    what it is about, 0 if it does not say.
    An outcome that another system had reported is nothing but an ``alias`` of that one. One that is not ``seen`` yet is
    known by what undoes it alone.
    """

    __slots__ = (
        "alias", "at_ms", "cycle_slot", "joined", "kind", "number", "personal", "place", "rating", "reference", "reversers", "run", "seen",
        "start", "target", "team", "turn", "verdict", "workflow",
    )  # fmt: skip

    def __init__(self, number: int, team: str, at_ms: int) -> None:
        self.number = number
        self.kind = ""
        self.verdict = ""
        self.at_ms = at_ms
        self.team = team
        self.workflow = ""
        self.run = 0
        self.rating = 0
        self.cycle_slot: int | None = None
        self.start = 0
        self.turn = 0
        self.personal = False
        self.reversers = 0
        self.target = 0
        self.place = ""
        self.joined = False
        self.alias = 0
        self.seen = False
        self.reference = 0

    @classmethod
    def of(cls, number: int, event: OutcomeEvent) -> "Outcome":
        """The outcome that an event reports."""
        outcome = cls(number, event.team, event.occurred_at)
        outcome.kind, outcome.verdict, outcome.workflow = event.kind, event.verdict, event.workflow or ""
        outcome.seen = True
        if event.kind == OutcomeKind.CUSTOMER_RATING and event.value is not None:
            outcome.rating = round(event.value * RATING_UNIT)
        if event.cycle_time_ms is not None:
            outcome.cycle_slot = slot(event.cycle_time_ms)
        return outcome

    @property
    def counts_as_accepted(self) -> bool:
        """Whether it was accepted and is not undone."""
        return self.verdict == "accepted" and not self.reversers

    @property
    def window(self) -> Window | None:
        """The finest window that it is counted in; None if it came after its week, and concerns somebody."""
        return Window(self.start) if self.start else None

    def results(self) -> Results:
        """What it counts as now. An outcome that undoes another counts in that one's window, as its undoing."""
        found = Results()
        if self.verdict == "accepted" and self.reversers:
            found.reversed = 1
        elif self.reversers:
            return found
        elif self.verdict == "accepted":
            found.accepted = 1
        elif self.verdict == "rejected":
            found.rejected = 1
        elif self.verdict == "neutral":
            found.neutral = 1
        if self.joined and self.verdict != "reversed":
            found.by_run = 1
        if self.reversers:
            return found
        if self.verdict == "accepted" and self.cycle_slot is not None:
            found.cycle[self.cycle_slot] = 1
        if self.kind == OutcomeKind.INCIDENT_OPENED:
            found.incidents = 1
        elif self.kind == OutcomeKind.DEFECT_REPORTED:
            found.defects = 1
        elif self.kind == OutcomeKind.CUSTOMER_RATING:
            found.rating, found.ratings = self.rating, 1
        return found

    def encode(self) -> bytes:
        """The outcome as bytes."""
        return orjson.dumps(
            [
                _VERSION, self.kind, self.verdict, self.at_ms, self.team, self.workflow, self.run, self.rating,
                self.cycle_slot, self.start, self.reversers, self.target, self.place, self.joined, self.alias, self.seen,
                self.reference, self.turn, self.personal,
            ]
        )  # fmt: skip

    @classmethod
    def decode(cls, number: int, data: bytes) -> "Outcome":
        """The inverse of :meth:`encode`. Raises ValueError on an unknown version."""
        values: list[Any] = orjson.loads(data)
        if values[0] != _VERSION:
            raise ValueError(f"outcome codec version {values[0]}, expected {_VERSION}")
        outcome = cls(number, "", 0)
        (
            _, outcome.kind, outcome.verdict, outcome.at_ms, outcome.team, outcome.workflow, outcome.run, outcome.rating,
            outcome.cycle_slot, outcome.start, outcome.reversers, outcome.target, outcome.place, outcome.joined,
            outcome.alias, outcome.seen, outcome.reference, outcome.turn, outcome.personal,
        ) = values  # fmt: skip
        return outcome
