"""Ends a producer that does not come to its end by itself."""

import asyncio
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaProducer

__all__ = ["abandon"]

_PATIENCE_SECONDS: Final = 5.0


async def abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what it still holds; for one whose ``stop`` was given up.

    ``stop`` flushes before anything else. Given up at that, it would leave its sender task, its metadata task and its
    connections alive for ever, and the sender would append what it holds once the broker is back: behind what the
    partition's next owner has written by then.
    """
    held = producer._message_accumulator
    for batch in chain(*held._batches.values(), held._pending_batches):
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
