"""Reading windows out of a store: an open one is there as far as it has come, and a closed one as it was published."""

from itertools import product

from streams.core.reading import read_rows
from streams.core.windows import SIZES, Scope, Window
from tests.engine_runs import DAY, FIVE, HOUR, MONDAY, EngineRun, usage


def figures(run: EngineRun, window: Window, scope: Scope, at: int = MONDAY) -> dict[tuple[str, str], tuple[int, int]]:
    """Calls and input tokens by team and workflow of the window that holds a moment."""
    bucket = at // window
    rows = list(read_rows(run.store, window, scope, bucket, bucket + 1))
    found = {(row.place.team, row.place.workflow): (row.calls, row.input) for row in rows}
    assert len(found) == len(rows)
    assert all(row.place.bucket == bucket for row in rows)
    return found


def test_every_table_has_the_open_window_at_every_moment() -> None:
    """Whatever has closed of it so far: nothing, its five minutes, its hours."""
    run = EngineRun()
    for sent, at in enumerate((0, 1, FIVE, 3 * FIVE, HOUR, 2 * HOUR + FIVE, 5 * HOUR, DAY - FIVE), start=1):
        run.feed(
            usage(f"a-{at}", MONDAY + at, workflow="a", input_tokens=10),
            usage(f"b-{at}", MONDAY + at, workflow="b", input_tokens=1),
        )
        assert figures(run, Window.DAY, Scope.WORKFLOW) == {
            ("payments", "a"): (sent, 10 * sent), ("payments", "b"): (sent, sent),
        }  # fmt: skip
        assert figures(run, Window.DAY, Scope.TEAM) == {("payments", ""): (2 * sent, 11 * sent)}
        latest = MONDAY + at
        for window, scope in product(SIZES, Scope):
            assert figures(run, window, scope, latest), (window, scope, at)


def test_closed_and_open_windows_are_told_in_one_go() -> None:
    run = EngineRun()
    run.feed(*(usage(f"e-{hour}", MONDAY + hour * HOUR, input_tokens=1) for hour in range(4)))
    for window, scope in product(SIZES, Scope):
        rows = read_rows(run.store, window, scope, MONDAY // window, (MONDAY + DAY) // window)
        assert sum(row.calls for row in rows) == 4


def test_an_empty_store_has_no_rows() -> None:
    assert list(read_rows(EngineRun().store, Window.DAY, Scope.TEAM, 0, 10)) == []
