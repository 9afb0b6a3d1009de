"""Scans of rows against a naive look at everything, whatever was touched, deleted and written before."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.aggregate import Aggregate
from streams.core.events import UsageEvent
from streams.core.keys import RowKey
from streams.core.rows import Rows
from streams.core.store import Writes
from streams.core.windows import BASE_MS, Scope, Window
from streams.state.memory import MemoryStore

EVENT = UsageEvent(event_id="1", source="s", occurred_at=1_767_571_200_000, team="t", workflow="w", model="m")
PLACES = st.builds(
    RowKey, st.sampled_from([Window.FIVE_MINUTES, Window.HOUR]), st.sampled_from([Scope.WORKFLOW, Scope.TEAM]),
    st.integers(0, 6), st.sampled_from(["a", "b"]), st.sampled_from(["", "x"]),
)  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from(["count", "delete", "drain"]), PLACES), max_size=25)


@given(STEPS, st.integers(0, 6), st.integers(0, 7))
@settings(deadline=None, max_examples=200)
def test_a_scan_finds_each_row_of_its_range_once_as_it_is_now(
    steps: list[tuple[str, RowKey]], start: int, end: int
) -> None:
    store, expected = MemoryStore(), dict[RowKey, int]()
    rows = Rows(store, 100 * BASE_MS)
    for step, place in steps:
        if step == "count":
            row: Aggregate = rows.get(place)
            row.add(EVENT, 0, 0)
            rows.touch(row)
            expected[place] = expected.get(place, 0) + 1
        elif step == "delete":
            rows.delete(place)
            expected.pop(place, None)
        else:
            writes: Writes = {}
            rows.drain(writes)
            store.write(writes)
        for window in (Window.FIVE_MINUTES, Window.HOUR):
            for scope in (Scope.WORKFLOW, Scope.TEAM):
                found = list(rows.scan(window, scope, start, end))
                naive = {
                    place: calls for place, calls in expected.items()
                    if place[:2] == (window, scope) and start <= place.bucket < end
                }  # fmt: skip
                assert len(found) == len(naive)
                assert {row.place: row.calls for row in found} == naive
