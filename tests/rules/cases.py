"""What makes each alert silent, what brings it to its boundary, and what makes it fire: series as promtool takes them.

A sample a minute. ``0+5x60`` grows by 5 a minute for an hour, ``7x60`` stands still.
"""

from typing import NamedTuple

__all__ = ["CASES", "PAIRS", "SLOS", "Case", "Slo"]

Series = dict[str, str]


class Case(NamedTuple):
    """One alert at one minute: alone it fires, or nothing does. ``kind`` is silent, boundary or firing."""

    alert: str
    kind: str
    minute: int
    series: Series


class Slo(NamedTuple):
    """An alert on a burn rate: its budget, and the series for a share of bad events, given in events a million."""

    alert: str
    budget: float
    good: str
    bad: str


#: Long window, short window, how many times the budget, minutes that it must last.
PAIRS = (("1h", "5m", 14.4, 2), ("6h", "30m", 6.0, 15), ("1d", "2h", 3.0, 60), ("3d", "6h", 1.0, 180))
SLOS = (
    Slo(
        "AssayIngestBudgetBurn", 0.001, "assay_events_received_total{topic='assay.usage.v1'}",
        "assay_events_dead_lettered_total{topic='assay.usage.v1',reason='invalid_json'}",
    ),
    Slo("AssayFreshnessBudgetBurn", 0.01, "assay_event_delay_seconds_count{topic='assay.usage.v1'}", ""),
)  # fmt: skip

_USAGE = "assay_events_received_total{topic='assay.usage.v1'}"
_LAG = "assay_event_lag_seconds{topic='assay.usage.v1',partition='3'}"
_COMMITTED, _ABORTED = (f"assay_transactions_total{{result='{result}'}}" for result in ("committed", "aborted"))
_OK, _FAILED = (f"assay_ingest_requests_total{{source='litellm',status='{status}'}}" for status in ("2xx", "5xx"))
_ACCEPTED = "assay_ingest_accepted_total{source='litellm',form='usage'}"
_REFUSED = "assay_ingest_refused_total{source='litellm',reason='missing_field'}"
_FREE, _FULL = (
    f"kubelet_volume_stats_{what}_bytes{{persistentvolumeclaim='data-assay-0',node='n'}}"
    for what in ("available", "capacity")
)
_AGREES, _DIVERGES, _UNPRICED = (
    f"assay_cost_checks_total{{check='{check}'}}" for check in ("agrees", "diverges", "unpriced")
)
_RUN, _NO_USAGE = (f"assay_outcome_joins_total{{join='{join}'}}" for join in ("run", "no_usage"))
_APPLIED = "assay_events_applied_total{topic='assay.usage.v1'}"
_CONFLICTS = "assay_request_conflicts_total{first_source='litellm',later_source='langfuse'}"
_UP = "assay_build_info{version='1'}"
_DOWN: Series = {_UP: "_x200"}


def _three(alert: str, minute: int, silent: Series, boundary: Series, firing: Series) -> tuple[Case, ...]:
    return tuple(
        Case(alert, kind, minute, series)
        for kind, series in (("silent", silent), ("boundary", boundary), ("firing", firing))
    )


CASES = (
    Case("AssayDown", "silent", 20, {}),
    Case("AssayDown", "boundary", 4, _DOWN),
    Case("AssayDown", "firing", 6, _DOWN),
    Case("AssayNoEventsReceived", "silent", 95, {_USAGE: "0+10x200"}),
    Case("AssayNoEventsReceived", "boundary", 85, {_USAGE: "0+10x60 600x140"}),
    Case("AssayNoEventsReceived", "firing", 100, {_USAGE: "0+10x60 600x140"}),
    *_three(
        "AssayConsumerStuck", 12,
        {_LAG: "0+60x60", _USAGE: "0+10x60"}, {_LAG: "0+30x60", _USAGE: "10x60"}, {_LAG: "0+60x60", _USAGE: "10x60"},
    ),
    *_three("AssayLagGrowing", 40, {_LAG: "20x60"}, {_LAG: "400x60"}, {_LAG: "0+60x60"}),
    Case(
        "AssayRecoveryNotProgressing", "silent", 31,
        {"assay_recovering": "1x60", "assay_recovery_seconds_count{source='local'}": "0+1x60"},
    ),
    Case("AssayRecoveryNotProgressing", "boundary", 14, {"assay_recovering": "1x60"}),
    Case("AssayRecoveryNotProgressing", "firing", 31, {"assay_recovering": "1x60"}),
    *_three(
        "AssayRebalanceLoop", 45,
        *({"assay_rebalances_total": series} for series in ("4x60", "0+0.39x60", "0+1x60")),
    ),
    *_three(
        "AssayTransactionsFailing", 20,
        {_COMMITTED: "0+10x60", _ABORTED: "0x60"}, {_COMMITTED: "0+91x60", _ABORTED: "0+9x60"},
        {_COMMITTED: "0+80x60", _ABORTED: "0+20x60"},
    ),
    *_three(
        "AssayStandbyLagging", 31,
        *({"assay_standby_lag_records": f"{records}x60"} for records in (10, 100_000, 100_001)),
    ),
    *_three("AssayStateDiskFilling", 16, *({_FREE: f"{free}x60", _FULL: "100x60"} for free in (50, 15, 14))),
    Case("AssayLabelOverflow", "silent", 30, {"assay_label_overflow_total{label='team',metric='m'}": "5x60"}),
    Case("AssayLabelOverflow", "boundary", 4, {"assay_label_overflow_total{label='team',metric='m'}": "0+1x60"}),
    Case("AssayLabelOverflow", "firing", 30, {"assay_label_overflow_total{label='team',metric='m'}": "0+1x60"}),
    Case("AssayIngestSpooling", "silent", 6, {"assay_ingest_kafka_up": "1 0 1 0 1 0 1x60"}),
    Case("AssayIngestSpooling", "boundary", 2, {"assay_ingest_kafka_up": "0x60"}),
    Case("AssayIngestSpooling", "firing", 6, {"assay_ingest_kafka_up": "0x60"}),
    *_three(
        "AssayIngestSpoolFilling", 6,
        *(
            {"assay_ingest_spool_bytes": f"{used}x60", "assay_ingest_spool_limit_bytes": "100x60"}
            for used in (0, 80, 81)
        ),
    ),
    *_three(
        "AssayIngestFailing", 15,
        *({_OK: f"0+{1000 - failed}x60", _FAILED: f"0+{failed}x60"} for failed in (0, 49, 60)),
    ),
    *_three(
        "AssayIngestRefusing", 90,
        *({_ACCEPTED: f"0+{1000 - refused}x200", _REFUSED: f"0+{refused}x200"} for refused in (0, 99, 110)),
    ),
    *_three("AssayForwardWaiting", 15, *({"assay_forward_waiting_seconds": f"{s}x60"} for s in (0, 300, 301))),
    Case("AssayForwardFailed", "silent", 20, {"assay_forward_failed_total{reason='refused'}": "3x60"}),
    Case("AssayForwardFailed", "boundary", 20, {"assay_forward_failed_total{reason='refused'}": "0 1x60"}),
    Case("AssayForwardFailed", "firing", 10, {"assay_forward_failed_total{reason='refused'}": "0 1x60"}),
    Case("AssayFindings", "silent", 30, {"assay_alerts_total{detector='runaway',reason='first'}": "3x60"}),
    Case("AssayFindings", "boundary", 30, {"assay_alerts_total{detector='runaway',reason='resolved'}": "0+1x60"}),
    Case("AssayFindings", "firing", 30, {"assay_alerts_total{detector='runaway',reason='first'}": "0 1x60"}),
    *_three(
        "AssayUnpricedSpend", 130,
        *({_AGREES: f"0+{1000 - without}x200", _UNPRICED: f"0+{without}x200"} for without in (0, 49, 51)),
    ),
    *_three(
        "AssayCostsDiverge", 130,
        *({_AGREES: f"0+{1000 - apart}x200", _DIVERGES: f"0+{apart}x200"} for apart in (0, 99, 101)),
    ),
    *_three(
        "AssayOutcomesUnmatched", 130,
        *({_RUN: f"0+{1000 - lost}x200", _NO_USAGE: f"0+{lost}x200"} for lost in (0, 499, 501)),
    ),
    *_three(
        "AssayDuplicateReports", 130,
        *({_APPLIED: "0+1000x200", _CONFLICTS: f"0+{conflicts}x200"} for conflicts in (0, 9, 11)),
    ),
)  # fmt: skip
