"""Delivery to a real server that is slow, refuses, says 503, restarts or is away: every event arrives, nobody waits."""

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from streams.producers.litellm.account import Limits
from streams.producers.litellm.delivery import Delivery
from streams.producers.litellm.http_sink import HttpSink, _refused
from streams.producers.litellm.sinks import Refusal
from tests.unit.producers.litellm.receiver import Receiver
from tests.unit.sources.litellm_events import event

LIMITS = Limits(linger_seconds=0.01, first_wait_seconds=0.01, longest_wait_seconds=0.05)


def a_line(n: int) -> bytes:
    return orjson.dumps(event(litellm_call_id=f"call-{n}"))


def ids(count: int) -> set[str]:
    return {f"call-{n}" for n in range(count)}


def deliver(delivery: Delivery, count: int, begin: int = 0) -> None:
    for n in range(begin, begin + count):
        assert delivery.accept(partial(a_line, n))


def on_disk(directory: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in directory.rglob("*.ndjson"))


def refused_in(directory: Path) -> list[bytes]:
    return (directory / "refused.ndjson").read_bytes().splitlines()


def listed(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def eventually(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for is told by no event
            await asyncio.sleep(0.01)


async def closed(delivery: Delivery, seconds: float = 5.0) -> None:
    await asyncio.to_thread(delivery.close, seconds)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


def to(receiver: Receiver, directory: Path, limits: Limits = LIMITS, timeout_seconds: float = 5.0) -> Delivery:
    url = receiver.url
    return Delivery(lambda: HttpSink(url, token=lambda: "t-1", timeout_seconds=timeout_seconds), directory, limits)


async def test_events_arrive_once_each_in_batches_with_the_token(receiver: Receiver, tmp_path: Path) -> None:
    delivery = to(receiver, tmp_path)
    deliver(delivery, 1_200)
    await eventually(lambda: len(receiver.events) == 1_200)
    await closed(delivery)
    assert set(receiver.events) == ids(1_200)
    assert set(receiver.tellings.values()) == {1}
    assert len(receiver.requests) < 20
    assert {headers["Authorization"] for headers in receiver.requests} == {"Bearer t-1"}
    assert {headers["Content-Type"] for headers in receiver.requests} == {"application/json"}
    assert max(len(orjson.loads(body)) for body in receiver.bodies) <= LIMITS.batch_events
    assert listed(tmp_path) == []
    counts = delivery.account.counts
    assert (counts.accepted, counts.sent, counts.lost, counts.refused) == (1_200, 1_200, 0, 0)


@pytest.mark.parametrize("status", [301, 401, 404, 408, 429, 500, 503])
async def test_what_is_not_taken_now_is_sent_again(receiver: Receiver, tmp_path: Path, status: int) -> None:
    receiver.answers = [status] * 3
    delivery = to(receiver, tmp_path)
    deliver(delivery, 50)
    await eventually(lambda: len(receiver.events) == 50)
    await closed(delivery)
    assert delivery.account.counts.retries == 3


async def test_it_waits_as_long_as_it_is_asked_to_within_reason(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers, receiver.headers = [503], {"retry-after": "7200"}
    delivery = to(receiver, tmp_path)
    deliver(delivery, 1)
    await eventually(lambda: len(receiver.events) == 1)
    await closed(delivery)


async def test_a_slow_answer_delays_nobody(receiver: Receiver, tmp_path: Path) -> None:
    """What is accepted while a request is under way is not lost with it, and is on disk meanwhile."""
    receiver.delay_seconds = 0.5
    delivery = to(receiver, tmp_path)
    deliver(delivery, 10)
    await eventually(lambda: len(receiver.requests) == 1)
    deliver(delivery, 90, begin=10)
    await eventually(lambda: on_disk(tmp_path) == 100)
    assert not receiver.events
    await eventually(lambda: set(receiver.events) == ids(100))
    await closed(delivery)


async def test_an_answer_that_never_comes_is_given_up_and_asked_for_again(receiver: Receiver, tmp_path: Path) -> None:
    receiver.delay_seconds = 60.0
    delivery = to(receiver, tmp_path, timeout_seconds=0.3)
    deliver(delivery, 10)
    await eventually(lambda: len(receiver.requests) >= 1)
    receiver.delay_seconds = 0.0
    await eventually(lambda: set(receiver.events) == ids(10))
    await closed(delivery)


async def test_a_receiver_that_restarts_gets_everything(receiver: Receiver, tmp_path: Path) -> None:
    delivery = to(receiver, tmp_path)
    deliver(delivery, 100)
    await eventually(lambda: len(receiver.events) == 100)
    await receiver.stop()
    deliver(delivery, 100, begin=100)
    await eventually(lambda: delivery.account.counts.retries >= 2)
    await receiver.start()
    await eventually(lambda: set(receiver.events) == ids(200))
    await closed(delivery)


async def test_what_nobody_took_is_sent_by_the_next_process(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        receiver = Receiver(free.getsockname()[1])
    delivery = to(receiver, tmp_path)
    deliver(delivery, 100)
    await closed(delivery, 0.3)
    assert delivery.waiting_bytes > 0
    async with receiver:
        heir = to(receiver, tmp_path)
        await eventually(lambda: set(receiver.events) == ids(100))
        await closed(heir)
    assert listed(tmp_path) == []


async def test_one_bad_event_is_set_aside_and_holds_up_no_other(receiver: Receiver, tmp_path: Path) -> None:
    receiver.refuse_ids = {"call-37"}
    delivery = to(receiver, tmp_path)
    deliver(delivery, 100)
    await eventually(lambda: set(receiver.events) == ids(100) - {"call-37"})
    await closed(delivery)
    (line,) = refused_in(tmp_path)
    assert orjson.loads(line)["litellm_call_id"] == "call-37"
    assert (delivery.account.counts.refused, delivery.account.counts.sent) == (1, 99)


async def test_what_the_answer_to_a_batch_refuses_is_set_aside(receiver: Receiver, tmp_path: Path) -> None:
    """The others of the batch were taken, so none is sent again."""
    delivery = to(receiver, tmp_path)
    deliver(delivery, 5)
    delivery.accept(lambda: orjson.dumps(event(litellm_call_id="bad", prompt_tokens=-1)))
    deliver(delivery, 5, begin=5)
    await eventually(lambda: delivery.account.counts.refused == 1)
    await eventually(lambda: set(receiver.events) == ids(10))
    await closed(delivery)
    (line,) = refused_in(tmp_path)
    assert orjson.loads(line)["litellm_call_id"] == "bad"
    assert set(receiver.tellings.values()) == {1}
    assert delivery.account.counts.sent == 10


@pytest.mark.parametrize("said", [
    b"", b"ok", b"[]", b'{"refused": 7}', b'{"refused": [{"place": "x"}]}', b'{"refused": [{"place": "9", "detail": "?"}]}',
])  # fmt: skip
def test_an_answer_of_another_form_refuses_nothing(said: bytes) -> None:
    assert _refused(said, 3) == {}


async def test_an_event_that_cannot_be_written_is_counted(receiver: Receiver, tmp_path: Path) -> None:
    def fail() -> bytes:
        raise ValueError

    delivery = to(receiver, tmp_path)
    delivery.accept(fail)
    deliver(delivery, 1)
    await eventually(lambda: len(receiver.events) == 1)
    await closed(delivery)
    assert delivery.account.counts.lost == 1


async def test_a_disk_that_is_full_for_a_while_loses_nothing(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = to(receiver, tmp_path)
    full = threading.Event()

    def append(lines: Sequence[bytes]) -> None:
        full.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(delivery._spool, "append", append)
        deliver(delivery, 100)
        await asyncio.to_thread(full.wait)
    await eventually(lambda: set(receiver.events) == ids(100))
    await closed(delivery)
    assert delivery.account.counts.lost == 0


async def test_memory_is_bounded_and_what_is_lost_for_it_is_counted(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = to(receiver, tmp_path, Limits(linger_seconds=0.01, memory_bytes=50 * 4_096))

    def append(lines: Sequence[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(delivery._spool, "append", append)
    deliver(delivery, 1)
    await eventually(lambda: bool(delivery._unwritten))
    taken = [delivery.accept(partial(a_line, n)) for n in range(60)]
    assert taken == [True] * 50 + [False] * 10
    assert delivery.account.counts.lost == 10
    await closed(delivery, 0.1)
    # The one that the disk had refused until the end is lost; those behind it found that it takes events again.
    assert (delivery.account.counts.accepted, delivery.account.counts.lost) == (51, 11)
    assert on_disk(tmp_path) == 50


async def test_a_full_spool_loses_what_is_newest_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        receiver = Receiver(free.getsockname()[1])
    size = len(a_line(0)) + 1
    delivery = to(receiver, tmp_path, Limits(linger_seconds=0.01, longest_wait_seconds=0.05, spool_bytes=size * 3))
    for n in range(5):
        deliver(delivery, 1, begin=n)
        await eventually(lambda: not delivery._queue)
    async with receiver:
        await eventually(lambda: set(receiver.events) == ids(3))
        await closed(delivery)
    assert delivery.account.counts.lost == 2
    assert "events are lost" in caplog.text


async def test_what_comes_after_the_end_is_kept_on_disk(receiver: Receiver, tmp_path: Path) -> None:
    """LiteLLM hands over what was still in its own queue when the interpreter ends."""
    delivery = to(receiver, tmp_path)
    await closed(delivery)
    deliver(delivery, 3)
    assert not receiver.events
    heir = to(receiver, tmp_path)
    await eventually(lambda: set(receiver.events) == ids(3))
    await closed(heir)


async def test_the_child_of_a_fork_sends_its_own_and_leaves_the_parents(receiver: Receiver, tmp_path: Path) -> None:
    receiver.delay_seconds = 0.1
    delivery = to(receiver, tmp_path)
    deliver(delivery, 5)
    child = os.fork()
    if child == 0:
        deliver(delivery, 5, begin=100)
        delivery.close()
        os._exit(0)
    await asyncio.to_thread(os.waitpid, child, 0)
    await eventually(lambda: len(receiver.events) == 10)
    await closed(delivery)
    assert set(receiver.tellings.values()) == {1}


async def test_a_sink_with_a_fault_of_its_own_is_tried_again(tmp_path: Path) -> None:
    class Faulty:
        def __init__(self) -> None:
            self.sent: list[bytes] = []
            self.faults = 3

        async def send(self, lines: Sequence[bytes]) -> Mapping[int, str]:
            if self.faults:
                self.faults -= 1
                raise ZeroDivisionError
            self.sent += lines
            return {}

        async def close(self) -> None:
            pass

    sink = Faulty()
    delivery = Delivery(lambda: sink, tmp_path, LIMITS)
    deliver(delivery, 10)
    await eventually(lambda: len(sink.sent) == 10)
    await closed(delivery)


async def test_a_refusal_of_everything_keeps_everything(tmp_path: Path) -> None:
    class Refusing:
        async def send(self, lines: Sequence[bytes]) -> Mapping[int, str]:
            raise Refusal("no")

        async def close(self) -> None:
            pass

    delivery = Delivery(Refusing, tmp_path, LIMITS)
    deliver(delivery, 20)
    await eventually(lambda: delivery.account.counts.refused == 20)
    await closed(delivery)
    assert len(refused_in(tmp_path)) == 20


def test_accepting_waits_for_nothing(tmp_path: Path) -> None:
    """Neither for the disk nor for the receiver: both are held up for good here."""
    held = threading.Event()

    class Held:
        async def send(self, lines: Sequence[bytes]) -> Mapping[int, str]:
            held.wait(10)
            return {}

        async def close(self) -> None:
            pass

    delivery = Delivery(Held, tmp_path, LIMITS)
    begun = time.thread_time()
    deliver(delivery, 1_000)
    assert not held.is_set()
    assert time.thread_time() - begun < 5  # of the processor, not of the clock: a loop that spins would show
    held.set()
    delivery.close()


def test_a_directory_that_cannot_be_used_shows_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Delivery(lambda: HttpSink("http://127.0.0.1:1"), tmp_path / "file")


async def test_an_answer_that_comes_in_pieces_is_read_to_its_end() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"refused": [{"place": "0", "reason": "x", ')
        await asyncio.sleep(0.05)
        await response.write(b'"detail": "why"}]}')
        return response

    async with RawTestServer(answer) as server:
        sink = HttpSink(str(server.make_url("/litellm")))
        try:
            assert await sink.send([b"{}", b"{}"]) == {0: "why"}
        finally:
            await sink.close()
