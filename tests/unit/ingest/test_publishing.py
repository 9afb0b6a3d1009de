"""Bodies share batches, each waits for all of its own, and one failure fails whoever waits."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError, NotEnoughReplicasError

from streams.ingest import publishing
from streams.ingest.publishing import KafkaAway, Outgoing, Publisher, TopicMissing


class Builder:
    """A batch of three records."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []

    def append(self, *, key: bytes, value: bytes, timestamp: None) -> object:
        if len(self.records) == 3:
            return None
        self.records.append((key, value))
        return object()


class Client:
    """Acknowledges when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, list[bytes]]] = []
        self.acks: list[asyncio.Future[None]] = []
        self.error: KafkaError | None = None

    def create_batch(self) -> Builder:
        return Builder()

    async def send_batch(self, batch: Builder, topic: str, *, partition: int) -> asyncio.Future[None]:
        if self.error is not None:
            raise self.error
        self.sent.append((topic, partition, [value for _, value in batch.records]))
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def publisher(client: Client, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    async def abandoned(_client: Any) -> None:
        pass

    monkeypatch.setattr(publishing, "_abandoned", abandoned)
    return Publisher(client, {"t": [0, 1, 2, 3]})


def publish(publisher: Publisher, *values: bytes, key: bytes = b"k", patience: float = 20.0) -> asyncio.Task[None]:
    records = [Outgoing("t", key, value) for value in values]
    return asyncio.create_task(publisher.publish(records, patience_seconds=patience))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_on_its_way_shares_the_next(client: Client, publisher: Publisher) -> None:
    tasks = [publish(publisher, b"1")]
    await settle()
    tasks += [publish(publisher, b"2"), publish(publisher, b"3", b"4", b"5"), publish(publisher, b"6")]
    await settle()
    assert [values for _, _, values in client.sent] == [[b"1"]]
    client.acks[0].set_result(None)
    await settle()
    assert [task.done() for task in tasks] == [True, False, False, False]
    assert client.sent[1][2] == [b"2", b"3", b"4"]
    client.acks[1].set_result(None)
    await settle()
    # The third body is in two batches, and is there only with the second.
    assert [task.done() for task in tasks] == [True, True, False, False]
    assert client.sent[2][2] == [b"5", b"6"]
    client.acks[2].set_result(None)
    await asyncio.gather(*tasks)


async def test_partitions_do_not_wait_for_each_other_and_a_key_has_one(client: Client, publisher: Publisher) -> None:
    tasks = [publish(publisher, b"v", key=b"team-%d" % number) for number in range(20)]
    await settle()
    assert {partition for _, partition, _ in client.sent} == {0, 1, 2, 3}
    while not all(task.done() for task in tasks):
        for ack in client.acks:
            if not ack.done():
                ack.set_result(None)
        await settle()
    assert sum(len(values) for _, _, values in client.sent) == 20


async def test_whoever_waits_too_long_is_told(publisher: Publisher) -> None:
    with pytest.raises(KafkaAway, match="within"):
        await publish(publisher, b"1", patience=0.01)


async def test_an_error_is_told_to_whoever_waits_for_that_batch(client: Client, publisher: Publisher) -> None:
    waiting = publish(publisher, b"1")
    await settle()
    client.acks[0].set_exception(NotEnoughReplicasError())
    with pytest.raises(KafkaAway, match="the producer failed"):
        await waiting


async def test_giving_up_is_told_to_all_and_nothing_is_taken_afterwards(client: Client, publisher: Publisher) -> None:
    waiting = [publish(publisher, b"%d" % number) for number in range(9)]
    await settle()
    await publisher.give_up()
    assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [KafkaAway] * 9
    with pytest.raises(KafkaAway):
        await publish(publisher, b"late")
    assert len(client.sent) == 1


async def test_nothing_to_publish_is_published_at_once(publisher: Publisher) -> None:
    await publish(publisher)


async def test_nobody_there_is_kafka_away() -> None:
    with pytest.raises(KafkaAway):
        await Publisher.connect("127.0.0.1:1", ["t"], timeout_seconds=5)


async def test_of_a_body_with_a_topic_that_is_not_there_nothing_is_handed_over(
    client: Client, publisher: Publisher
) -> None:
    with pytest.raises(TopicMissing, match="other"):
        await publisher.publish([Outgoing("t", b"k", b"1"), Outgoing("other", b"k", b"2")], patience_seconds=20.0)
    await settle()
    assert client.sent == []
