"""Stock Faust at a plain job, for comparison: ``python -m tests.bench.stock OUT.json BROKERS TOPIC PARTITIONS EVENTS APP_ID``.

A windowed table as its user guide has it: events as Records, totals by workflow in five-minute windows of event time,
kept in RocksDB with a changelog. That is the aggregate alone: no check of the values, no duplicates found, nothing
published, and at-least-once. Everything but the store and the directory is Faust's default.
"""

import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import faust

from tests.bench.process import peak_rss_mb

__all__ = ["main"]

STORE: Final = "rocksdb://?driver=rocksdict"
_WINDOW: Final = timedelta(minutes=5)


class Usage(faust.Record, serializer="json"):
    """What the aggregate needs of a usage event."""

    team: str
    workflow: str
    occurred_at: float
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0


def _occurred_s(event: Any) -> float:
    return float(event.value.occurred_at) / 1000


def main() -> None:
    """Aggregate so many events, write how much CPU they took, and end."""
    path, brokers, topic, partitions, count, app_id = sys.argv[1:]
    events, out = int(count), Path(path)
    app = faust.App(
        app_id, broker=f"kafka://{brokers}", store=STORE, datadir=str(out.parent / "data"),
        topic_partitions=int(partitions), autodiscover=False, web_enabled=False,
    )  # fmt: skip
    usage = app.topic(topic, key_type=bytes, value_type=Usage)
    # Kept long enough that event time of other days does not make them expire.
    totals = (
        app.Table("totals", default=lambda: [0] * 6)
        .tumbling(_WINDOW, expires=timedelta(days=30))
        .relative_to(_occurred_s)  # type: ignore[attr-defined]
    )

    async def aggregate(stream: AsyncIterator[Usage]) -> None:
        done, began, began_cpu = 0, 0.0, 0.0
        async for event in stream:
            if not done:
                began, began_cpu = time.monotonic(), time.process_time()
            key = f"{event.team}/{event.workflow}"
            calls, fresh, read, written, output, cost = totals[key].current()
            totals[key] = [
                calls + 1,
                fresh + event.input_tokens,
                read + event.cache_read_tokens,
                written + event.cache_write_tokens,
                output + event.output_tokens,
                cost + event.cost_micro_usd,
            ]
            done += 1
            if done == events:
                _end(out, _figures(events, time.process_time() - began_cpu, time.monotonic() - began))

    app.agent(usage)(aggregate)  # type: ignore[arg-type]
    faust.Worker(app, loglevel="warn", quiet=True).execute_from_commandline()


def _end(out: Path, figures: dict[str, Any]) -> None:
    """Write the figures and be gone: an orderly stop commits first, and takes its time."""
    out.write_text(json.dumps(figures))
    logging.shutdown()
    os._exit(0)


def _figures(events: int, cpu_s: float, wall_s: float) -> dict[str, Any]:
    return {
        "events_per_second": round(events / wall_s),
        "events_per_second_per_core": round(events / cpu_s),
        "cpu_us_per_event": round(cpu_s * 1e6 / events, 1),
        "peak_rss_mb": peak_rss_mb(os.getpid()),
        "events": events,
        "faust": faust.__version__,
        "store": STORE,
    }


if __name__ == "__main__":
    main()
