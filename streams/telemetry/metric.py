"""What a metric is: its name, unit and labels, and how many series it can come to."""

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Kind", "Label", "Metric"]


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and how many values it can take.

    ``values`` lists a closed set. Otherwise ``bound`` caps an open one, and both ``None`` means that the series budget
    is the bound: the label's values come from producers, and those beyond the budget collapse to ``other``.
    """

    name: str
    values: tuple[str, ...] | None = None
    bound: int | None = None
    note: str = ""

    @property
    def size(self) -> int | None:
        """The most values it takes, ``None`` where only the budget limits it."""
        return len(self.values) if self.values is not None else self.bound


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``unit`` is a base unit, or the thing that is counted."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def open_labels(self) -> tuple[Label, ...]:
        """The labels whose values are not a closed set, and which a guard must bound."""
        return tuple(label for label in self.labels if label.values is None)

    @property
    def budgeted(self) -> bool:
        """Whether the series budget bounds this metric, rather than the catalogue."""
        return any(label.size is None for label in self.labels)

    @property
    def series_per_open_set(self) -> int:
        """Series that one set of open label values stands for: closed label sets, buckets, sum and count."""
        closed = math.prod(len(label.values) for label in self.labels if label.values is not None)
        return closed * (len(self.buckets) + 3 if self.kind is Kind.HISTOGRAM else 1)

    @property
    def worst_case_series(self) -> int | None:
        """The most series it can have, ``None`` where the budget decides."""
        if self.budgeted:
            return None
        # One set more than the bound: the one that the overflow collapses into.
        open_sets = math.prod(label.bound or 1 for label in self.open_labels)
        return (open_sets + bool(self.open_labels)) * self.series_per_open_set
