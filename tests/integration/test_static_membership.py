"""Workers that have names for life: one that is started again gets its own partitions back, and nobody else notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.properties import free_ports
from streams.core.topics import USAGE
from streams.core.windows import Window
from tests.integration.records import LONG_AGO, Log, figures, json_event, teams_by_partition
from tests.integration.workers import Worker, eventually

#: Longer than a restart takes on any machine.
SETTINGS = {"ASSAY_WINDOWS__IDLE_SECONDS": "1", "ASSAY_SESSION_TIMEOUT_SECONDS": "300"}
#: A fifth of it is how often a worker asks whether it is still a member.
SHORT = {"ASSAY_SESSION_TIMEOUT_SECONDS": "10"}
DAY = LONG_AGO // Window.DAY * Window.DAY
TEAMS = teams_by_partition("static")


@pytest.fixture
def log(kafka: str, topic_prefix: str) -> Log:
    return Log(kafka, topic_prefix)


@pytest.fixture
def workers(log: Log, tmp_path: Path) -> Iterator[list[Worker]]:
    with (
        Worker(log.brokers, log.prefix, tmp_path / "a", SETTINGS | {"ASSAY_INSTANCE_ID": "worker-0"}) as first,
        Worker(log.brokers, log.prefix, tmp_path / "b", SETTINGS | {"ASSAY_INSTANCE_ID": "worker-1"}) as second,
    ):
        yield [first, second]


def active(worker: Worker) -> list[int]:
    said = worker.said("assigned")
    return said[-1]["active"] if said else []


def test_a_worker_that_is_started_again_gets_its_partitions_back_and_the_others_keep_theirs(
    log: Log, workers: list[Worker]
) -> None:
    ports = free_ports(2)
    for worker, port in zip(workers, ports, strict=True):
        worker.start(port=port).ready()
    eventually("two partitions each", lambda: [len(active(it)) for it in workers], lambda seen: seen == [2, 2])
    log.put(USAGE, [json_event(f"{team}-1", team) for team in TEAMS])
    eventually(
        "all are counted",
        lambda: sum(it.metric("assay_events_applied_total") for it in workers),
        lambda seen: seen == 4,
    )

    for restarted, other in ((0, 1), (1, 0)):
        mine, theirs = active(workers[restarted]), active(workers[other])
        quiet = len(workers[other].said("assigned"))
        standby = workers[restarted].said("assigned")[-1]["standby"]
        assert workers[restarted].stop() == 0
        workers[restarted].start(port=ports[restarted]).ready()

        assert active(workers[restarted]) == mine
        assert workers[restarted].said("assigned")[-1]["standby"] == standby
        log.put(USAGE, [json_event(f"{team}-again-{restarted}", team) for team in TEAMS])
        for team in TEAMS:
            eventually(
                f"{team} has what came while {restarted} was away and after",
                lambda team=team: figures(log.kpis(), Window.DAY).get((team, DAY)),
                lambda seen, expected=2 + restarted: seen is not None and seen.calls == expected,
            )
        assert len(workers[other].said("assigned")) == quiet
        assert active(workers[other]) == theirs


def test_of_two_workers_with_one_name_one_ends_and_says_so(log: Log, workers: list[Worker], tmp_path: Path) -> None:
    with Worker(log.brokers, log.prefix, tmp_path / "twin", SETTINGS | {"ASSAY_INSTANCE_ID": "worker-0"}) as twin:
        workers[0].start(**SHORT).ready()
        twin.start(**SHORT)
        both = [workers[0], twin]
        ended = eventually("one ends", lambda: [it for it in both if it.code() is not None])

        assert [it.code() for it in ended] == [4]
        (said,) = ended[0].said("worker_stops")
        assert "nothing can be read from Kafka any more" in said["reason"]
        (other,) = [it for it in both if it not in ended]
        other.ready()
