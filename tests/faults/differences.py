"""Where a published window says other than the oracle: one figure at a time."""

from collections.abc import Mapping
from typing import Any, Final

from tests.faults.oracle import Totals
from tests.faults.outcome_oracle import Results

__all__ = ["differences"]

#: A sketch of distinct runs errs by 1.6 % (one sigma).
_SKETCH_ERROR: Final = 0.10
#: Quantiles are promised within 1 %, and to the millisecond.
_QUANTILE_ERROR: Final = 0.0101
_SUMS: Final = (
    "calls", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "priced_calls", "unpriced_tokens", "calls_with_fingerprint", "repeated_calls",
)  # fmt: skip
_COUNTS: Final = (
    "accepted", "rejected", "reversed", "neutral", "outcomes_by_run", "defects", "incidents", "ratings", "cohort_runs",
    "cohort_spend_micro_usd", "cohort_orphan_runs", "cohort_orphan_spend_micro_usd", "cohort_runs_with_outcome",
    "cohort_accepted",
)  # fmt: skip
#: What may not be said of a load that concerns nobody.
_UNSAID: Final = ("withheld", "active_actors", "licensed_actors", "adoption", "depth")


def differences(totals: Totals, results: Results, kpi: Mapping[str, Any]) -> list[str]:
    """What is wrong with a window, in words."""
    wanted: dict[str, Any] = {name: getattr(totals, name) for name in _SUMS}
    wanted["spend_micro_usd"] = totals.spend_micro_usd if totals.priced_calls else None
    wanted["first_event"] = totals.first_event if totals.calls else None
    wanted["last_event"] = totals.last_event if totals.calls else None
    asked = totals.calls_with_fingerprint
    wanted["duplicate_ratio"] = totals.repeated_calls / asked if asked else None
    wanted |= _ratios(results)
    wanted |= dict.fromkeys(_UNSAID)
    wrong = [f"{name} is {kpi[name]}, expected {value}" for name, value in wanted.items() if kpi[name] != value]
    # What is not known counts as nothing: a window is published before its team's first outcome, too.
    counts = {name: getattr(results, name) for name in _COUNTS} | {"cycle_times": len(results.cycle_ms)}
    wrong += [f"{name} is {kpi[name]}, expected {count}" for name, count in counts.items() if (kpi[name] or 0) != count]
    if not _is_nearest(kpi["cost_per_accepted_micro_usd"], totals, results.accepted):
        spend = f"{totals.spend_micro_usd} over {results.accepted}"
        wrong.append(f"cost_per_accepted_micro_usd is {kpi['cost_per_accepted_micro_usd']}, expected {spend}")
    runs = len(totals.runs)
    if kpi["runs"] != runs and (kpi["runs_exact"] or abs(kpi["runs"] - runs) > runs * _SKETCH_ERROR):
        wrong.append(f"runs is {kpi['runs']}, expected {runs}")
    for name, share in (("cycle_time_p50_ms", 0.5), ("cycle_time_p90_ms", 0.9)):
        quantile = _quantile(results.cycle_ms, share)
        said = kpi[name]
        if (said is None) != (quantile is None) or (
            quantile is not None and abs(said - quantile) > max(1, quantile * _QUANTILE_ERROR)
        ):
            wrong.append(f"{name} is {said}, expected {quantile}")
    return wrong


def _is_nearest(cost: int | None, totals: Totals, accepted: int) -> bool:
    """Whether a cost is what each accepted outcome cost, to the nearest micro-dollar."""
    tokens = totals.input_tokens + totals.cache_read_tokens + totals.cache_write_tokens + totals.output_tokens
    known = totals.priced_calls and 2 * totals.unpriced_tokens <= tokens
    if cost is None or not known or not accepted:
        return cost is None and not (known and accepted)
    return 2 * abs(cost * accepted - totals.spend_micro_usd) <= accepted


def _ratios(results: Results) -> dict[str, Any]:
    """Figures that are worked out from others, None where there is nothing to divide by."""
    return {
        "rating_sum": results.rating / 1_000_000 if results.ratings else None,
        "orphan_spend_ratio": results.cohort_orphan_spend_micro_usd / results.cohort_spend_micro_usd
        if results.cohort_spend_micro_usd
        else None,
        "outcome_coverage": results.cohort_runs_with_outcome / results.cohort_runs if results.cohort_runs else None,
    }


def _quantile(values: list[int], share: float) -> int | None:
    return sorted(values)[int(share * (len(values) - 1))] if values else None
