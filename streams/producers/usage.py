"""The producer of usage events for ordinary programs."""

from collections.abc import Iterable
from typing import Unpack

from streams.core import topics
from streams.producers.drafts import USAGE, UsageFields
from streams.producers.publishing import EventProducer

__all__ = ["UsageProducer"]


class UsageProducer(EventProducer):
    """Publishes usage events to ``assay.usage.v1``, each once, in the order given for a team.

    ``send`` checks the event and returns when it is in the buffer; a background thread delivers it. What the broker
    refuses is reported to ``on_error`` (called in that thread: it must not block) and raised by the next ``flush`` or
    ``close``. Use it as a context manager; an interpreter that exits flushes what is left. Thread-safe; make one after a
    fork, not before.

    Args:
        brokers: ``host:port``, several separated by commas.
        topic: the usage topic, where the deployment prefixes its topics.
        source: what the events' ``source`` says unless an event says otherwise.
        encoding: ``json``, or ``avro`` in single-object encoding (half the size).
        max_buffered_bytes: how much may wait for the broker before ``send`` blocks.
        block_seconds: how long ``send`` blocks for room, and how long the constructor waits for a broker.
        linger_ms: how long an event may wait for others to share its batch.
        delivery_timeout_seconds: after how long an undelivered event is given up as failed.
        on_error: told of each event that was not delivered.
        client_options: further options of ``kafka.KafkaProducer``: security, sockets, compression.

    Raises:
        BrokerUnavailable: no broker answers, or none has the topic.
    """

    form = USAGE
    default_topic = topics.USAGE

    def send(self, **fields: Unpack[UsageFields]) -> str:
        """Publish one event; returns its ``event_id``.

        Raises InvalidEvent, and BufferFull when there was no room within ``block_seconds``.
        """
        return self._publish(fields)

    def send_many(self, events: Iterable[UsageFields]) -> int:
        """Publish events, validated a thousand at a time; returns how many.

        Raises InvalidEvent before any event of the same thousand is sent; the thousands before it are.
        """
        return self._publish_many(events)
