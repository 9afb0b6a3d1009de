"""Runs that are forgotten because an outcome that names them is: what still names them must not be lost."""

import pytest

from tests.engine_runs import DAY, FIVE, HOUR, MINUTE, MONDAY, NOW, WEEK, EngineRun, outcome, usage


@pytest.mark.parametrize("cut", [False, True])
def test_a_run_that_begins_as_it_is_forgotten_begins_anew(cut: bool) -> None:
    """In one transaction or in two."""
    run = EngineRun(outcomes_expected={"payments": True})
    run.feed_outcomes(outcome("ancient", MONDAY - 45 * DAY, run_id="r"))
    run.step(usage("1", MONDAY))
    if cut:
        run.commit()
    run.feed(usage("2", MONDAY + MINUTE, run_id="r", cost_micro_usd=7))
    run.finish(settle=True)
    week = run.latest["payments", "review", WEEK, MONDAY]
    assert (week.cohort_runs, week.cohort_spend_micro_usd) == (1, 7)


@pytest.mark.parametrize("cut", [False, True])
def test_a_run_that_is_named_again_after_its_horizon_is_another_one(cut: bool) -> None:
    run = EngineRun(outcomes_expected={"payments": True})
    run.feed(usage("1", MONDAY, run_id="r", cost_micro_usd=7))
    run.feed(usage("2", MONDAY + 20 * DAY))
    run.step(usage("3", MONDAY + 31 * DAY))
    if cut:
        run.commit()
    run.feed(usage("4", MONDAY + 31 * DAY + HOUR, run_id="r", cost_micro_usd=100))
    run.finish(settle=True)
    spend = {place[3]: kpi.cohort_spend_micro_usd for place, kpi in run.latest.items() if place[1:3] == (None, WEEK)}
    assert spend[MONDAY] == 7
    assert spend[MONDAY + 4 * WEEK] == 100


def test_a_run_that_has_not_begun_is_kept_for_the_outcomes_that_still_name_it() -> None:
    run = EngineRun(outcomes_expected={"payments": True})
    run.feed_outcomes(outcome("ancient", MONDAY - 45 * DAY, run_id="r"), outcome("1", MONDAY + 2 * HOUR, run_id="r"))
    run.feed(usage("1", MONDAY))
    run.feed(usage("2", MONDAY + HOUR))
    run.feed(usage("3", MONDAY + HOUR + MINUTE, run_id="r", cost_micro_usd=7))
    run.finish(settle=True)
    week = run.latest["payments", "review", WEEK, MONDAY]
    assert (week.outcomes_by_run, week.cohort_runs, week.cohort_orphan_runs, week.cohort_accepted) == (1, 1, 0, 1)


def test_a_history_that_comes_to_an_idle_partition_counts() -> None:
    """In several transactions, years after the events and long after the clock has closed their windows."""
    run = EngineRun(idle_ms=1)
    for now in (NOW, NOW + HOUR, NOW + 2 * HOUR):
        run.idle(now)
    for number in range(5):
        run.feed(usage(str(number), MONDAY + number * MINUTE // 2), now=NOW + 2 * HOUR)
    run.idle(NOW + 3 * HOUR)
    run.idle(NOW + 4 * HOUR)
    assert {place[2]: kpi.calls for place, kpi in run.latest.items() if place[1] is None} == {
        FIVE: 5, HOUR: 5, DAY: 5, WEEK: 5,
    }  # fmt: skip


def test_what_comes_of_an_old_run_late_says_nothing_of_a_new_one_of_its_name() -> None:
    """An outcome that outlives its run is undone where it was counted, and the new run's outcomes stay its own."""
    run = EngineRun(outcomes_expected={"payments": True})
    run.feed(usage("1", MONDAY, run_id="r", cost_micro_usd=7))
    run.feed(usage("2", MONDAY + 20 * DAY))
    run.feed_outcomes(outcome("old", MONDAY + 20 * DAY, run_id="r"))
    run.feed(usage("3", MONDAY + 31 * DAY))
    run.feed(usage("4", MONDAY + 31 * DAY + HOUR, run_id="r", cost_micro_usd=100))
    run.feed_outcomes(outcome("new", MONDAY + 31 * DAY + HOUR, run_id="r"))
    undo = outcome("undo", MONDAY + 31 * DAY, kind="change_reverted", verdict="reversed", reverses="old")
    run.feed_outcomes(undo)
    run.finish(settle=True)
    weeks = {place[3]: kpi for place, kpi in run.latest.items() if place[1:3] == (None, WEEK)}
    new, old = weeks[MONDAY + 4 * WEEK], weeks[MONDAY + 2 * WEEK]
    assert (new.cohort_accepted, new.cohort_orphan_runs, new.accepted) == (1, 0, 1)
    assert (old.accepted, old.reversed) == (0, 1)


@pytest.mark.parametrize("days", [12, 29, 36, 60, 400])
@pytest.mark.parametrize("actors", [False, True])
def test_what_was_due_in_a_silence_is_told_before_it_is_forgotten(days: int, actors: bool) -> None:
    """However far one event moves the time: runs become mature in it, and their windows are told, in their order."""
    run = EngineRun(outcomes_expected={"payments": True})
    people = [f"person-{number}" if actors else None for number in range(6)]
    for number, actor in enumerate(people):
        at = MONDAY + number * MINUTE
        run.feed(usage(str(number), at, run_id=f"r{number}", cost_micro_usd=100, actor=actor))
    run.feed_outcomes(outcome("done", MONDAY + HOUR, run_id="r0"))
    run.feed(usage("late", MONDAY + days * DAY, trigger="ci"), now=NOW + 400 * DAY)
    week = run.latest["payments", None, WEEK, MONDAY]
    assert week.cohort_spend_micro_usd == 600
    assert week.cohort_orphan_spend_micro_usd == 500


@pytest.mark.parametrize("days", [12, 36, 60, 400])
@pytest.mark.parametrize("actors", [False, True])
def test_what_was_due_while_nobody_read_is_told_before_it_is_forgotten(days: int, actors: bool) -> None:
    """A worker that comes back after months to a partition without a new record lets all of them pass at once."""
    run = EngineRun(outcomes_expected={"payments": True}, idle_ms=1)
    for number in range(6):
        actor = f"person-{number}" if actors else None
        at = MONDAY + number * MINUTE
        run.feed(usage(str(number), at, run_id=f"r{number}", cost_micro_usd=100, actor=actor), now=MONDAY + HOUR)
    run.crash()
    run.idle(MONDAY + HOUR + days * DAY)
    assert run.latest["payments", None, WEEK, MONDAY].cohort_spend_micro_usd == 600


def test_time_passes_at_once_where_nothing_can_be_left() -> None:
    run = EngineRun()
    run.feed(usage("1", MONDAY))
    run.feed(usage("2", MONDAY + 60 * DAY), now=NOW + 4_000 * DAY)
    run.feed(usage("3", MONDAY + 4_000 * DAY), now=NOW + 4_000 * DAY)
    assert run.latest["payments", None, DAY, MONDAY + 60 * DAY].calls == 1
