"""Reads everything that a scenario left behind: topics as a read_committed subscriber sees them, and local stores."""

import io
import json
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from rocksdict import AccessType, Options, Rdict

__all__ = ["LocalStore", "Message", "decode", "local_stores", "read_topic"]

_SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
#: Single-object encoding: two bytes of marker, eight of fingerprint, the datum.
_HEADER_BYTES: Final = 10
_STALLED_S: Final = 60.0
_POSITION: Final = b"\x00position"


class Message(NamedTuple):
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def read_topic(brokers: str, topic: str, partitions: int) -> Iterator[Message]:
    """All committed records of a topic from its beginning, in order within each partition; raises TimeoutError."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers, "group.id": f"oracle-{topic}", "enable.auto.commit": False,
            "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.queue.backoff.ms": 5,
            "log_level": 2,
        }
    )  # fmt: skip
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
        unread = set(range(partitions))
        heard_at = time.monotonic()
        while unread:
            for message in consumer.consume(2_000, timeout=0.5):
                heard_at = time.monotonic()
                error = message.error()
                if error is None:
                    partition, offset = message.partition(), message.offset()
                    assert partition is not None
                    assert offset is not None
                    yield Message(partition, offset, message.key(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise KafkaException(error)
            if time.monotonic() - heard_at > _STALLED_S:
                raise TimeoutError(f"{topic} gave nothing for {_STALLED_S:.0f} s; unread partitions: {unread}")
    finally:
        consumer.close()


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return [_without_logical_types(branch) for branch in schema] if isinstance(schema, list) else schema


_PARSED: dict[str, Any] = {}


def decode(schema: str, value: bytes) -> dict[str, Any]:
    """One record of an output topic, by the published schema; times stay integers."""
    if schema not in _PARSED:
        raw = json.loads((_SCHEMAS / f"{schema}.avsc").read_text())
        _PARSED[schema] = fastavro.parse_schema(_without_logical_types(raw))
    if value[:2] != b"\xc3\x01":
        raise ValueError(f"not in single-object encoding: {value[:12]!r}")
    record = fastavro.schemaless_reader(io.BytesIO(value[_HEADER_BYTES:]), _PARSED[schema], None)
    assert isinstance(record, dict)
    return record


class LocalStore(NamedTuple):
    """What one worker holds of one shard: everything up to ``position`` of the changelog."""

    worker: str
    partition: int
    position: int
    data: Mapping[bytes, bytes]


def local_stores(directory: Path) -> Iterator[LocalStore]:
    """Every local store below the data directories of the workers; they must have been stopped."""
    for path in sorted(directory.glob("worker-*/*/shard-*")):
        database = Rdict(str(path), options=Options(raw_mode=True), access_type=AccessType.read_only())
        try:
            pairs = cast("dict[bytes, bytes]", dict(database.items()))
        finally:
            database.close()
        position = struct.unpack("<qq", pairs[_POSITION])[0] if _POSITION in pairs else 0
        data = {key: value for key, value in pairs.items() if not key.startswith(b"\x00")}
        yield LocalStore(path.parts[-3], int(path.name.removeprefix("shard-")), position, data)
