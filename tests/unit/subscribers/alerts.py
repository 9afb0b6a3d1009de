"""An alert record for tests."""

from typing import Any, Final

from streams.core.alerts import Alert

__all__ = ["OPENED_MS", "alert"]

#: 2026-01-05 12:00 UTC.
OPENED_MS: Final = 1_767_614_400_000


def alert(alert_id: str = "spend_without_outcomes:payments:1", revision: int = 1, **fields: Any) -> Alert:
    """One that fires; ``fields`` replace what it says."""
    said: dict[str, Any] = {
        "state": "firing", "reason": "first", "detector": "spend_without_outcomes", "family": "waste",
        "severity": "warning", "team": "payments", "workflow": "refund-bot", "window_start": OPENED_MS - 3_600_000,
        "window_end": OPENED_MS, "opened_at": OPENED_MS, "updated_at": OPENED_MS + 1_500 * revision, "observed": 0.75,
        "expected": 0.2, "ratio": 3.75, "sample_size": 40, "min_sample_size": 33,
        "money_at_stake_micro_usd": 1_234_567_890, "evidence": {"orphan_runs": 30.0},
        "summary": "75 % of what refund-bot spent led to nothing.",
        "benign_causes": ["outcomes are not connected", "a long experiment"],
        "next_step": "Look at the runs without an outcome.",
    }  # fmt: skip
    return Alert(alert_id=alert_id, revision=revision, **{**said, **fields})
