"""The same counting by a plain Faust worker, written as Faust's guide teaches it: the oracle must catch it.

Proof that the suite bites. As a program (``python -m tests.faults.stock BROKERS APP TOPIC DIRECTORY``) this is the
worker; :func:`play` feeds it a clean load, kills it now and then, and compares.
"""

import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import faust
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from streams.simulation import Scenario, Simulation
from tests.faults.feeder import Feeder
from tests.faults.load import PARTITIONS, Record, partition_of
from tests.faults.oracle import Rules, expect
from tests.faults.reading import read_topic
from tests.faults.watch import Watch
from tests.faults.workers import Worker

__all__ = ["play"]

_EVENTS: Final = 24_000
_KILLS: Final = 4
_WINDOW_MS: Final = 300_000
_SETTLE_S: Final = 120.0
_RESTART_S: Final = 1.0


class Usage(faust.Record, serializer="json"):
    """What of a usage event the counting needs; other fields are ignored."""

    team: str
    workflow: str
    occurred_at: float


def _app(brokers: str, name: str, topic: str, directory: Path, port: int) -> faust.App:
    app = faust.App(
        name, broker=f"kafka://{brokers}", store="rocksdb://", datadir=directory, topic_partitions=PARTITIONS,
        broker_session_timeout=6.0, broker_heartbeat_interval=1.5, web_port=port, autodiscover=False,
    )  # fmt: skip
    usage = app.topic(topic, value_type=Usage)
    occurred_at: Any = Usage.occurred_at
    calls = app.Table("calls", default=int).tumbling(_WINDOW_MS).relative_to_field(occurred_at)

    @app.agent(usage)
    async def count(events: Any) -> None:
        async for event in events:
            calls[f"{event.team}|{event.workflow}"] += 1

    return app


def play(brokers: str, directory: Path, *, seed: int, events: int = _EVENTS) -> dict[str, Any]:
    """Feed, kill, wait, compare; ``passed`` is what the oracle says, and must be False."""
    began = time.monotonic()
    name = f"stock-{seed}"
    topic, home = f"{name}-usage", directory / name
    shutil.rmtree(home, ignore_errors=True)
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
    scenario = Scenario(seed=seed, events=events, teams=20, workflows=60, span_ms=8 * 3_600_000, steady=True)
    records = [Record(partition_of(team), team.encode(), value) for team, value in Simulation(scenario)]
    rng = Random(f"stock-{seed}")
    feeder = Feeder(brokers, topic, records, seconds=events / 800)
    command = [sys.executable, "-m", "tests.faults.stock", brokers, name, topic]
    worker = Worker("stock", home, command, {"PYTHONPATH": str(Path.cwd())})
    watch = Watch(brokers, name, topic, topic, [])
    finished = False
    try:
        worker.start()
        feeder.start()
        for _ in range(_KILLS):
            before = sum((watch.committed() or {}).values())
            deadline = time.monotonic() + 30
            while sum((watch.committed() or {}).values()) <= before and time.monotonic() < deadline:
                time.sleep(0.2)
            time.sleep(rng.uniform(0.5, 2.5))
            worker.kill()
            time.sleep(_RESTART_S)
            worker.start()
        feeder.finish(120)
        deadline = time.monotonic() + _SETTLE_S
        while not finished and time.monotonic() < deadline:
            time.sleep(1)
            finished = watch.lag() == 0
        time.sleep(3)
    finally:
        worker.kill()
        watch.close()
    return {"times": _KILLS, "events": len(records), "finished": finished, **_compare(brokers, name, topic),
            "seconds": round(time.monotonic() - began, 1)}  # fmt: skip


def _compare(brokers: str, name: str, topic: str) -> dict[str, Any]:
    """The oracle's calls for each workflow and 5-minute window against those of the changelog, folded."""
    got: Counter[tuple[str, int]] = Counter()
    for message in read_topic(brokers, f"{name}-calls-changelog", PARTITIONS):
        key, (start, _) = json.loads(message.key or b"")
        got[key, int(start)] = int(message.value or 0)
    values: dict[int, list[tuple[int, bytes | None]]] = {partition: [] for partition in range(PARTITIONS)}
    for message in read_topic(brokers, topic, PARTITIONS):
        values[message.partition].append((message.offset, message.value))
    rules = Rules(lateness_ms=60_000, grace_ms=86_400_000, now_ms=time.time_ns() // 1_000_000)
    wanted: Counter[tuple[str, int]] = Counter()
    for partition, records in values.items():
        for place, totals in expect(records, partition, partition_of, rules).totals.items():
            if place.workflow is not None and place.size_ms == _WINDOW_MS:
                wanted[f"{place.team}|{place.workflow}", place.start_ms] = totals.calls
    lost, doubled = wanted - got, got - wanted
    return {
        "lost": lost.total(),
        "double_counted": doubled.total(),
        "wrong_windows": len(lost) + len(doubled),
        "windows": len(wanted),
        "passed": not lost and not doubled,
    }


if __name__ == "__main__":
    brokers_, name_, topic_, *options = sys.argv[1:]
    directory_, port_ = (option.partition("=")[2] for option in options)
    sys.argv[1:] = []
    faust.Worker(
        _app(brokers_, name_, topic_, Path(directory_), int(port_)), loglevel="info"
    ).execute_from_commandline()
