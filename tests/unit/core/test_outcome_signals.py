"""What detectors read of an outcome: of what is said, in whatever words; nothing of what is not."""

from typing import Any

import pytest

from streams.core.history import FEATURES, Feature
from streams.core.outcome_signals import count_outcome
from streams.core.outcomes import OutcomeEvent


def counted(**fields: Any) -> dict[Feature, int]:
    """The columns that an outcome moves."""
    required = {
        "outcome_id": "1",
        "source": "s",
        "occurred_at": 0,
        "team": "t",
        "kind": "ticket_resolved",
        "verdict": "accepted",
    }
    counts = [0] * FEATURES
    count_outcome(counts, OutcomeEvent(**{**required, **fields}))
    return {Feature(column): value for column, value in enumerate(counts) if value}


def merged(**attributes: str) -> dict[Feature, int]:
    """The columns that a merged change moves, but for those that all of them do."""
    found = counted(kind="change_merged", attributes=attributes)
    assert (found.pop(Feature.OUTCOMES), found.pop(Feature.ACCEPTED), found.pop(Feature.CHANGES)) == (1, 1, 1)
    return found


@pytest.mark.parametrize(("fields", "expected"), [
    ({}, {Feature.ACCEPTED: 1}),
    ({"verdict": "rejected"}, {Feature.REJECTED: 1}),
    ({"verdict": "reversed"}, {Feature.REVERSED: 1}),
    ({"verdict": "neutral"}, {}),
    ({"kind": "defect_reported", "verdict": "neutral"}, {Feature.DEFECTS: 1}),
    ({"kind": "incident_opened", "verdict": "neutral"}, {Feature.INCIDENTS: 1}),
    ({"kind": "ticket_reopened", "verdict": "reversed"}, {Feature.REVERSED: 1, Feature.REOPENED: 1}),
    ({"kind": "eval_passed"}, {Feature.ACCEPTED: 1, Feature.EVALS: 1, Feature.EVALS_PASSED: 1}),
    ({"kind": "eval_failed", "verdict": "rejected"}, {Feature.REJECTED: 1, Feature.EVALS: 1}),
    ({"cycle_time_ms": 0}, {Feature.ACCEPTED: 1, Feature.CYCLES: 1}),
    ({"cycle_time_ms": 999}, {Feature.ACCEPTED: 1, Feature.CYCLES: 1, Feature.LOG_CYCLE: 6_907}),
    ({"kind": "a kind of its own"}, {Feature.ACCEPTED: 1}),
])  # fmt: skip
def test_each_outcome_is_counted_by_verdict_and_kind(fields: dict[str, Any], expected: dict[Feature, int]) -> None:
    assert counted(**fields) == {Feature.OUTCOMES: 1, **expected}


@pytest.mark.parametrize(("attributes", "lines"), [
    ({"additions": "60", "deletions": "39"}, 99), ({"additions": "99"}, 99), ({"deletions": "99"}, 99),
    ({"changed_lines": "99"}, 99), ({"lines_changed": "99"}, 99), ({"size": "99"}, 99), ({"diff_lines": "99"}, 99), ({"lines": "99"}, 99),
    ({"additions": "99", "size": "1"}, 99), ({"additions": "0"}, 0),
])  # fmt: skip
def test_the_size_of_a_change_is_read_in_several_words(attributes: dict[str, str], lines: int) -> None:
    expected = {Feature.SIZED: 1} | ({Feature.LOG_SIZE: 4_605} if lines else {})
    assert merged(**attributes) == expected


@pytest.mark.parametrize("said", ["", "many", "-5", "1.5", "²", "٣", "9" * 16, "XL"])
def test_what_is_no_number_is_not_known(said: str) -> None:
    """It is not zero, and it is no error either: digits of other scripts, and sizes of shirts."""
    assert merged(additions=said, size=said, reviews=said) == {}


@pytest.mark.parametrize(("attributes", "reviewed"), [
    ({}, None),
    ({"reviews": "0"}, False), ({"reviews": "2"}, True), ({"review_count": "1"}, True), ({"approvals": "0"}, False), ({"reviewers": "3"}, True),
    ({"self_merged": "true"}, False), ({"self_approved": "YES"}, False), ({"self_merge": "1"}, False),
    ({"self_review": "true", "reviews": "2"}, False), ({"self_merged": "false"}, True), ({"self_merged": "false", "reviews": "0"}, False),
])  # fmt: skip
def test_who_looked_at_a_change_is_known_only_if_it_is_said(attributes: dict[str, str], reviewed: bool | None) -> None:
    found = merged(**attributes)
    assert found.get(Feature.REVIEWABLE, 0) == (reviewed is not None)
    assert found.get(Feature.UNREVIEWED, 0) == (reviewed is False)


def test_only_merged_changes_have_a_size_and_a_review() -> None:
    found = counted(attributes={"additions": "5", "reviews": "0"})
    assert found == {Feature.OUTCOMES: 1, Feature.ACCEPTED: 1}
