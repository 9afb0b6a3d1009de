"""The demo's last picture: what each workflow's week cost, what came of it, and what alerts tell of."""

from collections.abc import Iterable
from typing import Final

from streams.core.alerts import Alert
from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.ratios import known_spend

__all__ = ["table", "told"]

_HEAD: Final = ("team / workflow", "spend $", "accepted", "undone", "$ each", "orphan %", "runs mature")
_MICRO: Final = 1_000_000


def table(kpis: Iterable[Kpi], at_ms: int) -> str:
    """One line a workflow, of the week of an instant, by team and name: there is no ranking here."""
    weeks = [
        kpi for kpi in kpis
        if kpi.workflow is not None and kpi.window_size_ms == Window.WEEK and kpi.window_start <= at_ms < kpi.window_end
    ]  # fmt: skip
    rows = [_HEAD, *(_row(kpi) for kpi in sorted(weeks, key=lambda kpi: (kpi.team, kpi.workflow or "")))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def told(alerts: Iterable[Alert]) -> str:
    """One line an alert, in the order in which they began to fire."""
    ordered = sorted(alerts, key=lambda alert: (alert.opened_at, alert.alert_id))
    lines = [f"  {it.detector}  {it.team} / {it.workflow or 'all'}: {it.summary}" for it in ordered]
    return "\n".join([f"{len(lines)} alerts", *lines])


def _row(kpi: Kpi) -> tuple[str, ...]:
    spend = known_spend(kpi)
    return (
        f"{kpi.team} / {kpi.workflow}",
        "unknown" if spend is None else f"{spend / _MICRO:,.2f}",
        _count(kpi.accepted),
        _count(kpi.reversed),
        "-" if kpi.cost_per_accepted_micro_usd is None else f"{kpi.cost_per_accepted_micro_usd / _MICRO:,.2f}",
        "-" if kpi.orphan_spend_ratio is None else f"{kpi.orphan_spend_ratio:.0%}",
        _count(kpi.cohort_runs),
    )


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
