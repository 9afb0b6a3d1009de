"""The recording facade: what the worker calls once a transaction, and what a scrape reads.

One lock around each recording and each scrape makes every call atomic, also when Faust runs its consumer or its web
server in a thread of their own: a scrape never sees half of a topic's accounting.
"""

import math
import platform
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family

from streams.clock import Clock
from streams.core.alerting import PUBLISHED as PUBLISHED_REASONS
from streams.core.costing import CostCheck
from streams.core.effects import Counts, Effects
from streams.core.outcomes import JoinResult
from streams.core.policy import DETECTORS
from streams.core.reasons import Reason
from streams.core.windows import PUBLISHED, Window
from streams.errors import ConfigError
from streams.telemetry.cardinality import LabelGuard, scope_sets
from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.metric import Kind, Metric
from streams.telemetry.series import Counter, Gauge, Histogram, Labels
from streams.telemetry.vocabulary import Direction, RecoverySource, Role, Stage, StatePart, TransactionResult

__all__ = ["Readings", "Telemetry"]

_MICRO_USD: Final = 1_000_000
#: The workflow of figures that only their team's window tells. Brackets: no producer's own workflow is mixed with it.
_POOLED: Final = "(pooled)"
_LETTER_REASONS: Final = tuple(reason for reason in Reason if reason is not Reason.TOO_LATE)


@dataclass(frozen=True, slots=True)
class Readings:
    """The worker's present condition, read at each scrape; ``None`` where there is nothing to know."""

    recovering: int = 0
    active: int = 0
    standby: int = 0
    standby_lag_records: int | None = None
    state_bytes: Mapping[StatePart, int] = field(default_factory=dict)
    withheld_micro_usd: int = 0


class _Progress(NamedTuple):
    """How far a partition is applied: the lag stands still at ``settled_ms`` once nothing more is waiting."""

    event_time_ms: int
    settled_ms: int | None

    def lag_seconds(self, now_ms: int) -> float:
        lag_ms = max(0, now_ms - self.event_time_ms) if self.settled_ms is None else self.settled_ms
        return lag_ms / 1_000


class Telemetry:
    """The worker's metrics, in a registry of their own.

    ``max_series`` is the budget of series, of which the bounded metrics take their worst case and (team, workflow)
    pairs the rest. ``denied_labels`` are left out of every metric. ``topics`` begin at zero, so that the very first
    dead letter shows as an increase.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        version: str,
        topics: Sequence[str] = (),
        max_series: int = 5_000,
        denied_labels: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self._version = version
        self._lock = threading.Lock()
        self._read: Callable[[], Readings] = Readings
        self._progress: dict[tuple[str, int], _Progress] = {}
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._gauges: dict[str, Gauge] = {}
        self._scopes = LabelGuard(scope_sets(max_series))
        for metric, labels in _guarded(self._scopes, denied_labels):
            match metric.kind:
                case Kind.COUNTER:
                    per_unit = _MICRO_USD if metric.unit == "usd" else 1
                    self._counters[metric.name] = Counter(metric, labels, per_unit)
                case Kind.HISTOGRAM:
                    self._histograms[metric.name] = Histogram(metric, labels)
                case Kind.GAUGE:
                    self._gauges[metric.name] = Gauge(metric, labels)
        self._begin_at_zero(topics)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def effects(self, effects: Effects) -> None:
        """Count one committed transaction's effects, all at once.

        Raises ValueError, and counts nothing, where a topic's records are not all accounted for.
        """
        for topic, counts in effects.counts.items():
            _check(topic, counts)
        with self._lock:
            for topic, counts in effects.counts.items():
                self._account(topic, counts)
            for pair, count in effects.duplicate_requests.items():
                self._add("assay_duplicate_requests_total", tuple(pair), count)
            for pair, count in effects.request_conflicts.items():
                self._add("assay_request_conflicts_total", tuple(pair), count)
            for check, count in effects.cost_checks.items():
                self._add("assay_cost_checks_total", (check,), count)
            self._publish(effects)

    def accounted(self, topic: str, counts: Counts) -> None:
        """Account for one topic's records alone; the same check as :meth:`effects`."""
        _check(topic, counts)
        with self._lock:
            self._account(topic, counts)

    def progressed(
        self, topic: str, partition: int, event_time_ms: int, *, applied: int = 0, caught_up: bool = False
    ) -> None:
        """A partition was applied up to an event time (0: no event yet, hence no lag to speak of).

        ``applied`` events have just become visible. ``caught_up`` says that nothing more is waiting in it: the lag then
        stands still.
        """
        if event_time_ms <= 0:
            return
        lag_ms = max(0, self._clock.now_ms() - event_time_ms)
        with self._lock:
            self._progress[topic, partition] = _Progress(event_time_ms, lag_ms if caught_up else None)
            if applied:
                self._histograms["assay_event_delay_seconds"].observe((topic,), lag_ms / 1_000, applied)

    def released(self, partition: int) -> None:
        """The worker no longer owns a partition: its gauges go."""
        with self._lock:
            self._progress = {key: value for key, value in self._progress.items() if key[1] != partition}

    def stage(self, stage: Stage, seconds: float) -> None:
        """A stage took this long for one chunk or transaction."""
        with self._lock:
            self._histograms["assay_stage_duration_seconds"].observe((stage,), seconds)

    def transaction(self, result: TransactionResult, events: int = 0) -> None:
        """A transaction ended; ``events`` is how many records it covered."""
        with self._lock:
            self._add("assay_transactions_total", (result,))
            if result is TransactionResult.COMMITTED:
                self._histograms["assay_transaction_events"].observe((), events)

    def recovered(self, source: RecoverySource, seconds: float) -> None:
        """A shard that was taken over processes again."""
        with self._lock:
            self._histograms["assay_recovery_seconds"].observe((source,), seconds)

    def rebalanced(self) -> None:
        """A rebalance of the consumer group began."""
        with self._lock:
            self._add("assay_rebalances_total", ())

    def read_from(self, read: Callable[[], Readings]) -> None:
        """Where a scrape reads the worker's present condition: it must be quick and must not raise."""
        self._read = read

    def collect(self) -> Iterator[Family]:
        """All metrics at one instant: what prometheus_client asks a collector for."""
        readings = self._read()
        now_ms = self._clock.now_ms()
        with self._lock:
            families: list[Family] = [
                self._gauges[name].family(values) for name, values in self._present(readings, now_ms)
            ]
            families += [histogram.family() for histogram in self._histograms.values()]
            self._count_overflows()
            families += [counter.family() for counter in self._counters.values()]
        return iter(families)

    def _begin_at_zero(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self._account(topic, Counts())
            for reason in _LETTER_REASONS:
                self._add("assay_events_dead_lettered_total", (topic, reason), 0)
        for check in CostCheck:
            self._add("assay_cost_checks_total", (check,), 0)
        for join in JoinResult:
            self._add("assay_outcome_joins_total", (join,), 0)
        for result in TransactionResult:
            self._add("assay_transactions_total", (result,), 0)
        for detector in DETECTORS:
            for changed in PUBLISHED_REASONS:
                self._add("assay_alerts_total", (detector, changed), 0)
        for scope in PUBLISHED:
            for size in Window:
                self._add("assay_windows_published_total", (scope.label, size.label), 0)
        self._add("assay_rebalances_total", (), 0)
        self._add("assay_window_revisions_total", (), 0)

    def _account(self, topic: str, counts: Counts) -> None:
        self._add("assay_events_received_total", (topic,), counts.received)
        self._add("assay_events_applied_total", (topic,), counts.applied)
        self._add("assay_events_duplicate_total", (topic,), counts.duplicate)
        self._add("assay_events_late_total", (topic,), counts.late)
        self._add("assay_events_rerouted_total", (topic,), counts.rerouted)
        for reason, count in counts.dead_lettered.items():
            self._add("assay_events_dead_lettered_total", (topic, reason), count)

    def _add(self, name: str, values: tuple[str, ...], amount: int = 1, updates: int = 1) -> None:
        self._counters[name].add(values, amount, updates)

    def _publish(self, effects: Effects) -> None:
        """Count publications, and what they tell for the first time: a company's spend is the sum, told once.

        Most of a very large company's scopes are one, ``other``: summed up per scope first.
        """
        published: dict[tuple[str, int], int] = {}
        revisions = 0
        for kpi in effects.publications:
            if kpi.revision > 1:
                revisions += 1
            else:
                window = kpi.scope, kpi.window_size_ms
                published[window] = published.get(window, 0) + 1
        if revisions:
            self._add("assay_window_revisions_total", (), revisions)
        for (name, size), count in published.items():
            self._add("assay_windows_published_total", (name, Window(size).label), count)
        added: dict[tuple[str, ...], list[int]] = {}
        for (team, workflow), amounts in effects.said.items():
            scope = self._scopes.admit((team, workflow or _POOLED))
            sums = added.get(scope)
            added[scope] = [*amounts, 1] if sums is None else [*map(add, sums, (*amounts, 1))]
        for scope, (spend, *tokens, updates) in added.items():
            if spend:
                self._add("assay_spend_usd_total", scope, spend, updates)
            for direction, count in zip(Direction, tokens, strict=True):
                self._add("assay_tokens_total", (*scope, direction), count, updates)
        for alert in effects.alerts:
            self._add("assay_alerts_total", (alert.detector, alert.reason))
        for (detector, reason), count in effects.verdicts.items():
            self._add("assay_detector_decisions_total", (detector, reason), count)
        for result, count in effects.joins.items():
            self._add("assay_outcome_joins_total", (result,), count)

    def _present(self, now: Readings, now_ms: int) -> Iterator[tuple[str, Iterable[tuple[tuple[str, ...], float]]]]:
        """The gauges' readings."""
        lags = [((topic, str(number)), done.lag_seconds(now_ms)) for (topic, number), done in self._progress.items()]
        yield "assay_event_lag_seconds", lags
        yield "assay_recovering", [((), now.recovering)]
        yield "assay_shards", [((Role.ACTIVE,), now.active), ((Role.STANDBY,), now.standby)]
        yield "assay_standby_lag_records", [] if now.standby_lag_records is None else [((), now.standby_lag_records)]
        yield "assay_state_bytes", [((part,), size) for part, size in now.state_bytes.items()]
        yield "assay_withheld_spend_usd", [((), now.withheld_micro_usd / _MICRO_USD)]
        yield "assay_build_info", [((self._version, platform.python_version()), 1)]

    def _count_overflows(self) -> None:
        recorders: list[Counter | Gauge | Histogram] = [*self._gauges.values(), *self._histograms.values()]
        recorders += self._counters.values()
        for recorder in recorders:
            for label, count in recorder.labels.take_overflows():
                self._add("assay_label_overflow_total", (recorder.metric.name, label), count)


def _check(topic: str, counts: Counts) -> None:
    if not counts.holds:
        raise ValueError(f"{topic}: received is not the sum of where the records went: {counts}")
    if counts.dead_lettered[Reason.TOO_LATE]:
        raise ValueError(f"{topic}: records that came too late count as late, not as dead-lettered")


def _guarded(scopes: LabelGuard, denied_labels: Collection[str]) -> Iterator[tuple[Metric, Labels]]:
    """The catalogue with what bounds each metric's label values."""
    denied = frozenset(denied_labels)
    known = {label.name for metric in CATALOGUE for label in metric.labels}
    if unknown := denied - known:
        raise ConfigError(f"no metric has the label {min(unknown)!r}; labels are {', '.join(sorted(known))}")
    for metric in CATALOGUE:
        guard = scopes if metric.budgeted else LabelGuard(math.prod(label.bound or 1 for label in metric.open_labels))
        yield metric, Labels(metric, denied, guard)
