"""One run of the demo: start a worker and ingest, send everything, wait until it is accounted for, read it back.

First hours of a large company, at a pace that can be watched. Then three weeks of four small teams, as fast as they go: what
detectors judge takes weeks. They come later in event time, too, as a log goes on.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from deploy.local.commands import Command, Ingest, Worker
from deploy.local.demo_figures import Expected, Figures, Published, figures_of, read_back, summary
from deploy.local.demo_irregular import Irregular, Shares
from deploy.local.demo_planted import PlantedWeeks
from deploy.local.demo_proxy import Proxy
from deploy.local.demo_screen import Screen
from deploy.local.demo_table import table, told
from deploy.local.properties import free_ports
from streams import topics_admin
from streams.simulation import Scenario
from streams.simulation.planted import SPAN_MS as PLANTED_MS

__all__ = ["Demo", "Plan", "say"]

_PARTITIONS: Final = 4
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_WEEK_MS: Final = 7 * _DAY_MS
_SPAN_MS: Final = 3 * _HOUR_MS
#: 1970 began on a Thursday, ISO weeks begin on Monday.
_FIRST_MONDAY_MS: Final = 4 * _DAY_MS
#: Wednesday afternoon, as hours of the week.
_HOUR_OF_WEEK: Final = 2 * 24 + 13
#: Teams so large that all of their figures may be told.
_COMPANY: Final = {"teams": 8, "workflows": 40, "actors": 480}
_SEED: Final = 7
_CALLS_A_RUN: Final = 20
_DISORDER: Final = {"--duplicates": 0.02, "--mirrored": 0.01, "--out-of-order": 0.05}
#: Silence after which a partition's windows close: longer than a producer pauses on a busy machine.
_IDLE_SECONDS: Final = 4
_LOOK_SECONDS: Final = 0.25
_LATELY_SECONDS: Final = 2.0
#: After the end of a week, until it is judged.
_JUDGED_MS: Final = 2 * _HOUR_MS
#: When nothing has moved for this long, nothing is going to.
_PATIENCE_SECONDS: Final = 60.0


class Plan(NamedTuple):
    """How much is sent, how fast, to which topics, and where files go."""

    events: int
    rate: float
    prefix: str
    directory: Path

    @property
    def planted_ms(self) -> int:
        """The Monday on which the planted weeks begin: they end with the last week that is over, and judged."""
        now_ms = int(time.time() * 1000) - _JUDGED_MS
        return (now_ms - _FIRST_MONDAY_MS) // _WEEK_MS * _WEEK_MS + _FIRST_MONDAY_MS - PLANTED_MS

    @property
    def scenario(self) -> Scenario:
        """Hours of the week before those: all windows close without waiting for the clock, and all runs are mature."""
        start_ms = self.planted_ms - _WEEK_MS + _HOUR_OF_WEEK * _HOUR_MS
        return Scenario(
            seed=_SEED, start_ms=start_ms, span_ms=_SPAN_MS, steady=True, runs=self.events // _CALLS_A_RUN, outcomes=True,
            **_COMPANY,
        )  # fmt: skip


class Demo:
    """Everything between a running Kafka and the summary; what it starts is ended by ``stack``."""

    def __init__(self, plan: Plan, brokers: str, screen: Screen, stack: ExitStack) -> None:
        self._plan = plan
        self._brokers = brokers
        self._screen = screen
        self._stack = stack
        self._began = time.monotonic()
        self._readings: list[tuple[float, Figures]] = []

    def run(self) -> dict[str, Any]:
        """The summary. Raises AssayError."""
        plan, scenario = self._plan, self._plan.scenario
        weeks = PlantedWeeks(self._brokers, plan.prefix, plan.planted_ms)
        topics_admin.apply(
            self._brokers, prefix=plan.prefix, app_id="assay", partitions=_PARTITIONS, replication_factor=1
        )
        proxy = self._started_ingest(scenario)
        worker = self._started_worker(weeks.policy(plan.directory))
        proxy.wait_until_ready()
        say(proxy.story)
        irregular = Irregular(self._brokers, plan.prefix, _PARTITIONS, scenario, Shares.of(plan.events))
        self._stack.callback(irregular.close)
        producer = self._started_producer(scenario)
        while producer.ended is None:
            figures = self._look(worker)
            # Only a partition that has applied an event can tell that another is late.
            if figures.partitions == _PARTITIONS:
                irregular.send(figures.received / plan.events)
                proxy.send(figures.received / plan.events)
            time.sleep(_LOOK_SECONDS)
        if producer.ended:
            raise producer.failure(f"ended with exit code {producer.ended}")
        self._until(worker, lambda figures: figures.partitions == _PARTITIONS)
        irregular.send(1.0)
        proxy.send(1.0)
        expected = _expected(json.loads(producer.last_line), irregular.shares, proxy)
        self._until(worker, lambda figures: figures.received >= expected.received)
        rate = self._overall_rate()
        # Without a pause: a partition that is idle for seconds takes its next events for late ones.
        expected = expected._replace(applied=expected.applied + weeks.send_outcomes())
        # A day that is judged before its outcomes are there has come to nothing.
        self._until(worker, lambda figures: figures.received >= expected.received)
        expected = expected._replace(applied=expected.applied + weeks.send_usage())
        say(weeks.story)
        self._until(worker, lambda figures: figures.received >= expected.received)
        published = self._closed(worker)
        say(table(published.kpis.values(), scenario.start_ms))
        say(told(published.alerts))
        return summary(
            self._look(worker), published, expected, rate, ingested=proxy.told(), posted=proxy.expected
        )  # fmt: skip

    def _started_worker(self, policy: Path) -> Worker:
        plan = self._plan
        (port,) = free_ports(1)
        worker = Worker(
            self._brokers, plan.prefix, port=port, data=plan.directory / "state", log=plan.directory / "worker.log",
            settings={"ASSAY_WINDOWS__IDLE_SECONDS": str(_IDLE_SECONDS), "ASSAY_POLICY": str(policy)},
        )  # fmt: skip
        self._stack.callback(worker.stop)
        worker.wait_until_ready()
        say(f"a worker runs the {_PARTITIONS} partitions; its metrics are at {worker.url}/metrics")
        return worker

    def _started_ingest(self, scenario: Scenario) -> Proxy:
        """It starts while the worker does, which takes longer."""
        plan = self._plan
        port, web_port = free_ports(2)
        token, sources = Proxy.credential(plan.directory)
        ingest = Ingest(
            self._brokers, plan.prefix, ports=(port, web_port), sources=sources, data=plan.directory / "ingest",
            log=plan.directory / "ingest.log",
        )  # fmt: skip
        self._stack.callback(ingest.stop)
        return Proxy(ingest, token, scenario, plan.events)

    def _started_producer(self, scenario: Scenario) -> Command:
        plan = self._plan
        start = datetime.fromtimestamp(scenario.start_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        speed = scenario.span_ms / 1000 * plan.rate / plan.events
        producer = Command(
            "simulate", "--brokers", self._brokers, "--topic-prefix", plan.prefix, "--seed", str(_SEED),
            "--events", str(plan.events), "--rate", str(plan.rate), "--speed", str(speed), "--start", start,
            "--runs", str(scenario.runs), "--with-outcomes",
            *(part for name, size in _COMPANY.items() for part in (f"--{name}", str(size))),
            *(part for option, share in _DISORDER.items() for part in (option, str(share))),
            log=plan.directory / "producer.log",
        )  # fmt: skip
        self._stack.callback(producer.stop)
        say(
            f"a producer sends {plan.events:,} calls, and what came of them, of {_SPAN_MS // _HOUR_MS} hours from {start}, {speed:,.0f} times as fast"
        )
        return producer

    def _look(self, worker: Worker) -> Figures:
        """Read the metrics and show them. Raises DependencyError when the worker is gone or stands still."""
        if worker.ended is not None:
            raise worker.failure(f"ended with exit code {worker.ended}")
        figures, now = figures_of(worker.metrics()), time.monotonic()
        self._readings.append((now, figures))
        self._screen.show(
            now - self._began, _rate([at for at in self._readings if now - at[0] <= _LATELY_SECONDS]), figures
        )
        return figures

    def _until(self, worker: Worker, right: Callable[[Figures], bool]) -> None:
        """Look until the figures are right. Raises DependencyError when they stop changing before that."""
        moved, last = time.monotonic(), self._look(worker)
        while not right(last):
            time.sleep(_LOOK_SECONDS)
            seen = self._look(worker)
            if seen != last:
                moved, last = time.monotonic(), seen
            elif time.monotonic() - moved > _PATIENCE_SECONDS:
                raise worker.failure(f"stands still at {seen.received:,} records")

    def _closed(self, worker: Worker) -> Published:
        """What is published, once it says what was applied, or once it has stopped changing."""
        say("everything received is accounted for; reading back what is published as windows close")
        deadline, published = time.monotonic() + _PATIENCE_SECONDS, read_back(self._brokers, self._plan.prefix)
        while not published.is_all_of(figures := self._look(worker)) or len(published.kpis) != figures.windows:
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
            published = read_back(self._brokers, self._plan.prefix)
        return published

    def _overall_rate(self) -> float:
        """Records a second from the first to the last."""
        last = self._readings[-1][1].received
        moving = [reading for reading in self._readings if reading[1].received]
        end = next(place for place, (_, figures) in enumerate(moving) if figures.received == last)
        return _rate(moving[: end + 1])


def _rate(readings: list[tuple[float, Figures]]) -> float:
    (began, first), (ended, last) = readings[0], readings[-1]
    return (last.received - first.received) / (ended - began) if ended > began else 0.0


def _expected(sent: dict[str, int], irregular: Shares, proxy: Proxy) -> Expected:
    """What must come of what the producer says it sent, of the irregular records, and of the gateway's calls."""
    return Expected(
        applied=sent["valid"]
        + sent["outcomes"]
        - sent["outcome_duplicates"]
        + irregular.misrouted
        + irregular.corrections
        + proxy.calls,
        duplicates=sent["duplicates"] + sent["mirrored"] + sent["outcome_duplicates"] + proxy.again,
        dead_lettered=irregular.poison,
        late=irregular.too_late,
        rerouted=irregular.misrouted,
    )


def say(text: str) -> None:
    """One line for whoever watches."""
    print(text, file=sys.stderr, flush=True)
