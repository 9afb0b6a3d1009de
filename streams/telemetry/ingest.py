"""The recording facade of ``assay ingest``: what is called once a request, and what a scrape reads."""

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family

from streams.core.reasons import Reason
from streams.sources.booking import Attribution
from streams.sources.contract import Form, Skip
from streams.telemetry.cardinality import LabelGuard
from streams.telemetry.ingest_catalogue import INGEST_CATALOGUE, KeptIn, StatusClass
from streams.telemetry.metric import Kind
from streams.telemetry.series import Counter, Gauge, Histogram, Labels

__all__ = ["NO_SOURCE", "IngestReadings", "IngestTelemetry", "TakenCounts"]

#: The source of requests to paths that are nobody's.
NO_SOURCE: Final = "none"


class IngestReadings(NamedTuple):
    """The present condition, read at each scrape."""

    kafka_up: bool = False
    spool_bytes: int = 0
    spool_limit_bytes: int = 0
    spool_age_seconds: float = 0.0
    memory_bytes: int = 0


class TakenCounts(NamedTuple):
    """What one answered body came to, by label values."""

    accepted: Mapping[Form, int]
    refused: Mapping[Reason, int]
    skipped: Mapping[Skip, int]
    attributed: Mapping[Attribution, int]
    linked: Mapping[str, int]
    kept_in: KeptIn | None


class IngestTelemetry:
    """The metrics of one process, in a registry of their own. ``sources`` begin at zero. For one thread."""

    def __init__(self, sources: Iterable[str], *, version: str) -> None:
        self._version = version
        self._read: Callable[[], IngestReadings] = IngestReadings
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._gauges: dict[str, Gauge] = {}
        for metric in INGEST_CATALOGUE:
            guard = LabelGuard(math.prod(label.bound or 1 for label in metric.open_labels))
            labels = Labels(metric, frozenset(), guard)
            match metric.kind:
                case Kind.COUNTER:
                    self._counters[metric.name] = Counter(metric, labels)
                case Kind.HISTOGRAM:
                    self._histograms[metric.name] = Histogram(metric, labels)
                case Kind.GAUGE:
                    self._gauges[metric.name] = Gauge(metric, labels)
        for source in (*sources, NO_SOURCE):
            for status in StatusClass:
                self._counters["assay_ingest_requests_total"].add((source, status), 0)
        for where in KeptIn:
            self._counters["assay_ingest_kept_total"].add((where,), 0)
        self.registry: Final = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def answered(self, source: str, status: int, seconds: float, body_bytes: int) -> None:
        """A request got its answer."""
        status_class = StatusClass.OK if status < 300 else StatusClass.REFUSED if status < 500 else StatusClass.BUSY
        self._counters["assay_ingest_requests_total"].add((source, status_class))
        self._counters["assay_ingest_body_bytes_total"].add((source,), body_bytes)
        self._histograms["assay_ingest_request_duration_seconds"].observe((source,), seconds)

    def took(self, source: str, counts: TakenCounts) -> None:
        """A body's items are accounted for, and its events durable."""
        by_name: tuple[tuple[str, Mapping[Any, int]], ...] = (
            ("accepted", counts.accepted), ("refused", counts.refused), ("skipped", counts.skipped),
            ("attributed", counts.attributed), ("linked", counts.linked),
        )  # fmt: skip
        for name, by_value in by_name:
            for value, count in by_value.items():
                if count:
                    self._counters[f"assay_ingest_{name}_total"].add((source, value), count)
        if counts.kept_in is not None:
            self._counters["assay_ingest_kept_total"].add((counts.kept_in,), sum(counts.accepted.values()))

    def read_from(self, read: Callable[[], IngestReadings]) -> None:
        """Where a scrape reads the present condition: it must be quick and must not raise."""
        self._read = read

    def collect(self) -> Iterator[Family]:
        """All metrics at one instant: what prometheus_client asks a collector for."""
        for name, values in self._present(self._read()):
            yield self._gauges[name].family(values)
        for histogram in self._histograms.values():
            yield histogram.family()
        for counter in self._counters.values():
            yield counter.family()

    def _present(self, now: IngestReadings) -> Iterator[tuple[str, list[tuple[tuple[str, ...], float]]]]:
        yield "assay_ingest_kafka_up", [((), float(now.kafka_up))]
        yield "assay_ingest_spool_bytes", [((), now.spool_bytes)]
        yield "assay_ingest_spool_limit_bytes", [((), now.spool_limit_bytes)]
        yield "assay_ingest_spool_age_seconds", [((), now.spool_age_seconds)]
        yield "assay_ingest_memory_bytes", [((), now.memory_bytes)]
        yield "assay_ingest_build_info", [((self._version, platform.python_version()), 1)]
