"""The demo tells the truth, leaves nothing behind however it ends, and says in one sentence what went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local.demo_figures import Expected, Figures, Ingested, Published, summary
from streams.core.alerts import Alert
from streams.core.deadletters import DeadLetter
from streams.core.kpis import Kpi
from streams.simulation.planted import INNOCENT, PLANTED
from tests.unit.subscribers.alerts import alert

KEYS = [
    "received", "applied", "duplicates", "dead_lettered", "late", "rerouted",
    "ingested", "ingest_refused", "ingest_skipped", "teams", "workflows", "windows", "accepted", "reversed", "cost_per_accepted_micro_usd", "orphan_spend_ratio", "outcome_coverage",
    "alerts_by_detector", "events_per_second", "accounting_holds", "alerts_as_planted",
]  # fmt: skip
SENT = 6_000
WEEK = 604_800_000
_PATIENCE_SECONDS = 180.0


def command(directory: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.local.demo", "--dir", str(directory), "--events", str(SENT), *arguments]


def processes_of(directory: Path) -> list[str]:
    """Command lines that name the directory, this test's own excepted."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line and process.name != str(os.getpid()):
            found.append(line)
    return found


@pytest.mark.slow
def test_everything_is_accounted_for_and_nothing_is_left(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    arguments = ("--rate", "2000", "--brokers", kafka, "--topic-prefix", topic_prefix)
    done = subprocess.run(command(directory, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert list(result) == KEYS
    assert result["accounting_holds"] is True
    # Of some dozens of merges none need be undone within hours.
    assert all(value for name, value in result.items() if name != "reversed"), (
        "every figure of the demo shows something"
    )
    assert isinstance(result["reversed"], int)
    assert {"target_chasing", "runaway", "budget_burn"} <= result["alerts_by_detector"].keys()
    assert "busywork_automation" not in result["alerts_by_detector"], "the policy declares the schedule"
    fates = ("applied", "duplicates", "dead_lettered", "late", "rerouted")
    assert result["received"] == sum(result[fate] for fate in fates)
    assert result["received"] > SENT + result["rerouted"]
    assert not directory.exists()
    assert processes_of(directory) == []


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_takes_what_it_started_with_it(number: signal.Signals, code: int, tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    process = subprocess.Popen(command(directory), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (directory / "producer.log").exists():
        assert process.poll() is None, "it ended before it was interrupted"
        assert time.monotonic() < deadline, "it did not start its producer"
        time.sleep(0.1)
    assert len(processes_of(directory)) >= 2
    process.send_signal(number)
    out, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, out) == (code, b"")
    assert processes_of(directory) == []
    assert not (directory / "kafka" / "data").exists()
    assert (directory / "worker.log").exists()


def test_a_kafka_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "demo", "--brokers", "127.0.0.1:1"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Kafka at 127.0.0.1:1 does not answer")


FIGURES = Figures(
    received=11,
    applied=6,
    duplicates=1,
    dead_lettered=1,
    late=1,
    rerouted=2,
    calls=6,
    windows=1,
    revisions=0,
    partitions=4,
    spend={},
)
EXPECTED = Expected(applied=6, duplicates=1, dead_lettered=1, late=1, rerouted=2)


def published(
    *, calls: int = 6, letters: int = 2, withheld: str | None = None, alerts: list[Alert] | None = None
) -> Published:
    kpi = Kpi(
        scope="team", team="a", window_size_ms=WEEK, window_start=0, window_end=WEEK, revision=1, withheld=withheld,
        calls=calls, errors=0, input_tokens=0, cache_read_tokens=0, cache_write_tokens=0, output_tokens=0,
        reasoning_tokens=0, priced_calls=0, unpriced_tokens=0, runs=0, runs_exact=True,
    )  # fmt: skip
    letter = DeadLetter(topic="t", partition=0, offset=0, reason="empty", detail="", payload=b"", received_at=0)
    return Published({("team", "a", None, WEEK, 0): kpi}, [letter] * letters, alerts or [])


def test_the_accounting_holds_only_if_metrics_topics_and_what_was_sent_agree() -> None:
    assert summary(FIGURES, published(), EXPECTED, 1.0)["accounting_holds"]
    assert not summary(FIGURES._replace(received=12), published(), EXPECTED, 1.0)["accounting_holds"]
    assert not summary(FIGURES, published(calls=7), EXPECTED, 1.0)["accounting_holds"]
    assert not summary(FIGURES, published(letters=1), EXPECTED, 1.0)["accounting_holds"]
    assert summary(FIGURES, published(calls=5, withheld="group_minimum"), EXPECTED, 1.0)["accounting_holds"]
    assert not summary(FIGURES, published(withheld="group_minimum"), EXPECTED, 1.0)["accounting_holds"]
    assert not summary(FIGURES._replace(windows=2), published(), EXPECTED, 1.0)["accounting_holds"]
    assert not summary(FIGURES, published(), EXPECTED._replace(applied=5, duplicates=2), 1.0)["accounting_holds"]


def test_the_accounting_holds_only_if_ingest_says_what_was_posted_to_it() -> None:
    posted = Ingested(accepted=50, refused=2, skipped=2)
    for told in (posted, posted._replace(accepted=49), posted._replace(refused=0), posted._replace(skipped=3)):
        said = summary(FIGURES, published(), EXPECTED, 1.0, ingested=told, posted=posted)
        assert said["accounting_holds"] is (told == posted)
        assert (said["ingested"], said["ingest_refused"], said["ingest_skipped"]) == told


def alerts_of(*places: tuple[str, str, str | None]) -> list[Alert]:
    return [
        alert(str(number), detector=detector, team=team, workflow=workflow)
        for number, (detector, team, workflow) in enumerate(places)
    ]


def test_alerts_are_as_planted_only_if_all_that_is_planted_is_told_of_and_the_innocent_is_not() -> None:
    stranger = ("runaway", "payments", "refund-bot")
    innocent = ("busywork_automation", *INNOCENT)
    for places, right in (
        (PLANTED, True),
        ((*PLANTED, stranger), True),
        (PLANTED[1:], False),
        ((*PLANTED, innocent), False),
        ((), False),
    ):
        said = summary(FIGURES, published(alerts=alerts_of(*places)), EXPECTED, 1.0)
        assert said["alerts_as_planted"] is right, places
        assert sum(said["alerts_by_detector"].values()) == len(places)
