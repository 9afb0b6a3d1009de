"""The callback in a process of its own, with a stand-in for LiteLLM: what becomes of its events however it ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest

from streams.sources.contract import Context
from streams.sources.fingerprints import Fingerprints
from streams.sources.litellm import decode
from tests.unit.producers.litellm.receiver import Receiver
from tests.unit.producers.litellm.test_delivery import eventually, ids, listed
from tests.unit.sources.litellm_events import event

ROOT = Path(__file__).parents[4]
STAND_IN = Path(__file__).parent / "stand_in"

#: Says how many events it handed over; then does as the last line of its program says.
PROGRAM = """
import asyncio, os, sys, time
from streams.producers.litellm import logger
from tests.unit.sources.litellm_events import event

async def calls(begin, count):
    for n in range(begin, begin + count):
        payload = event(litellm_call_id=f"call-{n}")
        await logger.async_log_success_event(
            kwargs={"standard_logging_object": payload}, response_obj=None, start_time=None, end_time=None
        )

def written(count):
    # The callback does not wait for the disk: a thread writes within milliseconds.
    while logger.counts.written < count:
        time.sleep(0.01)
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def run(
    program: str, receiver: Receiver, directory: Path, *, first: str = "", environment: Mapping[str, str] | None = None
) -> Process:
    """Run the program; ``first`` comes before the logger is made."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(STAND_IN), str(ROOT)]),
        "LITELLM_ASSAY_URL": receiver.url,
        "LITELLM_ASSAY_SPOOL": str(directory),
        **(environment or {}),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", first + PROGRAM + program, env=environment, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> int:
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert not errors or b"Traceback" not in errors, errors.decode()
    assert process.returncode is not None
    return process.returncode


async def heir(receiver: Receiver, directory: Path) -> None:
    """What a process left behind is sent by the next one, though nothing happens in it."""
    assert await ended(await run("time.sleep(1)", receiver, directory)) == 0


async def test_a_program_that_ends_sends_what_it_has(receiver: Receiver, tmp_path: Path) -> None:
    assert await ended(await run("asyncio.run(calls(0, 300))", receiver, tmp_path)) == 0
    assert set(receiver.events) == ids(300)
    assert listed(tmp_path) == []


async def test_a_program_that_ends_while_nobody_answers_leaves_it_to_the_next(
    receiver: Receiver, tmp_path: Path
) -> None:  # fmt: skip
    receiver.delay_seconds = 60.0
    assert await ended(await run("asyncio.run(calls(0, 300))\nlogger.close(0.5)", receiver, tmp_path)) == 0
    assert not receiver.events
    receiver.delay_seconds = 0.0
    await heir(receiver, tmp_path)
    assert set(receiver.events) == ids(300)
    assert listed(tmp_path) == []


async def test_sigterm_of_a_program_that_does_not_care_sends_first(receiver: Receiver, tmp_path: Path) -> None:
    process = await run("asyncio.run(calls(0, 300))\nprint(flush=True)\ntime.sleep(60)", receiver, tmp_path)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == -signal.SIGTERM
    assert set(receiver.events) == ids(300)


async def test_sigterm_of_a_server_is_handled_as_the_server_does(receiver: Receiver, tmp_path: Path) -> None:
    """A server with a handler of its own ends in its own way, at once, by the very signal: as uvicorn does."""
    handler = """
import signal
def handle(number, frame):
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
signal.signal(signal.SIGTERM, handle)
"""
    receiver.delay_seconds = 60.0
    program = "asyncio.run(calls(0, 300))\nwritten(300)\nprint(flush=True)\ntime.sleep(60)"
    process = await run(program, receiver, tmp_path, first=handler)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == -signal.SIGTERM
    assert not receiver.events
    receiver.delay_seconds = 0.0
    await heir(receiver, tmp_path)
    assert set(receiver.events) == ids(300)


async def test_kill_9_loses_nothing_that_is_on_disk(receiver: Receiver, tmp_path: Path) -> None:
    """Handed over a moment ago, with an answer under way: all of it is there, and counts once, whatever was sent twice."""
    receiver.delay_seconds = 0.3
    program = "asyncio.run(calls(0, 700))\nwritten(700)\nprint(flush=True)\ntime.sleep(60)"
    process = await run(program, receiver, tmp_path)
    assert process.stdout is not None
    await process.stdout.readline()
    await eventually(lambda: len(receiver.requests) >= 1)
    process.kill()
    assert await ended(process) == -signal.SIGKILL
    receiver.delay_seconds = 0.0
    await heir(receiver, tmp_path)
    assert set(receiver.events) == ids(700)
    assert listed(tmp_path) == []


async def test_nothing_of_litellm_is_needed_until_the_logger_is() -> None:
    program = "import sys, streams.producers.litellm; assert 'litellm' not in sys.modules"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert await ended(process) == 0


@pytest.mark.parametrize(("said", "named"), [
    ({}, b"set one of LITELLM_ASSAY_URL"),
    ({"LITELLM_ASSAY_URL": "http://127.0.0.1:1/litellm", "LITELLM_ASSAY_SPOOL": "/dev/null/spool"},
     b"LITELLM_ASSAY_SPOOL: cannot write"),
])  # fmt: skip
async def test_a_wrong_environment_shows_when_the_proxy_starts(said: dict[str, str], named: bytes) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(STAND_IN), str(ROOT)]), **said}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from streams.producers.litellm import logger", env=environment, stderr=PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert named in errors


async def test_fingerprints_are_made_beside_the_proxy_as_they_would_be_behind_it(
    receiver: Receiver, tmp_path: Path
) -> None:  # fmt: skip
    key = tmp_path / "key"
    key.write_bytes(b"sixteen bytes or more\n")
    environment = {"LITELLM_ASSAY_FINGERPRINT_KEY_FILE": str(key)}
    process = await run("asyncio.run(calls(0, 1))", receiver, tmp_path / "spool", environment=environment)
    assert await ended(process) == 0
    context = Context(0, fingerprint=Fingerprints(b"sixteen bytes or more"))
    (behind,) = decode(orjson.dumps(event()), context).items
    (beside,) = receiver.events.values()
    assert beside["prompt_fingerprint"] == behind.fields["prompt_fingerprint"]
    assert not any(b"question" in body for body in receiver.bodies)


async def test_failures_come_by_both_doors_and_count_once(receiver: Receiver, tmp_path: Path) -> None:
    program = """
from tests.unit.sources.litellm_events import failure
given = dict(kwargs={"standard_logging_object": failure("400")}, response_obj=None, start_time=None, end_time=None)
logger.log_failure_event(**given)
asyncio.run(logger.async_log_failure_event(**given))
logger.log_success_event(**{**given, "kwargs": {}})
"""
    assert await ended(await run(program, receiver, tmp_path)) == 0
    (fields,) = receiver.events.values()
    assert fields["status"] == "error"
