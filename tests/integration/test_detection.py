"""Alerts of a real worker on a real Kafka are those of a replay of the same records, killed meanwhile or not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from streams.core.alerts import Alert
from streams.core.avro import ALERT, KPI
from streams.core.kpis import Kpi
from streams.core.topics import OUTCOMES, USAGE
from streams.simulation.planted import PLANTED, SPAN_MS, planted
from tests.integration.records import LONG_AGO, Log, Record
from tests.integration.workers import Worker, assay, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_START_MS: Final = LONG_AGO // _DAY_MS * _DAY_MS
#: After the last week, far enough that it is judged, and so early in the day that a replay's end judges nothing more.
_TAIL_MS: Final = _START_MS + SPAN_MS + 3 * _HOUR_MS
#: Of each day, when its outcomes have been told of and the hour that they were told of in is over.
_TOLD_MS: Final = 21 * _HOUR_MS
#: Days in whose midst the worker is killed: an ordinary one, one that ends a week, and that of the loop and the burst.
_KILLED_ON: Final = frozenset({3, 7, 17})

Event = dict[str, Any]


class Step(NamedTuple):
    """A day: its usage, then what came of it."""

    day: int
    usage: list[Event]
    outcomes: list[Event]


def steps() -> Iterator[Step]:
    """All records in an order that a replay takes them in, too: outcomes once their hour is over."""
    history = planted(_START_MS)
    tail = {**history.usage[0], "event_id": "tail", "run_id": "tail", "occurred_at": _TAIL_MS}
    usage, outcomes = [*history.usage, tail], list(history.outcomes)
    for day in range(SPAN_MS // _DAY_MS + 1):
        end_ms = _START_MS + day * _DAY_MS + _TOLD_MS
        yield Step(
            day,
            [event for event in usage if end_ms - _DAY_MS <= event["occurred_at"] < end_ms],
            [event for event in outcomes if end_ms - _DAY_MS <= event["occurred_at"] < end_ms],
        )


@pytest.fixture
def log(kafka: str, topic_prefix: str) -> Log:
    """One partition: verdicts are reached among all teams of one."""
    return Log(kafka, topic_prefix, partitions=1)


@pytest.fixture
def settings(log: Log, tmp_path: Path) -> Path:
    """A configuration for both; silence closes no window."""
    (tmp_path / "policy.yaml").write_text(json.dumps(planted(_START_MS).policy))
    path = tmp_path / "assay.yaml"
    said = {
        "topic_prefix": log.prefix,
        "partitions": 1,
        "windows": {"idle_seconds": 86_400},
        "session_timeout_seconds": 6,
    }
    path.write_text(json.dumps({"policy": str(tmp_path / "policy.yaml"), **said}))
    return path


def lines(events: list[Event]) -> list[Record]:
    return [Record(0, json.dumps(event).encode()) for event in events]


def replayed(directory: Path, settings: Path) -> tuple[bytes, bytes]:
    """What ``assay replay`` makes of the same records: alerts and KPIs, byte for byte."""
    directory.mkdir()
    files = {name: directory / f"{name}.jsonl" for name in ("usage", "outcomes", "alerts", "kpis")}
    for name in ("usage", "outcomes"):
        events = [event for step in steps() for event in getattr(step, name)]
        files[name].write_text("".join(json.dumps(event) + "\n" for event in events))
    done = assay(
        "replay",
        "--config",
        str(settings),
        *(part for name, path in files.items() for part in (f"--{name}", str(path))),
    )
    assert done.returncode == 0, done.stderr
    return files["alerts"].read_bytes(), files["kpis"].read_bytes()


def ordered(alerts: list[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (alert.alert_id, alert.revision))


def current(kpis: list[Kpi]) -> dict[tuple[str, str | None, int, int], Kpi]:
    """Of each window that is over the highest revision."""
    found: dict[tuple[str, str | None, int, int], Kpi] = {}
    for kpi in kpis:
        place = kpi.team, kpi.workflow, kpi.window_size_ms, kpi.window_start
        if kpi.window_end <= _START_MS + SPAN_MS and (place not in found or kpi.revision > found[place].revision):
            found[place] = kpi
    return found


@pytest.mark.parametrize("killed_on", [frozenset(), _KILLED_ON], ids=["undisturbed", "killed"])
def test_alerts_through_kafka_are_those_of_a_replay(
    log: Log, settings: Path, tmp_path: Path, killed_on: frozenset[int]
) -> None:
    alerts, kpis = replayed(tmp_path / "first", settings)
    assert replayed(tmp_path / "second", settings) == (alerts, kpis), "the same files give the same bytes"
    sent = {USAGE: 0, OUTCOMES: 0}
    #: Records that were applied in earlier lives: a process counts its own.
    before = 0
    with Worker(log.brokers, log.prefix, tmp_path / "worker", {"ASSAY_CONFIG": str(settings)}) as worker:
        worker.start().ready()
        for step in steps():
            for topic, events in ((USAGE, step.usage), (OUTCOMES, step.outcomes)):
                if not events:
                    continue
                sent[topic] += len(events)
                if topic != USAGE or step.day not in killed_on:
                    log.put(topic, lines(events))
                else:
                    # Half of the day is committed, the other half on its way.
                    half = len(events) // 2
                    log.put(topic, lines(events[:half]))
                    worker.received(sum(sent.values()) - before - (len(events) - half))
                    log.put(topic, lines(events[half:]))
                    worker.kill()
                    worker.start().ready()
                    eventually(
                        "all is applied", lambda: log.committed(USAGE).get(0, 0), lambda seen: seen == sent[USAGE]
                    )
                    before = sum(sent.values()) - int(worker.metric("assay_events_received_total"))
                worker.received(sum(sent.values()) - before)
        assert worker.stop() == 0
    published = log.alerts()
    assert ordered(published) == ordered([ALERT.decode(line) for line in alerts.splitlines()])
    assert {(alert.detector, alert.team, alert.workflow) for alert in published} == set(PLANTED)
    assert {alert.state for alert in published} == {"firing", "resolved"}
    assert current(log.kpis()) == current([KPI.decode(line) for line in kpis.splitlines()])
