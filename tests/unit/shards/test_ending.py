"""A task that was given up ends, even one that lets a cancellation pass."""

import asyncio
from contextlib import suppress

import pytest

from streams.shards import ending
from streams.shards.ending import end


async def deaf(times: int) -> None:
    """What a task is that is cancelled while it awaits a ``close`` of aiokafka's."""
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_task_that_suppresses_a_cancellation_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(ending, "_ASK_AGAIN_S", 0.01)
    task = asyncio.create_task(deaf(times))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await end(task)
    assert task.cancelled()


async def test_what_a_task_ended_with_is_not_raised() -> None:
    async def fails() -> None:
        raise OSError("unreachable")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end(task)
    assert task.done()
