"""The KPI record: what one team or one workflow consumed and got in one window."""

from typing import Literal

import msgspec

__all__ = ["Kpi"]


class Kpi(msgspec.Struct, kw_only=True, gc=False):
    """One revision of one window of one scope; ``schemas/kpi.avsc`` describes every field.

    The highest revision of (scope, team, workflow, window_size_ms, window_start) is the current one. Times are integer
    milliseconds UTC, money is integer micro-dollars. None is unknown, never zero: ``spend_micro_usd`` is None when no
    call carried a cost, and ``priced_calls`` over ``calls`` says how much of the window the spend covers. Spend as far as
    it is known is ``spend_micro_usd`` plus ``filled_in_micro_usd``.

    Two views. The *period* view says what happened in the window: spend, and outcomes by when they happened. The *cohort*
    view (fields that begin with ``cohort_``, ``orphan_spend_ratio`` and ``outcome_coverage``) says what the runs that
    began in the window came to, once they are mature.
    """

    scope: Literal["team", "workflow"]
    team: str
    workflow: str | None = None
    window_size_ms: int
    window_start: int
    window_end: int
    revision: int
    calls: int
    errors: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    spend_micro_usd: int | None = None
    priced_calls: int
    unpriced_tokens: int
    runs: int
    runs_exact: bool
    active_actors: str | None = None
    first_event: int | None = None
    last_event: int | None = None
    accepted: int | None = None
    rejected: int | None = None
    reversed: int | None = None
    cost_per_accepted_micro_usd: int | None = None
    orphan_spend_ratio: float | None = None
    duplicate_ratio: float | None = None
    outcome_coverage: float | None = None
    config_version: str = ""
    computed_micro_usd: int | None = None
    computed_calls: int = 0
    filled_in_micro_usd: int | None = None
    filled_in_calls: int = 0
    failed_micro_usd: int = 0
    calls_with_run: int = 0
    neutral: int | None = None
    outcomes_by_run: int | None = None
    defects: int | None = None
    incidents: int | None = None
    ratings: int | None = None
    rating_sum: float | None = None
    cycle_times: int | None = None
    cycle_time_p50_ms: int | None = None
    cycle_time_p90_ms: int | None = None
    cohort_runs: int | None = None
    cohort_spend_micro_usd: int | None = None
    cohort_orphan_runs: int | None = None
    cohort_orphan_spend_micro_usd: int | None = None
    cohort_runs_with_outcome: int | None = None
    cohort_accepted: int | None = None
    withheld: str | None = None
    licensed_actors: int | None = None
    adoption: str | None = None
    depth: str | None = None
    calls_with_fingerprint: int = 0
    repeated_calls: int = 0
