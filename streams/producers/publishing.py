"""What the producers for ordinary programs share: threads, no event loop; built on kafka-python."""

import atexit
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import kafka
import msgspec
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from streams.producers.connection import BULK, check_client_options, chunks, no_topic, server_list, unreachable
from streams.producers.delivery import RECORD_OVERHEAD, Deliveries, Failure, Failures, OnError
from streams.producers.drafts import Draft, Drafter, Encoding, EventForm
from streams.producers.errors import BrokerUnavailable, BufferFull, InvalidEvent, ProducerClosed, ProducerError
from streams.producers.identifiers import new_event_id, now_ms

__all__ = ["EventProducer"]

_LOG: Final = logging.getLogger("assay.producers")


class EventProducer:
    """Publishes events of one form, each once, in the order given for a team; ``UsageProducer`` has the manual.

    ``form`` and ``default_topic`` are the subclass's, and so are the typed ``send`` and ``send_many``.
    """

    form: ClassVar[EventForm[Any]]
    default_topic: ClassVar[str]

    def __init__(
        self,
        brokers: str = "127.0.0.1:9092",
        *,
        topic: str | None = None,
        source: str = "native",
        encoding: Encoding = "json",
        max_buffered_bytes: int = 32 * 1024 * 1024,
        block_seconds: float = 10.0,
        linger_ms: int = 20,
        delivery_timeout_seconds: float = 120.0,
        on_error: OnError | None = None,
        clock: Callable[[], int] = now_ms,
        event_ids: Callable[[], str] = new_event_id,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        options = dict(client_options or {})
        check_client_options(options)
        self._drafter = Drafter(self.form, source=source, encoding=encoding, now_ms=clock, new_event_id=event_ids)
        self._deliveries = Deliveries(max_buffered_bytes)
        self._failures = Failures(on_error)
        self._topic = topic or self.default_topic
        self._block_seconds = block_seconds
        self._delivery_timeout_seconds = delivery_timeout_seconds
        self._process = os.getpid()
        self._closed = False
        defaults = {
            "client_id": f"assay-producer-{os.getpid()}",
            "linger_ms": linger_ms,
            "batch_size": 256 * 1024,
            # The client wants a request's time-out to fit into the delivery's.
            "request_timeout_ms": min(30_000, int(delivery_timeout_seconds * 1_000) - linger_ms),
            "delivery_timeout_ms": int(delivery_timeout_seconds * 1_000),
            "max_block_ms": int(block_seconds * 1_000),
            "bootstrap_timeout_ms": int(block_seconds * 1_000),
            "metrics_enabled": False,
        }
        self._kafka = self._connect(server_list(brokers), {**defaults, **options})
        # After the client's own exit handler, hence run before it: that one gives up after a second.
        atexit.register(self._close_at_exit)

    def _connect(self, servers: list[str], options: Mapping[str, Any]) -> kafka.KafkaProducer:
        """A client that has reached a broker and knows the topic, so that a wrong address or name shows at once."""
        try:
            client = kafka.KafkaProducer(
                bootstrap_servers=servers,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                **options,
            )
        except KafkaError as error:
            raise unreachable(servers, error) from error
        try:
            client.partitions_for(self._topic)
        except KafkaError as error:
            client.close(timeout=0)
            raise no_topic(self._topic, servers, error) from error
        return client

    def _publish(self, fields: Mapping[str, Any]) -> str:
        self._check_open()
        draft = self._drafter.draft(fields)
        self._enqueue(draft)
        return draft.event_id

    def _publish_many(self, events: Iterable[Mapping[str, Any]]) -> int:
        self._check_open()
        count = 0
        for chunk in chunks(events, BULK):
            for draft in self._drafter.draft_all(chunk):
                self._enqueue(draft)
                count += 1
        return count

    def send_judged(self, records: Iterable[bytes]) -> int:
        """Publish JSON records that the worker's decoder has taken already, byte for byte; returns how many.

        For those who pass on what other systems tell: nothing is filled in, and what ``send`` refuses though a worker
        takes it, such as a verdict that its kind contradicts, goes through. Raises BufferFull.
        """
        self._check_open()
        count = 0
        for record in records:
            fields = msgspec.json.decode(record)
            self._enqueue(Draft(fields[self.form.identity], fields["team"].encode(), record))
            count += 1
        return count

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Wait until everything sent so far is delivered; ``delivery_timeout_seconds`` by default.

        Raises DeliveryFailed for events refused since the last flush, FlushTimeout when some are still under way.
        """
        self._check_open()
        self._deliveries.wait(self._delivery_timeout_seconds if timeout_seconds is None else timeout_seconds)
        self._failures.surface()

    def close(self, timeout_seconds: float | None = None) -> None:
        """Flush and disconnect; raises as ``flush`` does, after disconnecting. Closing twice is harmless.

        Events still under way when the time is over are given up and reported to ``on_error``.
        """
        if self._closed:
            return
        try:
            self.flush(timeout_seconds)
        finally:
            self._closed = True
            atexit.unregister(self._close_at_exit)
            self._disconnect()

    def _disconnect(self) -> None:
        try:
            self._kafka.close(timeout=0)
        except KafkaTimeoutError:
            # The client flushes before it closes and gives up closing when that takes too long, which would leave its
            # thread running, with the events, until the program ends.
            self._kafka._sender.force_close()  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except ProducerError as unsent:
            # The error under way says more; this one is not lost.
            error.add_note(f"while closing the producer of {self.form.name}s: {unsent}")

    def _enqueue(self, draft: Draft) -> None:
        size = len(draft.key) + len(draft.value) + RECORD_OVERHEAD
        epoch = self._deliveries.begin(size, self._block_seconds)
        try:
            future = self._kafka.send(self._topic, value=draft.value, key=draft.key)
        except BaseException as error:
            self._deliveries.settle(epoch, size)
            raise _refused(error, draft) from error
        future.add_both(partial(self._settle, epoch, size, draft.event_id))

    def _settle(self, epoch: int, size: int, event_id: str, outcome: object) -> None:
        if isinstance(outcome, BaseException):
            self._failures.add(Failure(event_id, outcome))
        self._deliveries.settle(epoch, size)

    def _check_open(self) -> None:
        if self._closed:
            raise ProducerClosed("the producer is closed; make a new one")
        if os.getpid() != self._process:
            raise ProducerClosed("the producer belongs to the parent process; make one after the fork")

    def _close_at_exit(self) -> None:
        if os.getpid() != self._process:
            return
        try:
            self.close()
        except ProducerError as error:
            _LOG.error("%ss were lost at exit: %s", self.form.name, error)


def _refused(error: BaseException, draft: Draft) -> BaseException:
    """The client's error in our terms."""
    if isinstance(error, MessageSizeTooLargeError):
        return InvalidEvent(f"the event is {len(draft.value)} bytes, more than a record may have: shorten attributes")
    if isinstance(error, KafkaTimeoutError):
        return BufferFull(f"the broker does not answer: {error}")
    if isinstance(error, KafkaError):
        return BrokerUnavailable(f"the client refused the event: {error}")
    return error
