"""The subscribers of alerts and KPIs for ordinary programs: each change of each record once, in the order of the log."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Final, Generic, Literal, Self, TypeVar

import msgspec

from streams.core import topics
from streams.core.alerts import Alert
from streams.core.avro import ALERT, KPI, RecordCodec
from streams.core.kpis import Kpi
from streams.subscribers.reading import Entry, TopicReader, newest_by_key
from streams.subscribers.revisions import Revisions

__all__ = ["AlertSubscriber", "KpiSubscriber", "Subscriber"]

_LOG: Final = logging.getLogger("assay.subscribers")
_POLL_SECONDS: Final = 0.5

R = TypeVar("R", bound=msgspec.Struct)


class Subscriber(Generic[R]):
    """Hands out the records of one topic; ``AlertSubscriber`` has the manual.

    ``codec`` and ``default_topic`` are the subclass's.
    """

    codec: ClassVar[RecordCodec[Any]]
    default_topic: ClassVar[str]

    def __init__(
        self,
        brokers: str = "127.0.0.1:9092",
        *,
        group: str,
        topic: str | None = None,
        start: Literal["earliest", "latest"] = "earliest",
        remember: int = 100_000,
        schema_registry_url: str | None = None,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        if start not in {"earliest", "latest"}:
            raise ValueError(f"start is {start!r}: give 'earliest' or 'latest'")
        if not group:
            raise ValueError("group is empty: name the consumer group, whose position is kept under that name")
        self._brokers = brokers
        self._topic = topic or self.default_topic
        self._registry_url = schema_registry_url
        self._client_options = client_options
        self._revisions = Revisions(remember)
        self._reader: TopicReader[R] = TopicReader(
            self.codec, brokers, self._topic, group=group, earliest=start == "earliest",
            schema_registry_url=schema_registry_url, client_options=client_options,
        )  # fmt: skip
        self._waiting: deque[Entry[R]] = deque()
        self._handled: dict[int, int] = {}
        self._stopped = threading.Event()
        self.unreadable = 0

    def run(self, handler: Callable[[R], object]) -> None:
        """Call ``handler`` with each record until ``stop`` is called; what it raises is raised here.

        A position is committed only when the handler has returned, so that a record is handled at least once: the one
        that it raised for, or was killed in, comes again.
        """
        for record in self:
            handler(record)

    def __iter__(self) -> Iterator[R]:
        """The records as they come, until ``stop``; a record counts as handled when the next one is asked for."""
        try:
            while not self._stopped.is_set():
                if not self._waiting:
                    self._commit()
                    self._waiting.extend(self._reader.poll(_POLL_SECONDS))
                while self._waiting and not self._stopped.is_set():
                    entry = self._waiting[0]
                    record = entry.record
                    if record is not None and self._revisions.is_new(entry.key, record.revision):  # type: ignore[attr-defined]
                        yield record
                        self._revisions.note(entry.key, record.revision)  # type: ignore[attr-defined]
                    elif record is None:
                        self._pass_over(entry)
                    self._handled[entry.partition] = entry.offset + 1
                    self._waiting.popleft()
        finally:
            # Also when the loop around it was left by break or by an exception, which is thrown in as GeneratorExit.
            self._commit()

    def current(self, wanted: Callable[[R], bool] | None = None) -> list[R]:
        """What the topic says now: the highest revision of each record, as far as it is committed at this moment.

        Reads the whole topic, beside the group and without moving it. It takes memory for what is ``wanted``, and a
        number for each of the others.

        Raises:
            BrokerUnavailable: The topic cannot be read to its end.
        """
        with TopicReader[R](
            self.codec, self._brokers, self._topic, group=None, schema_registry_url=self._registry_url,
            client_options=self._client_options,
        ) as reader:  # fmt: skip
            found, unreadable = newest_by_key(reader.read_to_end(), lambda record: record.revision, wanted)  # type: ignore[attr-defined]
        if unreadable:
            _LOG.warning("%d records of %s cannot be read and were left out", unreadable, self._topic)
        return found

    def stop(self) -> None:
        """Let the iteration end within half a second; may be called in a signal's handler or another thread."""
        self._stopped.set()

    def close(self) -> None:
        """Commit what is handled, leave the group and disconnect. Closing twice is harmless."""
        self._stopped.set()
        self._commit()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pass_over(self, entry: Entry[R]) -> None:
        if entry.is_tombstone:
            self._revisions.forget(entry.key)
            return
        self.unreadable += 1
        _LOG.warning(
            "the record at offset %d of partition %d of %s cannot be read and is left out: %s",
            entry.offset, entry.partition, self._topic, entry.problem,
        )  # fmt: skip

    def _commit(self) -> None:
        handled, self._handled = self._handled, {}
        self._reader.commit(handled)


class AlertSubscriber(Subscriber[Alert]):
    """Reads ``assay.alerts.v1``: iterate over it, or give ``run`` a handler.

    Delivery is at least once: positions are committed only after a record was handled, and a program that starts again
    goes on where its group was. Within one process no revision is handed out twice. Use it as a context manager, in one
    thread; ``stop`` may be called from another.

    Args:
        brokers: ``host:port``, several separated by commas.
        group: The consumer group; programs of one group share the alerts, each group gets all.
        topic: The topic of alerts, where the deployment prefixes its topics.
        start: Where a new group begins: ``earliest``, the current state of every alert, or ``latest``, what comes next.
        remember: Of how many alerts the highest revision is remembered.
        schema_registry_url: The registry, where records are in Confluent's wire format.
        client_options: Further options of ``kafka.KafkaConsumer``: security, sockets.

    Attributes:
        unreadable: How many records could not be read, and were left out; each is logged as ``assay.subscribers``.

    Raises:
        BrokerUnavailable: No broker answers, or none has the topic.
    """

    codec = ALERT
    default_topic = topics.ALERTS

    def firing(self) -> list[Alert]:
        """The alerts that fire now."""
        return self.current(lambda alert: alert.state == "firing")


class KpiSubscriber(Subscriber[Kpi]):
    """Reads ``assay.kpis.v1`` as :class:`AlertSubscriber` does alerts; a window that was corrected comes again.

    The arguments, the errors and the delivery are the same.
    """

    codec = KPI
    default_topic = topics.KPIS
