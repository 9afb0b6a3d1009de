"""Chunks on their way into a shard, and the queue in which they wait, bounded in number and in bytes."""

import asyncio
from collections import deque
from typing import Final, Protocol

from streams.core.engine import Chunk

__all__ = ["Arrival", "Arrivals", "Trimmed"]

#: Chunks waiting in a shard beyond which its partition's messages are held back.
_MOST_CHUNKS: Final = 16
#: And bytes, of records that are large.
_MOST_BYTES: Final = 16 << 20


class Arrival(Protocol):
    """A chunk on its way in, and how to tell that it is done."""

    @property
    def chunk(self) -> Chunk:
        """The records."""
        ...

    def done(self) -> None:
        """The chunk's effects are durable, or it had none."""
        ...


class Trimmed:
    """A chunk without the records that were applied before."""

    def __init__(self, arrival: Arrival, expected: int) -> None:
        chunk = arrival.chunk
        skip = next((place for place, offset in enumerate(chunk.offsets) if offset >= expected), len(chunk.offsets))
        self.chunk = chunk._replace(offsets=chunk.offsets[skip:], values=chunk.values[skip:], fetch_start=expected)
        self.done = arrival.done


class Arrivals:
    """The chunks that wait for one shard, oldest first.

    ``room`` is set while more may come: from a full queue on it is not, until half of it is gone. ``arrived`` is for
    whoever waits for a chunk, and clears it when there is none.
    """

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self._queue: deque[tuple[Arrival, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def records(self) -> int:
        """Records in all chunks that wait."""
        return sum(len(arrival.chunk.values) for arrival, _ in self._queue)

    @property
    def oldest(self) -> Arrival | None:
        """The chunk that comes next."""
        return self._queue[0][0] if self._queue else None

    def put(self, arrival: Arrival) -> None:
        """Add a chunk behind all others."""
        size = sum(map(len, filter(None, arrival.chunk.values)))
        self._queue.append((arrival, size))
        self._bytes += size
        self.arrived.set()
        if len(self._queue) >= _MOST_CHUNKS or self._bytes >= _MOST_BYTES:
            self.room.clear()

    def take(self) -> Arrival:
        """Remove the oldest chunk."""
        arrival, size = self._queue.popleft()
        self._bytes -= size
        if len(self._queue) < _MOST_CHUNKS // 2 and self._bytes < _MOST_BYTES // 2:
            self.room.set()
        return arrival

    def clear(self) -> None:
        """Forget what waits."""
        self._queue.clear()
        self._bytes = 0
        self.room.set()
