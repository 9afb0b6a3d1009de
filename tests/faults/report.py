"""What the fault suite says in the end: build/faults.json for machines, a table for people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.faults.arena import Outcome
from tests.faults.judge import INVARIANTS
from tests.faults.scenarios import CONTROL, Scenario

__all__ = ["entry", "passed", "table", "write"]

#: What the table shows of a fault, and how wide.
_COLUMNS: Final = (
    ("times", 5), ("events", 8), ("lost", 6), ("double_counted", 6), ("outcomes", 8), ("reversals", 6),
    ("lost_outcomes", 6), ("double_counted_outcomes", 6), ("alerts", 6),
)  # fmt: skip


def entry(scenario: Scenario, outcome: Outcome, times: int, seconds: float) -> dict[str, Any]:
    """One fault's line in the report."""
    judgement = outcome.judgement
    return {
        "fault": scenario.name,
        "times": times,
        "events": outcome.records,
        "lost": judgement.lost,
        "double_counted": judgement.double_counted,
        "lost_outcomes": judgement.lost_outcomes,
        "double_counted_outcomes": judgement.double_counted_outcomes,
        "invariants": judgement.holds,
        "problems": outcome.problems + judgement.examples(),
        "seconds": round(seconds, 1),
        **outcome.notes,
    }


def passed(report: dict[str, Any]) -> bool:
    """Whether no fault lost or doubled anything, all of it was watched, and the oracle caught the stock worker.

    A run that judged nothing has not passed, nor has a fault that never struck while records flowed, or that had no outcome,
    no undoing or no alert to lose, nor a run whose stock worker was wrong only because it never worked.
    """
    judged = [fault for fault in report["faults"] if not fault.get("skipped")]
    stock = report["stock_faust"]
    return bool(judged) and all(map(_withstood, judged)) and (stock is None or _caught(stock))


def _withstood(fault: dict[str, Any]) -> bool:
    """Whether a fault was brought about and watched, and did no harm; the control is a run without one."""
    struck = fault["fault"] == CONTROL or (fault["times"] > 0 and fault["under_load"] > 0)
    watched = fault["scrapes"] > 0 and fault["commit_samples"] > 0
    return bool(
        struck and watched and fault["outcomes"] and fault["reversals"] and fault["alerts"] and not fault["problems"]
    )


def _caught(stock: dict[str, Any]) -> bool:
    """Whether the stock worker ran to the end of its log and came out wrong, and was right where nothing was done to it."""
    unharmed = stock["unharmed"]
    return bool(stock["finished"] and not stock["passed"] and unharmed["finished"] and unharmed["passed"])


def write(report: dict[str, Any], path: Path) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


def table(faults: Sequence[dict[str, Any]], stock: dict[str, Any] | None) -> str:
    """The report for people."""
    names = list(INVARIANTS)
    header = (
        f"{'fault':<38} {'times':>5} {'events':>8} {'lost':>6} {'double':>6} {'outcomes':>8} {'undone':>6} {'lost':>6} "
        f"{'double':>6} {'alerts':>6}  {' '.join(names)}  seconds"
    )
    lines = [header, "-" * len(header)]
    for fault in faults:
        if skipped := fault.get("skipped"):
            lines.append(f"{fault['fault']:<38} skipped: {skipped}")
            continue
        marks = " ".join(f"{'ok' if fault['invariants'][name] else 'NO':<{len(name)}}" for name in names)
        lines.append(f"{fault['fault']:<38} {_figures([fault])}  {marks}  {fault['seconds']:>7.0f}")
        lines += [f"    {problem}" for problem in fault["problems"]]
    done = [fault for fault in faults if not fault.get("skipped")]
    lines.append("-" * len(header))
    lines.append(f"{'all':<38} {_figures(done)}")
    if stock is not None:
        lines.append(
            f"stock Faust, {stock['times']} x kill -9, {stock['events']} events: {stock['lost']} lost, "
            f"{stock['double_counted']} double counted: "
            + ("caught, as it must be" if _caught(stock) else "that proves nothing")
        )
        unharmed = "right" if stock["unharmed"]["passed"] else "WRONG"
        lines.append(f"stock Faust, nothing done to it, {stock['unharmed']['events']} events: {unharmed}")
    return "\n".join(lines)


def _figures(faults: Sequence[dict[str, Any]]) -> str:
    return " ".join(f"{sum(fault[name] for fault in faults):>{width}}" for name, width in _COLUMNS)
