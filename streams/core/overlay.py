"""What a store will hold once the pending changes are written: reads through changes that are not written yet."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from streams.core.store import StateView, Writes

__all__ = ["Overlay"]


class Overlay:
    """A :class:`StateView` over another, with changes of its own on top, until :meth:`drain` hands them over."""

    def __init__(self, store: StateView) -> None:
        self._store = store
        self._pending: Writes = {}
        # In order: sorted anew for every range that is asked for, they cost more than all the rest of a tick.
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        if key in self._pending:
            return self._pending[key]
        return self._store.get(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Change a key; None deletes it."""
        if key not in self._pending:
            insort(self._keys, key)
        self._pending[key] = value

    def range(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with ``start <= key < end``: first unwritten ones, then written ones, each in order of key."""
        for key in self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]:
            value = self._pending[key]
            if value is not None:
                yield key, value
        for key, value in self._store.range(start, end):
            if key not in self._pending:
                yield key, value

    def first(self, start: bytes, end: bytes) -> bytes | None:
        """The lowest key of a range."""
        lowest = None
        for key in self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]:
            if self._pending[key] is not None:
                lowest = key
                break
        for key, _ in self._store.range(start, end):
            if key not in self._pending:
                return key if lowest is None else min(key, lowest)
        return lowest

    @property
    def pending(self) -> bool:
        """Whether there are any changes."""
        return bool(self._pending)

    def drain(self, writes: Writes) -> None:
        """Hand the changes over; whoever takes them writes them before anything is read again."""
        writes.update(self._pending)
        self._pending = {}
        self._keys = []
