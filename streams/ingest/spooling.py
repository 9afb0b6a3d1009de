"""The spool beside an event loop: one thread does all its work, and parcels that come together share one flush."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from streams.ingest.spool import Batch, Spool

__all__ = ["SpoolQueue"]

_T = TypeVar("_T")


class _Figures(NamedTuple):
    """What the spool holds, as the thread last left it."""

    size_bytes: int
    unread_bytes: int
    age_ms: int | None
    read_at: float


class SpoolQueue:
    """A :class:`Spool` for one event loop. Raises what that raises, and never blocks the loop."""

    def __init__(self, spool: Spool, max_bytes: int) -> None:
        self.max_bytes: Final = max_bytes
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._waiting: list[tuple[bytes, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._healthy = True
        self._figures = self._look(0.0)

    @property
    def size_bytes(self) -> int:
        """What it takes up on disk."""
        return self._figures.size_bytes

    @property
    def unread_bytes(self) -> int:
        """What is still to be read from it."""
        return self._figures.unread_bytes

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it, nor on its way into it."""
        return self._figures.age_ms is None and not self._waiting and self._writing is None

    @property
    def has_room(self) -> bool:
        """Whether the disk took the last parcel, and the spool would take a small one."""
        return self._healthy and self._figures.size_bytes < 0.99 * self.max_bytes

    @property
    def age_seconds(self) -> float:
        """Since when the oldest undelivered parcel waits, 0 where none does."""
        since, at = self._figures.age_ms, self._figures.read_at
        return 0.0 if since is None else since / 1000 + (asyncio.get_running_loop().time() - at)

    async def append(self, parcel: bytes) -> bool:
        """Make a parcel durable; false where it has no room."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((parcel, done))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        return await done

    async def read(self, max_bytes: int) -> Batch | None:
        """The next parcels, None at the end."""
        return await self._do(lambda: self._spool.read(max_bytes))

    async def rewind(self) -> None:
        """Read again from the oldest that was not released."""
        await self._do(self._spool.rewind)

    async def release(self, end: tuple[int, int]) -> None:
        """Forget what is delivered."""
        await self._do(lambda: self._spool.release(end))

    async def close(self) -> None:
        """Nothing is asked of it any more."""
        await self._do(self._spool.close)
        self._thread.shutdown()

    async def _write(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            parcels = [parcel for parcel, _ in taken]
            try:
                count = await self._do(lambda parcels=parcels: self._spool.append(parcels))  # type: ignore[misc]
            except Exception as error:  # whoever waits is to know, whatever it is
                self._healthy = False
                for _, done in taken:
                    if not done.done():
                        done.set_exception(error)
                continue
            self._healthy = True
            for place, (_, done) in enumerate(taken):
                if not done.done():
                    done.set_result(place < count)
        self._writing = None

    async def _do(self, work: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()

        def worked() -> tuple[_T, _Figures]:
            return work(), self._look(loop.time())

        result, self._figures = await loop.run_in_executor(self._thread, worked)
        return result

    def _look(self, now: float) -> _Figures:
        return _Figures(self._spool.size_bytes, self._spool.unread_bytes, self._spool.age_ms(), now)
