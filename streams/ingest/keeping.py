"""What was taken is made durable: in Kafka while it answers, else in the spool, which is emptied once it answers again.

Kafka counts as away from the first body that it has not acknowledged within a patience that is shorter than any
client's. From then on bodies go to the spool, those that were waiting included, while a task connects anew; it sends what
the spool holds, in order, before new bodies take the direct way again. So records may come twice, which the worker
counts once, and none is lost that was answered for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from streams.errors import DependencyError
from streams.ingest.publishing import KafkaAway, Outgoing, TopicMissing
from streams.ingest.spooling import SpoolQueue
from streams.telemetry.ingest_catalogue import KeptIn

__all__ = ["Keeper", "NoRoom", "Publishing"]

log = structlog.get_logger(__name__)

#: What is sent from the spool at a time.
_DRAIN_BYTES: Final = 1024 * 1024
#: With less than this left to send, new bodies take the direct way: while they came through the spool, it would
#: never be empty.
_NEARLY_EMPTY_BYTES: Final = 2 * _DRAIN_BYTES
#: Emptying the spool is in no hurry, and a slow Kafka is still one that takes records.
_DRAIN_PATIENCE_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0)
#: How long a body waits for room in a full spool before its sender is told to come back.
_ROOM_SECONDS: Final = 2.0

_PARCEL: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes]])
_pack: Final = msgspec.msgpack.Encoder().encode


class NoRoom(Exception):
    """Kafka is away, and the spool takes nothing more: the sender must come back."""


class Publishing(Protocol):
    """What the keeper needs of :class:`Publisher`."""

    async def publish(self, records: Sequence[Outgoing], *, patience_seconds: float) -> None:
        """Raises KafkaAway; TopicMissing for a topic that it is not connected to."""
        ...

    async def give_up(self) -> None:
        """Fail all that waits."""
        ...

    async def close(self) -> None:
        """Send what waits."""
        ...


class Keeper:
    """Makes bodies durable. ``connect`` makes a publisher, and raises KafkaAway or TopicMissing."""

    def __init__(
        self, connect: Callable[[], Awaitable[Publishing]], spool: SpoolQueue, *, patience_seconds: float
    ) -> None:  # fmt: skip
        self._connect = connect
        self.spool: Final = spool
        self._patience_seconds = patience_seconds
        self._publisher: Publishing | None = None
        self._direct = False
        self._draining: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self._said: tuple[str, str] | None = None

    @property
    def kafka_up(self) -> bool:
        """Whether Kafka takes records, as far as is known."""
        return self._publisher is not None

    @property
    def usable(self) -> bool:
        """Whether a body would find a place."""
        return self._direct or self.spool.has_room

    async def start(self) -> None:
        """Connect, and begin to empty the spool. Raises DependencyError where Kafka answers and lacks a topic.

        Where it does not answer, the spool takes bodies from the beginning.
        """
        try:
            self._publisher = await self._connect()
        except KafkaAway as error:
            log.warning("kafka_away", detail=str(error))
        except TopicMissing as error:
            raise DependencyError(f"topics are missing: {error}; create them with `assay topics apply`") from error
        self._direct = self._publisher is not None and self.spool.empty
        if not self._direct:
            self._begin_to_drain()

    async def keep(self, records: Sequence[Outgoing]) -> KeptIn:
        """Make one body's records durable, all or none. Raises NoRoom."""
        publisher = self._publisher
        if self._direct and publisher is not None:
            try:
                await publisher.publish(records, patience_seconds=self._patience_seconds)
            except KafkaAway as error:
                self._lost(publisher, error)
            else:
                return KeptIn.KAFKA
        parcel = _pack(records)
        try:
            async with asyncio.timeout(_ROOM_SECONDS):
                while not await self.spool.append(parcel):
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            raise NoRoom("Kafka is away and the spool is full") from None
        except OSError as error:
            self._say("spool_failed", f"{type(error).__name__}: {error.strerror}")
            raise NoRoom("Kafka is away and the spool cannot be written") from error
        # The task may have come to the end just before.
        self._begin_to_drain()
        return KeptIn.SPOOL

    async def stop(self) -> None:
        """Send what waits, and leave the rest in the spool. Nothing may be kept any more."""
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        if self._ending:
            await asyncio.gather(*self._ending)
        if self._publisher is not None:
            await self._publisher.close()
        await self.spool.close()

    def _say(self, event: str, detail: str) -> None:
        """Log an error once for as long as it lasts."""
        if self._said != (event, detail):
            self._said = event, detail
            if event == "spool_failed":
                log.error("spool_failed", detail=detail)
            else:
                log.error("topic_missing", detail=detail)

    def _lost(self, publisher: Publishing, error: KafkaAway) -> None:
        """Kafka is away: told once for each publisher, whoever notices first."""
        if publisher is not self._publisher:
            return
        log.warning("kafka_away", detail=str(error))
        self._publisher, self._direct = None, False
        ending = asyncio.get_running_loop().create_task(publisher.give_up())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        self._begin_to_drain()

    def _begin_to_drain(self) -> None:
        if self._draining is None or self._draining.done():
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        """Until the spool is empty and Kafka answers."""
        tries = 0
        while True:
            if self._publisher is None:
                await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
                tries += 1
                try:
                    self._publisher = await self._connect()
                except KafkaAway:
                    continue
                except TopicMissing as error:
                    self._say("topic_missing", str(error))
                    continue
                self._said = None
                log.info("kafka_back", spool_bytes=self.spool.size_bytes)
            publisher = self._publisher
            try:
                await self._empty_into(publisher)
            except KafkaAway as error:
                self._lost(publisher, error)
                continue
            except (
                Exception
            ) as error:  # a task that ended unseen would leave what was answered for in the spool for ever
                if isinstance(error, TopicMissing):
                    self._say("topic_missing", f"{error}: the spool holds events of another topic_prefix")
                else:
                    why = error.strerror if isinstance(error, OSError) else "what it holds cannot be sent"
                    self._say("spool_failed", f"{type(error).__name__}: {why}")
                await asyncio.sleep(_RETRY_SECONDS[-1])
                continue
            if self._publisher is publisher:
                return

    async def _empty_into(self, publisher: Publishing) -> None:
        await self.spool.rewind()
        while True:
            batch = await self.spool.read(_DRAIN_BYTES)
            if self.spool.unread_bytes < _NEARLY_EMPTY_BYTES:
                # From here on the two ways run side by side.
                self._direct = self._publisher is publisher
            if batch is None:
                return
            records = [Outgoing(*record) for parcel in batch.parcels for record in _PARCEL.decode(parcel)]
            await publisher.publish(records, patience_seconds=_DRAIN_PATIENCE_SECONDS)
            await self.spool.release(batch.end)
            self._drained.set()
