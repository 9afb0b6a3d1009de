"""The store in memory: sorted, and the same after any order of writes."""

import pytest

from streams.state.memory import MemoryStore

PAIRS = {b"a": b"1", b"b": b"2", b"b\x00": b"3", b"c": b"", b"\xff": b"5"}


def pairs(store: MemoryStore, start: bytes = b"", end: bytes = b"\xff\xff") -> list[tuple[bytes, bytes]]:
    """A range as a list."""
    return list(store.range(start, end))


@pytest.mark.parametrize(
    ("start", "end", "keys"),
    [
        (b"", b"\xff\xff", [b"a", b"b", b"b\x00", b"c", b"\xff"]),
        (b"a", b"b", [b"a"]),
        (b"a\x00", b"b\x00", [b"b"]),
        (b"b", b"b", []),
        (b"c", b"a", []),
        (b"b\x01", b"c", []),
        (b"d", b"\xff", []),
    ],
)
def test_a_range_is_half_open_and_in_order(start: bytes, end: bytes, keys: list[bytes]) -> None:
    """Whatever order the pairs came in."""
    store = MemoryStore(dict(reversed(PAIRS.items())))
    assert pairs(store, start, end) == [(key, PAIRS[key]) for key in keys]


def test_a_key_has_a_value_or_none() -> None:
    """An empty value is a value."""
    store = MemoryStore(PAIRS)
    assert (store.get(b"c"), store.get(b"d")) == (b"", None)


def test_writes_put_replace_and_delete() -> None:
    """Deleting what is not there is no error; ranges see all of it."""
    store = MemoryStore()
    store.write({b"b": b"1", b"a": b"2", b"x": None})
    assert pairs(store) == [(b"a", b"2"), (b"b", b"1")]
    store.write({b"b": b"3", b"c": b"4", b"a": None})
    assert pairs(store) == [(b"b", b"3"), (b"c", b"4")]
    store.write({b"d": b"5"})
    assert pairs(store) == [(b"b", b"3"), (b"c", b"4"), (b"d", b"5")]
    store.write({b"c": b"6"})
    assert pairs(store, b"c") == [(b"c", b"6"), (b"d", b"5")]


def test_a_store_does_not_share_the_data_it_began_with() -> None:
    """The caller's dict stays as it is."""
    data = {b"a": b"1"}
    MemoryStore(data).write({b"a": None})
    assert data == {b"a": b"1"}
