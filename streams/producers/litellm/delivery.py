"""A thread that writes events to the spool as they come, and sends what is in the spool as the receiver takes it.

Two tasks on one event loop of its own: one drains the queue to disk within milliseconds, the other sends batches and tries
again for as long as it takes. So a slow receiver holds up nobody, and what was handed over is on disk whatever becomes of
the receiver or of this process.
"""

import asyncio
import logging
import os
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from streams.producers.litellm.account import Account, Limits
from streams.producers.litellm.sinks import Refusal, Sink, TryAgain
from streams.producers.litellm.spool import Batch, Spool, SpoolFull

__all__ = ["Delivery"]

_LOG: Final = logging.getLogger("assay.litellm")
#: How often folders of other processes, which may have ended, are looked for.
_ADOPT_SECONDS: Final = 30.0
#: What an entry of the queue takes beside its prompt.
_ENTRY_BYTES: Final = 4_096
_WRITTEN_AT_ONCE: Final = 500
_DISK_AGAIN_SECONDS: Final = 1.0
#: How long the sender waits for last lines while the process ends.
_LAST_SECONDS: Final = 0.05


#: An event in the queue: what turns it into a line, in the thread, and how many bytes it keeps alive.
Entry = tuple[Callable[[], bytes], int]


class _Loop(asyncio.SelectorEventLoop):
    """Looks names up even while the interpreter ends, when it has no threads left to do so beside."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        try:
            return await super().getaddrinfo(host, port, **options)
        except RuntimeError:
            return socket.getaddrinfo(host, port, **options)


class Delivery:
    """Hands events over to a thread. ``accept`` may be called from any thread and never blocks.

    Raises OSError where the spool's directory cannot be used: better at the start than at the first event.
    """

    def __init__(self, sink: Callable[[], Sink], directory: Path, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.account = Account()
        self._make_sink = sink
        self._directory = directory
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._spool = Spool(self._directory, self.limits.spool_bytes)
        self._queue: deque[Entry] = deque()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing_by: float | None = None
        self._closed = False
        self._unwritten: list[bytes] = []
        self._adopted_at = time.monotonic()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="assay-litellm", daemon=True)
        self._thread.start()
        ready.wait()

    def accept(self, line: Callable[[], bytes], size: int = 0) -> bool:
        """Take an event over; False, counted and logged, when the disk has long been too slow for what comes in.

        ``line`` is called in the thread; ``size`` is about how many bytes it keeps in memory until then.
        """
        if os.getpid() != self._process:  # the child of a fork: the thread, and what is in the queue, is the parent's
            self._spool.forget()
            self._start()
        if self._closed:
            self.account.counts.accepted += 1
            return self._write_late(line())
        size += _ENTRY_BYTES
        with self._lock:
            if self._queued_bytes + size > self.limits.memory_bytes:
                self.account.lost(1, "the disk takes events more slowly than they come")
                return False
            self._queued_bytes += size
            self.account.counts.accepted += 1
            self._queue.append((line, size))
            first = len(self._queue) == 1
        if first:
            self._call(self._awake.set)
        return True

    def hurry(self) -> None:
        """Send at once what is there, since the process may end soon. Does not wait."""
        self._call(self._urgent.set)

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Write down what is queued and send for so long; what is left is sent by whoever next uses the directory."""
        if os.getpid() != self._process or self._closed:
            return
        self._closing_by = time.monotonic() + timeout_seconds
        self._call(self._begin_to_close)
        # A request that is under way is given up at that time; the disk gets a little longer.
        self._thread.join(timeout_seconds + 5.0)
        self._closed = True
        while lines := self._taken_from_queue():
            for line in lines:
                self._write_late(line)

    @property
    def waiting_bytes(self) -> int:
        """How much is on disk and not yet sent."""
        return self._spool.bytes

    def _call(self, what: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(what)

    def _write_late(self, line: bytes) -> bool:
        """LiteLLM hands over what was still in its queue when the interpreter ends, after our own end."""
        try:
            spool = Spool(self._directory, self.limits.spool_bytes)
            try:
                spool.append([line])
            finally:
                spool.close()
        except (OSError, SpoolFull) as error:
            self.account.lost(1, str(error))
            return False
        return True

    # -------------------------------------------------------------------------------------------------- in the thread

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            self._awake = asyncio.Event()
            self._written = asyncio.Event()
            self._urgent = asyncio.Event()
            self._closing = asyncio.Event()
            self._loop = runner.get_loop()
            ready.set()
            try:
                runner.run(self._work())
            except BaseException:
                _LOG.exception("the thread that sends LiteLLM's events has ended; events are lost from now on")
            finally:
                self._loop = None
                self._spool.close()

    async def _work(self) -> None:
        sink = self._make_sink()
        writing, sending = asyncio.create_task(self._write_all()), asyncio.create_task(self._send_all(sink))
        try:
            await self._closing.wait()
            assert self._closing_by is not None
            await asyncio.wait({sending}, timeout=max(0.0, self._closing_by - time.monotonic()))
        finally:
            for task in (writing, sending):
                task.cancel()
            await asyncio.gather(writing, sending, return_exceptions=True)
            await sink.close()
            if not self._write_queue():
                self.account.lost(len(self._unwritten), "the disk took nothing until the end")

    def _begin_to_close(self) -> None:
        for event in (self._closing, self._urgent, self._written, self._awake):
            event.set()

    async def _write_all(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while not self._write_queue():  # noqa: ASYNC110 - a disk does not say when it has room again
                await asyncio.sleep(_DISK_AGAIN_SECONDS)

    def _write_queue(self) -> bool:
        """Write what is queued; False when the disk takes nothing. What was taken from the queue then is kept for later."""
        while True:
            self._unwritten = self._unwritten or self._taken_from_queue()
            if not self._unwritten:
                return True
            try:
                self._spool.append(self._unwritten)
                self.account.counts.written += len(self._unwritten)
                self._written.set()
            except SpoolFull as error:
                self.account.lost(len(self._unwritten), str(error))
            except OSError as error:
                self.account.say(f"cannot write to the spool ({error.strerror}): events wait in memory")
                return False
            self._unwritten = []

    def _made(self, make: Callable[[], bytes]) -> bytes | None:
        try:
            return make()
        except Exception as error:
            self.account.lost(1, f"an event cannot be written as JSON ({type(error).__name__})")
            return None

    def _taken_from_queue(self) -> list[bytes]:
        with self._lock:
            entries = [self._queue.popleft() for _ in range(min(len(self._queue), _WRITTEN_AT_ONCE))]
            self._queued_bytes -= sum(size for _, size in entries)
        return [line for make, _ in entries if (line := self._made(make)) is not None]

    async def _send_all(self, sink: Sink) -> None:
        """Send until the process ends and all is sent. Whatever goes wrong is tried again: here nobody could mend it."""
        failures, most = 0, self.limits.batch_events
        while True:
            try:
                if (batch := self._spool.batch(most, self.limits.batch_bytes)) is not None:
                    most = await self._send(sink, batch, most)
                    failures = 0
                elif self._closing_by is not None and not self._queue and not self._unwritten:
                    return
                else:
                    await self._something_written()
                    self._adopt()
            except Exception as error:
                failures += 1
                self.account.counts.retries += 1
                self.account.say(f"{self._spool.bytes} bytes of events wait on disk: {error!r}", key="send")
                await self._pause(failures, error.after_seconds if isinstance(error, TryAgain) else None)

    async def _send(self, sink: Sink, batch: Batch, most: int) -> int:
        """Send a batch; returns how many lines the next one may have. Raises TryAgain, and what disks and sinks raise."""
        try:
            refused = await sink.send(batch.lines) if batch.lines else {}
        except Refusal as error:
            if len(batch.lines) > 1:
                return max(1, len(batch.lines) // 2)  # find the one that is to blame
            refused = {0: str(error)}
        for place, why in refused.items():
            self._set_aside(batch.lines[place], why)
        self.account.counts.sent += len(batch.lines) - len(refused)
        self._spool.taken(batch)
        return min(most * 2, self.limits.batch_events)

    def _set_aside(self, line: bytes, why: str) -> None:
        self.account.counts.refused += 1
        if self._spool.set_aside(line):
            self.account.say(f"an event was refused and set aside in refused.ndjson: {why}", key="refused")
        else:
            self.account.lost(1, f"it was refused, and refused.ndjson is full: {why}")

    def _adopt(self) -> None:
        now = time.monotonic()
        if now - self._adopted_at >= _ADOPT_SECONDS:
            self._adopted_at = now
            self._spool.adopt()

    async def _something_written(self) -> None:
        """Wait for lines, and then a little longer for more of them to share a request."""
        self._written.clear()
        try:
            async with asyncio.timeout(_ADOPT_SECONDS if self._closing_by is None else _LAST_SECONDS):
                await self._written.wait()
        except TimeoutError:
            return
        await self._wait(self.limits.linger_seconds)

    async def _pause(self, failures: int, asked: float | None) -> None:
        """Doubling, up to a bound, with up to half of it random, so that many proxies do not come back at once."""
        seconds = self.limits.first_wait_seconds * 2.0 ** min(failures - 1, 16)
        seconds = min(max(asked or 0.0, seconds), self.limits.longest_wait_seconds)
        seconds *= random.uniform(0.5, 1.0)  # noqa: S311 - not for secrecy
        if self._urgent.is_set():
            await asyncio.sleep(min(seconds, self.limits.first_wait_seconds))
        else:
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        """Wait, unless the process is about to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()
