"""The worker's logic as a plain Faust program: the same harness and the same oracle must catch it.

Proof that the suite bites. As a program (``python -m tests.faults.stock BROKERS APP TOPIC DIRECTORY``) this is the
worker: it decodes and validates by the same rules, sends misplaced records on, drops duplicates, counts the same figures
for the same scopes and windows, and keeps all of it in Faust's tables, as its guide teaches. :func:`play` feeds it the
load of the other faults, kills it now and then, and compares.
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

from streams.core.events import Rejection, UsageDecoder, UsageEvent
from streams.core.identity import agree, witness
from streams.core.topics import USAGE
from tests.faults.feeder import Feeder
from tests.faults.load import PARTITIONS, build, partition_of
from tests.faults.oracle import SIZES_MS, Expected, Rules, expect, start_of
from tests.faults.reading import read_topic
from tests.faults.watch import Watch
from tests.faults.workers import Worker

__all__ = ["EVENTS", "play"]

EVENTS: Final = 16_000
_KILLS: Final = 4
_EVENTS_A_SECOND: Final = 200
_SETTLE_S: Final = 180.0
_RESTART_S: Final = 1.0
#: No event is too late for it: of all the rules the watermark is left out, which would need a table of its own.
_RULES: Final = Rules(lateness_ms=60_000, grace_ms=1 << 40, now_ms=1 << 45)
#: The figures of a window, in the order in which the table has them.
_FIGURES: Final = (
    "calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "spend_micro_usd",
)  # fmt: skip


def _app(brokers: str, name: str, topic: str, directory: Path, port: int) -> faust.App:
    app = faust.App(
        name, broker=f"kafka://{brokers}", store="rocksdb://", datadir=directory, topic_partitions=PARTITIONS,
        broker_session_timeout=6.0, broker_heartbeat_interval=1.5, web_port=port, autodiscover=False,
    )  # fmt: skip
    usage = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    seen = app.Table("seen", default=int)
    requests = app.Table("requests", default=list)
    totals = app.Table("totals", default=lambda: [0] * len(_FIGURES))
    fates = app.Table("fates", default=int)
    decoder = UsageDecoder()

    def is_duplicate(event: UsageEvent) -> bool:
        if seen[f"{event.source}|{event.event_id}"]:
            return True
        if event.request_id is not None:
            prompt = event.input_tokens + event.cache_read_tokens + event.cache_write_tokens
            said = [event.source, witness(prompt, event.output_tokens, event.occurred_at, 0)]
            first = requests[event.request_id]
            if not first:
                requests[event.request_id] = said
            elif first[0] != said[0] and agree(first[1], said[1]):
                return True
        seen[f"{event.source}|{event.event_id}"] = 1
        return False

    def add(event: UsageEvent) -> None:
        added = (
            1, event.input_tokens, event.cache_read_tokens, event.cache_write_tokens, event.output_tokens,
            event.cost_micro_usd or 0,
        )  # fmt: skip
        for workflow in (event.workflow, ""):
            for size in SIZES_MS:
                key = f"{event.team}|{workflow}|{size}|{start_of(event.occurred_at, size)}"
                totals[key] = [was + more for was, more in zip(totals[key], added, strict=True)]

    @app.agent(usage)
    async def count(stream: Any) -> None:
        async for record in stream.events():
            partition, value = record.message.partition, record.value
            (event,) = decoder.decode([value]).events
            if isinstance(event, Rejection):
                fate = "dead"
            elif (home := partition_of(event.team)) != partition:
                fate = "rerouted"
                await usage.send(key=event.team.encode(), value=value, partition=home)
            elif is_duplicate(event):
                fate = "duplicates"
            else:
                fate = "applied"
                add(event)
            fates[f"{partition}|{fate}"] += 1

    return app


def play(
    brokers: str, directory: Path, *, seed: int, events: int = EVENTS, kills: int = _KILLS
) -> dict[str, Any]:  # fmt: skip
    """Feed, kill, wait, compare; ``passed`` is what the oracle says: of a worker that was killed it must be False.

    Of one that was not it is True, or nothing would be proved by the other.
    """
    began = time.monotonic()
    name = f"stock-{seed}-{kills}"
    topic, home = f"{name}-usage", directory / name
    shutil.rmtree(home, ignore_errors=True)
    admin = AdminClient({"bootstrap.servers": brokers})
    config = {"max.message.bytes": "2200000"}
    admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=config)])[topic].result(30)
    # Usage alone: what the worker does with outcomes no plain Faust program does in a page.
    records = [record for record in build(seed, events)[0] if record.topic == USAGE]
    rng = Random(f"stock-{seed}")
    feeder = Feeder(brokers, {USAGE: topic}, records, seconds=events / _EVENTS_A_SECOND)
    command = [sys.executable, "-m", "tests.faults.stock", brokers, name, topic]
    worker = Worker("stock", home, command, {"PYTHONPATH": str(Path.cwd())})
    watch = Watch(brokers, name, {USAGE: topic}, topic, [])
    finished = False
    try:
        worker.start()
        feeder.start()
        for _ in range(kills):
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
    return {"times": kills, "events": len(records), "finished": finished, **_compare(brokers, name, topic),
            "seconds": round(time.monotonic() - began, 1)}  # fmt: skip


def _compare(brokers: str, name: str, topic: str) -> dict[str, Any]:
    """The oracle's figures against those of the changelogs, folded: totals (I1) and where records went (I2)."""
    got = {key: dict(zip(_FIGURES, value, strict=True)) for key, value in _table(brokers, name, "totals").items()}
    values: dict[int, list[tuple[int, bytes | None]]] = {partition: [] for partition in range(PARTITIONS)}
    for message in read_topic(brokers, topic, PARTITIONS):
        values[message.partition].append((message.offset, message.value))
    expected = {number: expect(records, number, partition_of, _RULES) for number, records in values.items()}
    wanted = {
        f"{place.team}|{place.workflow or ''}|{place.size_ms}|{place.start_ms}": totals
        for one in expected.values()
        for place, totals in one.totals.items()
    }
    none = dict.fromkeys(_FIGURES, 0)
    wrong = [
        key for key, totals in wanted.items()
        if any(getattr(totals, figure) != got.get(key, none)[figure] for figure in _FIGURES)
    ]  # fmt: skip
    # By workflow and 5 minutes, in which each call counts once.
    base = [key for key in wanted if key.split("|")[1] and int(key.split("|")[2]) == SIZES_MS[0]]
    off = [got.get(key, none)["calls"] - wanted[key].calls for key in base]
    fates = Counter({key: int(count) for key, count in _table(brokers, name, "fates").items()})
    holds = {"I1": not wrong and got.keys() == wanted.keys(), "I2": fates == _fates(expected)}
    return {
        "lost": -sum(calls for calls in off if calls < 0),
        "double_counted": sum(calls for calls in off if calls > 0),
        "wrong_windows": len(wrong) + len(got.keys() - wanted.keys()),
        "windows": len(wanted),
        "invariants": holds,
        "passed": all(holds.values()),
    }


def _table(brokers: str, name: str, table: str) -> dict[str, Any]:
    """A table as its changelog has it in the end."""
    messages = read_topic(brokers, f"{name}-{table}-changelog", PARTITIONS)
    return {json.loads(message.key or b""): json.loads(message.value or b"") for message in messages}


def _fates(expected: dict[int, Expected]) -> Counter[str]:
    found: Counter[str] = Counter()
    for number, one in expected.items():
        found[f"{number}|applied"] = one.applied
        found[f"{number}|duplicates"] = one.duplicates
        found[f"{number}|rerouted"] = len(one.rerouted)
        found[f"{number}|dead"] = len(one.dead)
    return +found


if __name__ == "__main__":
    brokers_, name_, topic_, *options = sys.argv[1:]
    directory_, port_ = (option.partition("=")[2] for option in options)
    sys.argv[1:] = []
    faust.Worker(
        _app(brokers_, name_, topic_, Path(directory_), int(port_)), loglevel="info"
    ).execute_from_commandline()
