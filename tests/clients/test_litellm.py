"""A real LiteLLM proxy before a provider that knows the truth: our logger loses nothing, its own callback does.

The receiver reads what comes with our source and counts events by their id, as the worker does.
"""

import asyncio
import itertools
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from streams.sources.contract import Skip
from tests.clients.litellm_proxy import Proxy
from tests.clients.model_server import ModelServer, Tokens
from tests.unit.producers.litellm.receiver import Receiver

OURS = "streams.producers.litellm.logger"
_AT_ONCE = 12


def ours(receiver: Receiver, directory: Path) -> dict[str, str]:
    """What our logger is told by the environment."""
    return {"LITELLM_ASSAY_URL": receiver.url, "LITELLM_ASSAY_SPOOL": str(directory / "spool")}


def its_own(receiver: Receiver) -> dict[str, Any]:
    """LiteLLM's generic callback, as its documentation sets it up; under the name of ``assay``."""
    headers = {"Authorization": "Bearer t-1"}
    return {"assay": {"callback_type": "generic_api", "endpoint": receiver.url, "headers": headers}}


def tokens_of(receiver: Receiver, status: str = "ok") -> list[Tokens]:
    buckets = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return sorted(
        Tokens(*(fields[bucket] for bucket in buckets))
        for fields in receiver.events.values()
        if fields["status"] == status
    )


def truth(models: ModelServer) -> list[Tokens]:
    """What the provider bills, call by call; every call has numbers of its own."""
    return sorted(call.tokens for call in models.calls if call.tokens is not None and call.model != "cut")


async def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for is told by no event
            await asyncio.sleep(0.05)


async def all_of(calls: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """Make calls, some at once."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with free:
            await call()

    await asyncio.gather(*(one(call) for call in calls))


def chats(proxy: Proxy, count: int) -> list[Callable[[], Awaitable[Any]]]:
    said = itertools.count()

    async def call() -> None:
        messages = [{"role": "user", "content": f"question {next(said)}"}]
        status, _ = await proxy.post("/v1/chat/completions", model="chat", messages=messages)
        assert status == 200

    return [call] * count


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    async with ModelServer() as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


# ------------------------------------------------------------------------------------------------- everything, no faults


class Mix:
    """A thousand calls of every kind that is told differently."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.statuses: list[int] = []

    async def post(self, path: str, **body: Any) -> bytes:
        status, read = await self.proxy.post(path, **body)
        self.statuses.append(status)
        return read

    async def chat(self, n: int, model: str = "chat", **more: Any) -> None:
        messages = [{"role": "user", "content": f"a marked question {n}"}]
        metadata = {"tags": ["workflow:nightly"], "team": "red", "session_id": f"run-{n % 7}"}
        await self.post("/v1/chat/completions", model=model, messages=messages, metadata=metadata, user="ada", **more)

    async def messages(self, n: int, **more: Any) -> None:
        messages = [{"role": "user", "content": f"a marked question {n}"}]
        await self.post("/v1/messages", model="claude", messages=messages, max_tokens=100, **more)

    async def responses(self, n: int, *, look_up: bool = False, **more: Any) -> None:
        read = await self.post("/v1/responses", model="chat", input=f"a marked question {n}", **more)
        if look_up:
            for _ in range(2):
                assert await self.proxy.get(f"/v1/responses/{json.loads(read)['id']}") == 200

    async def embed(self, n: int) -> None:
        await self.post("/v1/embeddings", model="embed", input=f"a marked question {n}")

    async def cached(self, n: int) -> None:
        """The same question twice; the proxy's cache answers the second."""
        for _ in range(2):
            await self.chat(100_000 + n, cache={"use-cache": True})

    def calls(self) -> list[Callable[[], Awaitable[Any]]]:
        kinds: list[tuple[int, Callable[[int], Awaitable[Any]]]] = [
            (380, self.chat),
            (100, lambda n: self.chat(n, stream=True)),
            (80, lambda n: self.chat(n, stream=True, stream_options={"include_usage": True})),
            (40, lambda n: self.chat(n, model="claude")),
            (30, lambda n: self.chat(n, model="unpriced")),
            (80, self.messages),
            (80, lambda n: self.messages(n, stream=True)),
            (40, lambda n: self.responses(n, look_up=n % 2 == 0)),
            (40, lambda n: self.responses(n, stream=True)),
            (30, self.embed),
            (20, lambda n: self.chat(n, model="fail500")),
            (20, lambda n: self.chat(n, model="fail429")),
            (5, lambda n: self.chat(n, model="cut", stream=True)),
            (5, lambda n: self.chat(n, model="nobody")),
            (25, self.cached),
        ]
        return [lambda kind=kind, n=n: kind(n) for count, kind in kinds for n in range(count)]  # type: ignore[misc]


async def test_a_thousand_calls_count_once_each_with_the_providers_tokens(
    litellm_program: Path, models: ModelServer, receiver: Receiver, tmp_path: Path
) -> None:
    """By our logger. LiteLLM's own callback beside it tells nothing wrong and nothing twice, but not everything."""
    async with Receiver() as other:
        proxy = Proxy(
            litellm_program, tmp_path, models, [OURS, "assay"],
            callback_settings=its_own(other), environment=ours(receiver, tmp_path),
        )  # fmt: skip
        await proxy.start()
        try:
            mix = Mix(proxy)
            await all_of(mix.calls())
            # Beside what the provider answered: what it refused, and a model that the proxy does not have.
            await eventually(lambda: len(receiver.events) >= len(models.calls) + 5)
            await asyncio.sleep(6)  # for its own callback, which sends every 5 s; and for what ought not to come
        finally:
            await proxy.end()
    assert len(mix.statuses) == 1_000
    assert (len(models.calls), len(models.billed), models.lookups) == (970, 930, 40)
    assert tokens_of(receiver) == truth(models)
    assert set(receiver.tellings.values()) == {1}
    assert receiver.refused == other.refused == 0
    # 40 refused by the provider, 5 by the proxy; and 5 streams that broke off, billed, of unknown size.
    failed = [fields for fields in receiver.events.values() if fields["status"] == "error"]
    assert len(failed) == 50
    assert sum("usage" in fields.get("attributes", {}) for fields in failed) == 25
    assert receiver.skipped[Skip.CACHE_HIT] == 25
    assert receiver.skipped[Skip.LOOKUP] >= 40
    chat = next(fields for fields in receiver.events.values() if fields.get("team") == "red")
    assert (chat["workflow"], chat["actor"], chat["run_id"][:4]) == ("nightly", "ada", "run-")
    assert not any(b"marked question" in body or b"A reply" in body for body in receiver.bodies)

    assert len(other.events) > 500
    for key, fields in other.events.items():
        # Our logger adds the provider's id of a stream of Anthropic's, which LiteLLM leaves out of its event.
        assert {**receiver.events[key], "request_id": fields.get("request_id")} == {"request_id": None, **fields}
    assert not set(tokens_of(other)) - set(truth(models))
    assert set(other.tellings.values()) == {1}
    assert sum(map(len, receiver.bodies)) < sum(map(len, other.bodies)) / 5


async def test_a_proxy_that_is_set_up_wrongly_does_not_start(
    litellm_program: Path, models: ModelServer, tmp_path: Path
) -> None:  # fmt: skip
    proxy = Proxy(litellm_program, tmp_path, models, [OURS], environment={"LITELLM_ASSAY_URI": "http://127.0.0.1:1"})
    with pytest.raises(AssertionError):
        await proxy.start()
    assert "LITELLM_ASSAY_URI is no setting of the logger" in proxy.log()


# ------------------------------------------------------------------------------------------------------- faults, by ours


async def test_our_logger_loses_nothing(
    litellm_program: Path, models: ModelServer, receiver: Receiver, tmp_path: Path
) -> None:
    """The receiver is slow, says 503, restarts, is away; the proxy gets SIGTERM, and kill -9."""
    proxy = Proxy(litellm_program, tmp_path, models, [OURS], environment=ours(receiver, tmp_path))
    await proxy.start()
    try:
        receiver.delay_seconds = 4.0
        await all_of(chats(proxy, 30))
        await asyncio.sleep(1)
        await all_of(chats(proxy, 30))
        receiver.delay_seconds = 0.0
        receiver.answers = [503] * 4
        await all_of(chats(proxy, 30))
        await eventually(lambda: tokens_of(receiver) == truth(models))

        await receiver.stop()
        await all_of(chats(proxy, 30))
        await receiver.start()
        await eventually(lambda: tokens_of(receiver) == truth(models))

        receiver.delay_seconds = 30.0  # so that nothing can be sent before the end
        await all_of(chats(proxy, 30))
        await proxy.end(signal.SIGTERM)
        assert tokens_of(receiver) != truth(models)
        receiver.delay_seconds = 0.0
        await proxy.start()
        await eventually(lambda: tokens_of(receiver) == truth(models))

        receiver.delay_seconds = 30.0
        await all_of(chats(proxy, 30))
        await asyncio.sleep(1)  # what LiteLLM has not handed to its callbacks yet is lost with it
        await proxy.end(signal.SIGKILL)
        receiver.delay_seconds = 0.0
        await proxy.start()
        await eventually(lambda: tokens_of(receiver) == truth(models))
    finally:
        await proxy.end()
    assert len(models.billed) == 180


# ------------------------------------------------------------------------------------------------- the same faults, its own


async def test_its_own_callback_loses_events(
    litellm_program: Path, models: ModelServer, receiver: Receiver, tmp_path: Path
) -> None:
    """As docs/sources/litellm.md says. Should this fail, LiteLLM has mended it: change the page."""
    proxy = Proxy(
        litellm_program, tmp_path, models, ["assay"],
        callback_settings=its_own(receiver), environment={"DEFAULT_FLUSH_INTERVAL_SECONDS": "1"},
    )  # fmt: skip
    await proxy.start()
    try:
        # A 503: the batch is gone.
        receiver.answers = [503]
        await all_of(chats(proxy, 10))
        await eventually(lambda: not receiver.answers)
        await all_of(chats(proxy, 10))
        await eventually(lambda: len(receiver.events) >= 10)
        await asyncio.sleep(3)
        assert len(receiver.events) < 20

        # A slow answer: what finishes while it is under way is cleared with the batch, though all was answered with 200.
        receiver.events.clear()
        requests = len(receiver.requests)
        receiver.delay_seconds = 4.0
        await all_of(chats(proxy, 10))
        await eventually(lambda: len(receiver.requests) > requests)
        await all_of(chats(proxy, 10))
        receiver.delay_seconds = 0.0
        await eventually(lambda: len(receiver.events) >= 10)
        await asyncio.sleep(3)
        assert len(receiver.events) < 20

        # SIGTERM: what waits for the next flush is gone.
        receiver.events.clear()
        receiver.delay_seconds = 30.0
        await all_of(chats(proxy, 10))
        await proxy.end(signal.SIGTERM)
        receiver.delay_seconds = 0.0
        await proxy.start()
        await asyncio.sleep(3)
        assert not receiver.events
    finally:
        await proxy.end()
