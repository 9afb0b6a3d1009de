"""Tiny made-up logs in which alerts fire: an agent that goes in circles, and a team that burns its budget.

Both are blatant, far beyond every limit: what is tested with them is not where the limits are.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

__all__ = ["BUDGET_USD", "BURN_MS", "LOOP_MS", "START_MS", "burn", "loop", "ordinary", "policy", "write_lines"]

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
#: 2026-01-05 00:00 UTC, a Monday.
START_MS: Final = 1_767_571_200_000
BUDGET_USD: Final = 4_000
#: When the agent's loop begins.
LOOP_MS: Final = START_MS + 2 * _DAY + 9 * _HOUR
#: When the budget's burning begins.
BURN_MS: Final = START_MS + 15 * _DAY + 10 * _HOUR


def _call(number: int, team: str, workflow: str, at_ms: int, dollars: float, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"{team}-{workflow}-{at_ms}-{number}", "source": "test", "occurred_at": at_ms, "team": team,
        "workflow": workflow, "model": "m-1", "input_tokens": 1_000 + number, "output_tokens": 100,
        "cost_micro_usd": int(dollars * 1e6), "trigger": "agent", "run_id": f"{team}-{at_ms}-{number}", **fields,
    }  # fmt: skip


def ordinary(team: str = "payments", days: int = 17) -> list[dict[str, Any]]:
    """Ten calls a working hour apart on each day, a dime each: what a quiet team does."""
    return [
        _call(number, team, "review", START_MS + day * _DAY + (8 + number) * _HOUR, 0.1)
        for day in range(days)
        for number in range(10)
    ]


def loop(team: str = "payments", workflow: str = "refund-bot", calls: int = 60) -> list[dict[str, Any]]:
    """A run that makes the same call every ten seconds, ten dollars each."""
    return [
        _call(
            0, team, workflow, LOOP_MS + number * 10_000, 10.0, event_id=f"loop-{number}", run_id="r-1", tool="search"
        )
        for number in range(calls)
    ]


def burn(team: str = "payments") -> list[dict[str, Any]]:
    """Sixty calls of fifty dollars within an hour, three quarters of :data:`BUDGET_USD`."""
    return [_call(number, team, "review", BURN_MS + number * _MINUTE, 50.0) for number in range(60)]


def write_lines(path: Path, events: Iterable[dict[str, Any]]) -> Path:
    """A file of them in order of time."""
    ordered = sorted(events, key=lambda event: event["occurred_at"])
    path.write_text("".join(json.dumps(event) + "\n" for event in ordered))
    return path


def policy(directory: Path, name: str, text: str) -> Path:
    """A settings file that names a policy of this text."""
    (directory / f"{name}-policy.yaml").write_text(text)
    settings = directory / f"{name}.yaml"
    settings.write_text(f"policy: {directory / name}-policy.yaml\n")
    return settings
