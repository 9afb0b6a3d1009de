"""The agent and the reader between Faust and the shards."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, call

import faust
import pytest
from faust.types import TP

from streams.agents.usage import KafkaReader, declare_agent
from streams.shards.ownership import Ownership
from streams.shards.shard import Arrival
from streams.transport import ChunkConsumer, FetchedChunk, register
from tests.unit.transport.fakes import PLACE, chunk, consumer_of, faust_app


class FakeEvent:
    """An event of a stream, as far as the agent looks at it."""

    def __init__(self, fetched: FetchedChunk, generation: int) -> None:
        self.message = SimpleNamespace(value=fetched, generation_id=generation)
        self.acked = 0

    def ack(self) -> None:
        self.acked += 1


class FakeStream:
    """A stream that ends; one that acknowledges by itself would lose what is in flight."""

    def __init__(self, events: list[FakeEvent]) -> None:
        self._events = events
        self._acks = True

    def noack(self) -> "FakeStream":
        self._acks = False
        return self

    async def events(self) -> AsyncIterator[FakeEvent]:
        assert not self._acks
        for event in self._events:
            yield event


class FakeOwnership:
    """Remembers what it was handed."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, Arrival]] = []

    async def submit(self, partition: int, arrival: Arrival) -> None:
        self.taken.append((partition, arrival))


async def run_agent(app: faust.App, events: list[FakeEvent]) -> FakeOwnership:
    ownership = FakeOwnership()
    register()
    declare_agent(app, [PLACE.topic], cast(Ownership, ownership))
    agent: Any = app.agents["assay-usage"]
    await agent.fun(FakeStream(events))
    return ownership


async def test_each_chunk_goes_to_its_shard_with_its_whole_range(tmp_path: Path) -> None:
    app = faust_app(tmp_path)
    app.consumer_generation_id = 4
    event = FakeEvent(chunk(5, 20, [b"a", None]), 4)
    ownership = await run_agent(app, [event])
    ((partition, arrival),) = ownership.taken
    assert partition == PLACE.partition
    held = arrival.chunk
    assert (held.topic, held.partition, held.fetch_start, held.next_offset) == (*PLACE, 5, 20)
    assert (list(held.offsets), held.values) == ([5, 6], [b"a", None])
    assert event.acked == 0
    arrival.done()
    assert event.acked == 1


async def test_chunks_of_an_earlier_generation_are_dropped(tmp_path: Path) -> None:
    """They lie in the agent's queue when a rebalance is through, and would open a hole or count twice."""
    app = faust_app(tmp_path)
    app.consumer_generation_id = 4
    events = [FakeEvent(chunk(at, at + 5), generation) for at, generation in [(0, 3), (5, 4), (10, 2), (15, 4)]]
    ownership = await run_agent(app, events)
    assert [arrival.chunk.fetch_start for _, arrival in ownership.taken] == [5, 15]
    assert [event.acked for event in events] == [0, 0, 0, 0]


async def test_the_agent_takes_a_chunk_off_the_stream_whatever_its_values_are(tmp_path: Path) -> None:
    """Nothing is decoded on the way: a record that cannot be decoded must not reach Faust's error handling."""
    app = faust_app(tmp_path)
    register()
    declare_agent(app, [PLACE.topic], cast(Ownership, FakeOwnership()))
    source: Any = app.agents["assay-usage"].channel
    consumer: Any = consumer_of(ChunkConsumer, app)
    consumer.app.consumer_generation_id = 1
    whole = chunk(0, 2, [b"\xff\x00", None])
    event = await source.decode(consumer._to_message(PLACE, whole), propagate=True)
    assert event.value is whole


@pytest.fixture
def reader(tmp_path: Path) -> Any:
    app: Any = faust_app(tmp_path)
    app.consumer = consumer_of(ChunkConsumer, app)
    return KafkaReader(app, [PLACE.topic, "outcomes"])


async def test_the_reader_says_where_each_input_begins(reader: Any) -> None:
    reader._consumer.earliest_offsets = AsyncMock(return_value={TP(PLACE.topic, 3): 17, TP("outcomes", 3): None})
    assert await reader.beginnings(3) == {PLACE.topic: 17, "outcomes": 0}
    assert reader._consumer.earliest_offsets.mock_calls == [call(TP(PLACE.topic, 3), TP("outcomes", 3))]


async def test_the_reader_seeks_the_partitions_inputs(reader: Any) -> None:
    reader._consumer.read_on = AsyncMock()
    await reader.read_on(3, {PLACE.topic: 17, "outcomes": 0})
    assert reader._consumer.read_on.mock_calls == [call({TP(PLACE.topic, 3): 17, TP("outcomes", 3): 0})]
