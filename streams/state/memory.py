"""A store in memory, for replay and tests: sorted, no files."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

__all__ = ["MemoryStore"]


class MemoryStore:
    """A :class:`streams.core.store.StateView` over a dict, with the one write a shard needs."""

    def __init__(self, data: Mapping[bytes, bytes] | None = None) -> None:
        self.data: dict[bytes, bytes] = dict(data or {})
        self._keys: list[bytes] | None = None

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self.data.get(key)

    def range(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with ``start <= key < end``, in order of key."""
        if self._keys is None:
            self._keys = sorted(self.data)
        keys = self._keys
        for key in keys[bisect_left(keys, start) : bisect_left(keys, end)]:
            yield key, self.data[key]

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Apply one batch of changes."""
        for key, value in writes.items():
            if value is None:
                if self.data.pop(key, None) is not None:
                    self._keys = None
            else:
                if key not in self.data:
                    self._keys = None
                self.data[key] = value
