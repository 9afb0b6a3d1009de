"""Sends events straight to Kafka, as ``assay ingest`` would: read by the same source, actors sealed before they leave."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

import orjson

from streams.core import topics
from streams.core.pseudonyms import Pseudonyms
from streams.producers.async_usage import AsyncUsageProducer
from streams.producers.drafts import UsageFields
from streams.producers.errors import InvalidEvent, ProducerError
from streams.producers.identifiers import now_ms
from streams.producers.litellm.sinks import Refusal, TryAgain
from streams.sources import litellm
from streams.sources.booking import Binding, Booker
from streams.sources.contract import BadBody, Context

__all__ = ["KafkaSink"]

_BLOCK_SECONDS: Final = 10.0


class KafkaSink:
    """Books events under one binding. ``key`` is that of the worker's pseudonyms; with another, people are counted twice."""

    def __init__(
        self,
        brokers: str,
        *,
        key: bytes,
        binding: Binding | None = None,
        topic: str = topics.USAGE,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._brokers = brokers
        self._topic = topic
        self._binding = binding or Binding()
        self._booker = Booker(Pseudonyms(key))
        self._options = client_options
        self._producer: AsyncUsageProducer | None = None

    async def send(self, lines: Sequence[bytes]) -> Mapping[int, str]:
        """Acknowledged by all replicas that are in sync."""
        events, refused = self._booked(lines)
        try:
            producer = await self._connected()
            await producer.send_many(events)
            await producer.flush()
        except InvalidEvent as error:
            raise Refusal(str(error)) from error
        except ProducerError as error:
            await self.close()
            raise TryAgain(str(error)) from error
        return refused

    async def close(self) -> None:
        """Disconnect; what was not acknowledged will be sent again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(ProducerError):  # its events are still in the spool
                await producer.close(timeout_seconds=1.0)

    def _booked(self, lines: Sequence[bytes]) -> tuple[list[UsageFields], dict[int, str]]:
        try:
            decoded = litellm.decode(b"[" + b",".join(lines) + b"]", Context(received_at_ms=now_ms()))
        except BadBody as error:
            raise Refusal(error.detail) from error
        booked = self._booker.book(decoded.items, self._binding)
        refused = {int(each.place): each.detail for each in (*decoded.refused, *booked.refused)}
        return [cast(UsageFields, orjson.loads(record.value)) for record in booked.usage], refused

    async def _connected(self) -> AsyncUsageProducer:
        if self._producer is None:
            producer = AsyncUsageProducer(
                self._brokers,
                topic=self._topic,
                source=litellm.SOURCE,
                block_seconds=_BLOCK_SECONDS,
                delivery_timeout_seconds=30.0,
                client_options=self._options,
            )
            await producer.start()
            self._producer = producer
        return self._producer
