"""Outcome gaming: many more outcomes, each of them less.

Accepted outcomes are up against the four weeks before; and what they are made of has changed: changes are smaller, or
nobody reviews them, or they come back, or only easy evaluations pass. Two signals: number and kind. Needs 20 outcomes a week.

Source: Goodhart's law as told by Strathern 1997; Baker, "Distortion and risk in optimal incentive contracts", 2002.
"""

from math import exp
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import about, contrast, tail

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 20
#: How many times as many defects and incidents for each accepted outcome mean that more breaks.
_BREAKS: Final = 1.4


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    accepted = contrast(snapshot, Feature.ACCEPTED, None)
    n = snapshot.recent(Feature.ACCEPTED, 7)
    if accepted is None or n < _MIN_SAMPLE:
        return Insufficient(int(n), _MIN_SAMPLE)
    signs: dict[str, float] = {}
    size = contrast(snapshot, Feature.LOG_SIZE, Feature.SIZED, counted=False, floor=0.05)
    if size is not None and snapshot.recent(Feature.SIZED, 7) >= _MIN_SAMPLE / 2:
        # A mean of logarithms: its difference is the logarithm of the ratio of sizes.
        smaller = (size.expected - size.observed) / 1000
        signs["size"] = min(smaller / 0.9, snapshot.recent(Feature.SIZED, 7) / 25)
    reviewed = contrast(snapshot, Feature.UNREVIEWED, Feature.REVIEWABLE, floor=0.2)
    if reviewed is not None and snapshot.recent(Feature.REVIEWABLE, 7) >= _MIN_SAMPLE / 2:
        signs["unreviewed"] = min(reviewed.z / 3, reviewed.ratio / 1.7, reviewed.observed / 0.3)
    # Where more breaks as well, what comes back is quality that falls: another detector's.
    broken = contrast(snapshot, (Feature.DEFECTS, Feature.INCIDENTS), Feature.ACCEPTED, floor=0.2)
    breaks = broken is not None and broken.ratio >= _BREAKS
    back = None if breaks else contrast(snapshot, Feature.REOPENED, Feature.ACCEPTED, floor=0.2)
    if back is not None:
        signs["undone"] = min(back.z / 3.5, back.ratio / 2.0, back.observed / 0.2, back.n / 10)
    evals = contrast(snapshot, Feature.EVALS_PASSED, Feature.EVALS, floor=0.08)
    if evals is not None and snapshot.recent(Feature.EVALS, 7) >= _MIN_SAMPLE:
        signs["evals"] = min(evals.z / 3, evals.ratio / 1.2)
    best = max(signs, key=lambda name: signs[name], default="")
    kind = signs.get(best, 0.0)
    score = min(accepted.z / 2.2, accepted.ratio / 1.4, kind)
    chance = tail(accepted.z)
    reopened = None if breaks else contrast(snapshot, Feature.REOPENED, Feature.ACCEPTED, floor=0.25)
    if reopened is not None and score < 1:
        # Resolved, reopened, resolved again: the number need not go up.
        again = min(reopened.z / 3.5, reopened.ratio / 2.0, reopened.observed / 0.2, reopened.n / 8)
        if again > score:
            score, best, chance = again, "undone", tail(reopened.z)
    if score < 1:
        return Clear(max(0.0, score))
    words = {
        "size": "they are much smaller", "unreviewed": "nobody but their authors looked at them",
        "undone": "more of them are undone", "evals": "nearly all evaluations pass",
    }  # fmt: skip
    return Finding(
        score=score, chance=chance, days=7, observed=n, expected=n / accepted.ratio, sample_size=int(n),
        money_micro_usd=int(snapshot.recent(Feature.SPEND, 7)),
        evidence={"z": accepted.z, **{f"sign_{name}": value for name, value in signs.items()}}
        | ({"median_lines": exp(size.observed / 1000)} if size is not None else {}),
        summary=f"{about(n)} accepted outcomes in seven days where {about(n / accepted.ratio)} are ordinary, and {words[best]}.",
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="outcome_gaming",
    family="gaming",
    rule="accepted outcomes up, and smaller, unreviewed, undone or easier than they were",
    silent="more outcomes of the same kind as before",
    benign_causes=("a clean-up of many small changes", "an upgrade of dependencies", "a new policy of small changes"),
    next_step="Read ten of the latest changes; count what they are worth together, not how many they are.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
)
