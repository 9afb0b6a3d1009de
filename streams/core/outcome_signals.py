"""What detectors read of an outcome, beyond its verdict: how big a change was, who looked at it, whether it came back.

Sources say it in attributes, each in its own words; what is not said is not known. The names are GitHub's where it has one.
"""

from collections.abc import Mapping
from math import log
from typing import Final

from streams.core.history import Feature
from streams.core.outcomes import OutcomeEvent, OutcomeKind

__all__ = ["count_outcome"]

_LINES: Final = ("changed_lines", "lines_changed", "size", "diff_lines", "lines")
_REVIEWS: Final = ("reviews", "review_count", "approvals", "reviewers")
_SELF: Final = ("self_merged", "self_approved", "self_merge", "self_review")
_TRUE: Final = {"true", "1", "yes"}


def _number(attributes: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        said = attributes.get(name, "")
        # isdigit alone takes digits that int does not read.
        if said.isascii() and said.isdigit() and len(said) < 16:
            return int(said)
    return None


def _lines(attributes: Mapping[str, str]) -> int | None:
    added = _number(attributes, ("additions",))
    removed = _number(attributes, ("deletions",))
    if added is None and removed is None:
        return _number(attributes, _LINES)
    return (added or 0) + (removed or 0)


def _reviewed(attributes: Mapping[str, str]) -> bool | None:
    """Whether anybody but its author looked at a change; None where that is not said."""
    said = [attributes[name].lower() for name in _SELF if name in attributes]
    if said and any(it in _TRUE for it in said):
        return False
    reviews = _number(attributes, _REVIEWS)
    if reviews is not None:
        return reviews > 0
    return True if said else None


def count_outcome(counts: list[int], event: OutcomeEvent) -> None:
    """Count an outcome on its day, in columns of :class:`streams.core.history.Feature`."""
    counts[Feature.OUTCOMES] += 1
    kind = event.kind
    if event.verdict == "accepted":
        counts[Feature.ACCEPTED] += 1
    elif event.verdict == "rejected":
        counts[Feature.REJECTED] += 1
    elif event.verdict == "reversed":
        counts[Feature.REVERSED] += 1
    if kind == OutcomeKind.DEFECT_REPORTED:
        counts[Feature.DEFECTS] += 1
    elif kind == OutcomeKind.INCIDENT_OPENED:
        counts[Feature.INCIDENTS] += 1
    elif kind == OutcomeKind.TICKET_REOPENED:
        counts[Feature.REOPENED] += 1
    elif kind == OutcomeKind.EVAL_PASSED:
        counts[Feature.EVALS] += 1
        counts[Feature.EVALS_PASSED] += 1
    elif kind == OutcomeKind.EVAL_FAILED:
        counts[Feature.EVALS] += 1
    elif kind == OutcomeKind.CHANGE_MERGED:
        _count_change(counts, event.attributes)
    if event.cycle_time_ms is not None:
        counts[Feature.CYCLES] += 1
        counts[Feature.LOG_CYCLE] += int(1000 * log(event.cycle_time_ms + 1))


def _count_change(counts: list[int], attributes: Mapping[str, str]) -> None:
    counts[Feature.CHANGES] += 1
    lines = _lines(attributes)
    if lines is not None:
        counts[Feature.SIZED] += 1
        counts[Feature.LOG_SIZE] += int(1000 * log(lines + 1))
    reviewed = _reviewed(attributes)
    if reviewed is not None:
        counts[Feature.REVIEWABLE] += 1
        if not reviewed:
            counts[Feature.UNREVIEWED] += 1
