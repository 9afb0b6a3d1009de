"""The ratios of a record, always from their numerators and denominators, so that sums of records have them too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from streams.core.kpis import Kpi

__all__ = ["RATIOS", "Ratio", "cost_per_accepted", "known_spend", "orphan_spend", "outcomes", "together"]


class Ratio(NamedTuple):
    """One figure over another; ``value`` is None, which is unknown, without either or over nothing."""

    numerator: float | None
    denominator: int | None

    @property
    def value(self) -> float | None:
        """The quotient."""
        if self.numerator is None or self.denominator is None or self.denominator <= 0:
            return None
        return self.numerator / self.denominator


def together(ratio: Callable[[Kpi], Ratio], records: Sequence[Kpi]) -> Ratio:
    """A ratio of several records: numerators over denominators, of those records alone that know both."""
    ratios = [ratio(record) for record in records]
    if len(ratios) == 1:
        return ratios[0]
    known = [(over, under) for over, under in ratios if over is not None and under is not None]
    if not known:
        return Ratio(None, None)
    # Sums of ratings have millionths, and nothing else has a fraction.
    return Ratio(round(sum(over for over, _ in known), 6), sum(under for _, under in known))


def known_spend(kpi: Kpi) -> int | None:
    """Spend as far as it is known, in micro-dollars: reported, and filled in from the price book."""
    return _sum(kpi.spend_micro_usd, kpi.filled_in_micro_usd)


def outcomes(kpi: Kpi) -> int | None:
    """All outcomes of the window, whatever their verdict."""
    return _sum(kpi.accepted, kpi.rejected, kpi.reversed, kpi.neutral)


def cost_per_accepted(kpi: Kpi) -> Ratio:
    """Micro-dollars for each outcome that was accepted and stood.

    Of what leaves spend out, or most of whose tokens have no known cost, it would be too low.
    """
    tokens = kpi.input_tokens + kpi.cache_read_tokens + kpi.cache_write_tokens + kpi.output_tokens
    return Ratio(None if kpi.withheld or 2 * kpi.unpriced_tokens > tokens else known_spend(kpi), kpi.accepted)


def orphan_spend(kpi: Kpi) -> Ratio:
    """Share of the money of mature runs that led to nothing accepted."""
    return _part(kpi.cohort_orphan_spend_micro_usd, kpi.cohort_spend_micro_usd)


def _part(part: int | None, whole: int | None) -> Ratio:
    """A share of money. Amounts that people had a part in are rounded, each by itself: a part may seem more than all."""
    return Ratio(part if part is None or whole is None else min(part, whole), whole)


def _sum(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


#: Shares by their names in the JSON document. ``acceptance_rate`` is over all that was judged, and what was accepted and
#: undone later counts against it; ``reversal_rate`` is over all that was accepted at first.
RATIOS: Final[Mapping[str, Callable[[Kpi], Ratio]]] = {
    "acceptance_rate": lambda kpi: Ratio(kpi.accepted, _sum(kpi.accepted, kpi.rejected, kpi.reversed)),
    "reversal_rate": lambda kpi: Ratio(kpi.reversed, _sum(kpi.accepted, kpi.reversed)),
    "defects_per_accepted": lambda kpi: Ratio(kpi.defects, kpi.accepted),
    "incidents_per_accepted": lambda kpi: Ratio(kpi.incidents, kpi.accepted),
    "customer_rating": lambda kpi: Ratio(kpi.rating_sum, kpi.ratings),
    "failed_spend_share": lambda kpi: _part(kpi.failed_micro_usd, known_spend(kpi)),
    "cache_hit_share": lambda kpi: Ratio(
        kpi.cache_read_tokens, kpi.input_tokens + kpi.cache_read_tokens + kpi.cache_write_tokens
    ),
    "price_coverage": lambda kpi: Ratio(kpi.priced_calls + kpi.filled_in_calls, kpi.calls),
    "call_attribution": lambda kpi: Ratio(kpi.calls_with_run, kpi.calls),
    "outcome_attribution": lambda kpi: Ratio(kpi.outcomes_by_run, outcomes(kpi)),
    "orphan_spend_ratio": orphan_spend,
    "outcome_coverage": lambda kpi: Ratio(kpi.cohort_runs_with_outcome, kpi.cohort_runs),
}
