"""Busywork automation: work that begins by the clock, that nobody declared, and that comes to nothing.

Beginnings of work of one person, or of machines, in one workflow, whose gaps are regular: 1 less their median deviation
over the median at least 0.74 and a coefficient of variation of at most 0.53, of 24 gaps or more; that tells clocks from
bursty people at a false rate of 0.1 %. Two signals: regular, and of little value: the workflow's outcomes per dollar are far
below its own past or its team's.

Source: activecm/rita, beacon analysis; Elastic's beaconing rules for lists of what is declared.
"""

from typing import Final

from streams.core.findings import Clear, Detector, Finding, Verdict
from streams.core.history import Feature, History
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 24
_STAKE: Final = 5_000_000
#: Of what the whole team's work comes to, the share that is little.
_WORTH: Final = 0.3


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one workflow."""
    place, found = snapshot.place, snapshot.regular
    if place.declared_schedule or snapshot.workflow is None:
        return Clear()
    if not found.streams:
        return Clear()
    spend = snapshot.recent(Feature.SPEND, 7)
    share = found.spend / spend if spend else 0.0
    worth = _worth(snapshot)
    score = min(found.spend / _STAKE, share / 0.15, found.starts / _MIN_SAMPLE, _WORTH / max(worth, 0.01))
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, days=7, observed=found.starts, expected=0.0, sample_size=found.starts,
        money_micro_usd=found.spend,
        evidence={
            "gap_seconds": found.gap_seconds, "regularity": found.permille / 1000, "spend_share": share, "outcomes_ratio_to_team": worth,
        },
        summary=(
            f"Work begins every {_gap(found.gap_seconds)} like a clock, undeclared, for {usd(found.spend)} this week, "
            "and little comes of it."
        ),
    )  # fmt: skip


def _worth(snapshot: Snapshot) -> float:
    """Accepted outcomes per beginning of work in four weeks, over those of the whole team."""

    def rate(history: History) -> float:
        days = history.days[-28:]
        return float((days[:, Feature.ACCEPTED].sum() + 0.5) / max(1.0, days[:, Feature.STARTS].sum()))

    return rate(snapshot.history) / rate(snapshot.whole) if snapshot.whole is not None else 1.0


def _gap(seconds: int) -> str:
    if seconds < 5_400:
        return f"{max(1, round(seconds / 60))} minutes"
    return f"{round(seconds / 3_600)} hours" if seconds < 129_600 else f"{round(seconds / 86_400)} days"


DETECTOR: Final = Detector(
    name="busywork_automation",
    family="waste",
    rule="regular gaps between beginnings of work, undeclared, with little coming of it",
    silent="a declared schedule in the policy, or outcomes linked to the work",
    benign_causes=("a build or an evaluation that the policy does not declare", "monitoring", "a polling tool"),
    next_step="Declare the schedule in the policy if it is meant to be, or stop it.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    team=False,
    after_days=0,
)
