"""A producer that was given up leaves nothing that runs, and sends nothing later.

The tasks that a started producer would have are stood in for: they wait for a broker that will never answer.
"""

import asyncio
import warnings
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import MessageBatch

from streams.transport.producers import abandon


async def given_up() -> tuple[Any, "asyncio.Task[None]", MessageBatch]:
    """A producer whose ``stop`` was cancelled while it flushed a batch."""
    producer: Any = AIOKafkaProducer()
    builder = producer.create_batch()
    builder.append(key=b"k", value=b"v", timestamp=None)
    place = TopicPartition("t", 0)
    batch = MessageBatch(place, builder, 60.0, 0.0)
    producer._message_accumulator._batches[place].append(batch)
    answer = asyncio.Event()

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # As aiokafka's sender does: it waits for what it has sent.
            await answer.wait()

    async def close() -> None:
        answer.set()

    producer.client.close = close
    sender = producer._sender._sender_task = asyncio.create_task(send())
    sender.add_done_callback(producer._sender._fail_all)
    stopping = asyncio.create_task(producer.stop())
    await asyncio.sleep(0.01)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    return producer, sender, batch


async def test_nothing_of_it_runs_on() -> None:
    mine = asyncio.current_task()
    producer, sender, batch = await given_up()
    assert not sender.done()
    await abandon(producer)
    assert sender.done()
    assert batch.future.cancelled()
    async with asyncio.timeout(20):
        # The flush that `stop` began waits for the batch, and now ends.
        while asyncio.all_tasks() != {mine}:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_producer_that_never_started_can_be_abandoned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        producer = AIOKafkaProducer()
        await abandon(producer)
        producer._closed = True
