"""Faust's consumer without a broker: the transport below it is a mock, as in Faust's own tests.

A mock, because what is under test is the book-keeping above the thread that talks to Kafka; the thread itself is
tested against a real broker in ``tests/integration``.
"""

from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import AsyncMock, Mock

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.transport import FetchedChunk

__all__ = ["PLACE", "chunk", "consumer_of", "faust_app", "message"]

PLACE = TP("usage", 3)
_C = TypeVar("_C", bound=driver.Consumer)


def faust_app(directory: Path, **settings: Any) -> faust.App:
    """An app that is never started."""
    return faust.App(
        "test", broker="kafka://127.0.0.1:1", store="memory://", autodiscover=False, datadir=directory, **settings
    )


def consumer_of(kind: type[_C], app: faust.App) -> _C:
    """A consumer of this class that owns :data:`PLACE`; ``_commit`` and ``_seek`` are mocks to be asked."""
    consumer = kind(
        Mock(name="transport", app=app),
        callback=AsyncMock(name="callback"),
        on_partitions_revoked=AsyncMock(name="on_partitions_revoked"),
        on_partitions_assigned=AsyncMock(name="on_partitions_assigned"),
    )
    fake: Any = consumer
    fake._commit = AsyncMock(name="commit", return_value=True)
    fake._seek = AsyncMock(name="seek")
    fake.assignment = Mock(name="assignment", return_value={PLACE})
    fake.highwater = Mock(name="highwater", return_value=0)
    app.topics._acking_topics = {PLACE.topic}  # type: ignore[attr-defined]
    app.producer.flush = AsyncMock(name="flush")  # type: ignore[method-assign]
    return consumer


def message(offset: int, value: Any = b"") -> ConsumerMessage:
    """A message of :data:`PLACE`, delivered and not acknowledged."""
    made: Any = ConsumerMessage
    delivered = made(*PLACE, offset, None, None, (), None, value, None, tp=PLACE, generation_id=1)
    assert isinstance(delivered, ConsumerMessage)
    return delivered


def chunk(start: int, end: int, values: list[bytes | None] | None = None) -> FetchedChunk:
    """A fetched chunk over a range of offsets, the first of which are records."""
    held = [b"{}"] * (end - start) if values is None else values
    return FetchedChunk(PLACE.topic, PLACE.partition, start, end, range(start, start + len(held)), list(held))
