"""What tests put into Kafka and read out of it, by librdkafka: none of the code under test is in the way."""

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiokafka.partitioner import murmur2
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    Producer,
    TopicPartition,
)

from streams.core.alerts import Alert
from streams.core.avro import ALERT, DEAD_LETTER, KPI, SchemaCache
from streams.core.deadletters import DeadLetter
from streams.core.kpis import Kpi
from streams.core.topics import ALERTS, DEAD_LETTERS, KPIS
from streams.core.windows import Window
from streams.topics_admin import apply

__all__ = [
    "LONG_AGO",
    "PARTITIONS",
    "Figures",
    "Log",
    "Record",
    "event",
    "figures",
    "fresh_prefix",
    "home",
    "json_event",
    "producer",
    "teams_by_partition",
]

PARTITIONS: Final = 4
#: 2024-05-06 12:00 UTC, a Monday: windows of all sizes around it close as soon as a partition is idle.
LONG_AGO: Final = 1_714_996_800_000


class Record(NamedTuple):
    """One record, to send or as read; ``offset`` is -1 before it is sent."""

    partition: int
    value: bytes | None
    offset: int = -1


class Figures(NamedTuple):
    """What windows say."""

    calls: int
    input_tokens: int
    output_tokens: int
    spend_micro_usd: int


def home(team: str, partitions: int = PARTITIONS) -> int:
    """The partition a team's records belong in, as every Kafka client with the default partitioner finds it."""
    return int(murmur2(team.encode()) & 0x7FFFFFFF) % partitions


def teams_by_partition(stem: str) -> list[str]:
    """One team for each partition, in order of partition."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        found.setdefault(home(f"{stem}-{number}"), f"{stem}-{number}")
        number += 1
    return [found[partition] for partition in range(PARTITIONS)]


def event(identity: str, team: str, at_ms: int = LONG_AGO, **fields: Any) -> dict[str, Any]:
    """A sound usage event; ``fields`` replace what it says."""
    said = {
        "event_id": identity, "source": "test", "occurred_at": at_ms, "team": team, "workflow": "review",
        "model": "m-1", "input_tokens": 100, "output_tokens": 10, "cost_micro_usd": 1_000,
    }  # fmt: skip
    return said | fields


def json_event(identity: str, team: str, at_ms: int = LONG_AGO, **fields: Any) -> Record:
    """The same as JSON, in its team's partition."""
    return Record(home(team), json.dumps(event(identity, team, at_ms, **fields)).encode())


def producer(brokers: str, **settings: Any) -> Producer:
    """A producer that takes records larger than its default allows."""
    return Producer({"bootstrap.servers": brokers, "message.max.bytes": 4 << 20, "linger.ms": 20, **settings})


def fresh_prefix() -> str:
    """A prefix no other test uses, for those that share a worker: the fixture of that kind lasts one test."""
    return f"test-{uuid.uuid4().hex[:12]}."


class Log:
    """The topics of one prefix: created at once, filled and read by tests.

    ``schemas`` are those of a registry, where the worker has one.
    """

    def __init__(
        self, brokers: str, prefix: str, *, schemas: SchemaCache | None = None, partitions: int = PARTITIONS
    ) -> None:
        self.brokers = brokers
        self.prefix = prefix
        self.group = f"{prefix}assay"
        self._schemas = schemas
        self.partitions = partitions
        apply(brokers, prefix=prefix, app_id="assay", partitions=partitions, replication_factor=1)

    def put(self, topic: str, records: Iterable[Record], through: Producer | None = None) -> list[Record]:
        """Send records in order and wait until they are in the log; gives them with their offsets."""
        chosen = through or producer(self.brokers)
        sent: list[Record] = []
        refused: list[KafkaError] = []
        for record in records:
            chosen.produce(
                self.prefix + topic, record.value, partition=record.partition,
                on_delivery=_note(record, sent, refused),
            )  # fmt: skip
            chosen.poll(0)
        chosen.flush()
        assert not refused, refused
        return sent

    def put_as_one(self, topic: str, records: Iterable[Record]) -> list[Record]:
        """Send records in a transaction of their own: readers see all of them at once."""
        chosen = producer(self.brokers, **{"transactional.id": f"{self.prefix}test"})
        chosen.init_transactions()
        chosen.begin_transaction()
        sent = self.put(topic, records, chosen)
        chosen.commit_transaction()
        return sent

    def read(self, topic: str) -> list[Record]:
        """All committed records of a topic, in order within each partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": f"{self.prefix}reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.message.max.bytes": 8 << 20,
                "fetch.wait.max.ms": 20,
            }
        )
        places = [TopicPartition(self.prefix + topic, number, OFFSET_BEGINNING) for number in range(self.partitions)]
        records: list[Record] = []
        try:
            consumer.assign(places)
            at_end: set[int] = set()
            while len(at_end) < self.partitions:
                for message in consumer.consume(5_000, timeout=0.2):
                    problem, partition, offset = message.error(), message.partition(), message.offset()
                    assert partition is not None
                    if problem is None:
                        assert offset is not None
                        records.append(Record(partition, message.value(), offset))
                    elif problem.code() == KafkaError._PARTITION_EOF:
                        at_end.add(partition)
                    else:
                        raise AssertionError(str(problem))
        finally:
            consumer.close()
        return records

    def kpis(self) -> list[Kpi]:
        """All published results."""
        return [KPI.decode(record.value or b"", self._schemas) for record in self.read(KPIS)]

    def dead_letters(self) -> list[DeadLetter]:
        """All dead letters."""
        return [DEAD_LETTER.decode(record.value or b"", self._schemas) for record in self.read(DEAD_LETTERS)]

    def alerts(self) -> list[Alert]:
        """All revisions of all alerts."""
        return [ALERT.decode(record.value or b"", self._schemas) for record in self.read(ALERTS)]

    def ends(self, topic: str) -> dict[int, int]:
        """Behind the last record of each partition, markers included."""
        reader = Consumer({"bootstrap.servers": self.brokers, "group.id": f"{self.prefix}reader"})
        try:
            places = {number: TopicPartition(self.prefix + topic, number) for number in range(self.partitions)}
            return {number: reader.get_watermark_offsets(place, timeout=10)[1] for number, place in places.items()}
        finally:
            reader.close()

    def committed(self, topic: str) -> dict[int, int]:
        """How far the worker's group says it is, by partition; without those it has said nothing of."""
        member = Consumer({"bootstrap.servers": self.brokers, "group.id": self.group})
        try:
            places = [TopicPartition(self.prefix + topic, number) for number in range(self.partitions)]
            found = member.committed(places, timeout=10)
        finally:
            member.close()
        return {place.partition: place.offset for place in found if place.offset >= 0}


def _note(record: Record, sent: list[Record], refused: list[KafkaError]) -> Callable[[Any, Any], None]:
    def delivered(problem: KafkaError | None, message: Any) -> None:
        if problem is not None:
            refused.append(problem)
        else:
            sent.append(record._replace(offset=message.offset()))

    return delivered


def figures(kpis: Iterable[Kpi], size: Window) -> Mapping[tuple[str, int], Figures]:
    """The latest word on each team's windows of a size, by team and window start."""
    latest: dict[tuple[str, int], Kpi] = {}
    for kpi in kpis:
        if kpi.scope != "team" or kpi.window_size_ms != size:
            continue
        place = kpi.team, kpi.window_start
        if place not in latest or kpi.revision > latest[place].revision:
            latest[place] = kpi
    return defaultdict(
        lambda: Figures(0, 0, 0, 0),
        {
            place: Figures(kpi.calls, kpi.input_tokens, kpi.output_tokens, kpi.spend_micro_usd or 0)
            for place, kpi in latest.items()
        },
    )
