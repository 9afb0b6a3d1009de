"""Counters as amounts: what each data point adds to what the points before it have said. Pure: state in, state out.

For clients of which metrics are all there is. A cumulative counter says its sum since it began, and begins anew with its
process. Series are told apart by everything that is said of them, their start included, because processes that run at once
say the same of themselves otherwise (claude-code#56317: one session id for all, and sums a hundred times too high).

OpenTelemetry specification, metrics data model, "Resets and gaps", "Overlap".
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.sources.otlp.records import MetricPoint
from streams.sources.otlp.words import content_id

__all__ = ["Added", "Amounts", "Last", "amounts", "series_of"]


class Last(NamedTuple):
    """The newest point of a series: when it was, and the sum it said (of a delta series the amount)."""

    at_nanos: int
    value: float


class Added(NamedTuple):
    """What a data point adds. ``reset`` says that its counter had gone backwards, and all of it is new."""

    point: MetricPoint
    amount: float
    reset: bool


class Amounts(NamedTuple):
    """What the points of a request add, the series that changed, and what was left out.

    ``old`` points are not newer than one before them: a request that was sent again, or out of order. ``baselines`` are the first
    points of cumulative series that do not say since when they count, so that nobody knows how much of them is new.
    """

    added: list[Added]
    changed: dict[str, Last]
    old: int
    baselines: int


def series_of(point: MetricPoint) -> str:
    """The identity of the point's series: a hash of its name, its sender, all attributes and, if it sums up, its start."""
    start = point.start_nanos if point.temporality == "cumulative" else 0
    return content_id(
        point.name, point.kind, point.temporality, start, point.scope, *map(_sorted, (point.resource, point.attributes))
    )


def amounts(known: Mapping[str, Last], points: Iterable[MetricPoint]) -> Amounts:
    """What counters and histograms add; gauges, and points without a temporality, add nothing and are passed over.

    ``known`` has the last point of each series by :func:`series_of`, which the caller keeps, for as long as it likes: of a
    series that was forgotten everything counts again, so forget what is older than its sender can live.
    """
    found = Amounts([], {}, 0, 0)
    old = baselines = 0
    for point in points:
        if point.kind not in {"sum", "histogram"} or point.temporality == "unspecified":
            continue
        if point.kind == "sum" and not point.monotonic:
            continue
        series = series_of(point)
        last = found.changed.get(series) or known.get(series)
        if last is not None and point.at_nanos <= last.at_nanos:
            old += 1
            continue
        found.changed[series] = Last(point.at_nanos, point.value)
        if point.temporality == "delta":
            found.added.append(Added(point, point.value, reset=False))
        elif last is None and not point.start_nanos:
            baselines += 1
        elif last is None:
            found.added.append(Added(point, point.value, reset=False))
        elif point.value < last.value:
            found.added.append(Added(point, point.value, reset=True))
        elif point.value > last.value:
            found.added.append(Added(point, point.value - last.value, reset=False))
    return found._replace(old=old, baselines=baselines)


def _sorted(attributes: Mapping[str, object]) -> list[tuple[str, object]]:
    return sorted(attributes.items(), key=lambda pair: pair[0])
