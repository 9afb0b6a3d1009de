"""The events that everything here is measured with: made once into a file, then put into topics from there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from confluent_kafka import KafkaException, Producer

from streams.simulation.scenario import Scenario
from streams.simulation.stream import Simulation

__all__ = ["WORKFLOWS", "Written", "preload", "read_log", "scenario", "write_log", "write_outcomes", "write_runs"]

WORKFLOWS: Final = 400
#: The company's runs stay the same as workflows multiply, until there would be workflows without any.
_RUNS: Final = 20_000
_FLUSH_SECONDS: Final = 120.0
_RUN: Final = re.compile(rb'"run_id":"[^"]*"')
_LATER_MS: Final = 5 * 60_000
_WORKFLOW: Final = re.compile(rb'"workflow":"([^"]*)"')


class Written(NamedTuple):
    """What a log holds: the mean size of a record in bytes, and how many workflows have any event at all.

    Popularity is Zipf's: of very many workflows the rarest have none in a log of this length.
    """

    event_bytes: int
    workflows_seen: int


def scenario(events: int, *, workflows: int = WORKFLOWS, span: timedelta) -> Scenario:
    """The simulator's default company (40 teams, 2,000 people), busy over a span that ends with a recent working day.

    Always the same hours of a working day, whenever it is measured: the day's course is part of the load.
    """
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while (midnight - timedelta(days=1)).weekday() > 4:
        midnight -= timedelta(days=1)
    # Shorter spans are cut from the busiest part of the day.
    start = midnight - timedelta(days=1) + min(timedelta(hours=9), max(timedelta(0), timedelta(days=1) - span))
    return Scenario(
        events=events,
        workflows=workflows,
        runs=max(_RUNS, workflows),
        start_ms=int(start.timestamp() * 1000),
        span_ms=int(span / timedelta(milliseconds=1)),
    )


def write_log(path: Path, simulated: Scenario) -> Written:
    """Write a simulation's records as lines of team, tab, record."""
    size, seen = 0, set()
    with path.open("wb", buffering=1 << 20) as file:
        for team, record in Simulation(simulated):
            file.write(b"%s\t%s\n" % (team.encode(), record))
            size += len(record)
            if (workflow := _WORKFLOW.search(record)) is not None:
                seen.add((team, workflow[1]))
    return Written(round(size / max(1, simulated.events)), len(seen))


def read_log(path: Path, *, every: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Pairs of team and record, of each ``every``-th line."""
    with path.open("rb", buffering=1 << 20) as file:
        for line in islice(file, 0, None, every):
            team, _, record = line.rstrip(b"\n").partition(b"\t")
            yield team, record


def preload(brokers: str, topic: str, path: Path, *, every: int = 1) -> int:
    """Put a log into a topic, each record in its team's partition, batched as the product's own producers do."""
    producer = Producer({
        "bootstrap.servers": brokers,
        "log_level": 4,
        "partitioner": "murmur2_random",
        "linger.ms": 20,
        "batch.size": 256 * 1024,
        "queue.buffering.max.kbytes": 256 * 1024,
        "queue.buffering.max.messages": 500_000,
    })  # fmt: skip
    produced = 0
    for team, record in read_log(path, every=every):
        while True:
            try:
                producer.produce(topic, record, team)
                break
            except BufferError:
                producer.poll(0.05)
        produced += 1
    if left := producer.flush(_FLUSH_SECONDS):
        raise KafkaException(f"{left} of {produced} records were not delivered to {topic}")
    return produced


def write_outcomes(path: Path, log: Path, *, one_in: int) -> int:
    """Write an accepted outcome for the run of every so many-th event of a log, some minutes after it; says how many."""
    written = 0
    with path.open("wb", buffering=1 << 20) as file:
        for number, (team, record) in enumerate(read_log(log, every=one_in)):
            event = orjson.loads(record)
            outcome = {
                "outcome_id": f"o-{number}", "source": "github", "occurred_at": event["occurred_at"] + _LATER_MS,
                "team": event["team"], "workflow": event["workflow"], "run_id": event.get("run_id"),
                "kind": "change_merged", "verdict": "accepted", "cycle_time_ms": 3_600_000, "ref": f"example/repo#{number}",
            }  # fmt: skip
            file.write(b"%s\t%s\n" % (team, orjson.dumps(outcome)))
            written += 1
    return written


def write_runs(path: Path, log: Path) -> None:
    """Write a log again with a run of its own for every event."""
    with path.open("wb", buffering=1 << 20) as file:
        for number, (team, record) in enumerate(read_log(log)):
            file.write(b"%s\t%s\n" % (team, _RUN.sub(b'"run_id":"r-%d"' % number, record)))
