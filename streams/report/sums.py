"""Records added up: a week of which only days are told so far, and all teams together."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.selection import Place
from streams.report.weeks import Week

__all__ = ["COUNTS", "KNOWN", "sum_of"]

#: Figures that every record has.
COUNTS: Final = (
    "calls", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "priced_calls", "unpriced_tokens", "computed_calls", "filled_in_calls", "failed_micro_usd", "calls_with_run",
    "calls_with_fingerprint", "repeated_calls",
)  # fmt: skip
#: Figures that may be unknown. Their sum is that of what is known, and unknown only if all are.
KNOWN: Final = (
    "spend_micro_usd", "computed_micro_usd", "filled_in_micro_usd", "accepted", "rejected", "reversed", "neutral",
    "outcomes_by_run", "defects", "incidents", "ratings", "rating_sum", "cycle_times", "cohort_runs",
    "cohort_spend_micro_usd", "cohort_orphan_runs", "cohort_orphan_spend_micro_usd", "cohort_runs_with_outcome",
    "cohort_accepted",
)  # fmt: skip
#: Ratings are published in millionths: sums of their sums are put back to that.
_RATING_PLACES: Final = 6


def sum_of(records: Sequence[Kpi], week: Week, place: Place) -> Kpi:
    """A record of the week with the sums of others' numerators and denominators.

    What does not add up is unknown: percentiles, unless one record has all that they are of, ratios, which follow from
    the sums, and bands of people. Amounts that are rounded in records make a sum that is about right. ``runs`` may count a run once for each record. If something is withheld of one record,
    it is of the sum. Revision 0 says that nobody has published it.
    """
    with_cycle = [record for record in records if record.cycle_times]
    cycle = with_cycle[0] if len(with_cycle) == 1 else None
    sums: dict[str, Any] = {name: sum(getattr(record, name) for record in records) for name in COUNTS}
    sums |= {name: _known_sum(getattr(record, name) for record in records) for name in KNOWN}
    total = Kpi(
        scope="team" if place.workflow is None else "workflow",
        team=place.team,
        workflow=place.workflow,
        window_size_ms=int(Window.WEEK),
        window_start=week.start_ms,
        window_end=week.end_ms,
        revision=0,
        runs=sum(record.runs for record in records),
        runs_exact=False,
        first_event=min((it.first_event for it in records if it.first_event is not None), default=None),
        last_event=max((it.last_event for it in records if it.last_event is not None), default=None),
        cycle_time_p50_ms=cycle.cycle_time_p50_ms if cycle else None,
        cycle_time_p90_ms=cycle.cycle_time_p90_ms if cycle else None,
        withheld=next((record.withheld for record in records if record.withheld), None),
        **sums,
    )
    if total.rating_sum is not None:
        total.rating_sum = round(total.rating_sum, _RATING_PLACES)
    return total


def _known_sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
