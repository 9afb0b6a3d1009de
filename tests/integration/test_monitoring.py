"""A real worker is scraped by a real Prometheus with our rules, which tells a real Alertmanager.

All that lasts in the rules lasts a sixtieth here (:func:`tests.prometheus.hurried`); thresholds are as they are.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Producer

from deploy.alertmanager import MISSING, installed
from deploy.alertmanager import running as alertmanager_running
from deploy.dashboards.__main__ import DASHBOARDS
from deploy.local.broker import LocalKafka
from deploy.local.properties import free_ports
from streams.core.topics import OUTCOMES, USAGE
from streams.topics_admin import apply
from tests.dashboards.test_dashboards import queries
from tests.integration.bridges import shown_names
from tests.integration.records import PARTITIONS, event, home, producer
from tests.integration.workers import Worker, eventually
from tests.prometheus import Prometheus, hurried, prometheus_program, running
from tests.rules.test_rules import RULES

__all__ = ["prometheus_program"]

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

#: What only other processes show, or what takes days: in this scenario there is nothing to see.
WITHOUT_DATA = ("assay_ingest_", "assay_forward_", "assay_standby_lag_records", "assay_detector_decisions_total")


class Traffic:
    """Calls of two hundred people in twenty teams, a hundred a second, for as long as it is open; some of them unreadable.

    They happen now, or began some ``hours`` ago and go on ``speed`` times as fast as clocks do.
    """

    def __init__(self, brokers: str, prefix: str, hours: int, speed: int) -> None:
        self._began_ms, self._behind_ms, self._speed = int(time.time() * 1_000), hours * 3_600_000, speed
        self.spoilt_share = 0.0
        self._brokers, self._prefix = brokers, prefix
        self._over = threading.Event()
        self._random = Random(1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        sender, number = producer(self._brokers), 0
        while not self._over.wait(0.2):
            for _ in range(20):
                number += 1
                value = _call(number, at_ms := self._now_ms())
                spoilt = self._random.random() < self.spoilt_share
                team = f"team-{number % 20}"
                self._send(sender, USAGE, team, value[:-9] if spoilt else value)
                if number % 100 == 0:
                    # What a gateway and an agent both tell of, alike and not.
                    copy = {**json.loads(value), "source": "langfuse", "event_id": f"again-{number}"}
                    copy["output_tokens"] += number % 400 // 100 == 1
                    self._send(sender, USAGE, team, json.dumps(copy).encode())
                if number % 20 == 0 and number > 200:
                    merged = {
                        "outcome_id": f"o-{number}", "source": "github", "kind": "change_merged", "occurred_at": at_ms,
                        "team": team, "verdict": "accepted", "run_id": f"r-{number - 200}",
                    }  # fmt: skip
                    self._send(sender, OUTCOMES, team, json.dumps(merged).encode())
            sender.poll(0)
        sender.flush(10)

    def _now_ms(self) -> int:
        return self._began_ms - self._behind_ms + (int(time.time() * 1_000) - self._began_ms) * self._speed

    def _send(self, sender: Producer, topic: str, team: str, value: bytes) -> None:
        sender.produce(self._prefix + topic, value, partition=home(team))


def _call(number: int, at_ms: int) -> bytes:
    """A call of one of ten people of one of twenty teams, in a run of its own."""
    call = event(
        f"e-{number}", f"team-{number % 20}", at_ms, run_id=f"r-{number}", request_id=f"call-{number}", source="litellm",
        cost_micro_usd=50_000, actor=f"u-{number // 20 % 10}", input_tokens=100, cache_read_tokens=900, output_tokens=20,
    )  # fmt: skip
    return json.dumps(call).encode()


@contextmanager
def traffic(brokers: str, prefix: str, hours: int = 0, speed: int = 1) -> Iterator[Traffic]:
    found = Traffic(brokers, prefix, hours, speed)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    broker = LocalKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.kill()


@pytest.mark.skipif(installed() is None, reason=MISSING)
def test_each_fault_fires_its_alert_and_no_other_and_resolves(
    own_kafka: LocalKafka, prometheus_program: str, tmp_path: Path
) -> None:
    prefix = "watched."
    brokers = own_kafka.bootstrap
    apply(brokers, prefix=prefix, app_id="assay", partitions=PARTITIONS, replication_factor=1)
    (port,) = free_ports(1)
    rules = [hurried(path, 60) for path in RULES]
    settings = {"ASSAY_SESSION_TIMEOUT_SECONDS": "6", "ASSAY_DEAD_LETTERS__MAX_SHARE": "1"}
    with (
        alertmanager_running(tmp_path) as alertmanager,
        Worker(brokers, prefix, tmp_path / "worker", settings) as worker,
        running(
            prometheus_program, tmp_path / "prometheus", [f"127.0.0.1:{port}"], rules, alertmanager.url
        ) as prometheus,
        traffic(brokers, prefix) as calls,
    ):
        worker.start(port=port).ready()
        eventually("a minute of traffic was seen", lambda: _minute_of_traffic(prometheus))
        assert prometheus.firing() == set()

        calls.spoilt_share = 0.2
        _only(prometheus, "AssayIngestBudgetBurn")
        eventually("Alertmanager shows it", lambda: "AssayIngestBudgetBurn" in shown_names(alertmanager.url))
        calls.spoilt_share = 0.0
        # Of the four speeds the two fast ones: the windows of the slow ones are minutes long even here.
        eventually("nobody is paged", lambda: not _pages(prometheus))

        worker.freeze()
        _only(prometheus, "AssayDown", apart_from={"AssayIngestBudgetBurn"})
        worker.thaw()
        eventually("it is back", lambda: "AssayDown" not in prometheus.firing())

        eventually("a minute of traffic was seen", lambda: _minute_of_traffic(prometheus))
        own_kafka.kill()
        # What had been fetched when it died waits for a broker: that a worker is stuck is true as well, and said sooner.
        _only(prometheus, "AssayNoEventsReceived", apart_from={"AssayIngestBudgetBurn", "AssayConsumerStuck"})
        own_kafka.start()
        eventually("events come again", lambda: "AssayNoEventsReceived" not in prometheus.firing())
        eventually(
            "Alertmanager has forgotten it", lambda: "AssayNoEventsReceived" not in shown_names(alertmanager.url)
        )


def test_every_query_of_the_dashboards_gives_data(
    kafka: str, topic_prefix: str, prometheus_program: str, tmp_path: Path
) -> None:
    apply(kafka, prefix=topic_prefix, app_id="assay", partitions=PARTITIONS, replication_factor=1)
    (port,) = free_ports(1)
    rules = [hurried(path, 60) for path in RULES]
    with (
        Worker(kafka, topic_prefix, tmp_path / "worker") as worker,
        running(prometheus_program, tmp_path / "prometheus", [f"127.0.0.1:{port}"], rules) as prometheus,
        traffic(kafka, topic_prefix, hours=12, speed=120) as calls,
    ):
        worker.start(port=port).ready()
        calls.spoilt_share = 0.05
        eventually(
            "the calls are counted", lambda: prometheus.query('assay_events_applied_total{topic=~".*usage.*"} > 400')
        )
        asked = [query for dashboard in DASHBOARDS for query in queries(dashboard)]
        empty = [query for query in asked if not any(mark in query for mark in WITHOUT_DATA)]
        assert len(empty) > 25

        def left() -> list[str]:
            empty[:] = [query for query in empty if not prometheus.query(_for_api(query))]
            return empty

        eventually("every query gives data", left, lambda them: not them)
        for query in asked:
            prometheus.query(_for_api(query))


def _for_api(query: str) -> str:
    """What Grafana makes of it."""
    chosen = {"$job": ".+", "$instance": ".+", "$team": ".+", "$detector": ".+", "$__rate_interval": "10s"}
    for name, value in chosen.items():
        query = query.replace(name, value)
    return query


def _minute_of_traffic(prometheus: Prometheus) -> bool:
    asked = 'count_over_time((sum(rate(assay_events_received_total{topic=~".*usage.*"}[5s])) > 0)[80s:1s]) > 70'
    return bool(prometheus.query(asked))


def _only(prometheus: Prometheus, alert: str, apart_from: frozenset[str] | set[str] = frozenset()) -> None:
    """Wait for an alert; no other may have fired by then."""
    fired: set[str] = set()

    def look() -> set[str]:
        fired.update(prometheus.firing())
        return fired

    eventually(f"{alert} fires", look, lambda them: alert in them)
    assert fired - apart_from == {alert}


def _pages(prometheus: Prometheus) -> set[str]:
    found = prometheus.query('ALERTS{alertstate="firing", severity="critical"}')
    return {it["metric"]["alertname"] for it in found}
