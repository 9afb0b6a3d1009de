"""A store in memory, for replay and tests: sorted, no files."""

from collections.abc import Iterator, Mapping

from sortedcontainers import SortedList

__all__ = ["MemoryStore"]


class MemoryStore:
    """A :class:`streams.core.store.StateView` over a dict, with the one write a shard needs.

    Keys are put in order when a range is asked for, only those that came or went since the last time: to sort all of them
    again took a tenth of a long replay.
    """

    def __init__(self, data: Mapping[bytes, bytes] | None = None) -> None:
        self.data: dict[bytes, bytes] = dict(data or {})
        self._keys = SortedList(self.data)
        self._came: set[bytes] = set()
        self._went: set[bytes] = set()

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self.data.get(key)

    def range(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with ``start <= key < end``, in order of key."""
        if self._went or self._came:
            for key in self._went:
                self._keys.remove(key)
            self._keys.update(self._came)
            self._came, self._went = set(), set()
        for key in list(self._keys.irange(start, end, inclusive=(True, False))):
            yield key, self.data[key]

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Apply one batch of changes."""
        data, came, went = self.data, self._came, self._went
        for key, value in writes.items():
            if value is None:
                if data.pop(key, None) is not None:
                    if key in came:
                        came.remove(key)
                    else:
                        went.add(key)
            else:
                if key not in data:
                    if key in went:
                        went.remove(key)
                    else:
                        came.add(key)
                data[key] = value
