"""The producer of outcome events for ordinary programs."""

from collections.abc import Iterable
from typing import Unpack

from streams.core import topics
from streams.producers.drafts import OUTCOME, OutcomeFields
from streams.producers.publishing import EventProducer

__all__ = ["OutcomeProducer"]


class OutcomeProducer(EventProducer):
    """Publishes outcome events to ``assay.outcomes.v1``, as :class:`~streams.producers.usage.UsageProducer` does usage.

    The arguments and the errors are the same.
    """

    form = OUTCOME
    default_topic = topics.OUTCOMES

    def send(self, **fields: Unpack[OutcomeFields]) -> str:
        """Publish one event; returns its ``outcome_id``. Raises InvalidEvent, BufferFull."""
        return self._publish(fields)

    def send_many(self, events: Iterable[OutcomeFields]) -> int:
        """Publish events, validated a thousand at a time; returns how many. Raises InvalidEvent."""
        return self._publish_many(events)
