"""When a worker must not run, it ends at once with the right code and one sentence a person can act on."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.properties import free_ports
from streams.core.topics import USAGE
from tests.integration.records import Log, Record, home, json_event
from tests.integration.workers import Worker, eventually

TEAM = "poisoned"


@pytest.fixture(scope="module", autouse=True)
def lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Without a broker. It looks for one for half a minute: it does so while the other tests run."""
    (port,) = free_ports(1)
    with Worker(f"127.0.0.1:{port}", "", tmp_path_factory.mktemp("lost")) as worker:
        yield worker.start()


def sentence(worker: Worker) -> str:
    """What it said last; expected errors show no traceback."""
    assert "Traceback" not in worker.log
    *_, last = worker.log.strip().splitlines()
    assert last.startswith("Error: ")
    return last


def test_a_flood_of_bad_records_stops_the_worker_before_it_dead_letters_them(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    log, place = Log(kafka, topic_prefix), home(TEAM)
    good = [json_event(f"good-{number}", TEAM) for number in range(150)]
    # At once, so that no part of them is small enough to pass.
    bad = [Record(place, b"a bad deploy") for _ in range(200)]
    with Worker(kafka, topic_prefix, tmp_path, {"ASSAY_DEAD_LETTERS__WINDOW": "100"}) as worker:
        log.put(USAGE, good)
        worker.start().ready().received(150)
        log.put_as_one(USAGE, bad)
        assert worker.ended() == 5
        said = sentence(worker)
        assert "200 of the last 200 records are invalid" in said
        assert "invalid_json" in said
        assert "dead_letters.max_share" in said
        assert log.dead_letters() == []
        assert log.committed(USAGE)[place] == 150

        # It stays stopped until a person decides; then nothing is lost.
        worker.start()
        assert worker.ended() == 5
        assert log.dead_letters() == []
        worker.start(ASSAY_DEAD_LETTERS__MAX_SHARE="1").ready().received(200)
        assert [letter.offset for letter in log.dead_letters()] == list(range(150, 350))
        eventually("the group is at the end", lambda: log.committed(USAGE)[place], log.ends(USAGE)[place].__eq__)
        assert worker.stop() == 0


def test_without_a_key_for_pseudonyms_it_does_not_start(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with Worker(f"127.0.0.1:{port}", "", tmp_path, dev_key=False) as worker:
        assert worker.start().ended() == 3
        assert "pseudonym_key_file" in sentence(worker)
        assert len(worker.log.strip().splitlines()) == 1


def test_without_its_topics_it_says_how_to_make_them(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    with Worker(kafka, topic_prefix, tmp_path) as worker:
        assert worker.start().ended() == 4
        said = sentence(worker)
        assert topic_prefix + USAGE in said
        assert "assay topics apply" in said


@pytest.mark.parametrize("partitions", [2, 8])
def test_topics_of_another_partition_count_are_a_configuration_error(
    kafka: str, topic_prefix: str, tmp_path: Path, partitions: int
) -> None:
    Log(kafka, topic_prefix)
    with Worker(kafka, topic_prefix, tmp_path, {"ASSAY_PARTITIONS": str(partitions)}) as worker:
        assert worker.start().ended() == 3
        assert "partitions" in sentence(worker)


def test_without_a_broker_it_says_where_it_looked(lost: Worker) -> None:
    assert lost.ended() == 4
    assert "Kafka at 127.0.0.1:" in sentence(lost)


def test_two_workers_do_not_share_a_directory(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Each would take the other's stores for left over."""
    Log(kafka, topic_prefix)
    with Worker(kafka, topic_prefix, tmp_path) as first, Worker(kafka, topic_prefix, tmp_path / "x") as second:
        first.start().ready()
        second.data = first.data
        assert second.start().ended() == 3
        assert "give each worker a data_dir of its own" in sentence(second)
        # A directory is free again however its worker ends.
        first.kill()
        second.start().ready()
        assert second.stop() == 0
        assert "Missing sensor state" not in first.log + second.log


def test_a_port_that_is_taken_is_named(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    Log(kafka, topic_prefix)
    with socket.create_server(("127.0.0.1", 0)) as taken, Worker(kafka, topic_prefix, tmp_path) as worker:
        worker.start(port=taken.getsockname()[1])
        assert worker.ended() == 4
        assert f"web_port: cannot listen on 127.0.0.1:{taken.getsockname()[1]}" in sentence(worker)
