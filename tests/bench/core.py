"""The pure core alone, and decoding alone, over the same records: ``python -m tests.bench.core OUT.json WHAT LOG PARTITIONS``.

In a process of its own, so that its CPU and memory are nobody else's. Reading the log is not counted, and
events per second are CPU time too: nothing here waits.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
from aiokafka.partitioner import murmur2

from streams.core.engine import Chunk, Engine, EngineParams
from streams.core.events import UsageDecoder
from streams.core.pseudonyms import Pseudonyms
from streams.core.topics import USAGE
from streams.detectors import JUDGES
from streams.settings import DEV_PSEUDONYM_KEY
from streams.shards.context import StageWatch
from streams.state.memory import MemoryStore
from streams.transport.records import CHUNK_RECORDS
from tests.bench.load import read_log
from tests.bench.process import peak_rss_mb

__all__ = ["core_only", "decode_only", "main"]

#: Chunks between two drains: a transaction of the worker takes 10,000 events at the most.
_CHUNKS_A_DRAIN: Final = 10_000 // CHUNK_RECORDS


def decode_only(log: Path) -> dict[str, Any]:
    """``orjson.loads`` of each record, and nothing done with it: what any Python service pays at the least."""
    events, cpu_s = 0, 0.0
    loads = orjson.loads
    for values in _chunks(value for _, value in read_log(log)):
        began = time.thread_time()
        for value in values:
            loads(value)
        cpu_s += time.thread_time() - began
        events += len(values)
    return {"decoder": "orjson.loads", **_figures(events, cpu_s)}


def core_only(log: Path, partitions: int) -> dict[str, Any]:
    """One engine a partition, its state in memory; no Kafka, no store on disk, nothing encoded for output."""
    watch = StageWatch()
    engines = [_Driven(number, partitions, watch) for number in range(partitions)]
    places: dict[bytes, _Driven] = {}
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    events = 0
    for team, value in read_log(log):
        driven = places.get(team)
        if driven is None:
            driven = places[team] = engines[_partition(team.decode(), partitions)]
        driven.take(value)
        events += 1
    for driven in engines:
        driven.settle()
    if (applied := sum(driven.applied for driven in engines)) != events:
        raise SystemExit(f"{applied} of {events} events were applied, all of which are new and valid")
    cpu_s = sum(driven.cpu_s for driven in engines)
    stages_us = {stage: round(seconds * 1e6 / events, 3) for stage, seconds in watch.take().items()}
    store_us = round(sum(driven.store_s for driven in engines) * 1e6 / events, 3)
    return {
        **_figures(events, cpu_s),
        "peak_rss_mb": peak_rss_mb(os.getpid()),
        "stages_us": {**stages_us, "store": store_us},
    }


class _Driven:
    """One engine, fed as a shard of the worker feeds its own."""

    def __init__(self, number: int, partitions: int, watch: StageWatch) -> None:
        self.applied = 0
        self.cpu_s = 0.0
        self.store_s = 0.0
        self._number = number
        self._watch = watch
        self._store = MemoryStore()
        self._engine = Engine(
            EngineParams(), self._store, UsageDecoder(), Pseudonyms(DEV_PSEUDONYM_KEY), number,
            lambda team: _partition(team, partitions), watch.mark, judges=JUDGES,
        )  # fmt: skip
        self._values: list[bytes | None] = []
        self._offset = 0
        self._chunks = 0

    def take(self, value: bytes) -> None:
        self._values.append(value)
        if len(self._values) == CHUNK_RECORDS:
            self._step()

    def settle(self) -> None:
        """Take in what waits, and write."""
        self._step()
        began = time.thread_time()
        self._watch.start()
        effects = self._engine.drain()
        drained = time.thread_time()
        self._store.write(effects.writes)
        done = time.thread_time()
        self.store_s += done - drained
        self.cpu_s += done - began
        self.applied += sum(counts.applied for counts in effects.counts.values())
        self._chunks = 0

    def _step(self) -> None:
        values, start = self._values, self._offset
        if not values:
            return
        end = start + len(values)
        chunk = Chunk(USAGE, self._number, range(start, end), values, end, start)
        now_ms = int(time.time() * 1000)
        began = time.thread_time()
        self._watch.start()
        self._engine.step(chunk, now_ms)
        self.cpu_s += time.thread_time() - began
        self._values, self._offset = [], end
        self._chunks += 1
        if self._chunks == _CHUNKS_A_DRAIN:
            self.settle()


def _partition(team: str, partitions: int) -> int:
    return int((murmur2(team.encode()) & 0x7FFFFFFF) % partitions)


def _chunks(values: Iterator[bytes]) -> Iterator[list[bytes]]:
    while chunk := list(islice(values, CHUNK_RECORDS)):
        yield chunk


def _figures(events: int, cpu_s: float) -> dict[str, Any]:
    return {
        "events_per_second": round(events / cpu_s),
        "cpu_us_per_event": round(cpu_s * 1e6 / events, 3),
        "events": events,
    }


def main() -> None:
    """Measure what the command line asks for, ``core`` or ``decode``, and write it."""
    out, what, log, partitions = sys.argv[1:]
    result = decode_only(Path(log)) if what == "decode" else core_only(Path(log), int(partitions))
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
