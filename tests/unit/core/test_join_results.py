"""What is said of an outcome when it is taken: the reason that an integration is mended by."""

from typing import Any

import pytest

from streams.core.outcomes import JoinResult
from tests.engine_runs import MONDAY, EngineRun, outcome, usage

KNOWN = usage("u1", MONDAY, run_id="r1")


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"run_id": "r1"}, JoinResult.RUN),
        ({}, JoinResult.TEAM),
        ({"workflow": "review"}, JoinResult.WORKFLOW),
        ({"run_id": "invented"}, JoinResult.UNKNOWN_RUN),
        ({"run_id": "invented", "workflow": "review"}, JoinResult.UNKNOWN_RUN),
        # A team or a workflow without usage is the greater gap, and the one to mend first.
        ({"run_id": "invented", "workflow": "reviews"}, JoinResult.NO_USAGE),
        ({"workflow": "reviews"}, JoinResult.NO_USAGE),
        ({"team": "paymants", "run_id": "r1"}, JoinResult.NO_USAGE),
        ({"run_id": "r1", "occurred_at": MONDAY - 3_600_000}, JoinResult.BEFORE_RUN),
    ],
)
def test_each_outcome_is_counted_under_one_reason(fields: dict[str, Any], result: JoinResult) -> None:
    run = EngineRun()
    run.feed(KNOWN)
    run.feed_outcomes(outcome("o1", MONDAY + 1, **fields))
    assert run.joins == {result: 1}


def test_a_run_that_comes_later_is_counted_in_addition() -> None:
    run = EngineRun()
    run.feed(KNOWN)
    run.feed_outcomes(outcome("o1", MONDAY + 1, run_id="r2"))
    run.feed(usage("u2", MONDAY, run_id="r2"))
    assert run.joins == {JoinResult.UNKNOWN_RUN: 1, JoinResult.RUN_LATER: 1}
