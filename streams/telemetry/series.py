"""The numbers behind one metric: sums by label values, and how they become Prometheus samples."""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from streams.telemetry.cardinality import LabelGuard
from streams.telemetry.metric import Metric

__all__ = ["Counter", "Gauge", "Histogram", "Labels"]


class Labels:
    """Turns the label values a caller gives into those a series is kept under.

    ``denied`` labels are left out, so that the metric sums over them; open ones pass the guard.
    """

    __slots__ = ("_guard", "_kept", "_open", "_overflows", "names")

    def __init__(self, metric: Metric, denied: frozenset[str], guard: LabelGuard) -> None:
        self._guard = guard
        self._kept = tuple(place for place, label in enumerate(metric.labels) if label.name not in denied)
        kept = [metric.labels[place] for place in self._kept]
        self.names = tuple(label.name for label in kept)
        self._open = tuple(place for place, label in enumerate(kept) if label.values is None)
        self._overflows: dict[str, int] = {}

    def key(self, values: tuple[str, ...], updates: int = 1) -> tuple[str, ...]:
        """The label values, in the order of ``names``, that so many updates are recorded under."""
        kept = [values[place] for place in self._kept]
        given = tuple(kept[place] for place in self._open)
        admitted = self._guard.admit(given) if given else given
        if admitted is not given:
            for place, value in zip(self._open, admitted, strict=True):
                kept[place] = value
                name = self.names[place]
                self._overflows[name] = self._overflows.get(name, 0) + updates
        return tuple(kept)

    def take_overflows(self) -> list[tuple[str, int]]:
        """By label, how many updates fell to ``other`` since this was last asked."""
        taken = list(self._overflows.items())
        self._overflows.clear()
        return taken


class Counter:
    """Integer sums that never fall, of parts of which ``per_unit`` make the metric's unit.

    A correction downwards cannot lower a counter: it is kept as a debt of its series and worked off by the next
    increases, so that the counter comes back to the exact sum.
    """

    __slots__ = ("_debts", "_per_unit", "_sums", "labels", "metric")

    def __init__(self, metric: Metric, labels: Labels, per_unit: int = 1) -> None:
        self.labels = labels
        self.metric = metric
        self._per_unit = per_unit
        self._sums: dict[tuple[str, ...], int] = {}
        self._debts: dict[tuple[str, ...], int] = {}

    def add(self, values: tuple[str, ...], amount: int = 1, updates: int = 1) -> None:
        """Add to a series the sum of so many updates; a negative amount becomes a debt."""
        key = self.labels.key(values, updates)
        due = amount + self._debts.pop(key, 0)
        if due < 0:
            self._debts[key] = due
            due = 0
        self._sums[key] = self._sums.get(key, 0) + due

    def family(self) -> CounterMetricFamily:
        """The samples."""
        family = CounterMetricFamily(self.metric.name, self.metric.help, labels=self.labels.names)
        for key, total in self._sums.items():
            family.add_metric(key, total / self._per_unit)
        return family


class Histogram:
    """Counts by bucket, and their sum."""

    __slots__ = ("_counts", "_sums", "labels", "metric")

    def __init__(self, metric: Metric, labels: Labels) -> None:
        self.labels = labels
        self.metric = metric
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, values: tuple[str, ...], value: float, times: int = 1) -> None:
        """Count an observation, so many times over."""
        key = self.labels.key(values)
        buckets = self.metric.buckets
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * (len(buckets) + 1)
        counts[bisect_left(buckets, value)] += times
        self._sums[key] = self._sums.get(key, 0.0) + value * times

    def family(self) -> HistogramMetricFamily:
        """The samples, buckets cumulative as Prometheus wants them."""
        family = HistogramMetricFamily(self.metric.name, self.metric.help, labels=self.labels.names)
        bounds = [*map(str, self.metric.buckets), "+Inf"]
        for key, counts in self._counts.items():
            running = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip(bounds, counts, strict=True):
                running += count
                buckets.append((bound, running))
            family.add_metric(key, buckets, self._sums[key])
        return family


class Gauge:
    """A metric read anew at each scrape: what is gone leaves no sample behind.

    Readings that fall on one series, because a label is denied or overflowed, are summed, or with ``worst`` the
    greatest is taken.
    """

    __slots__ = ("_worst", "labels", "metric")

    def __init__(self, metric: Metric, labels: Labels) -> None:
        self.labels = labels
        self.metric = metric
        self._worst = metric.unit == "seconds"

    def family(self, readings: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
        """The samples of these readings."""
        values: dict[tuple[str, ...], float] = {}
        for given, value in readings:
            key = self.labels.key(given)
            before = values.get(key)
            if before is None:
                values[key] = value
            else:
                values[key] = max(before, value) if self._worst else before + value
        family = GaugeMetricFamily(self.metric.name, self.metric.help, labels=self.labels.names)
        for key, value in values.items():
            family.add_metric(key, value)
        return family
