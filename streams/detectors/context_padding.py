"""Context padding: more and more input for the same output.

The mean logarithm of input over output tokens of the last week against the four weeks before. Two signals: the ratio is
up, and so is the cost of a call, while outcomes per call are not. Never compared across workflows, nor asked of a whole team, where
it moves with the mixture of its work: in Azure's public traces the ordinary ratio is 92 for code and 3.6 for conversation. Needs 83 calls for twice the ratio.

Source: Azure LLM inference dataset 2023 (microsoft/AzurePublicDataset) for the spread of the ratio.
"""

from math import exp
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature, History
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import about, contrast, level_change, tail, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 83
_RATIO: Final = 1.45
_STAKE: Final = 10_000_000
_SPAN: Final = 7


def _change(history: History, frozen_from: int | None = None) -> tuple[float, float, float, float] | None:
    return level_change(
        history, Feature.LOG_RATIO, Feature.CALLS, span=_SPAN, least=_MIN_SAMPLE, frozen_from=frozen_from
    )


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    if snapshot.recent(Feature.SPEND, _SPAN) < _STAKE:
        return Clear()
    calls = snapshot.recent(Feature.CALLS, _SPAN)
    found = _change(snapshot.history, snapshot.frozen_from)
    if found is None:
        return Insufficient(int(calls), _MIN_SAMPLE)
    change, level, spread, _ = found
    measured = ("log input over output",)

    def measure(history: History) -> float | None:
        moved = _change(history)
        return None if moved is None else moved[0]

    shift = snapshot.organisation.shift(measured, measure)
    distance = change - shift
    # Calls of one run are alike: a run counts as two of them.
    independent = max(1.0, min(calls, 2 * snapshot.recent(Feature.STARTS, _SPAN)))
    z = distance / (max(spread, 0.12) ** 2 + 2.0 / independent) ** 0.5
    cost = contrast(snapshot, Feature.SPEND, Feature.CALLS, counted=False)
    prompt = contrast(snapshot, Feature.INPUT, Feature.CALLS, counted=False)
    worth = contrast(snapshot, Feature.ACCEPTED, Feature.SPEND, floor=0.2)
    spend = snapshot.recent(Feature.SPEND, _SPAN)
    dearer = 1.0 if cost is None else cost.ratio
    longer = 1.0 if prompt is None else prompt.ratio
    stake = spend * max(0.0, 1 - 1 / dearer)
    no_gain = worth is None or worth.ratio < 0.9
    score = min(z / 2.7, exp(distance) / _RATIO, longer / 1.4, dearer / 1.4, stake / _STAKE, 2.0 if no_gain else 0.5)
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=tail(z), days=_SPAN, observed=exp(level + change), expected=exp(level + shift), sample_size=int(calls),
        money_micro_usd=int(stake),
        evidence={"cost_per_call_ratio": dearer, "z": z, "calls": calls},
        summary=(
            f"Calls carry {about(exp(level + change))} tokens of input for one of output where {about(exp(level + shift))} is "
            f"ordinary, and cost {dearer:.1f} times as much; about {usd(stake)} in seven days."
        ),
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="context_padding",
    family="waste",
    rule="mean logarithm of input over output tokens of seven days, against the four weeks before",
    silent="output, or outcomes, that grow with the input",
    benign_causes=("another model", "new tools or servers in the context", "a repository that grew"),
    next_step="Look at what the prompts of this workflow carry, and whether the cache is hit.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    team=False,
)
