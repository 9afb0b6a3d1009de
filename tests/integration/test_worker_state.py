"""State over restarts, damage to the local store, and take-overs: every total stays exact."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from streams.core.topics import DEAD_LETTERS, KPIS, USAGE
from streams.core.windows import Window
from tests.integration.records import LONG_AGO, Figures, Log, Record, figures, json_event, teams_by_partition
from tests.integration.workers import Worker, eventually

IDLE = {"ASSAY_WINDOWS__IDLE_SECONDS": "1"}
DAY = LONG_AGO // Window.DAY * Window.DAY
TEAMS = teams_by_partition("state")
RECOVERIES = "assay_recovery_seconds_count"


@pytest.fixture
def log(kafka: str, topic_prefix: str) -> Log:
    return Log(kafka, topic_prefix)


@pytest.fixture
def worker(log: Log, tmp_path: Path) -> Iterator[Worker]:
    with Worker(log.brokers, log.prefix, tmp_path / "a", IDLE) as worker:
        yield worker


def batch(name: str, each: int = 50) -> list[Record]:
    """So many events for every team."""
    return [json_event(f"{name}-{number}", TEAMS[number % 4], LONG_AGO + number * 1_000) for number in range(4 * each)]


def until_days_are(log: Log, calls: int) -> None:
    """Wait for every team's day to say this many calls, and everything else that follows from it."""
    wanted = {(team, DAY): Figures(calls, 100 * calls, 10 * calls, 1_000 * calls) for team in TEAMS}
    eventually("the days are right", lambda: dict(figures(log.kpis(), Window.DAY)), wanted.__eq__)


def store(worker: Worker, log: Log, partition: int) -> Path:
    found = worker.data / f"{log.prefix}assay" / f"shard-{partition}"
    assert found.is_dir()
    return found


def test_a_worker_goes_on_exactly_where_it_stopped_whatever_happened_to_its_store(
    worker: Worker, log: Log, tmp_path: Path
) -> None:
    first, second, third = batch("first"), batch("second"), batch("third")
    log.put(USAGE, first)
    worker.start().ready().received(200)
    assert worker.stop() == 0
    shutil.copytree(store(worker, log, 3), tmp_path / "older")

    # A plain restart: from the local store, and what was counted before is known.
    log.put(USAGE, [*first, *second])
    worker.start().ready().received(400)
    assert worker.metric("assay_events_duplicate_total") == 200
    assert worker.metric(RECOVERIES, source="local") == 4
    until_days_are(log, 100)
    # Without a registry, Avro describes itself.
    assert all(result.value and result.value.startswith(b"\xc3\x01") for result in log.read(KPIS))
    assert log.committed(USAGE) == log.ends(USAGE) == dict.fromkeys(range(4), 150)
    assert worker.stop() == 0

    # A store each: gone, of another format, corrupt, and an older copy put back.
    shutil.rmtree(store(worker, log, 0))
    with_format(store(worker, log, 1), b"999")
    for file in store(worker, log, 2).glob("MANIFEST-*"):
        file.write_bytes(b"not a manifest" * 10)
    shutil.rmtree(store(worker, log, 3))
    shutil.copytree(tmp_path / "older", store(worker, log, 2).parent / "shard-3")
    lived = len(worker.said("shard_recovered"))

    log.put(USAGE, [*first, *second, *third])
    worker.start().ready().received(600)
    assert worker.metric("assay_events_duplicate_total") == 400
    until_days_are(log, 150)
    recovered = {line["partition"]: line for line in worker.said("shard_recovered")[lived:]}
    assert {partition: line["source"] for partition, line in recovered.items()} == {
        0: "changelog", 1: "changelog", 2: "changelog", 3: "local",
    }  # fmt: skip
    assert all(line["records"] for line in recovered.values())
    rebuilt = {line["partition"]: line["reason"] for line in worker.said("store_rebuilt")}
    assert rebuilt.keys() == {1, 2}
    assert "format 999" in rebuilt[1]
    assert rebuilt[2]
    assert log.read(DEAD_LETTERS) == []
    assert worker.stop() == 0


def with_format(path: Path, version: bytes) -> None:
    """Make a store look like another release's."""
    database = Rdict(str(path), options=Options(raw_mode=True))
    database.put(b"\x00format", version)
    database.close()


def test_a_standby_takes_over_from_a_killed_worker(worker: Worker, log: Log, tmp_path: Path) -> None:
    brief = {"ASSAY_SESSION_TIMEOUT_SECONDS": "3"}
    log.put(USAGE, batch("before"))
    worker.start(**brief).ready().received(200)
    with Worker(log.brokers, log.prefix, tmp_path / "b", IDLE | brief) as second:
        second.start().ready()
        eventually("the partitions are shared", lambda: second.metric("assay_shards", role="active"), (2.0).__eq__)
        eventually("the others are followed", lambda: second.metric("assay_shards", role="standby"), (2.0).__eq__)
        eventually("the first has given two up", lambda: worker.metric("assay_shards", role="active"), (2.0).__eq__)
        log.put(USAGE, batch("shared"))
        eventually(
            "both have worked",
            lambda: worker.metric("assay_events_received_total") + second.metric("assay_events_received_total"),
            (400.0).__eq__,
        )
        warm = second.metric(RECOVERIES, source="standby")
        worker.kill()
        log.put(USAGE, [*batch("shared"), *batch("after")])
        eventually("it has them all", lambda: second.metric("assay_shards", role="active"), (4.0).__eq__)
        assert second.metric(RECOVERIES, source="standby") - warm == 2
        # Those of its own partitions before the kill, and all that came after it.
        second.received(100 + 400)
        assert second.metric("assay_events_duplicate_total") == 200
        until_days_are(log, 150)
        assert log.committed(USAGE) == log.ends(USAGE)
        assert second.stop() == 0


def test_without_transactions_it_counts_the_same_and_publishes_json(worker: Worker, log: Log) -> None:
    settings = {"ASSAY_PROCESSING_GUARANTEE": "at_least_once", "ASSAY_OUTPUT_FORMAT": "json"}
    log.put(USAGE, [*batch("once"), Record(0, b"bad")])
    worker.start(**settings).ready().received(201)
    assert worker.stop() == 0
    log.put(USAGE, [*batch("once"), *batch("twice")])
    worker.start(**settings).ready().received(400)
    assert worker.metric("assay_events_duplicate_total") == 200
    until_days_are(log, 100)
    results = [*log.read(KPIS), *log.read(DEAD_LETTERS)]
    assert all(result.value and result.value.startswith(b"{") for result in results)
    assert [(letter.offset, letter.payload) for letter in log.dead_letters()] == [(50, b"***")]
    # The group's offsets stay untouched: the state itself says how far it is.
    assert log.committed(USAGE) == {}
    assert worker.stop() == 0


def test_a_worker_that_was_frozen_past_its_session_gets_its_partitions_back(
    worker: Worker, log: Log, tmp_path: Path
) -> None:
    """Its shards were another's in between and do not know it: nothing tells them but the fence, at the next commit."""
    brief = {"ASSAY_SESSION_TIMEOUT_SECONDS": "3"}
    log.put(USAGE, batch("before"))
    worker.start(**brief).ready().received(200)
    worker.freeze()
    with Worker(log.brokers, log.prefix, tmp_path / "b", IDLE | brief) as second:
        log.put(USAGE, batch("frozen"))
        second.start().ready().received(200)
        assert second.stop() == 0
    worker.thaw()
    eventually("it is a member again", lambda: len(worker.said("assigned")), (2).__eq__)
    log.put(USAGE, [*batch("frozen"), *batch("after")])
    until_days_are(log, 150)
    eventually("the group is at the end", lambda: log.committed(USAGE), log.ends(USAGE).__eq__)
    assert worker.stop() == 0
