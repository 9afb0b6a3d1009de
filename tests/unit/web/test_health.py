"""Liveness fails only for what a restart mends; readiness for whatever keeps the worker from its partitions."""

from dataclasses import dataclass, replace

import pytest

from streams.web.health import STUCK_AFTER_SECONDS, HealthReason, liveness, readiness


@dataclass(frozen=True)
class State:
    recovering_shards: int = 0
    assigned: bool = True
    rebalancing: bool = False
    last_progress_age_seconds: float | None = 1.0
    lag_records: int = 0
    stopping_reason: str | None = None


WELL = State()
LONG_AGO = STUCK_AFTER_SECONDS + 1
STUCK = State(last_progress_age_seconds=LONG_AGO, lag_records=5)


@pytest.mark.parametrize(
    ("state", "alive", "ready", "reasons"),
    [
        (WELL, True, True, ()),
        (State(lag_records=10_000_000), True, True, ()),
        (State(last_progress_age_seconds=LONG_AGO), True, True, ()),
        (State(last_progress_age_seconds=STUCK_AFTER_SECONDS, lag_records=5), True, True, ()),
        (State(last_progress_age_seconds=None, lag_records=5), True, True, ()),
        (STUCK, False, False, (HealthReason.STUCK,)),
        (replace(STUCK, recovering_shards=2), True, False, (HealthReason.RECOVERING,)),
        (replace(STUCK, rebalancing=True), True, False, (HealthReason.REBALANCING,)),
        (replace(STUCK, assigned=False), True, False, (HealthReason.NOT_ASSIGNED,)),
        (replace(STUCK, stopping_reason="fenced"), True, False, (HealthReason.STOPPING,)),
        (
            State(recovering_shards=1, rebalancing=True, assigned=False, stopping_reason="signal"),
            True,
            False,
            (HealthReason.STOPPING, HealthReason.NOT_ASSIGNED, HealthReason.REBALANCING, HealthReason.RECOVERING),
        ),
    ],
)
def test_a_state_has_one_verdict_and_its_reasons(
    state: State, alive: bool, ready: bool, reasons: tuple[HealthReason, ...]
) -> None:
    assert (liveness(state).status, liveness(state).ok) == ((200, True) if alive else (503, False))
    assert (readiness(state).status, readiness(state).ok) == ((200, True) if ready else (503, False))
    assert liveness(state).reasons == reasons
    assert readiness(state).reasons == reasons


def test_how_long_is_too_long_can_be_set() -> None:
    state = State(last_progress_age_seconds=3, lag_records=1)
    assert liveness(state).ok
    assert not liveness(state, stuck_after_seconds=2).ok
    assert not readiness(state, stuck_after_seconds=2).ok


def test_a_worker_is_never_ready_and_dead() -> None:
    for recovering in (0, 1):
        for assigned in (True, False):
            for age in (None, 0.0, LONG_AGO):
                for lag in (0, 1):
                    state = State(recovering, assigned, False, age, lag)
                    assert liveness(state).ok or not readiness(state).ok
