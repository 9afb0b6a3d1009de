"""Kafka first, the spool while it is away, in order once it is back; nobody is answered for what is in neither."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streams.errors import DependencyError
from streams.ingest import keeping
from streams.ingest.keeping import Keeper, NoRoom
from streams.ingest.publishing import KafkaAway, Outgoing, TopicMissing
from streams.ingest.spool import Spool
from streams.ingest.spooling import SpoolQueue
from streams.telemetry.ingest_catalogue import KeptIn

PATIENCE = 0.05


def record(number: int) -> Outgoing:
    return Outgoing("t", b"k", b"%d" % number)


class Kafka:
    """A broker that can go away; every publisher that is connected to it writes to one log."""

    def __init__(self) -> None:
        self.up = True
        self.missing = False
        self.refusals = 0
        self.silent = False
        self.errors: list[Exception] = []
        self.log: list[Outgoing] = []
        self.publishers = 0

    async def connect(self) -> "Fake":
        if not self.up:
            raise KafkaAway("nobody answers")
        if self.missing:
            raise TopicMissing("assay.usage.v1")
        self.publishers += 1
        return Fake(self)


class Fake:
    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self.given_up = self.closed = False

    async def publish(self, records: Sequence[Outgoing], *, patience_seconds: float) -> None:
        await asyncio.sleep(0)
        if self._kafka.errors:
            raise self._kafka.errors.pop()
        if self._kafka.silent:
            # Taken, and never acknowledged: what a broker does that dies in the middle.
            self._kafka.log += records
            await asyncio.sleep(min(patience_seconds, 1))
            raise KafkaAway("no acknowledgement")
        if self._kafka.refusals:
            self._kafka.refusals -= 1
            raise KafkaAway("it came and went")
        if self.given_up or not self._kafka.up:
            raise KafkaAway("the producer failed")
        self._kafka.log += records

    async def give_up(self) -> None:
        self.given_up = True

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(keeping, "_ROOM_SECONDS", 0.2)


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


def keeper_on(kafka: Kafka, directory: Path, most: int = 1 << 20) -> Keeper:
    return Keeper(kafka.connect, SpoolQueue(Spool(directory, most), most), patience_seconds=PATIENCE)


@pytest.fixture
async def keeper(kafka: Kafka, tmp_path: Path) -> AsyncIterator[Keeper]:
    made = keeper_on(kafka, tmp_path)
    await made.start()
    yield made
    await made.stop()


async def until(right: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not right():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_kafka_has_what_was_kept_while_it_is_there(kafka: Kafka, keeper: Keeper) -> None:
    assert await keeper.keep([record(1), record(2)]) is KeptIn.KAFKA
    assert kafka.log == [record(1), record(2)]
    assert keeper.spool.empty


async def test_the_spool_has_it_while_kafka_is_away_and_kafka_gets_it_in_order(kafka: Kafka, keeper: Keeper) -> None:
    kafka.up = False
    assert [await keeper.keep([record(number)]) for number in range(5)] == [KeptIn.SPOOL] * 5
    assert not keeper.kafka_up
    assert keeper.usable
    kafka.up = True
    await until(lambda: keeper.spool.empty)
    assert kafka.log == [record(number) for number in range(5)]
    assert await keeper.keep([record(5)]) is KeptIn.KAFKA


async def test_whoever_waited_when_kafka_fell_silent_is_kept_in_the_spool(kafka: Kafka, keeper: Keeper) -> None:
    kafka.silent = True
    kept = await asyncio.gather(*(keeper.keep([record(number)]) for number in range(20)))
    assert set(kept) == {KeptIn.SPOOL}
    kafka.silent = False
    await until(lambda: keeper.spool.empty)
    assert set(kafka.log) == {record(number) for number in range(20)}


async def test_nothing_that_was_answered_is_lost_while_kafka_comes_and_goes(kafka: Kafka, keeper: Keeper) -> None:
    answered: list[int] = []

    async def send(first: int) -> None:
        for number in range(first, first + 100):
            await keeper.keep([record(number)])
            answered.append(number)

    async def flap() -> None:
        for _ in range(15):
            await asyncio.sleep(0.02)
            kafka.up = not kafka.up

    await asyncio.gather(flap(), *(send(first) for first in range(0, 1_000, 100)))
    kafka.up = True
    await until(lambda: keeper.spool.empty and keeper.kafka_up)
    assert len(answered) == 1_000
    assert {record(number) for number in answered} == set(kafka.log)
    # Nothing is left behind that only the next outage would bring out.
    assert await keeper.keep([record(-1)]) is KeptIn.KAFKA


async def test_what_could_not_be_sent_from_the_spool_is_sent_at_the_next_try(kafka: Kafka, keeper: Keeper) -> None:
    kafka.up = False
    await keeper.keep([record(1)])
    kafka.refusals = 3
    kafka.up = True
    await until(lambda: keeper.spool.empty)
    assert kafka.log == [record(1)]
    assert kafka.publishers == 5


async def test_what_an_earlier_process_left_is_sent_first(kafka: Kafka, tmp_path: Path) -> None:
    kafka.up = False
    before = keeper_on(kafka, tmp_path)
    await before.start()
    await before.keep([record(1)])
    await before.stop()
    kafka.up = True
    after = keeper_on(kafka, tmp_path)
    await after.start()
    await until(lambda: after.spool.empty)
    assert await after.keep([record(2)]) is KeptIn.KAFKA
    assert kafka.log == [record(1), record(2)]
    await after.stop()


@pytest.mark.parametrize("error", [TopicMissing("old.usage"), ValueError("no parcel")])
async def test_what_the_spool_holds_and_cannot_be_sent_is_said_and_tried_again(
    kafka: Kafka, tmp_path: Path, error: Exception
) -> None:
    kafka.up = False
    before = keeper_on(kafka, tmp_path)
    await before.start()
    await before.keep([record(1)])
    await before.stop()
    kafka.up, kafka.errors = True, [error] * 3
    after = keeper_on(kafka, tmp_path)
    with capture_logs() as logs:
        await after.start()
        await until(lambda: after.spool.empty)
    assert kafka.log == [record(1)]
    said = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    assert said == ["topic_missing" if isinstance(error, TopicMissing) else "spool_failed"]
    await after.stop()


async def test_a_full_spool_refuses_and_takes_again_once_there_is_room(kafka: Kafka, tmp_path: Path) -> None:
    kafka.up = False
    keeper = keeper_on(kafka, tmp_path, 1_000)
    await keeper.start()
    large = [Outgoing("t", b"k", b"x" * 400)]
    await keeper.keep(large)
    await keeper.keep(large)
    with pytest.raises(NoRoom):
        await keeper.keep(large)
    waiting = asyncio.ensure_future(keeper.keep(large))
    kafka.up = True
    assert await waiting is KeptIn.SPOOL
    await until(lambda: keeper.spool.empty)
    assert kafka.log == large * 3
    await keeper.stop()


async def test_a_disk_that_fails_is_no_place_and_is_noticed(
    kafka: Kafka, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.up = False
    with monkeypatch.context() as failing:
        failing.setattr("os.fdatasync", lambda _file: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(NoRoom):
            await keeper.keep([record(1)])
        assert not keeper.usable
    assert await keeper.keep([record(2)]) is KeptIn.SPOOL
    assert keeper.usable


async def test_a_topic_that_is_missing_is_told_at_once_and_kafka_that_is_away_is_not(
    kafka: Kafka, tmp_path: Path
) -> None:
    kafka.missing = True
    keeper = keeper_on(kafka, tmp_path)
    with pytest.raises(DependencyError, match=r"assay\.usage\.v1; create them with `assay topics apply`"):
        await keeper.start()
    kafka.missing, kafka.up = False, False
    await keeper.start()
    assert not keeper.kafka_up
    await keeper.stop()


async def test_the_publisher_that_is_at_fault_is_given_up_and_the_last_one_closed(kafka: Kafka, tmp_path: Path) -> None:
    keeper = keeper_on(kafka, tmp_path)
    await keeper.start()
    first = keeper._publisher
    kafka.up = False
    await keeper.keep([record(1)])
    kafka.up = True
    await until(lambda: keeper.spool.empty)
    last = keeper._publisher
    await keeper.stop()
    assert isinstance(first, Fake)
    assert isinstance(last, Fake)
    assert (first.given_up, first.closed) == (True, False)
    assert (last.given_up, last.closed) == (False, True)
