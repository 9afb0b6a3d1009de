"""Reading windows out of a store: an open one is there as far as it has come, and a closed one whether told or not."""

from itertools import product

from streams.core.aggregate import Aggregate
from streams.core.reading import read_rows
from streams.core.windows import PUBLISHED, SIZES, Scope, Window
from tests.engine_runs import DAY, FIVE, HOUR, MINUTE, MONDAY, WEEK, EngineRun, outcome, usage

Figures = dict[tuple[str, str], tuple[int, int]]


def rows_at(run: EngineRun, window: Window, scope: Scope, at: int = MONDAY) -> dict[tuple[str, str], Aggregate]:
    """Rows by team and workflow of the window that holds a moment."""
    bucket = window.bucket_of(at)
    rows = list(read_rows(run.store, window, scope, bucket, bucket + 1))
    found = {(row.place.team, row.place.workflow): row for row in rows}
    assert len(found) == len(rows)
    assert all(row.place[:3] == (window, scope, bucket) for row in rows)
    return found


def figures(run: EngineRun, window: Window, scope: Scope, at: int = MONDAY) -> Figures:
    """Calls and input tokens of the same."""
    return {names: (row.calls, row.input) for names, row in rows_at(run, window, scope, at).items()}


def test_every_table_has_the_open_window_at_every_moment() -> None:
    """Whatever has closed of it so far: nothing, its five minutes, its hours."""
    run = EngineRun()
    for sent, at in enumerate((0, 1, FIVE, 3 * FIVE, HOUR, 2 * HOUR + FIVE, 5 * HOUR, DAY - FIVE), start=1):
        run.feed(
            usage(f"a-{at}", MONDAY + at, workflow="a", input_tokens=10),
            usage(f"b-{at}", MONDAY + at, workflow="b", input_tokens=1),
        )
        for window in (Window.DAY, Window.WEEK):
            assert figures(run, window, Scope.WORKFLOW) == {
                ("payments", "a"): (sent, 10 * sent), ("payments", "b"): (sent, sent),
            }  # fmt: skip
            assert figures(run, window, Scope.TEAM) == {("payments", ""): (2 * sent, 11 * sent)}
        latest = MONDAY + at
        for window, scope in product(SIZES, PUBLISHED):
            assert figures(run, window, scope, latest), (window, scope, at)


def test_closed_and_open_windows_are_told_in_one_go() -> None:
    """In order of time, none of them twice."""
    run = EngineRun()
    run.feed(*(usage(f"e-{hour}", MONDAY + hour * HOUR, input_tokens=1) for hour in range(4)))
    for window, scope in product(SIZES, PUBLISHED):
        first, last = window.bucket_of(MONDAY), window.bucket_of(MONDAY + DAY - 1)
        rows = list(read_rows(run.store, window, scope, first, last + 1))
        assert sum(row.calls for row in rows) == 4
        buckets = [row.place.bucket for row in rows]
        assert buckets == sorted(set(buckets))


def test_a_window_goes_no_further_than_its_borders() -> None:
    """Weeks begin on Monday, and the epoch was a Thursday."""
    run = EngineRun()
    for number, days in enumerate((-1, 0, 6, 7)):
        run.feed(usage(f"e-{days}", MONDAY + days * DAY, input_tokens=10**number))
    for moment in ("open", "closed"):
        weeks = [figures(run, Window.WEEK, Scope.TEAM, MONDAY + offset).values() for offset in (-WEEK, 0, WEEK)]
        assert [list(week) for week in weeks] == [[(1, 1)], [(2, 110)], [(1, 1_000)]], moment
        run.finish()


def test_what_may_not_be_told_is_read_all_the_same() -> None:
    """A closed window's two rows, and the open one that has neither yet, come to the same as if all were told."""
    guarded, open_to_all = EngineRun(min_actors=2), EngineRun()
    for hour in (*range(0, 60, 7), *range(60, 260, 50)):
        people = ["ada", "bob"] if hour % 2 else ["ada"]
        log = [
            usage(f"{hour}-{actor}-{minute}", MONDAY + hour * HOUR + minute * MINUTE, actor=actor, input_tokens=1)
            for minute in (0, 1, 30)
            for actor in people
        ]
        alone = usage(f"{hour}-c", MONDAY + hour * HOUR, workflow="triage", actor="cy", input_tokens=10)
        of_nobody = usage(f"{hour}-n", MONDAY + hour * HOUR + 31 * MINUTE, input_tokens=100)
        for run in (guarded, open_to_all):
            run.feed(alone, *log, of_nobody)
        for window, scope, at in product(SIZES, PUBLISHED, range(MONDAY, MONDAY + (hour + 1) * HOUR, HOUR)):
            expected = figures(open_to_all, window, scope, at)
            assert figures(guarded, window, scope, at) == expected, (window, scope, hour, at)
            assert not any(row.partial for row in rows_at(guarded, window, scope, at).values())
    assert len(guarded.kpis) < len(open_to_all.kpis)
    assert any(kpi.withheld for kpi in guarded.kpis)


def test_what_comes_late_is_read_where_it_entered_and_in_coarser_windows() -> None:
    """One person's call belongs to the first window that is still open, told or held there."""
    run = EngineRun(min_actors=2, lateness_ms=0, grace_ms=2 * WEEK)
    run.feed(usage("a", MONDAY, input_tokens=1), usage("b", MONDAY + 2 * HOUR, input_tokens=1))
    run.feed(usage("late", MONDAY, actor="ada", input_tokens=10))
    expected = {Window.FIVE_MINUTES: (1, 1), Window.HOUR: (1, 1), Window.DAY: (3, 12), Window.WEEK: (3, 12)}
    for closed_by in (None, DAY, WEEK):
        if closed_by:
            run.feed(usage(f"mark-{closed_by}", MONDAY + closed_by, team="marker"))
        for window, (scope, workflow) in product(SIZES, ((Scope.WORKFLOW, "review"), (Scope.TEAM, ""))):
            found = figures(run, window, scope)
            assert found["payments", workflow] == expected[window], (window, scope, closed_by)
        run.crash()


def test_what_no_workflow_has_is_its_teams_alone() -> None:
    """Outcomes that name neither run nor workflow, before and after their window has closed."""
    run = EngineRun(lateness_ms=0)
    run.feed(usage("a", MONDAY, input_tokens=1))
    run.feed_outcomes(outcome("1", MONDAY))
    for moment in ("open", "closed"):
        for window in SIZES[1:]:
            assert set(rows_at(run, window, Scope.WORKFLOW)) == {("payments", "review")}, (window, moment)
            [row] = rows_at(run, window, Scope.TEAM).values()
            assert row.results is not None
            assert (row.calls, row.results.accepted) == (1, 1), (window, moment)
        run.finish()


def test_an_empty_store_has_no_rows() -> None:
    assert list(read_rows(EngineRun().store, Window.DAY, Scope.TEAM, 0, 10)) == []
