"""Ends a task for certain."""

import asyncio
from typing import Any, Final

__all__ = ["end"]

_ASK_AGAIN_S: Final = 1.0


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel a task until it is done; what it raised is not.

    Once is not enough: aiokafka's ``close`` methods cancel tasks of their own, await them, and suppress the
    ``CancelledError`` that comes of it. Ours, arriving just then, is suppressed with it, and the task would live on
    while whoever gave it up waits for its end: a rebalance that never comes to one.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_ASK_AGAIN_S)
    if not task.cancelled():
        task.exception()
