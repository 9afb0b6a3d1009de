"""Recorded usage beside what is billed, by UTC day and model, or by what a bill has that is coarser than that."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.reconciliation.ledger import Ledger, Period, Sums
from streams.reconciliation.recorded import DAY_MS, Recorded, Usage
from streams.reconciliation.verdicts import FINDINGS, Figure, Tolerance, Verdict, Why, judge
from streams.sources.billing.bill import Report

__all__ = ["DEFAULT_TOLERANCE", "SETTLED_AFTER_MS", "Comparison", "Reconciliation", "Window", "reconcile"]

#: Anthropic's analytics say an hour; invoices of clouds take longer, for which the clock can be set back.
SETTLED_AFTER_MS: Final = 3_600_000

DEFAULT_TOLERANCE: Final = Tolerance()

_TOKENS: Final = "tokens"
_COST: Final = "cost_micro_usd"
#: Which reports tell a figure where none of their rows says so, because nothing was used.
_TELL: Final[Mapping[str, frozenset[Report]]] = {
    _TOKENS: frozenset((Report.ANTHROPIC_USAGE, Report.OPENAI_USAGE, Report.ANTHROPIC_CLAUDE_CODE)),
    _COST: frozenset((Report.ANTHROPIC_COST, Report.OPENAI_COSTS, Report.COPILOT_BILLING, Report.FOCUS)),
}


class Window(NamedTuple):
    """Which time was recorded, and what time it is, in milliseconds UTC. None is no limit."""

    as_of_ms: int
    since_ms: int | None = None
    until_ms: int | None = None


class Comparison(NamedTuple):
    """One biller's period and model, None for all models of it together. ``usage`` is what was recorded of it."""

    start_ms: int
    end_ms: int
    biller: str
    model: str | None
    verdict: Verdict
    why: Why | None
    usage: Usage
    tokens: Figure
    dollars: Figure
    billed_calls: int | None = None

    @property
    def price_coverage(self) -> float | None:
        """Of which part of the recorded calls the cost is known."""
        return self.usage.priced / self.usage.calls if self.usage.calls else None


@dataclass(slots=True)
class Reconciliation:
    """All comparisons, by time, biller and model; and what has no part in one.

    ``outside`` is recorded usage of billers of whom there is no bill. ``unnamed`` are tokens and micro-dollars of rows
    without a model in reports that name one in others: they belong to a model, but nobody knows to which.
    """

    comparisons: list[Comparison] = field(default_factory=list)
    outside: dict[str, Usage] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)

    @property
    def findings(self) -> list[Comparison]:
        """Those beyond the tolerance."""
        return [it for it in self.comparisons if it.verdict in FINDINGS]


def reconcile(
    recorded: Recorded, ledger: Ledger, window: Window, tolerance: Tolerance = DEFAULT_TOLERANCE
) -> Reconciliation:
    """Compare. The result does not depend on the order in which events and bills were taken."""
    found = Reconciliation()
    usage = _by_day(recorded)
    for biller in sorted(usage.keys() - ledger.billers):
        found.outside[biller] = _sum(it for models in usage[biller].values() for it in models.values())
    for biller in sorted(ledger.billers):
        figures = _Figures(biller, ledger, found.unnamed)
        days = usage.get(biller, {})
        for period in _periods(biller, ledger, days):
            models = _within(days, period)
            for model, tokens, dollars, calls in figures.of(period, models):
                own = models.get(model, Usage()) if model is not None else _sum(models.values())
                found.comparisons.append(
                    _compare(period, model, own, tokens, dollars, calls, ledger, window, tolerance)
                )
    found.comparisons.sort(key=lambda it: (it.start_ms, it.end_ms, it.biller, it.model or ""))
    return found


_Days = dict[int, dict[str, Usage]]


def _by_day(recorded: Recorded) -> dict[str, _Days]:
    found: dict[str, _Days] = {}
    for (day, biller, model), usage in recorded.days.items():
        found.setdefault(biller, {}).setdefault(day, {})[model] = usage
    return found


def _sum(usages: Iterable[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total.merge(usage)
    return total


def _within(days: _Days, period: Period) -> dict[str, Usage]:
    if period.end_ms - period.start_ms == DAY_MS:
        return days.get(period.start_ms, {})
    found: dict[str, Usage] = {}
    for day, models in days.items():
        if period.start_ms <= day < period.end_ms:
            for model, usage in models.items():
                found.setdefault(model, Usage()).merge(usage)
    return found


def _periods(biller: str, ledger: Ledger, days: _Days) -> list[Period]:
    """Those that the bills have, and the recorded days that are in none of them."""
    billed = [period for period in ledger.periods if period.biller == biller]
    longer = [period for period in billed if period.end_ms - period.start_ms > DAY_MS]
    found = set(billed)
    found.update(
        Period(day, day + DAY_MS, biller)
        for day in days
        if not any(period.start_ms <= day < period.end_ms for period in longer)
    )
    return sorted(found)


class _Figures:
    """One biller's figures: of each period, and each from one report."""

    def __init__(self, biller: str, ledger: Ledger, unnamed: Counter[str]) -> None:
        self._biller = biller
        self._ledger = ledger
        self._unnamed = unnamed
        #: By figure, the reports that have told it, and whether by model.
        self._told: dict[str, dict[Report, bool]] = {_TOKENS: {}, _COST: {}}
        for period, reports in ledger.periods.items():
            if period.biller == biller:
                for report, sums in reports.items():
                    for name, told in self._told.items():
                        values: dict[str | None, int] = getattr(sums, name)
                        if values:
                            told[report] = told.get(report, False) or values.keys() != {None}

    def of(
        self, period: Period, models: Mapping[str, Usage]
    ) -> Iterator[tuple[str | None, Figure, Figure, int | None]]:
        """Model, tokens, dollars and billed calls of each comparison that there is to make."""
        told = {name: self._one(name, period) for name in (_TOKENS, _COST)}
        cells: dict[str | None, dict[str, Figure]] = {}
        # A figure that nobody tells stands beside the one that is told, and makes no comparisons of its own.
        some = any(report is not None for report, *_ in told.values())
        for name, (report, values, by_model, covered) in told.items():
            if some and report is None:
                continue
            wanted: set[str | None] = {*models, *(it for it in values if it is not None)} if by_model else {None}
            for model in wanted:
                recorded = _value(name, models.get(model, Usage()) if model is not None else _sum(models.values()))
                billed = values.get(model, 0) if report is not None else None
                cells.setdefault(model, {})[name] = Figure(recorded, billed, report, covered)
            if by_model and None in values:
                self._unnamed[name] += values[None]
        report = told[_TOKENS][0]
        calls = self._ledger.periods.get(period, {}).get(report, Sums()).calls if report is not None else {}
        for model, figures in cells.items():
            own = models.get(model, Usage()) if model is not None else _sum(models.values())
            yield (
                model, figures.get(_TOKENS, Figure(_value(_TOKENS, own))), figures.get(_COST, Figure(_value(_COST, own))),
                calls.get(model),
            )  # fmt: skip

    def _one(self, name: str, period: Period) -> tuple[Report | None, dict[str | None, int], bool, float]:
        """The report that tells a figure of a period, what it tells, whether by model, and of how much of the time."""
        reports = self._ledger.periods.get(period, {})
        told = self._told[name]
        for report in Report:
            values: dict[str | None, int] = getattr(reports.get(report, Sums()), name)
            if values:
                return report, values, told[report], self._covers(report, period)
        # A report that has rows here, and none with this figure, does not know it; one that has none says that it is 0.
        for report in (it for it in Report if it not in reports):
            if report in told or (not told and report in _TELL[name]):
                covered = self._covers(report, period)
                if covered:
                    return report, {}, told.get(report, True), covered
        return None, {}, any(told.values()) or not told, 0.0

    def _covers(self, report: Report, period: Period) -> float:
        return self._ledger.covers(self._biller, report, period.start_ms, period.end_ms)


def _value(name: str, usage: Usage) -> int | None:
    if name == _TOKENS:
        return usage.tokens
    return usage.cost_micro_usd if usage.priced or not usage.calls else None


def _compare(
    period: Period, model: str | None, usage: Usage, tokens: Figure, dollars: Figure, calls: int | None, ledger: Ledger,
    window: Window, tolerance: Tolerance,
) -> Comparison:  # fmt: skip
    why = _why(period, tokens, dollars, ledger, window)
    verdict = Verdict.INCOMPARABLE if why is not None else judge(usage, tokens, dollars, tolerance)
    if verdict is Verdict.INCOMPARABLE and why is None:
        why = Why.NO_FIGURE
    return Comparison(
        period.start_ms, period.end_ms, period.biller, model, verdict, why, usage, tokens, dollars, calls
    )  # fmt: skip


def _why(period: Period, tokens: Figure, dollars: Figure, ledger: Ledger, window: Window) -> Why | None:
    if period in ledger.crossing:
        return Why.NOT_PARTED
    if period.end_ms + SETTLED_AFTER_MS > window.as_of_ms:
        return Why.NOT_SETTLED
    if (window.since_ms is not None and period.start_ms < window.since_ms) or (
        window.until_ms is not None and period.end_ms > window.until_ms
    ):
        return Why.PARTLY_RECORDED
    return None if tokens.whole or dollars.whole else Why.PARTLY_BILLED
