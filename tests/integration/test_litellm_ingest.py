"""The LiteLLM logger and ``assay ingest``, both as processes: exact totals in Kafka, however either of them is ended.

LiteLLM itself is not needed: its stand-in hands the logger what LiteLLM would. tests/clients has the real one.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml

from streams.core.topics import USAGE
from tests.integration.ingests import Ingest
from tests.integration.records import Log
from tests.integration.workers import eventually
from tests.unit.producers.litellm.test_delivery import listed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "unit" / "producers" / "litellm" / "stand_in"
TOKEN: Final = "a-token-of-the-proxy-0123456789"
#: Calls in a step, one of them in each hundred a failure, a hit of LiteLLM's cache, and a look-up.
STEP: Final = 400

#: Makes the calls from one number to another for every line that it reads, and says when they are on disk.
PROGRAM: Final = """
import asyncio, sys, time
from streams.producers.litellm import logger
from tests.unit.sources.litellm_events import event, failure

def call(n):
    if n % 100 == 97:
        return failure("500", id=f"call-{n}", litellm_call_id=f"call-{n}")
    if n % 100 == 98:
        return event(litellm_call_id=f"call-{n}", cache_hit=True)
    if n % 100 == 99:
        return event(litellm_call_id=f"call-{n}", call_type="aget_responses")
    told = {"prompt_tokens": 2100 + n, "completion_tokens": 50 + n}
    usage = {**told, "prompt_tokens_details": {"cached_tokens": 2000}}
    return event(litellm_call_id=f"call-{n}", **told, metadata={"usage_object": usage})

async def calls(begin, end):
    for n in range(begin, end):
        await logger.async_log_success_event(
            kwargs={"standard_logging_object": call(n)}, response_obj=None, start_time=None, end_time=None
        )

for line in sys.stdin:
    begin, end = map(int, line.split())
    asyncio.run(calls(begin, end))
    while logger.counts.written < logger.counts.accepted:
        time.sleep(0.01)
    print(flush=True)
logger.close(60)
counts = logger.counts
print(counts.refused, counts.lost, flush=True)
"""


class Proxy:
    """A process with the logger in it."""

    def __init__(self, url: str, directory: Path) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(STAND_IN), str(ROOT)]),
            "LITELLM_ASSAY_URL": f"{url}/litellm",
            "LITELLM_ASSAY_TOKEN": TOKEN,
            "LITELLM_ASSAY_SPOOL": str(directory),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def calls(self, begin: int, end: int) -> None:
        """Come back when they are on its disk, which is when nothing may be lost any more."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{begin} {end}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "\n"

    def end(self) -> None:
        said, _ = self.process.communicate(timeout=120)
        assert (self.process.returncode, said) == (0, "0 0\n")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def log(kafka: str, topic_prefix: str) -> Log:
    return Log(kafka, topic_prefix)


@pytest.fixture
def ingest(kafka: str, topic_prefix: str, tmp_path: Path, log: Log) -> Iterator[Ingest]:
    (tmp_path / "proxy.token").write_text(TOKEN)
    entry = {
        "name": "proxy",
        "kind": "litellm",
        "token_file": "proxy.token",
        "team": "payments",
        "workflow": "checkout",
    }
    file = tmp_path / "sources.yaml"
    file.write_text(yaml.safe_dump({"sources": [entry]}))
    with Ingest(kafka, topic_prefix, tmp_path / "ingest", {"sources_file": str(file)}, installed=True) as made:
        yield made.start()


def recorded(log: Log) -> dict[str, dict[str, Any]]:
    """Usage events by their id; what was sent twice must say the same twice, so that it counts once."""
    found: dict[str, dict[str, Any]] = {}
    for record in log.read(USAGE):
        event = orjson.loads(record.value or b"")
        assert found.setdefault(event["event_id"], event) == event
    return found


def test_totals_are_exact_while_ingest_is_killed_and_restarted_and_the_proxy_is_killed(
    tmp_path: Path, log: Log, ingest: Ingest
) -> None:  # fmt: skip
    spool = tmp_path / "spool"
    proxy = Proxy(ingest.url, spool)
    proxy.calls(0, STEP)
    eventually("the first arrive", lambda: ingest.metric("assay_ingest_accepted_total") > 0)
    proxy.calls(STEP, 2 * STEP)
    ingest.kill()  # while it is at them
    proxy.calls(2 * STEP, 3 * STEP)  # while nobody listens
    ingest.start()
    proxy.calls(3 * STEP, 4 * STEP)
    assert ingest.stop() == 0
    proxy.calls(4 * STEP, 5 * STEP)
    proxy.kill()  # with what nobody has taken
    assert listed(spool)
    ingest.start()
    heir = Proxy(ingest.url, spool)
    heir.calls(5 * STEP, 6 * STEP)
    heir.end()
    assert listed(spool) == []
    assert ingest.stop() == 0

    events = recorded(log)
    numbers = range(6 * STEP)
    # A hit of the cache and a look-up are no calls of a model.
    good = [n for n in numbers if n % 100 < 97]
    assert events.keys() == {f"call-{n}" for n in good} | {f"call-{n}/failure" for n in numbers if n % 100 == 97}
    totals = {
        name: sum(event.get(name, 0) for event in events.values())
        for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "cost_micro_usd")
    }
    assert totals == {
        "input_tokens": sum(100 + n for n in good), "cache_read_tokens": 2000 * len(good), "cache_write_tokens": 0,
        "output_tokens": sum(50 + n for n in good), "cost_micro_usd": 19_500 * len(good),
    }  # fmt: skip
    assert sum(event.get("status") == "error" for event in events.values()) == len(numbers) // 100
    assert {(event["team"], event["workflow"]) for event in events.values()} == {("payments", "checkout")}
    assert all(event["actor"].startswith("pseudonym:") for event in events.values())
    secrets = b"".join(record.value or b"" for record in log.read(USAGE)) + ingest.log.read_bytes()
    assert b"secret" not in secrets
    assert b'"ada"' not in secrets
