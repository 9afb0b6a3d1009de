"""What came of the work in one window: outcomes counted when they happened, and runs counted when they began.

Two views in one row. The *period* view counts outcomes in the window that they happened in. The *cohort* view says what
the runs that began in the window came to, counted when they are mature. All figures add up, and can be taken back:
merging is commutative, and adding the negative of an addition undoes it.
"""

from typing import Final

from ddsketch.mapping import LogarithmicMapping

from streams.core.varint import read_longs, write_longs

__all__ = ["MOST", "RATING_UNIT", "Durations", "Results", "quantile", "slot"]

#: Ratings from 0 to 1 are summed in millionths, so that sums do not depend on their order.
RATING_UNIT: Final = 1_000_000

#: Durations by slot: how many lie in each of the logarithmic slots of a DDSketch, 1 % wide to either side. Counts, so
#: that sketches merge and values can be taken out again; no other mergeable sketch can do that. Source: Masson, Rim and
#: Lee, "DDSketch", VLDB 2019.
Durations = dict[int, int]

_MAPPING: Final = LogarithmicMapping(0.01)
#: The slot of durations below a millisecond.
_ZERO: Final = -1
#: What 64 bits hold, and an Avro long.
MOST: Final = (1 << 63) - 1
#: Figures that are one number each.
_COUNT: Final = 16


def slot(duration_ms: int) -> int:
    """The slot that a duration is counted in."""
    return _MAPPING.key(float(duration_ms)) if duration_ms >= 1 else _ZERO


def quantile(durations: Durations, share: float) -> int | None:
    """The duration in milliseconds that a share of all does not exceed, within 1 %; None where there is none."""
    total = sum(durations.values())
    if total <= 0:
        return None
    rank = share * (total - 1)
    below = 0
    for number, count in sorted(durations.items()):
        below += count
        if below > rank:
            return 0 if number == _ZERO else round(_MAPPING.value(number))
    return None


class Results:
    """Sums of outcomes and of mature runs; mutable.

    ``reversed`` counts accepted outcomes that were undone, in the window that they had been accepted in; they are not in
    ``accepted`` any more. ``by_run`` counts outcomes that were joined to a run. ``rating`` sums ratings in millionths,
    over ``ratings``. ``cycle`` are the cycle times of accepted outcomes. ``cohort_spend`` and ``orphan_spend`` are in
    micro-dollars: of mature runs, and of those of them that led to nothing accepted. ``cohort_with_outcome`` counts
    mature runs that any outcome but a reversal was joined to, ``cohort_accepted`` the accepted outcomes of mature runs, ``cohort_personal`` those runs that people had a part in.
    """

    __slots__ = (
        "accepted", "by_run", "cohort_accepted", "cohort_personal", "cohort_runs", "cohort_spend", "cohort_with_outcome", "cycle", "defects",
        "incidents", "neutral", "orphan_runs", "orphan_spend", "rating", "ratings", "rejected", "reversed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected = 0
        self.reversed = 0
        self.neutral = 0
        self.by_run = 0
        self.defects = 0
        self.incidents = 0
        self.rating = 0
        self.ratings = 0
        self.cohort_runs = 0
        self.cohort_spend = 0
        self.orphan_runs = 0
        self.orphan_spend = 0
        self.cohort_with_outcome = 0
        self.cohort_accepted = 0
        self.cohort_personal = 0
        self.cycle: Durations = {}

    def __eq__(self, other: object) -> bool:
        """Whether all figures are equal."""
        return isinstance(other, Results) and self.encode() == other.encode()

    def __hash__(self) -> int:
        """Mutable, hence not hashable in earnest; equal figures have equal hashes."""
        return hash(self.encode())

    @property
    def empty(self) -> bool:
        """Whether every figure is zero."""
        return not self.cycle and not any(self._figures())

    def add(self, other: "Results", sign: int = 1) -> None:
        """Take in another's figures, or take them out again."""
        self.accepted += sign * other.accepted
        self.rejected += sign * other.rejected
        self.reversed += sign * other.reversed
        self.neutral += sign * other.neutral
        self.by_run += sign * other.by_run
        self.defects += sign * other.defects
        self.incidents += sign * other.incidents
        self.rating += sign * other.rating
        self.ratings += sign * other.ratings
        self.cohort_runs += sign * other.cohort_runs
        self.cohort_spend += sign * other.cohort_spend
        self.orphan_runs += sign * other.orphan_runs
        self.orphan_spend += sign * other.orphan_spend
        self.cohort_with_outcome += sign * other.cohort_with_outcome
        self.cohort_accepted += sign * other.cohort_accepted
        self.cohort_personal += sign * other.cohort_personal
        for number, count in other.cycle.items():
            left = self.cycle.get(number, 0) + sign * count
            if left:
                self.cycle[number] = left
            else:
                self.cycle.pop(number, None)

    @property
    def outcomes(self) -> int:
        """All outcomes, whatever became of them."""
        return self.accepted + self.rejected + self.reversed + self.neutral

    def encode(self) -> bytes:
        """The figures as bytes; equal figures give equal bytes, none at all gives none."""
        if self.empty:
            return b""
        pairs = [number for pair in sorted(self.cycle.items()) for number in pair]
        # Absurd figures from a producer must not stop the rows of all others.
        figures = [max(-MOST, min(MOST, figure)) for figure in self._figures()]
        return write_longs((*figures, *pairs))

    @classmethod
    def decode(cls, data: bytes) -> "Results":
        """The inverse of :meth:`encode`."""
        found = cls()
        if data:
            numbers = read_longs(data)
            (
                found.accepted, found.rejected, found.reversed, found.neutral, found.by_run, found.defects, found.incidents, found.rating,
                found.ratings, found.cohort_runs, found.cohort_spend, found.orphan_runs, found.orphan_spend, found.cohort_with_outcome, found.cohort_accepted, found.cohort_personal,
            ) = numbers[:_COUNT]  # fmt: skip
            pairs = numbers[_COUNT:]
            found.cycle = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return found

    def _figures(self) -> tuple[int, ...]:
        return (
            self.accepted, self.rejected, self.reversed, self.neutral, self.by_run, self.defects, self.incidents, self.rating,
            self.ratings, self.cohort_runs, self.cohort_spend, self.orphan_runs, self.orphan_spend, self.cohort_with_outcome, self.cohort_accepted, self.cohort_personal,
        )  # fmt: skip
