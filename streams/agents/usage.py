"""The agent that reads input topics: takes chunks off the stream and hands each to its shard."""

from collections.abc import Mapping
from typing import Any, cast

import faust
from faust.exceptions import ConsumerNotStarted

from streams.core.engine import Chunk
from streams.shards.ownership import Ownership, Reader
from streams.transport import RAW, ChunkConsumer, FetchedChunk

__all__ = ["KafkaReader", "declare_agent"]


class _Arrival:
    """One message of the stream."""

    __slots__ = ("_event", "chunk")

    def __init__(self, event: Any, chunk: Chunk) -> None:
        self._event = event
        self.chunk = chunk

    def done(self) -> None:
        """Acknowledge the message; for Faust's flow control only, offsets are in the transaction."""
        self._event.ack()


class KafkaReader(Reader):
    """Steers Faust's consumer for the shards. ``topics`` are the input topics, by full name."""

    def __init__(self, app: faust.App, topics: list[str]) -> None:
        self._app = app
        self._topics = topics

    @property
    def _consumer(self) -> ChunkConsumer:
        consumer = self._app.consumer
        assert isinstance(consumer, ChunkConsumer)
        return consumer

    async def beginnings(self, partition: int) -> Mapping[str, int]:
        """The first offset there is, for each input topic."""
        places = [faust.types.TP(topic, partition) for topic in self._topics]
        earliest = await self._consumer.earliest_offsets(*places)
        return {place.topic: earliest.get(place) or 0 for place in places}

    def behind(self, partition: int, offsets: Mapping[str, int]) -> bool:
        """Whether the broker has more, or may have: unknown before the first fetch and during a rebalance."""
        if self._app.rebalancing:
            return True
        ends = [(self.end(topic, partition), offset) for topic, offset in offsets.items()]
        return any(end is None or end > offset for end, offset in ends)

    def end(self, topic: str, partition: int) -> int | None:
        """The end of a partition as its last fetch told it; None if unknown or no longer ours."""
        try:
            return cast("int | None", self._consumer.highwater(faust.types.TP(topic, partition)))
        except (AssertionError, ConsumerNotStarted):
            # aiokafka asserts that the partition is assigned, and an assignment changes before anyone is told.
            return None

    async def ends(self, partition: int) -> Mapping[str, int]:
        """The offset behind the last record, for each input topic."""
        places = [faust.types.TP(topic, partition) for topic in self._topics]
        latest = await self._consumer.highwaters(*places)
        return {place.topic: int(latest[place]) for place in places if latest.get(place) is not None}

    def pause(self, partition: int) -> None:
        """Fetch nothing more of a partition until it is read on."""
        self._consumer.pause_partitions({faust.types.TP(topic, partition) for topic in self._topics})

    async def read_on(self, partition: int, offsets: Mapping[str, int]) -> None:
        """Seek, and resume fetching."""
        await self._consumer.read_on({faust.types.TP(topic, partition): at for topic, at in offsets.items()})


def declare_agent(app: faust.App, topics: list[str], ownership: Ownership) -> None:
    """Declare the agent on the app; each message carries one chunk."""
    source = app.topic(*topics, key_serializer=RAW, value_serializer=RAW, key_type=None, value_type=None)

    @app.agent(source, name="assay-usage")
    async def usage(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            # Chunks fetched before a rebalance still lie in the queue after it, and would open a hole.
            if message.generation_id != app.consumer_generation_id:
                continue
            fetched: FetchedChunk = message.value
            chunk = Chunk(
                fetched.topic, fetched.partition, fetched.offsets, fetched.values, fetched.next_offset,
                fetched.fetch_start,
            )  # fmt: skip
            await ownership.submit(fetched.partition, _Arrival(event, chunk))
