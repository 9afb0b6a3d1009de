"""A model provider of our own that knows the truth: each call it answers has its own numbers, and is written down.

Call ``n`` used 100+n input tokens that were not cached, 2,000+n read from the cache, and gave 50+n, of them 10+n of
reasoning; in the Anthropic dialect 300+n were written to the cache as well. So what is lost, counted twice or mixed up shows
in the sums. What a model does is in its name: ``fail-500`` and ``fail-429`` refuse, ``cut`` breaks its stream off.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiohttp import web

__all__ = ["Call", "ModelServer", "Tokens"]


class Tokens(NamedTuple):
    """Tokens in disjoint buckets; reasoning is a part of the output."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @classmethod
    def total(cls, many: Iterable["Tokens"]) -> "Tokens":
        """The sum by bucket."""
        return cls(*map(sum, zip(cls(), *many, strict=True)))


class Call(NamedTuple):
    """A call as the provider bills it. ``tokens`` is None where it was refused."""

    n: int
    endpoint: str
    model: str
    stream: bool
    response_id: str | None
    tokens: Tokens | None


class ModelServer:
    """Serves OpenAI's and Anthropic's dialects; use it as an asynchronous context manager."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.lookups = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def billed(self) -> list[Call]:
        """The calls that used tokens."""
        return [call for call in self.calls if call.tokens is not None]

    async def __aenter__(self) -> "ModelServer":
        application = web.Application()
        application.router.add_post("/v1/chat/completions", self._chat)
        application.router.add_post("/v1/responses", self._responses)
        application.router.add_get("/v1/responses/{id}", self._look_up)
        application.router.add_post("/v1/embeddings", self._embeddings)
        application.router.add_post("/v1/messages", self._messages)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def _called(self, request: web.Request, asked: dict[str, Any], prefix: str, *, writes: bool = False) -> Call:
        n, model = len(self.calls) + 1, asked["model"]
        tokens = None
        if not model.startswith("fail-"):
            tokens = Tokens(100 + n, 2000 + n, 300 + n if writes else 0, 50 + n, 0 if writes else 10 + n)
        if "embedding" in model and tokens:
            tokens = Tokens(100 + n)
        call = Call(n, request.path, model, bool(asked.get("stream")), f"{prefix}{n:06}" if tokens else None, tokens)
        self.calls.append(call)
        return call

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        call = self._called(request, asked, "chatcmpl-fake")
        if (tokens := call.tokens) is None:
            return _refusal(call)
        common = {"id": call.response_id, "created": 1_700_000_000, "model": call.model}
        usage = {
            "prompt_tokens": tokens.input + tokens.cache_read,
            "completion_tokens": tokens.output,
            "total_tokens": tokens.input + tokens.cache_read + tokens.output,
            "prompt_tokens_details": {"cached_tokens": tokens.cache_read},
            "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        }
        if not call.stream:
            message = {"role": "assistant", "content": "A reply."}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            answer = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
            return web.json_response(answer, headers=_identity(call))
        chunk = {**common, "object": "chat.completion.chunk"}
        parts: list[tuple[str | None, Any]] = [
            (None, {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]})
            for word in ("A ", "reply.")
        ]
        parts.append((None, {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        if (asked.get("stream_options") or {}).get("include_usage"):
            parts.append((None, {**chunk, "choices": [], "usage": usage}))
        return await _stream(request, call, [*parts, (None, "[DONE]")])

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        call = self._called(request, asked, "resp_fake")
        if (tokens := call.tokens) is None:
            return _refusal(call)
        answer = _response(call, tokens)
        if not call.stream:
            return web.json_response(answer, headers=_identity(call))
        begun = {**answer, "status": "in_progress", "output": [], "usage": None}
        text = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "A reply."}
        return await _stream(request, call, [
            ("response.created", {"type": "response.created", "sequence_number": 0, "response": begun}),
            ("response.output_text.delta", {"type": "response.output_text.delta", "sequence_number": 1, **text}),
            ("response.completed", {"type": "response.completed", "sequence_number": 2, "response": answer}),
        ])  # fmt: skip

    async def _look_up(self, request: web.Request) -> web.Response:
        self.lookups += 1
        for call in self.calls:
            if call.response_id == request.match_info["id"] and call.tokens:
                return web.json_response(_response(call, call.tokens))
        return web.json_response({"error": {"message": "no such response"}}, status=404)

    async def _embeddings(self, request: web.Request) -> web.Response:
        call = self._called(request, await request.json(), "unused")
        if (tokens := call.tokens) is None:
            return _refusal(call)
        data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
        usage = {"prompt_tokens": tokens.input, "total_tokens": tokens.input}
        answer = {"object": "list", "model": call.model, "data": data, "usage": usage}
        return web.json_response(answer, headers=_identity(call))

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        call = self._called(request, asked, "msg_fake", writes=True)
        if (tokens := call.tokens) is None:
            return _refusal(call)
        given = {
            "input_tokens": tokens.input,
            "cache_read_input_tokens": tokens.cache_read,
            "cache_creation_input_tokens": tokens.cache_write,
        }
        message = {"id": call.response_id, "type": "message", "role": "assistant", "model": call.model}
        if not call.stream:
            content = [{"type": "text", "text": "A reply."}]
            usage = {**given, "output_tokens": tokens.output}
            answer = {**message, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
            return web.json_response(answer, headers=_identity(call))
        begun = {**message, "content": [], "stop_reason": None, "usage": {**given, "output_tokens": 1}}
        delta = {"type": "text_delta", "text": "A reply."}
        ended = {"stop_reason": "end_turn", "stop_sequence": None}
        parts = [
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": tokens.output}},
            {"type": "message_stop"},
        ]
        return await _stream(request, call, [(part["type"], part) for part in parts])


def _identity(call: Call) -> dict[str, str]:
    return {"request-id": f"req_fake{call.n:06}", "x-request-id": f"req_fake{call.n:06}"}


def _refusal(call: Call) -> web.Response:
    status = int(call.model.removeprefix("fail-"))
    return web.json_response({"error": {"message": "refused"}}, status=status, headers=_identity(call))


def _response(call: Call, tokens: Tokens) -> dict[str, Any]:
    content = [{"type": "output_text", "text": "A reply.", "annotations": []}]
    output = [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}]
    usage = {
        "input_tokens": tokens.input + tokens.cache_read,
        "input_tokens_details": {"cached_tokens": tokens.cache_read},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.cache_read + tokens.output,
    }
    return {
        "id": call.response_id, "object": "response", "created_at": 1_700_000_000, "status": "completed",
        "model": call.model, "output": output, "usage": usage, "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0,
        "tool_choice": "auto", "tools": [],
    }  # fmt: skip


async def _stream(request: web.Request, call: Call, parts: list[tuple[str | None, Any]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream", **_identity(call)})
    await response.prepare(request)
    for index, (event, data) in enumerate(parts):
        if call.model == "cut" and index == 1:
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
            break
        name = f"event: {event}\n" if event else ""
        text = data if isinstance(data, str) else json.dumps(data)
        await response.write(f"{name}data: {text}\n\n".encode())
    return response
