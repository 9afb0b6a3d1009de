"""Pieces of a log, byte for byte as a broker returns them, made with aiokafka's own builder."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from streams.transport.records import FetchedChunk, _in_chunks

__all__ = ["PLACE", "batch", "chunks_of", "contents", "marker", "stock_records", "transaction"]

PLACE: Final = TopicPartition("usage", 3)

_BASE_OFFSET: Final = struct.Struct(">q")
_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = 17
_ATTRIBUTES_AT: Final = 21
_LAST_DELTA_AT: Final = 23
_CONTROL: Final = 0x20
#: Key of a control record: version 0, then what it says.
_ABORT, _COMMIT = struct.pack(">hh", 0, 0), struct.pack(">hh", 0, 1)


def batch(
    base: int, values: Iterable[bytes | None] | Mapping[int, bytes | None], *, last: int | None = None,
    producer: int | None = None, codec: int = 0,
) -> bytes:  # fmt: skip
    """One record batch at offset ``base``.

    ``values`` may be a mapping of offsets relative to ``base``, to leave some out as compaction does; ``last`` is the
    last relative offset the batch had before it. With ``producer`` it is part of that producer's transaction.
    """
    records = values if isinstance(values, Mapping) else dict(enumerate(values))
    builder = DefaultRecordBatchBuilder(
        2, codec, is_transactional=int(producer is not None), producer_id=-1 if producer is None else producer,
        producer_epoch=0, base_sequence=0, batch_size=1 << 30,
    )  # fmt: skip
    for offset, value in records.items():
        builder.append(offset, 1_700_000_000_000, b"key", value, [])
    return _placed(builder.build(), base, last=last)


def marker(base: int, producer: int, *, commit: bool = True) -> bytes:
    """The control batch that ends a transaction."""
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=1, producer_id=producer, producer_epoch=0, base_sequence=-1, batch_size=1 << 20
    )
    builder.append(0, 1_700_000_000_000, _COMMIT if commit else _ABORT, struct.pack(">hi", 0, 0), [])
    return _placed(builder.build(), base, control=True)


def transaction(base: int, values: list[bytes], producer: int = 7, *, commit: bool = True) -> bytes:
    """A whole transaction: a batch and its marker; takes ``len(values) + 1`` offsets."""
    return batch(base, values, producer=producer) + marker(base + len(values), producer, commit=commit)


def _placed(built: bytearray, base: int, *, last: int | None = None, control: bool = False) -> bytes:
    data = bytearray(built)
    _BASE_OFFSET.pack_into(data, 0, base)
    if last is not None:
        struct.pack_into(">i", data, _LAST_DELTA_AT, last)
    if control:
        data[_ATTRIBUTES_AT + 1] |= _CONTROL
    _CRC.pack_into(data, _CRC_AT, calc_crc32c(bytes(data[_ATTRIBUTES_AT:])))
    return bytes(data)


def stock_records(
    *pieces: bytes, start: int = 0, aborted: Iterable[tuple[int, int]] = (), isolation: int = READ_COMMITTED
) -> PartitionRecords:
    """A fetch of these pieces from ``start``, as aiokafka unpacks it.

    ``aborted`` are pairs of producer id and first offset, as the broker lists them in its response.
    """
    return PartitionRecords(
        PLACE, MemoryRecords(b"".join(pieces)), list(aborted), start, None, None, True, isolation
    )  # fmt: skip


def chunks_of(*pieces: bytes, **fetch: Any) -> list[FetchedChunk]:
    """The same fetch, as we unpack it."""
    return list(_in_chunks(stock_records(*pieces, **fetch)))


def contents(chunks: Iterable[FetchedChunk]) -> list[tuple[int, bytes | None]]:
    """All records of chunks: offset and value."""
    return [pair for chunk in chunks for pair in zip(chunk.offsets, chunk.values, strict=True)]
