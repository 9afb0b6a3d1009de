"""A reconciliation for a terminal: a table, and what has no line in it."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from streams.reconciliation.comparing import Comparison, Reconciliation
from streams.reconciliation.ledger import Ledger
from streams.reconciliation.recorded import DAY_MS, Recorded
from streams.reconciliation.verdicts import FINDINGS, Figure, Verdict
from streams.report.names import padded, shown, width_of
from streams.report.words import UNKNOWN, change, count, money, plural, share

__all__ = ["render"]

_HEADER: Final = (
    "Day (UTC)", "Provider", "Model", "Tokens recorded", "billed", "gap", "Dollars recorded", "billed", "gap", "Priced",
    "Verdict",
)  # fmt: skip
#: Columns of words, which are aligned to the left.
_WORDS: Final = frozenset((0, 1, 2, 10))
_NAME_WIDTH: Final = 32


def render(found: Reconciliation, ledger: Ledger, recorded: Recorded, *, rejected: int) -> str:
    """The table and the sentences after it; ends in a newline. Lines of which the bill says nothing are only counted."""
    told = [it for it in found.comparisons if it.verdict in FINDINGS or it.tokens.billed or it.dollars.billed]
    rows = [_HEADER, *(_row(it) for it in told)]
    widths = [max(width_of(row[number]) for row in rows) for number in range(len(_HEADER))]
    lines = [
        "  ".join(padded(cell, widths[number], right=number not in _WORDS) for number, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    return "\n".join([*(lines if told else ["No bill speaks of what was recorded."]), "", *_notes(found, ledger, recorded, rejected, len(told))]) + "\n"  # fmt: skip


def _row(it: Comparison) -> tuple[str, ...]:
    verdict = it.verdict.value if it.why is None else f"{it.verdict.value}: {it.why.value}"
    return (
        _days(it.start_ms, it.end_ms),
        shown(it.biller, _NAME_WIDTH),
        "(all models)" if it.model is None else shown(it.model, _NAME_WIDTH),
        count(it.tokens.recorded),
        count(it.tokens.billed),
        _gap(it.tokens),
        money(it.dollars.recorded),
        money(it.dollars.billed),
        _gap(it.dollars),
        share(it.price_coverage),
        verdict,
    )


def _gap(figure: Figure) -> str:
    """Recorded over billed, signed; where nothing is billed there is nothing to compare with."""
    return UNKNOWN if figure.ratio is None else change(figure.ratio - 1)


def _days(start_ms: int, end_ms: int) -> str:
    first, last = (_date(at) for at in (start_ms, end_ms - DAY_MS))
    return first.isoformat() if first == last else f"{first.isoformat()} to {last.isoformat()}"


def _date(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _notes(found: Reconciliation, ledger: Ledger, recorded: Recorded, rejected: int, shown_rows: int) -> Iterator[str]:
    counts = Counter(it.verdict for it in found.comparisons)
    said = ", ".join(f"{counts[it]:,} {it.value}" for it in Verdict if counts[it])
    yield f"{plural(len(found.comparisons), 'comparison')}: {said or 'none'}."
    if hidden := len(found.comparisons) - shown_rows:
        yield f"{plural(hidden, 'comparison')} of which no bill says anything and nothing is wrong: not shown."
    for biller, usage in found.outside.items():
        yield (
            f"No bill of {shown(biller)}: {plural(usage.calls, 'call')}, {count(usage.tokens)} tokens and "
            f"{money(usage.cost_micro_usd if usage.priced else None)} recorded are not compared."
        )
    untold = sum(it.usage.untold for it in found.comparisons)
    if untold:
        yield f"{plural(untold, 'recorded call')} did not tell what they used."
    for name, amount in sorted(ledger.apart.items()):
        yield f"Billed apart, and not compared: {name} {money(amount)}."
    if found.unnamed:
        yield (
            f"Billed without a model, where other rows name one: {count(found.unnamed['tokens'])} tokens, "
            f"{money(found.unnamed['cost_micro_usd'])}; not compared."
        )
    if ledger.more:
        yield "A page says that there are more: later days may be missing from the bill."
    if ledger.repeated:
        yield f"{plural(ledger.repeated, 'row')} of the bill came again and counted once."
    if recorded.duplicates:
        yield f"{plural(recorded.duplicates, 'event')} came again and counted once."
    if rejected:
        yield f"{plural(rejected, 'record')} of usage cannot be read: a worker would dead-letter them."
