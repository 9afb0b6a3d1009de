"""What aiokafka's producer does not tell or do by itself: why its transaction is over, and how to end it for good."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaProducer

__all__ = ["abandon", "ended_by", "read_failures"]

_PATIENCE_SECONDS: Final = 5.0


async def abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what it still holds; for one whose ``stop`` was given up.

    ``stop`` flushes before anything else. Given up at that, it would leave its sender task, its metadata task and its
    connections alive for ever, and the sender would append what it holds once the broker is back: behind what the
    partition's next owner has written by then.
    """
    for batch in _batches(producer):
        batch.future.cancel()
        batch._drain_waiter.cancel()
    sender = producer._sender.sender_task
    if sender is not None:
        # Its failure would be told to the transaction manager, which cannot be told anything between transactions.
        sender.remove_done_callback(producer._sender._fail_all)
        sender.cancel()
    # The sender waits for the answers to what it has sent; without connections there will be none.
    await producer.client.close()
    if sender is not None:
        await asyncio.wait([sender], timeout=_PATIENCE_SECONDS)
        if sender.done() and not sender.cancelled():
            sender.exception()


def ended_by(producer: AIOKafkaProducer) -> BaseException | None:
    """The error that ended a producer's transaction behind its user's back; None where nothing did.

    The sender learns first that another owner has fenced this one. Whoever is between two calls then hears
    ``IllegalOperation`` ("not in transaction") or an ``AssertionError`` from the next, which says nothing of it.
    """
    over = producer._txn_manager and producer._txn_manager._transaction_waiter
    if over is None or not over.done() or over.cancelled():
        return None
    error: BaseException | None = over.exception()
    return error


def read_failures(producer: AIOKafkaProducer) -> None:
    """Look at the failures that a producer still holds: asyncio logs each that nobody has looked at, as an error."""
    futures = chain.from_iterable((batch.future, batch._drain_waiter) for batch in _batches(producer))
    for future in futures:
        if future.done() and not future.cancelled():
            future.exception()
    ended_by(producer)


def _batches(producer: AIOKafkaProducer) -> Iterator[Any]:
    """The batches that were not delivered: those that wait and those that are under way."""
    held = producer._message_accumulator
    return chain(*held._batches.values(), held._pending_batches)
