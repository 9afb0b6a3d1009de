"""Bodies in work hold no more than they may; the next waits its turn, and not for ever."""

import asyncio
import random

import pytest

from streams.ingest import reading
from streams.ingest.reading import Memory
from streams.ingest.refusing import HttpRefusal

KIB = 1024


async def test_the_next_waits_until_there_is_room_and_in_line() -> None:
    memory, order = Memory(300 * KIB), []

    async def body(name: str, size: int, leave: asyncio.Event) -> None:
        async with memory.share(size):
            order.append(name)
            await leave.wait()

    first, rest = asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(body("first", 200 * KIB, first))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(body("large", 200 * KIB, rest)), asyncio.create_task(body("small", 70 * KIB, rest))]
    await asyncio.sleep(0.01)
    assert order == ["first"], "the small one must not overtake, or the large one would starve"
    first.set()
    await asyncio.sleep(0.01)
    assert order == ["first", "large", "small"]
    rest.set()
    await asyncio.gather(*tasks)
    assert memory.held_bytes == 0


async def test_whoever_waits_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.02)
    memory = Memory(100 * KIB)
    async with memory.share(90 * KIB):
        with pytest.raises(HttpRefusal) as caught:
            async with memory.share(90 * KIB):
                pass
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})
    assert memory.held_bytes == 0
    async with memory.share(90 * KIB):
        pass


async def test_whoever_leaves_in_the_moment_of_its_turn_gives_it_back() -> None:
    memory = Memory(100 * KIB)
    await memory.take(90 * KIB)
    waiting = asyncio.create_task(memory.take(90 * KIB))
    await asyncio.sleep(0)
    memory.give(90 * KIB)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert memory.held_bytes == 0


async def test_a_body_larger_than_all_the_room_passes_alone() -> None:
    memory = Memory(100 * KIB)
    async with memory.share(1_000 * KIB):
        assert memory.held_bytes == 1_000 * KIB
    assert memory.held_bytes == 0


async def test_nothing_stays_held_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.005)
    memory, chance = Memory(500 * KIB), random.Random(1)
    most = 0

    async def body() -> None:
        nonlocal most
        async with memory.share(chance.randrange(300 * KIB)) as share:
            await asyncio.sleep(chance.random() / 500)
            await share.hold(chance.randrange(400 * KIB))
            most = max(most, memory.held_bytes)
            await asyncio.sleep(chance.random() / 500)
            if chance.random() < 0.2:
                raise ValueError

    async def cancelled() -> None:
        task = asyncio.create_task(body())
        await asyncio.sleep(chance.random() / 300)
        task.cancel()
        await task

    outcomes = await asyncio.gather(*(chance.choice((body, cancelled))() for _ in range(2_000)), return_exceptions=True)
    kinds = {type(outcome).__name__ for outcome in outcomes}
    assert kinds <= {"NoneType", "ValueError", "HttpRefusal", "CancelledError"}
    assert {"NoneType", "HttpRefusal", "CancelledError"} <= kinds
    assert memory.held_bytes == 0
    assert 0 < most <= 500 * KIB
