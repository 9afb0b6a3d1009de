"""Events and billed rows of made-up days, as tests of the reconciliation want them."""

from typing import Any

from streams.core.events import UsageEvent
from streams.reconciliation.comparing import DEFAULT_TOLERANCE, Comparison, Reconciliation, Window, reconcile
from streams.reconciliation.ledger import Ledger
from streams.reconciliation.recorded import Recorded
from streams.reconciliation.verdicts import Tolerance
from streams.sources.billing.bill import DAY_MS, Bill, Billed, Report, Span

DAY = 1_754_006_400_000  # 2025-08-01
LATER = DAY + 100 * DAY_MS
SONNET = "claude-sonnet-4-20250514"


ALL_OF_IT = Window(LATER)


def event(number: int = 0, **changes: Any) -> UsageEvent:
    """A call of 1,000 tokens for a cent at noon."""
    fields = {
        "event_id": f"event-{number}", "source": "litellm", "occurred_at": DAY + DAY_MS // 2, "team": "payments",
        "workflow": "refunds", "provider": "anthropic", "model": SONNET, "input_tokens": 600, "cache_read_tokens": 200,
        "cache_write_tokens": 100, "output_tokens": 100, "cost_micro_usd": 10_000,
    }  # fmt: skip
    return UsageEvent(**(fields | changes))


def billed(tokens: int | None = None, cost: int | None = None, **changes: Any) -> Billed:
    """A day's row of a report of tokens, or of one of costs."""
    report = Report.ANTHROPIC_USAGE if cost is None else Report.ANTHROPIC_COST
    return Billed(report, DAY, DAY_MS, "anthropic", SONNET, None, tokens, cost)._replace(**changes)


def bill(*rows: Billed, covered: list[Span] | None = None) -> Bill:
    """A bill that speaks of the times of its rows."""
    spans = [Span(it.report, it.provider, it.start_ms, it.start_ms + it.bucket_ms) for it in rows]
    return Bill(rows=list(rows), covered=spans if covered is None else covered)


def ledger_of(*bills: Bill) -> Ledger:
    ledger = Ledger()
    for each in bills:
        ledger.add(each)
    return ledger


def compared(
    events: list[UsageEvent],
    *bills: Bill,
    window: Window = ALL_OF_IT,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
) -> Reconciliation:
    recorded = Recorded()
    recorded.add(events)
    return reconcile(recorded, ledger_of(*bills), window, tolerance)


def the_one(found: Reconciliation) -> Comparison:
    (it,) = found.comparisons
    return it
