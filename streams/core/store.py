"""What the core asks of a store: committed bytes by key and by range."""

from collections.abc import Iterator
from typing import Protocol

__all__ = ["StateView", "Writes"]

#: What a step changes: key to new value, ``None`` deletes.
Writes = dict[bytes, bytes | None]


class StateView(Protocol):
    """A read-only, ordered view of one shard's committed state."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        ...

    def range(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with ``start <= key < end``, in order of key."""
        ...
