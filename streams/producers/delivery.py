"""What is on its way and what was refused: the account of one producer, shared with its sending thread."""

import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from streams.producers.errors import BufferFull, DeliveryFailed, FlushTimeout

__all__ = ["RECORD_OVERHEAD", "Deliveries", "Failure", "Failures", "OnError", "still_under_way"]

#: What a waiting record costs beside its key and value: its place in the batch, and the objects that follow it.
RECORD_OVERHEAD: Final = 100

_LOG: Final = logging.getLogger("assay.producers")


class Failure(NamedTuple):
    """An event that the broker did not take, and why."""

    event_id: str
    error: BaseException


OnError = Callable[[Failure], None]


class Failures:
    """Events that were refused since the caller was last told; thread-safe."""

    def __init__(self, on_error: OnError | None) -> None:
        self._on_error = on_error
        self._lock = threading.Lock()
        self._count = 0
        self._first: Failure | None = None

    def add(self, failure: Failure) -> None:
        """Remember a failure and report it; an ``on_error`` that raises is logged, since nobody could catch it."""
        with self._lock:
            self._count += 1
            self._first = self._first or failure
        if self._on_error is not None:
            try:
                self._on_error(failure)
            except Exception:
                _LOG.exception("on_error raised")

    def surface(self) -> None:
        """Raise DeliveryFailed for what was added since this was last called."""
        with self._lock:
            count, first = self._count, self._first
            self._count, self._first = 0, None
        if first is not None:
            events = "1 event" if count == 1 else f"{count} events"
            reason = f"{type(first.error).__name__}: {first.error}"
            raise DeliveryFailed(
                f"the broker did not take {events}; {first.event_id}: {reason}", count
            ) from first.error


class Deliveries:
    """Counts what is under way, and makes callers wait while it is too much; thread-safe.

    A flush waits for what was sent before it, not for what other threads send meanwhile: every event belongs to the
    epoch it was sent in, and a flush begins the next one.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._bytes = 0
        self._epoch = 0
        self._pending = {0: 0}

    def begin(self, size: int, timeout_seconds: float) -> int:
        """Take room for an event, waiting for it; returns the epoch to settle it in. Raises BufferFull."""
        with self._changed:
            if not self._has_room(size) and not self._changed.wait_for(lambda: self._has_room(size), timeout_seconds):
                raise BufferFull(
                    f"{self._bytes} bytes wait for the broker, and none were taken within {timeout_seconds:g} s: send "
                    "slower, raise max_buffered_bytes, or look after the broker"
                )
            self._bytes += size
            self._pending[self._epoch] += 1
            return self._epoch

    def _has_room(self, size: int) -> bool:
        # An event larger than all the room there is passes alone.
        return self._bytes + size <= self._max_bytes or self._bytes == 0

    def settle(self, epoch: int, size: int) -> None:
        """An event was taken by the broker, or refused."""
        with self._changed:
            self._bytes -= size
            self._pending[epoch] -= 1
            self._changed.notify_all()

    def wait(self, timeout_seconds: float) -> None:
        """Wait until what was begun so far is settled; raises FlushTimeout."""
        with self._changed:
            ended = self._epoch
            self._epoch += 1
            self._pending[self._epoch] = 0
            if not self._changed.wait_for(lambda: self._settled(ended), timeout_seconds):
                waiting = sum(count for epoch, count in self._pending.items() if epoch <= ended)
                raise still_under_way(waiting, timeout_seconds)

    def _settled(self, ended: int) -> bool:
        for epoch in [epoch for epoch, count in self._pending.items() if epoch <= ended and count == 0]:
            del self._pending[epoch]
        return not any(epoch <= ended for epoch in self._pending)


def still_under_way(count: int, timeout_seconds: float) -> FlushTimeout:
    """A flush that took too long."""
    return FlushTimeout(f"still on their way after {timeout_seconds:g} s: {_events(count)}")


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
