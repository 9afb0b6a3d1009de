"""A real ``promptfoo eval``, run twice so that its cache on disk answers the second time: exact to the token.

Installed by ``make clients-promptfoo``; without it the test is skipped.
"""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.sources.contract import Context, Decoded, Skip
from streams.sources.promptfoo import decode
from tests.clients.model_server import ModelServer
from tests.unit.sources.judging import RECEIVED_MS, booked, buckets, calls, outcomes

pytestmark = pytest.mark.clients

PROMPTFOO = Path(__file__).parents[2] / "build" / "clients" / "promptfoo" / "node_modules" / ".bin" / "promptfoo"
QUIET = ("TELEMETRY", "UPDATE", "REMOTE_GENERATION", "SHARING")


def configuration(models: str) -> dict[str, Any]:
    openai = {"apiBaseUrl": f"{models}/v1", "apiKey": "dummy"}
    rubric = {"type": "llm-rubric", "value": "greets", "provider": {"id": "openai:chat:gpt-4o", "config": openai}}
    transform = "({output: json.choices[0].message.content, tokenUsage: {prompt: json.usage.prompt_tokens, completion: json.usage.completion_tokens, total: json.usage.total_tokens}})"
    http = {
        "url": f"{models}/v1/chat/completions",
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": {"model": "small-1", "messages": [{"role": "user", "content": "{{prompt}}"}]},
        "transformResponse": transform,
    }
    return {
        "tags": {"team": "red", "workflow": "faq"},
        "prompts": ["say hi to {{name}}"],
        "providers": [
            "echo",
            {"id": "openai:chat:gpt-4o-mini", "config": openai},
            {"id": "openai:chat:fail-400", "config": openai},
            {"id": "http", "label": "raw", "config": http},
        ],
        "tests": [
            {"vars": {"name": "Ann"}, "assert": [{"type": "contains", "value": "reply"}]},
            {
                "vars": {"name": "Bob"},
                "assert": [rubric, {"type": "assert-set", "assert": [{**rubric, "value": "is kind"}]}],
            },
        ],
    }


async def evaluate(home: Path, name: str) -> tuple[Decoded, Decoded]:
    """Both forms of one evaluation."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "PROMPTFOO_CONFIG_DIR": str(home / "config"),
        "PROMPTFOO_CACHE_PATH": str(home / "cache"), **{f"PROMPTFOO_DISABLE_{what}": "1" for what in QUIET},
    }  # fmt: skip
    files = [home / f"{name}.{form}" for form in ("json", "jsonl")]
    process = await asyncio.create_subprocess_exec(
        PROMPTFOO, "eval", "-c", home / "config.json", "--no-progress-bar", "-j", "1", *(part for file in files for part in ("-o", file)),
        env=environment, cwd=home, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 180)
    assert all(file.exists() for file in files), output.decode()
    whole, lined = (decode(file.read_bytes(), Context(RECEIVED_MS)) for file in files)
    return whole, lined


async def test_an_evaluation_is_read_to_the_token_and_its_repetition_costs_nothing(tmp_path: Path) -> None:
    if not PROMPTFOO.exists() or shutil.which("node") is None:
        pytest.skip("promptfoo is not installed: make clients-promptfoo")
    async with ModelServer() as models:
        (tmp_path / "config.json").write_bytes(orjson.dumps(configuration(models.url)))
        first, lined = await evaluate(tmp_path, "first")
        billed = [(call.model, tuple(call.tokens)) for call in models.billed if call.tokens]
        asked = len(models.calls)
        again, _ = await evaluate(tmp_path, "again")
        repeated = models.calls[asked:]

    for decoded in (first, lined):
        found = calls(decoded)
        assert sorted((call["model"], buckets(call)) for call in found if call.get("status") != "error") == sorted(
            billed
        )
        assert sum(call.get("status") == "error" for call in found) == sum(
            call.tokens is None for call in models.calls[:asked]
        )
        assert decoded.refused == []
        assert decoded.skipped[Skip.IRRELEVANT] == 2
        booked(decoded)
    assert [call["event_id"] for call in calls(first)] == [call["event_id"] for call in calls(lined)]
    assert {(call["team"], call["workflow"]) for call in calls(first)} == {("red", "faq")}
    assert len(outcomes(first)) == 8

    # Only what failed is asked again.
    assert {call.model for call in repeated} == {"fail-400"}
    assert {call["model"] for call in calls(again)} == {"fail-400"}
    assert again.skipped[Skip.CACHE_HIT] >= 4
    assert first.skipped[Skip.PARENT] == 3  # the sets of assertions
