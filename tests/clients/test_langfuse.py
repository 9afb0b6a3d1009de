"""Langfuse's real SDKs, versions 2, 3 and 5, against a receiver that decodes with the source: exact to the token.

Each version is installed in an environment of its own (``make clients-langfuse``); without it its test is skipped.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.sources.contract import Context, Decoded, Skip
from streams.sources.langfuse import INGESTION, SCORES, TRACES, answer_batch, answer_scores, decode
from tests.clients.model_server import ModelServer
from tests.unit.sources.judging import RECEIVED_MS, booked, buckets, calls, canaries, outcomes

pytestmark = pytest.mark.clients

CLIENTS = Path(__file__).parents[2] / "build" / "clients"
PROGRAM = Path(__file__).with_name("langfuse_program.py")
BY_HAND = (100, 2000, 0, 50, 0)


class Receiver:
    """Takes what an SDK sends, decodes it, and answers as Langfuse does; an asynchronous context manager.

    The first answers on each path are lost: what was taken is sent again.
    """

    def __init__(self, lost: int = 0) -> None:
        self.decoded: list[tuple[str, Decoded]] = []
        self.url = ""
        self._lost: Counter[str] = Counter(dict.fromkeys((TRACES, SCORES, INGESTION), lost))

    async def __aenter__(self) -> "Receiver":
        application = web.Application(client_max_size=10_000_000)
        application.router.add_post("/{path:.*}", self._take)
        application.router.add_get("/{path:.*}", self._nothing)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        decoded = decode(body, Context(RECEIVED_MS, request.path, request.content_type))
        self.decoded.append((request.path, decoded))
        if self._lost[request.path]:
            self._lost[request.path] -= 1
            return web.json_response({"message": "try again"}, status=503)
        if request.path == INGESTION:
            status, said = answer_batch(body, decoded.refused)
        elif request.path == SCORES:
            status, said = answer_scores(body, decoded.refused)
        else:
            return web.Response(content_type="application/x-protobuf")
        return web.json_response(said, status=status)

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.json_response({"data": []})


def python_of(version: str) -> Path:
    python = CLIENTS / f"langfuse-{version}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"langfuse {version} is not installed: make clients-langfuse")
    return python


async def run(python: Path, program: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        python, program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={"PATH": "/usr/bin:/bin"}
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    return output.decode()


VERSIONS = [("5.0.4", {TRACES, SCORES}), ("3.15.0", {TRACES, INGESTION}), ("2.60.10", {INGESTION})]


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize(("version", "paths"), VERSIONS)
async def test_an_sdk_is_read_to_the_token(version: str, paths: set[str], lost: int) -> None:
    python = python_of(version)
    async with ModelServer() as models, Receiver(lost) as receiver:
        output = await run(python, PROGRAM, receiver.url, models.url)
    assert "refused:" in output
    assert {path for path, _ in receiver.decoded} == paths
    assert all(decoded.refused == [] for _, decoded in receiver.decoded)
    found = [call for _, decoded in receiver.decoded for call in calls(decoded)]
    by_id = {call["event_id"]: call for call in found}
    assert (len(found) > len(by_id)) == bool(lost)
    # Nobody told the usage of the third call, a stream without include_usage; the model server knows it.
    told = [tuple(call.tokens) for call in models.billed if call.n != 3 and call.tokens]
    assert sorted(buckets(call) for call in by_id.values() if "attributes" not in call) == sorted([*told, BY_HAND])
    untold = [call for call in by_id.values() if "attributes" in call]
    assert sorted((call["model"], call["status"]) for call in untold) == [("fail-500", "error"), ("gpt-4o-mini", "ok")]
    by_hand = next(call for call in by_id.values() if buckets(call) == BY_HAND)
    assert (by_hand["cost_micro_usd"], by_hand["team"], by_hand["workflow"]) == (500_000, "red", "nightly")
    assert all("request_id" not in call for call in found)
    judged = {score["outcome_id"]: score for _, decoded in receiver.decoded for score in outcomes(decoded)}
    assert [(score["kind"], score["run_id"]) for score in judged.values()] == [("eval_passed", by_hand["run_id"])]
    assert sum(decoded.skipped[Skip.UNJUDGED] for _, decoded in receiver.decoded) >= 1
    records: list[dict[str, Any]] = [record for _, decoded in receiver.decoded for record in booked(decoded)]
    assert canaries(records) == set()


async def test_langfuse_2112_what_langchain_had_in_its_cache_costs_nothing() -> None:
    python = python_of("5.0.4")
    if not list(python.parents[1].glob("lib/python*/site-packages/langchain_openai")):
        pytest.skip("langchain is not installed: make clients-langfuse")
    async with ModelServer() as models, Receiver() as receiver:
        await run(python, PROGRAM.with_name("langchain_program.py"), receiver.url, models.url)
    found = [call for _, decoded in receiver.decoded for call in calls(decoded)]
    assert [buckets(call) for call in found] == [tuple(call.tokens) for call in models.billed if call.tokens]
    assert found[0]["provider"] == "openai"
    assert sum(decoded.skipped[Skip.CACHE_HIT] for _, decoded in receiver.decoded) == 2
