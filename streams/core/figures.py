"""A row as the KPI record that is published of it."""

from collections.abc import Callable
from typing import Final

from streams.core import distinct
from streams.core.aggregate import Aggregate
from streams.core.kpis import Kpi
from streams.core.params import EngineParams
from streams.core.results import MOST, RATING_UNIT, Results, quantile
from streams.core.windows import Scope, Window

__all__ = ["GROUP_MINIMUM", "Figures", "actor_band", "rounded", "rounded_count"]

#: Why figures leave something out: the only reason there is.
GROUP_MINIMUM: Final = "group_minimum"

_BANDS: Final = ((0, "0"), (4, "1-4"), (9, "5-9"), (19, "10-19"), (49, "20-49"), (99, "50-99"))
_SHARES: Final = ((20, "0-20%"), (40, "20-40%"), (60, "40-60%"), (80, "60-80%"))
_DEPTHS: Final = ((9, "0-9"), (99, "10-99"), (999, "100-999"))
_NOTHING: Final = Results()


def actor_band(actors: int) -> str:
    """The band in which a number of active actors is published."""
    return _band(actors, _BANDS, "100+")


def rounded(amount: int) -> int:
    """An amount to two significant digits."""
    unit: int = 10 ** max(0, len(str(amount)) - 2)
    return (amount + unit // 2) // unit * unit


def rounded_count(number: int) -> int:
    """A count of what people did to two significant digits, and to fives: of few, one more or less does not show."""
    unit: int = max(5, 10 ** max(0, len(str(number)) - 2))
    return (number + unit // 2) // unit * unit


def _same(number: int) -> int:
    return number


def _band(number: int, bands: tuple[tuple[int, str], ...], above: str) -> str:
    for most, band in bands:
        if number <= most:
            return band
    return above


class Figures:
    """Makes KPI records. ``teams`` are those of which an outcome has come in: their figures may say zero."""

    def __init__(self, params: EngineParams, teams: set[str]) -> None:
        self.teams: Final = teams
        self._guarded: Final = params.min_actors > 0
        self._version: Final = params.config_version
        self._expected: Final = params.outcomes_expected
        self._licensed: Final = params.licensed_actors

    def of(self, row: Aggregate, revision: int) -> Kpi:
        """One revision of a row. What is not known is None: no cost, no source of outcomes, no run that is mature."""
        row.saturate()
        window, scope, bucket, team, workflow = row.place
        calls = row.calls
        actors = distinct.count(row.actors)
        kpi = Kpi(
            scope=scope.label,
            team=team,
            workflow=workflow or None,
            window_size_ms=int(window),
            window_start=window.start_of(bucket),
            window_end=window.start_of(bucket + 1),
            revision=revision,
            calls=calls,
            errors=row.errors,
            input_tokens=row.input,
            cache_read_tokens=row.cache_read,
            cache_write_tokens=row.cache_write,
            output_tokens=row.output,
            reasoning_tokens=row.reasoning,
            spend_micro_usd=row.cost if row.priced else None,
            priced_calls=row.priced,
            unpriced_tokens=row.unpriced_tokens,
            runs=distinct.count(row.runs),
            runs_exact=distinct.is_exact(row.runs),
            active_actors=actor_band(actors) if calls > row.unattributed else None,
            first_event=row.first_ms if calls else None,
            last_event=row.last_ms if calls else None,
            config_version=self._version,
            computed_micro_usd=row.computed if row.computed_calls else None,
            computed_calls=row.computed_calls,
            filled_in_micro_usd=row.filled if row.filled_calls else None,
            filled_in_calls=row.filled_calls,
            failed_micro_usd=rounded(row.failed) if actors and self._guarded else row.failed,
            calls_with_run=row.with_run,
            duplicate_ratio=row.repeats / row.asked if row.asked else None,
            calls_with_fingerprint=row.asked,
            repeated_calls=row.repeats,
        )
        results = row.results or _NOTHING
        # Outcomes are counted from the hour up.
        if window >= Window.HOUR and (results.outcomes or self._expected.get(team, team in self.teams)):
            self._add_outcomes(kpi, row, results)
        if results.cohort_runs:
            self._add_cohort(kpi, results)
        if row.partial and window >= Window.DAY:
            # Of shorter windows it would tell when the few that are left out were at work.
            kpi.withheld = GROUP_MINIMUM
        if window is Window.WEEK and scope is Scope.TEAM:
            self._add_adoption(kpi, row, actors)
        return kpi

    def _add_outcomes(self, kpi: Kpi, row: Aggregate, results: Results) -> None:
        kpi.accepted, kpi.rejected, kpi.reversed = results.accepted, results.rejected, results.reversed
        kpi.neutral, kpi.outcomes_by_run = results.neutral, results.by_run
        kpi.defects, kpi.incidents, kpi.ratings = results.defects, results.incidents, results.ratings
        kpi.rating_sum = results.rating / RATING_UNIT if results.ratings else None
        kpi.cycle_times = sum(results.cycle.values())
        kpi.cycle_time_p50_ms = quantile(results.cycle, 0.5)
        kpi.cycle_time_p90_ms = quantile(results.cycle, 0.9)
        # Of a day or a week that leaves spend out it would be too low.
        whole = not row.partial or row.place.window < Window.DAY
        # And of tokens most of which nobody knows the cost of: they would seem to be free.
        whole = whole and 2 * row.unpriced_tokens <= row.input + row.cache_read + row.cache_write + row.output
        if results.accepted > 0 and (row.priced or row.filled_calls) and whole:
            # To the micro-dollar, halves up: floats hold no sums of billions of dollars.
            kpi.cost_per_accepted_micro_usd = (2 * row.totals[0] + results.accepted) // (2 * results.accepted)

    def _add_cohort(self, kpi: Kpi, results: Results) -> None:
        # Not all of a window's runs are in its cohort: exact, the difference would be what a few people did.
        personal = bool(results.cohort_personal)
        coarse: Callable[[int], int] = rounded if personal else _same
        coarse_count: Callable[[int], int] = rounded_count if personal else _same
        runs, spend = coarse_count(results.cohort_runs), min(coarse(results.cohort_spend), MOST)
        orphan_spend = min(coarse(results.orphan_spend), spend)
        with_outcome = min(coarse_count(results.cohort_with_outcome), runs)
        kpi.cohort_runs, kpi.cohort_orphan_runs = runs, min(coarse_count(results.orphan_runs), runs)
        kpi.cohort_spend_micro_usd, kpi.cohort_orphan_spend_micro_usd = spend, orphan_spend
        kpi.cohort_runs_with_outcome = with_outcome
        kpi.cohort_accepted = coarse_count(results.cohort_accepted)
        kpi.outcome_coverage = with_outcome / runs if runs else None
        if spend:
            kpi.orphan_spend_ratio = orphan_spend / spend

    def _add_adoption(self, kpi: Kpi, row: Aggregate, actors: int) -> None:
        licensed = self._licensed.get(row.place.team)
        kpi.licensed_actors = licensed
        if actors:
            kpi.depth = _band((kpi.calls - row.unattributed) // actors, _DEPTHS, "1000+")
            if licensed:
                kpi.adoption = _band(100 * actors // licensed, _SHARES, "80-100%")
