"""What can go wrong in publishing, by what the caller does about it."""

__all__ = [
    "BrokerUnavailable",
    "BufferFull",
    "DeliveryFailed",
    "FlushTimeout",
    "GivenUp",
    "InvalidEvent",
    "ProducerClosed",
    "ProducerError",
]


class ProducerError(Exception):
    """An event could not be published."""


class InvalidEvent(ProducerError, ValueError):
    """The event breaks the contract; the message names the field and the fix. Mend the caller: no retry helps.

    ``reason`` is the one under which the worker would dead-letter the record, ``None`` where it could not be written.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class BufferFull(ProducerError):
    """Events come faster than the broker takes them, and the wait for room is over: slow down, or drop the event."""


class BrokerUnavailable(ProducerError):
    """No broker answers, or it has no such topic: mend the address, or try again later."""


class ProducerClosed(ProducerError):
    """The producer is closed, not started, or belongs to the process this one was forked from: make a new one."""


class FlushTimeout(ProducerError):
    """Events are still on their way after the time given; they may yet arrive."""


class GivenUp(ProducerError):
    """The producer was closed before the broker answered for the event; it may or may not have been written."""


class DeliveryFailed(ProducerError):
    """The broker did not take ``count`` events since the last flush; the message says why it refused the first.

    An event that failed by a time-out may still have been written: send it again under the same ``event_id`` and it
    counts once.
    """

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count
