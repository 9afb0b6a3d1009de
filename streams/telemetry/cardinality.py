"""The guard that keeps label values which producers choose from growing the number of series without end."""

from collections.abc import Iterable
from typing import Final

from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.metric import Metric

__all__ = ["OTHER", "LabelGuard", "scope_sets"]

OTHER: Final = "other"


class LabelGuard:
    """Admits the first ``max_series`` sets of label values; later ones collapse to ``other``.

    The first to come stay: a set once admitted is never evicted, so that a counter never changes its meaning or falls.
    One guard serves all metrics with the same open labels, so that spend and tokens of a workflow are either both told
    apart or both in ``other``.
    """

    __slots__ = ("_admitted", "_max_series")

    def __init__(self, max_series: int) -> None:
        self._max_series = max_series
        self._admitted: set[tuple[str, ...]] = set()

    def admit(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """The values to record under: the given ones, or ``other`` for each."""
        if values in self._admitted:
            return values
        if len(self._admitted) < self._max_series:
            self._admitted.add(values)
            return values
        return (OTHER,) * len(values)


def scope_sets(max_series: int, catalogue: Iterable[Metric] = CATALOGUE) -> int:
    """How many (team, workflow) pairs a budget of ``max_series`` allows, beside the bounded metrics and ``other``.

    Zero when the bounded metrics alone need the budget: everything is then ``other``.
    """
    catalogue = tuple(catalogue)
    bounded = sum(metric.worst_case_series or 0 for metric in catalogue)
    per_set = sum(metric.series_per_open_set for metric in catalogue if metric.budgeted)
    return max(0, (max_series - bounded) // per_set - 1)
