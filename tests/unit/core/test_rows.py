"""Rows: what is open, what is read back, what is written, what is forgotten."""

import pytest

from streams.core import keys
from streams.core.aggregate import Aggregate
from streams.core.distinct import Sealed
from streams.core.events import UsageEvent
from streams.core.keys import RowKey
from streams.core.rows import Rows
from streams.core.store import Writes
from streams.core.windows import BASE_MS, Scope, Window
from streams.state.memory import MemoryStore

FIVE, HOUR = Window.FIVE_MINUTES, Window.HOUR
EVENT = UsageEvent(
    event_id="1", source="s", occurred_at=1_767_571_200_000, team="t", workflow="w", model="m", input_tokens=1
)


def place(bucket: int, workflow: str = "w", window: Window = FIVE, scope: Scope = Scope.WORKFLOW) -> RowKey:
    """A place of team ``t``."""
    return RowKey(window, scope, bucket, "t", workflow)


def counted(where: RowKey, calls: int = 1) -> Aggregate:
    """A row with some calls."""
    row = Aggregate(where)
    for _ in range(calls):
        row.add(EVENT, 0, 0)
    return row


def stored(*rows: Aggregate) -> MemoryStore:
    """A store that holds some rows."""
    return MemoryStore({row.place.encode(): row.encode() for row in rows})


def drained(rows: Rows, store: MemoryStore) -> Writes:
    """What draining writes, applied."""
    writes: Writes = {}
    rows.drain(writes)
    store.write(writes)
    return writes


def calls(rows: list[Aggregate]) -> dict[RowKey, int]:
    """Calls by place."""
    assert len({row.place for row in rows}) == len(rows)
    return {row.place: row.calls for row in rows}


def test_open_rows_are_read_back_from_where_closing_stands() -> None:
    """5-minute rows of workflows from the first open bucket on, by bucket and name; nothing else."""
    store = stored(
        counted(place(9)), counted(place(10)), counted(place(10, "v"), 2), counted(place(2_000_000_000)),
        counted(place(10, "", FIVE, Scope.TEAM)), counted(place(10, "w", HOUR)),
    )  # fmt: skip
    rows = Rows(store, 10 * BASE_MS + 1)
    found = {bucket: {name: row.calls for name, row in named.items()} for bucket, named in rows.open.items()}
    assert found == {10: {("t", "v"): 2, ("t", "w"): 1}, 2_000_000_000: {("t", "w"): 1}}
    assert drained(rows, store) == {}


def test_a_row_that_is_opened_is_among_the_open_ones() -> None:
    """Under its bucket and names."""
    rows = Rows(MemoryStore(), 0)
    row = rows.opened(5, "t", "w")
    assert (row.place, row.calls) == (place(5), 0)
    assert rows.open == {5: {("t", "w"): row}}


def test_touched_rows_are_written_once() -> None:
    """And again only when touched again."""
    store = MemoryStore()
    rows = Rows(store, 0)
    row = counted(place(5))
    rows.touch(row)
    rows.touch(row)
    assert drained(rows, store) == {place(5).encode(): row.encode()}
    assert drained(rows, store) == {}
    row.add(EVENT, 0, 0)
    rows.touch(row)
    assert drained(rows, store) == {place(5).encode(): row.encode()}


def test_rows_that_the_caller_marked_are_taken_over() -> None:
    """The hot loop sets the mark itself; draining takes it off."""
    store = MemoryStore()
    rows = Rows(store, 0)
    row = counted(place(5))
    row.touched = True
    rows.touched([row])
    assert drained(rows, store) == {place(5).encode(): row.encode()}
    assert not row.touched


def test_a_row_is_read_from_the_store_unless_it_changed() -> None:
    """A change that is not written yet is seen."""
    store = stored(counted(place(5)))
    rows = Rows(store, 0)
    row = rows.get(place(5))
    assert row.calls == 1
    row.add(EVENT, 0, 0)
    rows.touch(row)
    assert rows.get(place(5)) is row
    assert rows.get(place(6)).calls == 0
    drained(rows, store)
    assert rows.get(place(5)).calls == 2


def test_a_scan_sees_stored_and_changed_rows_each_once() -> None:
    """Changed ones as they are now, within the range, of the size and scope asked for."""
    store = stored(
        counted(place(4)), counted(place(5)), counted(place(6)), counted(place(7)), counted(place(5, "", FIVE, Scope.TEAM))
    )  # fmt: skip
    rows = Rows(store, 100 * BASE_MS)
    for changed in (counted(place(3), 9), counted(place(6), 9), counted(place(6, "new"), 9), counted(place(7), 9),
                    counted(place(5, "w", HOUR), 9), counted(place(6, "", FIVE, Scope.TEAM), 9)):  # fmt: skip
        rows.touch(changed)
    found = calls(list(rows.scan(FIVE, Scope.WORKFLOW, 5, 7)))
    assert found == {place(5): 1, place(6): 9, place(6, "new"): 9}
    assert calls(list(rows.scan(FIVE, Scope.TEAM, 5, 7))) == {
        place(5, "", FIVE, Scope.TEAM): 1, place(6, "", FIVE, Scope.TEAM): 9,
    }  # fmt: skip


@pytest.mark.parametrize("drain_first", [True, False])
def test_expired_rows_are_deleted_and_not_written_again(drain_first: bool) -> None:
    """Whether they lay in the store, or were changed since the last drain; of all scopes, of one size."""
    store = stored(counted(place(5)), counted(place(6)), counted(place(5, "w", HOUR)))
    rows = Rows(store, 100 * BASE_MS)
    of_others = [counted(place(4, "", FIVE, scope)) for scope in Scope if scope is not Scope.WORKFLOW]
    for changed in (counted(place(4)), counted(place(5), 2), *of_others):
        rows.touch(changed)
    if drain_first:
        drained(rows, store)
    writes: Writes = {}
    rows.expire(FIVE, 6, writes)
    rows.drain(writes)
    store.write(writes)
    assert set(store.data) == {place(6).encode(), place(5, "w", HOUR).encode()}
    assert None in writes.values()


def test_expiry_does_not_go_back() -> None:
    """Nor does it look again at what it deleted before."""
    store = stored(counted(place(5)))
    rows = Rows(store, 100 * BASE_MS)
    writes: Writes = {}
    rows.expire(FIVE, 6, writes)
    rows.expire(FIVE, 3, writes)
    rows.touch(counted(place(4)))
    rows.drain(writes)
    assert writes == {place(5).encode(): None}
    assert keys.parse_row(next(iter(writes))) == place(5)


def members(row: Aggregate) -> tuple[bool, bool]:
    """Whether a row still says which runs and actors it counted."""
    return not isinstance(row.runs, Sealed), not isinstance(row.actors, Sealed)


def test_rows_below_a_bucket_are_sealed_once() -> None:
    """Stored and changed ones, of one size and all scopes; given back to whoever has to account for them."""
    held, pooled = counted(place(4, "w", HOUR, Scope.HELD)), counted(place(5, "", HOUR, Scope.POOLED))
    store = stored(counted(place(4, "w", HOUR)), counted(place(6, "w", HOUR)), held, counted(place(4)))
    rows = Rows(store, 100 * BASE_MS)
    rows.touch(pooled)
    assert calls(rows.seal(HOUR, 6)) == {place(4, "w", HOUR): 1, held.place: 1, pooled.place: 1}
    assert rows.seal(HOUR, 6) == rows.seal(HOUR, 3) == []
    drained(rows, store)
    kept = {keys.parse_row(key): Aggregate.decode(keys.parse_row(key), data) for key, data in store.data.items()}
    unsealed = {place(6, "w", HOUR), place(4)}
    assert {where: members(row) for where, row in kept.items()} == {
        where: (where in unsealed, where in unsealed) for where in kept
    }
    assert len(kept) == 5


def test_sealing_goes_on_where_the_last_one_stopped() -> None:
    """That is kept with the state: what is sealed already is not given back again."""
    store = stored(counted(place(4, "w", HOUR)), counted(place(5, "w", HOUR)))
    rows = Rows(store, 0)
    assert calls(rows.seal(HOUR, 5)) == {place(4, "w", HOUR): 1}
    drained(rows, store)
    again = Rows(store, 0, dict(rows.sealed))
    assert calls(again.seal(HOUR, 9)) == {place(5, "w", HOUR): 1}


@pytest.mark.parametrize("where", ["in the store", "changed", "both"])
def test_a_deleted_row_is_gone_until_it_is_made_anew(where: str) -> None:
    """For whoever looks for it, before and after it is written."""
    row = counted(place(5, "w", HOUR), 2)
    store = stored() if where == "changed" else stored(row)
    rows = Rows(store, 0)
    if where != "in the store":
        rows.touch(row)
    rows.delete(row.place)
    assert rows.find(row.place) is None
    assert rows.get(row.place).calls == 0
    assert list(rows.scan(HOUR, Scope.WORKFLOW, 0, 10)) == []
    assert drained(rows, store) == {row.place.encode(): None}
    assert store.data == {}
    rows.delete(row.place)
    anew = counted(row.place)
    rows.touch(anew)
    assert rows.find(row.place) is anew
    assert calls(list(rows.scan(HOUR, Scope.WORKFLOW, 0, 10))) == {row.place: 1}
    assert drained(rows, store) == {row.place.encode(): anew.encode()}
