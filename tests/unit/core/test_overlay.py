"""An overlay reads as the store will once its changes are written."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.overlay import Overlay
from streams.core.store import Writes
from streams.state.memory import MemoryStore

KEYS = st.binary(max_size=2)
STORED = st.dictionaries(KEYS, st.binary(max_size=1), max_size=12)
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=1)), max_size=20)
#: A whole drain between changes, or another change.
STEPS = st.lists(st.one_of(st.none(), st.tuples(KEYS, st.none() | st.binary(max_size=1))), max_size=25)


@given(STORED, STEPS, KEYS, KEYS)
@settings(deadline=None, max_examples=300)
def test_it_reads_like_a_dict(
    stored: dict[bytes, bytes], steps: list[tuple[bytes, bytes | None] | None], start: bytes, end: bytes
) -> None:
    """By key, by range, and the first of a range, whatever was put, deleted, put again or drained in between."""
    store, expected = MemoryStore(stored), dict(stored)
    overlay = Overlay(store)
    for step in steps:
        if step is None:
            writes: Writes = {}
            overlay.drain(writes)
            store.write(writes)
            assert not overlay.pending
        else:
            key, value = step
            overlay.put(key, value)
            assert overlay.pending
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
        within = {key: value for key, value in expected.items() if start <= key < end}
        found = list(overlay.range(start, end))
        assert len(found) == len(within)
        assert dict(found) == within
        assert overlay.first(start, end) == min(within, default=None)
        assert overlay.get(start) == expected.get(start)
    writes = {}
    overlay.drain(writes)
    store.write(writes)
    assert store.data == expected


@given(STORED, CHANGES)
@settings(deadline=None, max_examples=100)
def test_what_is_not_written_yet_comes_first_and_in_order(
    stored: dict[bytes, bytes], changes: list[tuple[bytes, bytes | None]]
) -> None:
    overlay = Overlay(MemoryStore(stored))
    for key, value in changes:
        overlay.put(key, value)
    fresh = {key for key, value in dict(changes).items() if value is not None}
    found = [key for key, _ in overlay.range(b"", b"\xff\xff\xff")]
    assert found[: len(fresh)] == sorted(fresh)
    assert found[len(fresh) :] == sorted(found[len(fresh) :])
