"""Bills of several files, as one: each row once, each figure of a biller's time from one report."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.core.prices import family
from streams.reconciliation.billers import biller_of
from streams.sources.billing.bill import DAY_MS, Bill, Billed, Report, Span

__all__ = ["Contradiction", "Ledger", "Period", "Sums"]


class Contradiction(ValueError):
    """Two rows of one report cannot both count; the text says why, and the fix."""


class Period(NamedTuple):
    """A UTC day, or several of them that a bill does not part, of one biller."""

    start_ms: int
    end_ms: int
    biller: str


@dataclass(slots=True)
class Sums:
    """One report's figures in a period, by family; under None what names no model."""

    tokens: dict[str | None, int] = field(default_factory=dict)
    cost_micro_usd: dict[str | None, int] = field(default_factory=dict)
    calls: dict[str | None, int] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """Takes bills in any order. What is told again, in the same figures, counts once."""

    repeated: int = 0
    apart: Counter[str] = field(default_factory=Counter)
    periods: dict[Period, dict[Report, Sums]] = field(default_factory=dict)
    crossing: set[Period] = field(default_factory=set)
    more: bool = False
    _seen: dict[str, Billed] = field(default_factory=dict, repr=False)
    _widths: dict[tuple[Period, Report], int] = field(default_factory=dict, repr=False)
    _covered: dict[tuple[str, Report], list[tuple[int, int]]] = field(default_factory=dict, repr=False)
    _unfinished: set[Span] = field(default_factory=set, repr=False)
    _finished: set[Span] = field(default_factory=set, repr=False)

    def add(self, bill: Bill) -> None:
        """Take a bill. Raises Contradiction."""
        for row in bill.rows:
            self._add(row)
        self.apart.update(bill.apart)
        self.more |= bill.more
        self._unfinished |= bill.unfinished
        self._finished |= bill.finished
        for span in bill.covered:
            spans = self._covered.setdefault((biller_of(span.provider), span.report), [])
            spans.append((span.start_ms, span.end_ms))

    def _add(self, row: Billed) -> None:
        if row.identity is not None:
            before = self._seen.get(row.identity)
            if before is not None and before != row:
                msg = (
                    f"report {row.report} tells one bucket and group twice, with different figures; give it once, "
                    "or group it by what differs (organizations, by their keys)"
                )
                raise Contradiction(msg)
            if before is not None:
                self.repeated += 1
                return
            self._seen[row.identity] = row
        start, end = row.start_ms, row.start_ms + row.bucket_ms
        first, last = start // DAY_MS * DAY_MS, -(-end // DAY_MS) * DAY_MS
        period = Period(first, last, biller_of(row.provider, row.model))
        if last - first > DAY_MS and (start, end) != (first, last):
            self.crossing.add(period)
        # FOCUS may have hours of one service beside days of another.
        width = self._widths.setdefault((period, row.report), row.bucket_ms)
        if width != row.bucket_ms and row.report is not Report.FOCUS:
            msg = f"report {row.report} has buckets of two widths in one day; give it with one bucket width"
            raise Contradiction(msg)
        sums = self.periods.setdefault(period, {}).setdefault(row.report, Sums())
        model = None if row.model is None else family(row.model)
        for figures, value in (
            (sums.tokens, row.all_tokens),
            (sums.cost_micro_usd, row.cost_micro_usd),
            (sums.calls, row.calls),
        ):
            if value is not None:
                figures[model] = figures.get(model, 0) + value

    @property
    def billers(self) -> set[str]:
        """Everybody of whom there is a bill, were it one of nothing."""
        return {biller for biller, _ in self._covered}

    def reports(self, biller: str) -> list[Report]:
        """The reports that speak of a biller, the preferred one first."""
        return [report for report in Report if (biller, report) in self._covered]

    def covers(self, biller: str, report: Report, start_ms: int, end_ms: int) -> float:
        """Which part of a time a report speaks of; one with pages to come speaks of none of it."""
        waiting = self._unfinished - self._finished
        if any(span.report is report and span.start_ms < end_ms and start_ms < span.end_ms for span in waiting):
            return 0.0
        within = ((max(start, start_ms), min(end, end_ms)) for start, end in self._covered.get((biller, report), ()))
        return _length(it for it in within if it[0] < it[1]) / (end_ms - start_ms)


def _length(spans: Iterable[tuple[int, int]]) -> int:
    return sum(end - start for start, end in _united(spans))


def _united(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    reached: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if reached is not None and start <= reached[1]:
            reached = reached[0], max(reached[1], end)
            continue
        if reached is not None:
            yield reached
        reached = start, end
    if reached is not None:
        yield reached
