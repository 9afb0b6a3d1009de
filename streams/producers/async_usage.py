"""The producer for asyncio programs, built on aiokafka; its ``send_many`` is the fastest way to publish in bulk."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self, Unpack

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from streams.core import topics
from streams.producers.batches import Batch, Batches
from streams.producers.connection import BULK, check_client_options, chunks, no_topic, server_list, unreachable
from streams.producers.delivery import Failure, Failures, OnError, still_under_way
from streams.producers.drafts import USAGE, Drafter, Encoding, UsageFields
from streams.producers.errors import (
    BrokerUnavailable,
    BufferFull,
    GivenUp,
    InvalidEvent,
    ProducerClosed,
    ProducerError,
)
from streams.producers.identifiers import new_event_id, now_ms

__all__ = ["AsyncUsageProducer"]

#: A batch of events: at 450 bytes an event some six hundred share one.
BATCH_BYTES: Final = 256 * 1024


class AsyncUsageProducer:
    """Publishes usage events to ``assay.usage.v1``, each once, in the order given for a team.

    ``send`` checks the event and returns when it is in the buffer of its partition, which holds one batch: while that
    is on its way and the next is full, ``send`` waits. What the broker refuses is reported to ``on_error`` and raised by
    the next ``flush`` or ``close``. Use it as an asynchronous context manager, in one event loop.

    The arguments are those of :class:`streams.producers.usage.UsageProducer`; ``client_options`` go to
    ``aiokafka.AIOKafkaProducer``. Raises BrokerUnavailable on entering.
    """

    def __init__(
        self,
        brokers: str = "127.0.0.1:9092",
        *,
        topic: str = topics.USAGE,
        source: str = "native",
        encoding: Encoding = "json",
        block_seconds: float = 10.0,
        linger_ms: int = 20,
        delivery_timeout_seconds: float = 120.0,
        on_error: OnError | None = None,
        clock: Callable[[], int] = now_ms,
        event_ids: Callable[[], str] = new_event_id,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = dict(client_options or {})
        check_client_options(self._options)
        self._options.setdefault("linger_ms", linger_ms)
        self._options.setdefault("max_batch_size", BATCH_BYTES)
        # aiokafka has one time-out for a request and for a batch's stay in the buffer.
        self._options.setdefault("request_timeout_ms", int(delivery_timeout_seconds * 1_000))
        self._servers = server_list(brokers)
        self._topic = topic
        self._block_seconds = block_seconds
        self._delivery_timeout_seconds = delivery_timeout_seconds
        self._drafter = Drafter(USAGE, source=source, encoding=encoding, now_ms=clock, new_event_id=event_ids)
        self._failures = Failures(on_error)
        self._waiting: dict[asyncio.Future[object], list[str]] = {}
        self._kafka: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; raises BrokerUnavailable."""
        client = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", enable_idempotence=True, **self._options)
        try:
            async with asyncio.timeout(self._block_seconds):
                await client.start()
        except (KafkaError, TimeoutError) as error:
            await client.stop()
            raise unreachable(self._servers, error) from error
        try:
            async with asyncio.timeout(self._block_seconds):
                await client.partitions_for(self._topic)
        except (KafkaError, TimeoutError) as error:
            await client.stop()
            raise no_topic(self._topic, self._servers, error) from error
        self._kafka = client

    async def send(self, **fields: Unpack[UsageFields]) -> str:
        """Publish one event; returns its ``event_id``.

        Raises InvalidEvent, and BufferFull when there was no room within ``block_seconds``.
        """
        client = self._client()
        draft = self._drafter.draft(fields)
        try:
            async with asyncio.timeout(self._block_seconds):
                delivered = await client.send(self._topic, value=draft.value, key=draft.key)
        except (KafkaError, TimeoutError) as error:
            raise _refused(error, len(draft.value)) from error
        self._watch(delivered, [draft.event_id])
        return draft.event_id

    async def send_many(self, events: Iterable[UsageFields]) -> int:
        """Publish events in whole batches of our own, validated a thousand at a time; returns how many.

        Raises InvalidEvent before any event of the same thousand is sent, and BufferFull. After either, what came
        before may have been sent: send all of it again under the same event ids, and each counts once.
        """
        client = self._client()
        batches = Batches(client, sorted(await client.partitions_for(self._topic)))
        count = 0
        try:
            for chunk in chunks(events, BULK):
                for draft in self._drafter.draft_all(chunk):
                    if (full := batches.add(draft)) is not None:
                        await self._submit(client, full)
                count += len(chunk)
                await asyncio.sleep(0)
        except InvalidEvent:
            await self._submit_rest(client, batches)
            raise
        await self._submit_rest(client, batches)
        return count

    async def flush(self, timeout_seconds: float | None = None) -> None:
        """Wait until everything sent so far is delivered; ``delivery_timeout_seconds`` by default.

        Raises DeliveryFailed for events refused since the last flush, FlushTimeout when some are still under way.
        """
        self._client()
        limit = self._delivery_timeout_seconds if timeout_seconds is None else timeout_seconds
        if self._waiting:
            _, late = await asyncio.wait(set(self._waiting), timeout=limit)
            if late:
                waiting = sum(len(self._waiting.get(delivered, ())) for delivered in late)
                raise still_under_way(waiting, limit)
        self._failures.surface()

    async def close(self, timeout_seconds: float | None = None) -> None:
        """Flush and disconnect; raises as ``flush`` does, after disconnecting. Closing twice is harmless.

        Events still under way when the time is over are given up and reported to ``on_error``.
        """
        client = self._kafka
        if client is None:
            return
        try:
            await self.flush(timeout_seconds)
        finally:
            self._kafka = None
            if self._waiting:
                await self._give_up(client)
            else:
                await client.stop()

    async def _give_up(self, client: AIOKafkaProducer) -> None:
        """Disconnect with events under way: the client's own stop would wait as long as a delivery may take."""
        sender = client._sender  # noqa: SLF001
        given_up = GivenUp("the producer was closed before the broker answered")
        client._message_accumulator.fail_all(given_up)  # noqa: SLF001
        # The sending task answers a first cancellation by waiting for its request, a second by giving that up.
        for _ in range(2):
            sender.sender_task.cancel()
            await asyncio.sleep(0)
        await client.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except ProducerError as unsent:
            if error is None:
                raise
            # The error under way says more; this one is not lost.
            error.add_note(f"while closing the usage producer: {unsent}")

    def _client(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise ProducerClosed("the producer is not open: use it in an `async with` block")
        return self._kafka

    async def _submit(self, client: AIOKafkaProducer, batch: Batch) -> None:
        try:
            async with asyncio.timeout(self._block_seconds):
                delivered = await client.send_batch(batch.builder, self._topic, partition=batch.partition)
        except (KafkaError, TimeoutError) as error:
            raise _refused(error, batch.builder.size()) from error
        self._watch(delivered, batch.event_ids)

    async def _submit_rest(self, client: AIOKafkaProducer, batches: Batches) -> None:
        for batch in batches.take():
            await self._submit(client, batch)

    def _watch(self, delivered: asyncio.Future[object], event_ids: list[str]) -> None:
        self._waiting[delivered] = event_ids
        delivered.add_done_callback(self._settle)

    def _settle(self, delivered: asyncio.Future[object]) -> None:
        error = None if delivered.cancelled() else delivered.exception()
        for event_id in self._waiting.pop(delivered, ()):
            if error is not None:
                self._failures.add(Failure(event_id, error))


def _refused(error: BaseException, size: int) -> ProducerError:
    """The client's error in our terms."""
    if isinstance(error, MessageSizeTooLargeError):
        return InvalidEvent(f"the event is {size} bytes, more than a record may have: shorten attributes")
    if isinstance(error, KafkaTimeoutError | TimeoutError):
        return BufferFull("the partition's buffer is full and the broker takes nothing: send slower, or look after it")
    return BrokerUnavailable(f"the client refused the event: {error}")
