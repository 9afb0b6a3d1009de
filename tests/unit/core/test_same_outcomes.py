"""What several systems say of one thing: it counts once for each time that it happened, whoever tells of it first."""

from itertools import permutations
from typing import Any

import pytest

from streams.core import keys
from streams.core.outcomes import JoinResult
from tests.engine_runs import HOUR, MINUTE, MONDAY, WEEK, EngineRun, outcome, usage


def week_of(run: EngineRun) -> Any:
    run.finish(settle=True)
    return run.latest["payments", None, WEEK, MONDAY]


def reverted(name: str, at: int, **fields: Any) -> bytes:
    return outcome(name, at, kind="change_reverted", verdict="reversed", **fields)


RESOLVED = [
    outcome("a1", MONDAY, ref="T-1"), outcome("a2", MONDAY + 5 * MINUTE, ref="T-1"),
    outcome("b1", MONDAY, ref="T-1", source="jira"), outcome("b2", MONDAY + 5 * MINUTE, ref="T-1", source="jira"),
]  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_two_times_told_by_two_systems_are_two(order: tuple[int, ...]) -> None:
    """In whatever order they come in."""
    run = EngineRun()
    run.feed_outcomes(*(RESOLVED[place] for place in order))
    assert week_of(run).accepted == 2
    assert run.joins[JoinResult.SAME_OUTCOME] == 2


def test_how_many_meet_may_depend_on_the_order_where_clocks_are_far_apart() -> None:
    """The limit as documented: two times 14 minutes apart, and another system 14 minutes behind; never one, never four."""
    told = [
        outcome("a1", MONDAY, ref="T"), outcome("a2", MONDAY + 14 * MINUTE, ref="T"),
        outcome("b1", MONDAY + 14 * MINUTE, ref="T", source="jira"),
        outcome("b2", MONDAY + 28 * MINUTE, ref="T", source="jira"),
    ]  # fmt: skip
    found = set()
    for order in permutations(told):
        run = EngineRun()
        run.feed_outcomes(*order)
        found.add(week_of(run).accepted)
    assert found == {2, 3}


@pytest.mark.parametrize("times", [17, 100])
@pytest.mark.parametrize("apart", [14 * MINUTE, HOUR])
def test_one_system_tells_of_all_times_before_the_other_does(times: int, apart: int) -> None:
    """A history of deployments, imported from one system and then from the other: each happened once."""
    told = [
        outcome(f"{source}-{it}", MONDAY + it * apart + late, ref="org/repo", kind="deployment_succeeded", source=source)
        for source, late in (("github", 0), ("argo", MINUTE)) for it in range(times)
    ]  # fmt: skip
    run = EngineRun()
    run.feed_outcomes(*told)
    assert week_of(run).accepted == times
    run.feed(usage("later", MONDAY + 60 * 24 * HOUR), usage("n", MONDAY + 61 * 24 * HOUR))
    assert not run.state(keys.REFERENCE)


def test_one_system_is_recognised_just_within_fifteen_minutes_of_the_other() -> None:
    """Whatever quarters of an hour those lie in."""
    for at in range(0, 30 * MINUTE, 5 * MINUTE):
        for apart, accepted in ((15 * MINUTE, 1), (15 * MINUTE + 1, 2), (-15 * MINUTE, 1), (-15 * MINUTE - 1, 2)):
            run = EngineRun()
            first = MONDAY + HOUR + at
            run.feed_outcomes(outcome("a", first, ref="T"), outcome("b", first + apart, ref="T", source="jira"))
            assert week_of(run).accepted == accepted


@pytest.mark.parametrize("turned", [False, True])
def test_each_system_adds_what_the_other_did_not_say(turned: bool) -> None:
    """The forge knows how long it took, the agent which run it was."""
    said = [
        outcome("1", MONDAY, ref="r#1", cycle_time_ms=HOUR),
        outcome("2", MONDAY, ref="r#1", source="agent", run_id="r", workflow="review"),
    ]
    run = EngineRun(outcomes_expected={"payments": True})
    run.feed(usage("1", MONDAY - MINUTE, run_id="r", cost_micro_usd=7))
    run.feed_outcomes(*(said[::-1] if turned else said))
    week = week_of(run)
    assert (week.accepted, week.outcomes_by_run, week.cycle_times) == (1, 1, 1)
    run_week = run.latest["payments", "review", WEEK, MONDAY - WEEK]
    assert (run_week.cohort_runs, run_week.cohort_orphan_runs) == (1, 0)


@pytest.mark.parametrize("field", ["team", "kind", "verdict", "ref"])
def test_what_two_systems_say_is_one_only_if_all_that_identifies_it_is_the_same(field: str) -> None:
    """Of a rating its value does not: the first one's holds."""
    said = {"team": "payments", "kind": "customer_rating", "verdict": "accepted", "ref": "c#1"}
    other = {"team": "blue", "kind": "ticket_resolved", "verdict": "rejected", "ref": "c#2"}
    run = EngineRun()
    run.feed_outcomes(
        outcome("1", MONDAY, **said, value=0.25), outcome("2", MONDAY, **said, source="jira", value=1),
        outcome("3", MONDAY, **{**said, field: other[field]}, source="zendesk", value=0.5),
    )  # fmt: skip
    week = week_of(run)
    assert run.joins[JoinResult.SAME_OUTCOME] == 1
    assert week.rating_sum == (0.25 if field in ("team", "kind") else 0.75)


@pytest.mark.parametrize("turned", [False, True])
def test_an_undoing_that_two_systems_tell_of_undoes_once(turned: bool) -> None:
    """One of them alone may know of what; reverting it brings back what it had undone."""
    said = [reverted("u1", MONDAY, ref="r#2", reverses="1"), reverted("u2", MONDAY, ref="r#2", source="agent")]
    run = EngineRun()
    run.feed_outcomes(outcome("1", MONDAY, ref="r#1"), *(said[::-1] if turned else said))
    again = reverted("again", MONDAY + HOUR, reverses="u1")
    for value, expected in ((None, (0, 1)), (again, (1, 0))):
        if value is not None:
            run.feed_outcomes(value)
        week = week_of(run)
        assert (week.accepted, week.reversed) == expected


@pytest.mark.parametrize("turned", [False, True])
def test_a_reversal_of_a_reversal_is_not_taken_for_it(turned: bool) -> None:
    """Though another system tells of it under the same reference, within minutes."""
    said = [
        reverted("u1", MONDAY, ref="r#1", reverses="1"),
        reverted(
            "u2", MONDAY + MINUTE, ref="r#1", source="agent", reverses="u1", attributes={"reverses_source": "github"}
        ),
    ]
    run = EngineRun()
    run.feed_outcomes(outcome("1", MONDAY, ref="r#1"), *(said[::-1] if turned else said))
    week = week_of(run)
    assert (week.accepted, week.reversed) == (1, 0)
