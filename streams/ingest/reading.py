"""A request's body, read within bounds: of its size, of the time it takes, and of what all bodies hold together."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from streams.ingest.refusing import HttpRefusal, come_back

__all__ = ["BodyLimits", "Memory", "Share", "read_body"]

#: How long a request waits for memory before it is told to come back.
_WAIT_SECONDS: Final = 5.0
#: What a request holds before anything is known of its body.
_LEAST_BYTES: Final = 64 * 1024


class BodyLimits(Protocol):
    """The settings that bound a body."""

    @property
    def max_body_bytes(self) -> int:
        """Bytes as sent."""
        ...

    @property
    def read_timeout_seconds(self) -> float:
        """Seconds in which all of it must have come."""
        ...


class Stream(Protocol):
    """Where a body comes from."""

    def iter_any(self) -> AsyncIterator[bytes]:
        """Pieces as they arrive."""
        ...


class Memory:
    """What all bodies in work may hold together; whoever finds no room waits in line, without reading on."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes: Final = max_bytes
        self.held_bytes = 0
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def share(self, size: int) -> AsyncIterator["Share"]:
        """Room for so many bytes, and more as they are asked for. Raises HttpRefusal (503) where none comes free."""
        share = Share(self)
        try:
            await share.hold(max(size, _LEAST_BYTES))
            yield share
        finally:
            share.let_go()

    async def take(self, size: int) -> None:
        """Count so many bytes as held, once there is room."""
        if not self._line and self._has_room(size):
            self.held_bytes += size
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append((size, turn))
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                self._line = deque(each for each in self._line if each[1] is not turn)
            if isinstance(error, TimeoutError):
                raise come_back("more bodies are in work than memory is set aside for") from None
            raise

    def give(self, size: int) -> None:
        """So many bytes are free again."""
        self.held_bytes -= size
        while self._line and self._has_room(self._line[0][0]):
            wanted, turn = self._line.popleft()
            if not turn.done():
                self.held_bytes += wanted
                turn.set_result(None)

    def _has_room(self, size: int) -> bool:
        # A body larger than all the room there is passes alone.
        return self.held_bytes + size <= self.max_bytes or self.held_bytes == 0


class Share:
    """What one request holds of the memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0

    async def hold(self, size: int) -> None:
        """Hold so many bytes altogether."""
        if size > self._held:
            await self._memory.take(size - self._held)
            self._held = size

    def count(self, size: int) -> None:
        """Hold so many bytes more, which are there already: others wait the longer."""
        self._memory.held_bytes += size
        self._held += size

    def let_go(self) -> None:
        """Hold nothing."""
        if self._held:
            self._memory.give(self._held)
            self._held = 0


async def read_body(stream: Stream, share: Share, limits: BodyLimits) -> bytes:
    """All of the body. Raises HttpRefusal: 413, 408 or 503."""
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.read_timeout_seconds):
            async for piece in stream.iter_any():
                size += len(piece)
                if size > limits.max_body_bytes:
                    raise too_large(limits.max_body_bytes)
                pieces.append(piece)
                await share.hold(size)
    except TimeoutError:
        raise HttpRefusal(
            408, "too_slow", f"the body did not come within {limits.read_timeout_seconds:g} s: send smaller batches"
        ) from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(max_bytes: int) -> HttpRefusal:
    """The refusal of a body that is longer than is taken."""
    return HttpRefusal(413, "too_large", f"the body is longer than {max_bytes:,} bytes: send smaller batches")
