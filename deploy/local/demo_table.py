"""The demo's last picture: what each workflow's week cost, and what came of it."""

from collections.abc import Iterable
from typing import Final

from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.ratios import known_spend

__all__ = ["table"]

_HEAD: Final = ("team / workflow", "spend $", "accepted", "undone", "$ each", "orphan %", "runs mature")
_MICRO: Final = 1_000_000


def table(kpis: Iterable[Kpi]) -> str:
    """One line a workflow, by team and name: there is no ranking here."""
    weeks = [kpi for kpi in kpis if kpi.workflow is not None and kpi.window_size_ms == Window.WEEK]
    rows = [_HEAD, *(_row(kpi) for kpi in sorted(weeks, key=lambda kpi: (kpi.team, kpi.workflow or "")))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return "\n".join(lines)


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
