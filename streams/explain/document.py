"""Explanations as one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from streams.core.alerting import Reason
from streams.core.alerts import Alert
from streams.core.findings import Detector
from streams.explain.lives import Life
from streams.explain.rebuilding import Rebuild
from streams.explain.words import REASONS, THRESHOLD, persistence, silencing_keys

__all__ = ["FORMAT", "Explanation", "document", "score_of"]

#: Changes when a field changes its meaning or goes away; not when one is added.
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """One alert, its detector if this release has it, and what became of it when the log was replayed, if it was."""

    life: Life
    detector: Detector | None
    rebuild: Rebuild | None = None


def score_of(alert: Alert) -> float | None:
    """The score that a record had, to two significant digits; None where it does not say."""
    return alert.evidence.get("score")


def document(explanations: Sequence[Explanation]) -> dict[str, Any]:
    """What a JSON encoder takes. Money is integer micro-dollars, times are milliseconds UTC, null is unknown."""
    return {"format": FORMAT, "alerts": [_alert(it) for it in explanations]}


def _alert(it: Explanation) -> dict[str, Any]:
    now = it.life.current
    return {
        "alert_id": it.life.alert_id, "detector": now.detector, "family": now.family, "state": now.state,
        "severity": now.severity, "team": now.team, "workflow": now.workflow, "summary": now.summary,
        "rule": None if it.detector is None else _rule(it.detector, now),
        "figures": {
            "observed": now.observed, "expected": now.expected, "ratio": now.ratio,
            "evidence": {name: value for name, value in now.evidence.items() if name != "score"},
        },
        "sample": {"size": now.sample_size, "needed": now.min_sample_size},
        "threshold": {"score": score_of(now), "fires_at": THRESHOLD},
        "window": {"start_ms": now.window_start, "end_ms": now.window_end},
        "money_at_stake_micro_usd": now.money_at_stake_micro_usd, "benign_causes": now.benign_causes,
        "next_step": now.next_step, "opened_at_ms": now.opened_at, "config_version": now.config_version,
        "missing_revisions": it.life.missing, "timeline": [_entry(record) for record in it.life.records],
        "rebuild": None if it.rebuild is None else _rebuild(it.rebuild),
    }  # fmt: skip


def _rule(detector: Detector, alert: Alert) -> dict[str, Any]:
    needed, among = detector.persistence
    return {
        "words": detector.rule, "silent_if": detector.silent, "silenced_by": silencing_keys(detector, alert.team, alert.workflow),
        "persistence": {"findings": needed, "of_verdicts": among, "words": persistence(detector)},
        "weekly": detector.weekly, "after_days": detector.after_days, "least_people": detector.group,
    }  # fmt: skip


def _entry(record: Alert) -> dict[str, Any]:
    return {
        "revision": record.revision, "at_ms": record.updated_at, "state": record.state, "reason": record.reason,
        "reason_words": reason_words(record.reason), "severity": record.severity, "score": score_of(record),
        "money_at_stake_micro_usd": record.money_at_stake_micro_usd, "summary": record.summary,
    }  # fmt: skip


def reason_words(reason: str) -> str | None:
    """What a record's reason means; None for one that this release does not know."""
    return REASONS[Reason(reason)] if reason in set(Reason) else None


def _rebuild(rebuild: Rebuild) -> dict[str, Any]:
    return {
        "outcome": rebuild.outcome.value, "why": rebuild.why, "config_version": rebuild.config_version,
        "alert_id": None if rebuild.rebuilt is None else rebuild.rebuilt.alert_id,
        "differences": [asdict(it) for it in rebuild.differences], "later_revisions": rebuild.later,
        "decisions": [
            {
                "reason": it.reason.value, "reason_words": REASONS[it.reason], "count": it.count,
                "first_ms": it.first_ms, "last_ms": it.last_ms, "best_score": it.score,
                "observations": it.n, "observations_needed": it.need,
            }
            for it in rebuild.decisions
        ],
        "records": [] if rebuild.rebuilt is None else [msgspec.to_builtins(record) for record in rebuild.rebuilt.records],
    }  # fmt: skip
