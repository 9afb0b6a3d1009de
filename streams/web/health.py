"""Whether a worker is alive and whether it is ready: pure decisions that say why.

Alive is for the restart (`/healthz`): only what a restart would mend makes it false, above all a worker that stopped
moving while records wait. Recovering, rebalancing or being without partitions never does: killing a worker that is
restoring its state makes the restore start again. Ready is for traffic and roll-outs (`/readyz`).
"""

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

__all__ = ["STUCK_AFTER_SECONDS", "HealthReason", "HealthState", "Verdict", "liveness", "readiness"]

#: Longer than a broker's restart and a transaction's time-out together (20 s), so that neither is taken for a hang;
#: short enough that a hang does not use up the grace of a window.
STUCK_AFTER_SECONDS: Final = 120.0


class HealthReason(StrEnum):
    """Why a worker is not well, or what to know about it; public, in the bodies of both pages."""

    STUCK = "stuck"
    RECOVERING = "recovering"
    REBALANCING = "rebalancing"
    NOT_ASSIGNED = "not_assigned"
    STOPPING = "stopping"


class HealthState(Protocol):
    """The worker's condition, read at each request.

    ``last_progress_age_seconds`` is the time since a transaction was committed, a shard taken over, or nothing was found
    to wait; ``None`` before the first of these. An idle hour thus is no age, or the first record after it would look
    stuck. ``assigned`` is true once the group has given its answer, be it no partition at all.
    """

    @property
    def recovering_shards(self) -> int:
        """Shards whose state is being restored."""
        ...

    @property
    def assigned(self) -> bool:
        """Whether the worker has had its assignment."""
        ...

    @property
    def rebalancing(self) -> bool:
        """Whether the group is in the middle of a rebalance."""
        ...

    @property
    def last_progress_age_seconds(self) -> float | None:
        """Seconds since something last moved."""
        ...

    @property
    def lag_records(self) -> int:
        """Records that wait in the worker's partitions."""
        ...

    @property
    def stopping_reason(self) -> str | None:
        """Why the worker is going down, if it is."""
        ...


class Verdict(NamedTuple):
    """An HTTP status, and the reasons for it, worst first; a 200 may carry reasons that are only worth knowing."""

    status: int
    reasons: tuple[HealthReason, ...]

    @property
    def ok(self) -> bool:
        """Whether the status says yes."""
        return self.status == _OK


_OK: Final = 200
_UNAVAILABLE: Final = 503


def liveness(state: HealthState, *, stuck_after_seconds: float = STUCK_AFTER_SECONDS) -> Verdict:
    """Whether the worker does its work, or would after it has recovered; false means: restart it."""
    if _is_stuck(state, stuck_after_seconds):
        return Verdict(_UNAVAILABLE, (HealthReason.STUCK, *_conditions(state)))
    return Verdict(_OK, _conditions(state))


def readiness(state: HealthState, *, stuck_after_seconds: float = STUCK_AFTER_SECONDS) -> Verdict:
    """Whether the worker has its partitions, restored, and processes them."""
    reasons = _conditions(state)
    if _is_stuck(state, stuck_after_seconds):
        reasons = (HealthReason.STUCK, *reasons)
    return Verdict(_UNAVAILABLE if reasons else _OK, reasons)


def _is_stuck(state: HealthState, stuck_after_seconds: float) -> bool:
    """Records wait and nothing has moved for long, though nothing explains it."""
    age = state.last_progress_age_seconds
    explained = state.recovering_shards > 0 or state.rebalancing or not state.assigned or state.stopping_reason
    return age is not None and age > stuck_after_seconds and state.lag_records > 0 and not explained


def _conditions(state: HealthState) -> tuple[HealthReason, ...]:
    conditions = {
        HealthReason.STOPPING: state.stopping_reason is not None,
        HealthReason.NOT_ASSIGNED: not state.assigned,
        HealthReason.REBALANCING: state.rebalancing,
        HealthReason.RECOVERING: state.recovering_shards > 0,
    }
    return tuple(reason for reason, holds in conditions.items() if holds)
