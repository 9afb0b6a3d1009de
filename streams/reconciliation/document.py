"""A reconciliation as a JSON document, for programs."""

from datetime import UTC, datetime
from typing import Any, Final

from streams.reconciliation.comparing import Comparison, Reconciliation
from streams.reconciliation.ledger import Ledger
from streams.reconciliation.recorded import Recorded, Usage
from streams.reconciliation.verdicts import Figure, Tolerance, Verdict

__all__ = ["FORMAT", "document"]

#: Changes when a field goes away or changes its meaning, not when one is added.
FORMAT: Final = 1


def document(
    found: Reconciliation, ledger: Ledger, recorded: Recorded, tolerance: Tolerance, *, rejected: int, as_of_ms: int
) -> dict[str, Any]:
    """All comparisons and what had no part in one. Money is in micro-dollars, times in milliseconds UTC."""
    return {
        "format": FORMAT,
        "as_of_ms": as_of_ms,
        "tolerance": tolerance._asdict(),
        "verdicts": {it.value: sum(found_.verdict is it for found_ in found.comparisons) for it in Verdict},
        "comparisons": [_comparison(it) for it in found.comparisons],
        "outside": {biller: _usage(usage) for biller, usage in found.outside.items()},
        "unnamed": dict(found.unnamed),
        "apart_micro_usd": dict(sorted(ledger.apart.items())),
        "rows_repeated": ledger.repeated,
        "more_pages": ledger.more,
        "events_duplicate": recorded.duplicates,
        "events_rejected": rejected,
    }


def _comparison(it: Comparison) -> dict[str, Any]:
    return {
        "day": datetime.fromtimestamp(it.start_ms / 1000, UTC).date().isoformat(),
        "start_ms": it.start_ms,
        "end_ms": it.end_ms,
        "provider": it.biller,
        "model": it.model,
        "verdict": it.verdict.value,
        "why": None if it.why is None else it.why.value,
        "tokens": _figure(it.tokens),
        "cost_micro_usd": _figure(it.dollars),
        "calls": {"recorded": it.usage.calls, "billed": it.billed_calls},
        "price_coverage": it.price_coverage,
        "calls_of_unknown_usage": it.usage.untold,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "recorded": figure.recorded,
        "billed": figure.billed,
        "gap": figure.gap,
        "ratio": figure.ratio,
        "report": None if figure.report is None else figure.report.value,
        "covered": figure.covered,
    }


def _usage(usage: Usage) -> dict[str, int | None]:
    return {
        "calls": usage.calls,
        "tokens": usage.tokens,
        "cost_micro_usd": usage.cost_micro_usd if usage.priced else None,
    }
