"""What is simulated: sizes of the company, time, and how imperfect the log is."""

from dataclasses import dataclass
from typing import Final

__all__ = ["DEFAULT_START_MS", "Scenario"]

#: Monday 2026-01-05 00:00 UTC: a fixed start, so that a seed alone names a log.
DEFAULT_START_MS: Final = 1_767_571_200_000
#: Copies need something to be copies of.
_MOST_ODD: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Parameters of one simulation; with equal parameters two simulations give equal bytes.

    Shares are of all records and met exactly (rounded to records). ``events`` counts records of every kind, so that a
    log of a wanted length needs no arithmetic. The valid records of a company differ only in number whatever the
    shares are.

    Attributes:
        seed: Names the company and everything it does.
        events: Records in the log.
        teams: Teams; each owns at least one workflow.
        workflows: Workflows of all teams; their popularity follows Zipf's law.
        actors: People of all teams.
        runs: About how many runs the records belong to; fewer when there are too few records.
        start_ms: First event time, milliseconds UTC.
        span_ms: Event time covered.
        steady: Spread records evenly over the span; otherwise they follow working hours and weekends.
        duplicate_share: Exact copies of one of the last 4,096 valid records.
        mirrored_share: The same call as seen by a second source: other source and event id, same request id.
        poison_share: Records that no decoder may accept.
        out_of_order_share: Valid records that reach the log late.
        out_of_order_ms: By how much at most; the default stays within the usual lateness of a minute.
        outcomes: Whether runs come to something, too; the usage is the same either way. About ``duplicate_share`` of
            the outcomes are then delivered twice.
    """

    seed: int = 1
    events: int = 100_000
    teams: int = 40
    workflows: int = 400
    actors: int = 2_000
    runs: int = 20_000
    start_ms: int = DEFAULT_START_MS
    span_ms: int = 86_400_000
    steady: bool = False
    duplicate_share: float = 0.0
    mirrored_share: float = 0.0
    poison_share: float = 0.0
    out_of_order_share: float = 0.0
    out_of_order_ms: int = 45_000
    outcomes: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError on sizes and shares that describe no company."""
        for name in ("teams", "workflows", "actors", "runs", "span_ms", "out_of_order_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.events < 0:
            raise ValueError("events must not be negative")
        shares = (self.duplicate_share, self.mirrored_share, self.poison_share, self.out_of_order_share)
        if min(shares) < 0 or sum(shares) > _MOST_ODD:
            raise ValueError(f"shares must not be negative, nor more than {_MOST_ODD} together")

    @property
    def is_disordered(self) -> bool:
        """Whether the log is anything but valid records in order."""
        return bool(self.duplicate_share or self.mirrored_share or self.poison_share or self.out_of_order_share)
