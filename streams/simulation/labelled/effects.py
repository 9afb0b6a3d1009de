"""What an episode or a look-alike changes about the ordinary work of a team while it lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["ORDINARY", "Effect", "in_force"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Changes to ordinary work from ``start_ms`` to ``end_ms``; factors of 1 and shares of 0 change nothing.

    Attributes:
        start_ms: Inclusive, milliseconds UTC.
        end_ms: Exclusive.
        workflow: Name of the workflow that changes; None for all of the team.
        volume: Factor of runs.
        comes: Factor of the share of runs that come to anything.
        undone: Factor of what is undone, defects and incidents.
        cycle: Factor of cycle times.
        context: Factor of input tokens, cached ones included.
        failing: Added to the share of calls that fail.
        repeats: Share of all runs that only ask again what was asked before; they come on top.
        premium: A model that four of ten runs use instead.
        night: Runs happen at night.
        gamed: Share of accepted outcomes that are dressed up, and ``way`` how.
        way: One of ``split``, ``self_approved``, ``reopened``, ``easy_evals``; or of what is broken about the data:
            ``coverage``, ``unpriced``, ``silent``, ``collisions``, ``divergence``.
        broken: Share of events whose data is broken.
        train: Changes are merged on Thursdays only.
        held: Outcomes are told at the end only.
        cap: Calls a week after which a person stops.
        surge: Factor of runs on the last working day of a week.
    """

    start_ms: int
    end_ms: int
    workflow: str | None = None
    volume: float = 1.0
    comes: float = 1.0
    undone: float = 1.0
    cycle: float = 1.0
    context: float = 1.0
    failing: float = 0.0
    repeats: float = 0.0
    premium: str | None = None
    night: bool = False
    gamed: float = 0.0
    way: str | None = None
    broken: float = 0.0
    train: bool = False
    held: bool = False
    cap: float | None = None
    surge: float = 1.0

    def meets(self, workflow: str) -> bool:
        """Whether it concerns a workflow."""
        return self.workflow is None or self.workflow == workflow


ORDINARY: Final = Effect(start_ms=0, end_ms=0)


def in_force(effects: Sequence[Effect], workflow: str, at_ms: int) -> Effect:
    """The effect on a workflow at a time; a team has at most one."""
    for effect in effects:
        if effect.start_ms <= at_ms < effect.end_ms and effect.meets(workflow):
            return effect
    return ORDINARY
