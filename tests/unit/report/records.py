"""KPI records for tests: a team's or a workflow's day or week, with what a test does not say at plain values."""

from typing import Any

from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.weeks import Week

WEEK = Week.parse("2026-W02")
MONDAY_MS = WEEK.start_ms

_PLAIN: dict[str, Any] = {
    "revision": 1,
    "calls": 100,
    "errors": 2,
    "input_tokens": 1_000,
    "cache_read_tokens": 3_000,
    "cache_write_tokens": 0,
    "output_tokens": 500,
    "reasoning_tokens": 0,
    "spend_micro_usd": 10_000_000,
    "priced_calls": 90,
    "unpriced_tokens": 40,
    "runs": 20,
    "runs_exact": True,
}
#: What is known where an outcome source is.
RESULTS: dict[str, Any] = {
    "accepted": 8,
    "rejected": 1,
    "reversed": 1,
    "neutral": 0,
    "outcomes_by_run": 9,
    "defects": 2,
    "incidents": 1,
    "ratings": 4,
    "rating_sum": 3.0,
    "cycle_times": 8,
    "cycle_time_p50_ms": 5_400_000,
    "cycle_time_p90_ms": 300_000_000,
    "cohort_runs": 16,
    "cohort_spend_micro_usd": 8_000_000,
    "cohort_orphan_runs": 4,
    "cohort_orphan_spend_micro_usd": 2_000_000,
    "cohort_runs_with_outcome": 12,
    "cohort_accepted": 7,
}


def kpi(
    team: str = "payments", workflow: str | None = None, *, start_ms: int = MONDAY_MS, size: Window = Window.WEEK,
    **figures: Any,
) -> Kpi:  # fmt: skip
    """A record; without figures, of a team's week that nothing is known to have come of."""
    return Kpi(
        scope="team" if workflow is None else "workflow", team=team, workflow=workflow, window_size_ms=int(size),
        window_start=start_ms, window_end=start_ms + size, **{**_PLAIN, **figures},
    )  # fmt: skip


def day(number: int, team: str = "payments", workflow: str | None = None, **figures: Any) -> Kpi:
    """A record of a day of the week; 0 is Monday."""
    return kpi(team, workflow, start_ms=MONDAY_MS + number * Window.DAY, size=Window.DAY, **figures)
