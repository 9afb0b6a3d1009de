"""What an engine is told once."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from streams.core.policy import MIN_ACTORS, Policy

__all__ = ["EngineParams"]


@dataclass(frozen=True, slots=True)
class EngineParams:
    """What an engine is told once. Times in milliseconds.

    ``lateness_ms`` delays the closing of windows for stragglers; an event later than that but within ``grace_ms``
    corrects its window; a later one is ``too_late``. ``divergence_permille`` is how far a reported and a computed cost may
    lie apart. ``seed`` keys the hashes of ids and must not change under a state.

    ``horizon_ms`` is how far back outcomes and reversals reach, and how long runs and windows are kept for them.
    ``maturity_ms`` is how long after its beginning a run may still come to something, as long as nothing is known about
    the team, and ``maturity_by_kind_ms`` the same by kind of outcome. ``min_actors`` is the smallest group whose figures
    are published; 0 publishes everything and is for tests. ``outcomes_expected`` says of teams whether a source of
    outcomes is connected, ``licensed_actors`` how many members they have; both leave out teams of which it is not known.
    ``exploratory`` are workflows (team and name) of which nothing is expected run by run: they are in no cohort.
    ``scheduled`` are those that concern nobody, since a schedule sets them off. ``policy`` is what detectors go by.
    """

    lateness_ms: int = 60_000
    grace_ms: int = 86_400_000
    idle_ms: int = 30_000
    far_future_ms: int = 600_000
    dedupe_horizon_ms: int = 3 * 86_400_000
    request_horizon_ms: int = 2 * 86_400_000
    max_ids: int = 50_000_000
    seed: int = 0
    divergence_permille: int = 50
    config_version: str = ""
    horizon_ms: int = 30 * 86_400_000
    maturity_ms: int = 7 * 86_400_000
    maturity_by_kind_ms: Mapping[str, int] = field(default_factory=dict)
    min_actors: int = MIN_ACTORS
    outcomes_expected: Mapping[str, bool] = field(default_factory=dict)
    licensed_actors: Mapping[str, int] = field(default_factory=dict)
    exploratory: Set[tuple[str, str]] = frozenset()
    scheduled: Set[tuple[str, str]] = frozenset()
    policy: Policy = field(default_factory=Policy)
