"""The metric catalogue: every metric the worker exposes, with its unit, labels and the bound of each label.

Names and labels are public: dashboards and alerts are tested against this list, and ``docs/metrics.md`` is printed from
it by ``python -m streams.telemetry.catalogue``. Nothing else in the package writes a metric's name.
"""

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from streams.core.alerting import PUBLISHED as PUBLISHED_REASONS
from streams.core.alerting import Reason as AlertReason
from streams.core.costing import CostCheck
from streams.core.outcomes import JoinResult
from streams.core.policy import DETECTORS
from streams.core.reasons import Reason
from streams.core.windows import PUBLISHED, Window
from streams.telemetry.ingest_catalogue import INGEST_CATALOGUE
from streams.telemetry.metric import Kind, Label, Metric
from streams.telemetry.vocabulary import Direction, RecoverySource, Role, Stage, StatePart, TransactionResult

__all__ = ["CATALOGUE", "markdown"]


def _values(enum: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in enum)


#: From half a millisecond (a small chunk decoded) to ten seconds (a commit against a broker in trouble).
_DURATIONS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: The commit limit is 10,000 events by default; transactions below 2,000 cost noticeably more an event.
_TRANSACTION_SIZES: Final = (1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0)
#: A warm standby takes over in less than a second, a rebuild of a large shard takes minutes.
_RECOVERIES: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
#: A minute is what is promised (docs/runbook.md): a bucket must end there.
_DELAYS: Final = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

_TOPIC: Final = Label("topic", bound=2, note="the input topics")
#: Sources are strings that producers choose; the decoders know about twenty, and pairs of them that meet are few.
_SOURCES: Final = (Label("first_source", bound=8, note="64 pairs in all"), Label("later_source", bound=8))
_DETECTOR: Final = Label("detector", DETECTORS)
_SCOPE: Final = (Label("team"), Label("workflow"))

CATALOGUE: Final[tuple[Metric, ...]] = (
    Metric(
        "assay_events_received_total",
        Kind.COUNTER,
        "events",
        "Records read and accounted for. Equals applied + duplicate + dead-lettered + late + rerouted, at every scrape.",
        (_TOPIC,),
    ),
    Metric("assay_events_applied_total", Kind.COUNTER, "events", "Events that changed the aggregates.", (_TOPIC,)),
    Metric(
        "assay_events_duplicate_total",
        Kind.COUNTER,
        "events",
        "Events dropped because the same event, or the same provider request, had been counted.",
        (_TOPIC,),
    ),
    Metric(
        "assay_events_dead_lettered_total",
        Kind.COUNTER,
        "events",
        "Records that can never be applied, sent to the dead letters. Those that came too late are in "
        "assay_events_late_total instead.",
        (_TOPIC, Label("reason", tuple(reason.value for reason in Reason if reason is not Reason.TOO_LATE))),
    ),
    Metric(
        "assay_events_late_total",
        Kind.COUNTER,
        "events",
        "Events later than the grace of their window: dead-lettered with reason too_late, counted here only.",
        (_TOPIC,),
    ),
    Metric(
        "assay_events_rerouted_total",
        Kind.COUNTER,
        "events",
        "Events found in a partition their team does not hash to, sent on to the right one.",
        (_TOPIC,),
    ),
    Metric(
        "assay_duplicate_requests_total",
        Kind.COUNTER,
        "requests",
        "Provider requests that two sources reported and agreed on: the first in log order counted.",
        _SOURCES,
    ),
    Metric(
        "assay_request_conflicts_total",
        Kind.COUNTER,
        "requests",
        "Provider requests that two sources reported differently, so that both counted.",
        _SOURCES,
    ),
    Metric(
        "assay_cost_checks_total",
        Kind.COUNTER,
        "calls",
        "Applied calls by how the cost that the source reported compares to that of the price book.",
        (Label("check", _values(CostCheck)),),
    ),
    Metric(
        "assay_event_lag_seconds",
        Kind.GAUGE,
        "seconds",
        "Age of the newest applied event. Grows while records wait, stands still once all are applied.",
        (_TOPIC, Label("partition", bound=256, note="partition numbers this worker owns")),
    ),
    Metric(
        "assay_event_delay_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "By applied event, how far its partition was behind when it became visible: the age of the newest event applied "
        "there. What is sent in long after the fact does not count as slow.",
        (_TOPIC,),
        _DELAYS,
    ),
    Metric(
        "assay_stage_duration_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "Time in a stage, observed once a chunk or transaction, not once an event.",
        (Label("stage", _values(Stage)),),
        _DURATIONS,
    ),
    Metric(
        "assay_transaction_events",
        Kind.HISTOGRAM,
        "events",
        "Records that one committed transaction covered.",
        buckets=_TRANSACTION_SIZES,
    ),
    Metric(
        "assay_transactions_total",
        Kind.COUNTER,
        "transactions",
        "Transactions by how they ended.",
        (Label("result", _values(TransactionResult)),),
    ),
    Metric(
        "assay_recovery_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "Time from taking a shard over until it processes again.",
        (Label("source", _values(RecoverySource)),),
        _RECOVERIES,
    ),
    Metric("assay_recovering", Kind.GAUGE, "shards", "Shards whose state is being restored now."),
    Metric(
        "assay_shards",
        Kind.GAUGE,
        "shards",
        "Shards this worker owns or follows.",
        (Label("role", _values(Role)),),
    ),
    Metric(
        "assay_standby_lag_records",
        Kind.GAUGE,
        "records",
        "Changelog records that the worker's standby shards have still to read.",
    ),
    Metric("assay_rebalances_total", Kind.COUNTER, "rebalances", "Rebalances of the consumer group that began."),
    Metric(
        "assay_windows_published_total",
        Kind.COUNTER,
        "windows",
        "Windows published for the first time.",
        (
            Label("scope", tuple(scope.label for scope in PUBLISHED)),
            Label("size", tuple(size.label for size in Window)),
        ),
    ),
    Metric(
        "assay_window_revisions_total",
        Kind.COUNTER,
        "revisions",
        "Windows published again because events came late.",
    ),
    Metric(
        "assay_spend_usd_total",
        Kind.COUNTER,
        "usd",
        "Spend of published windows, each dollar once, in the window that was the first to tell it: as sources reported "
        'it, and by the price book where they did not. The workflow "(pooled)" is what only the team\'s week tells.',
        _SCOPE,
    ),
    Metric(
        "assay_withheld_spend_usd",
        Kind.GAUGE,
        "usd",
        "Spend that no published window tells, as it concerns too few people: the sum over this worker's partitions since "
        "their state began. Moves when a week is final.",
    ),
    Metric(
        "assay_outcome_joins_total",
        Kind.COUNTER,
        "outcomes",
        "Outcomes by what they were joined to, and by what was found out about them later. Many that say no_usage, "
        "unknown_run or unmatched_reversal mean an integration that does not work.",
        (Label("join", _values(JoinResult)),),
    ),
    Metric(
        "assay_alerts_total",
        Kind.COUNTER,
        "records",
        "Records of alerts published, by detector and by what changed.",
        (_DETECTOR, Label("reason", tuple(sorted(PUBLISHED_REASONS)))),
    ),
    Metric(
        "assay_detector_decisions_total",
        Kind.COUNTER,
        "decisions",
        "What became of verdicts on scopes, by detector: published, kept back and why, quiet, or insufficient data.",
        (_DETECTOR, Label("reason", _values(AlertReason))),
    ),
    Metric(
        "assay_tokens_total",
        Kind.COUNTER,
        "tokens",
        "Tokens of published windows by bucket, each once, as spend is; reasoning is a part of output.",
        (*_SCOPE, Label("direction", _values(Direction))),
    ),
    Metric(
        "assay_label_overflow_total",
        Kind.COUNTER,
        "updates",
        'Updates whose label value became "other" because the metric had all the series it may have.',
        (
            Label("metric", bound=16, note="metrics with open labels"),
            Label("label", ("team", "workflow", "first_source", "later_source", "topic", "partition")),
        ),
    ),
    Metric(
        "assay_state_bytes",
        Kind.GAUGE,
        "bytes",
        "Memory that the state holds.",
        (Label("part", _values(StatePart)),),
    ),
    Metric(
        "assay_build_info",
        Kind.GAUGE,
        "info",
        "Always 1; the labels say what runs.",
        (Label("version", bound=1), Label("python", bound=1)),
    ),
)


def markdown(catalogue: Iterable[Metric] = CATALOGUE) -> str:
    """The catalogue, and that of ``assay ingest``, as the page ``docs/metrics.md``."""
    catalogue = tuple(catalogue)
    lines = [_INTRODUCTION, *_table(catalogue)]
    lines += ["", "## Label values", "", "| label | of | values |", "|---|---|---|"]
    lines += _label_values(catalogue)
    lines += ["", _INGEST_INTRODUCTION, *_table(INGEST_CATALOGUE), "", "| metric | label | values |", "|---|---|---|"]
    lines += [
        f"| `{metric.name}` | `{label.name}` | {_listed(label.values)} |"
        for metric in INGEST_CATALOGUE
        for label in metric.labels
        if label.values
    ]
    return "\n".join(lines) + "\n"


def _table(catalogue: Iterable[Metric]) -> list[str]:
    lines = ["| metric | type | unit | labels | series | meaning |", "|---|---|---|---|---|---|"]
    for metric in catalogue:
        series = metric.worst_case_series
        lines.append(
            f"| `{metric.name}` | {metric.kind} | {metric.unit} | {', '.join(map(_label_text, metric.labels)) or '-'} "
            f"| {'budget' if series is None else series} | {metric.help} |"
        )
    return lines


def _label_values(catalogue: Iterable[Metric]) -> list[str]:
    """A row for each list of values: labels of one name, such as ``reason``, may have another list in another metric."""
    owners: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for metric in catalogue:
        for label in metric.labels:
            if label.values:
                owners.setdefault((label.name, label.values), []).append(metric.name)
    return [
        f"| `{name}` | {_listed(metrics)} | {_listed(values)} |"
        for (name, values), metrics in sorted(owners.items(), key=lambda row: row[0][0])
    ]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _label_text(label: Label) -> str:
    if label.values is not None:
        return f"`{label.name}`"
    if label.bound is None:
        return f"`{label.name}` (guarded)"
    return f"`{label.name}` (at most {label.bound}{': ' + label.note if label.note else ''})"


_INTRODUCTION: Final = """\
# Metrics

Printed by `python -m streams.telemetry.catalogue`; a test fails when this page and the code differ.

* The worker serves them at `/metrics` in Prometheus' text format. They describe one worker: sum over workers.
* **Identity.** For each `topic`, at every scrape: received = applied + duplicate + dead-lettered + late + rerouted.
* **Unknown is not zero.** What is not known has no sample: a team without a known cost has no
  `assay_spend_usd_total`, a worker without standby shards no `assay_standby_lag_records`.
* **Team and workflow** appear only in the metrics fed by published windows. No metric carries a person, a run, a model
  or an event id.
* **Series are bounded.** The column *series* is the worst case of one worker. Metrics marked *budget* share what the
  setting `metrics.max_series` (5,000 by default) leaves; teams and workflows beyond it become `other`, and
  `assay_label_overflow_total` counts each update to which that happened.
* Counters start at zero when the worker starts. Read them with `rate()` or `increase()`.
"""

_INGEST_INTRODUCTION: Final = """\
## Ingest

`assay ingest` serves these, and no others, at `/metrics` on `ingest.web_port`. They describe one process: sum over
processes. Of each answered body, every item is in exactly one of accepted, refused and skipped; a body that was answered
with 4xx or 5xx as a whole is in none of them.
"""


if __name__ == "__main__":
    sys.stdout.write(markdown())
