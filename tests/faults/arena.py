"""One scenario's stage: topics of its own, a load that flows, workers under supervision, and the verdict at the end.

A policy says of which teams outcomes are expected: without it a run that is settled before its team's first outcome is in
no cohort, and what comes first is up to the faults.

The end comes in two steps. First the idle clock closes every window. But a run that was heard of only then is settled no
sooner than an hour of the clock later, which no test waits for: so when all else is done, one event of each partition moves
the watermark on by most of a day, and every run is mature.
"""

import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self
from zlib import crc32

from deploy.local.broker import LocalKafka
from streams import topics_admin
from streams.core import topics
from streams.policy_file import load_policy
from tests.faults import load
from tests.faults.alert_oracle import circling
from tests.faults.feeder import Feeder
from tests.faults.judge import Judgement, Outputs, judge, metas_of
from tests.faults.load import PARTITIONS, partition_of
from tests.faults.oracle import DAY_MS, Fates, Rules
from tests.faults.outcome_oracle import Expectation, expect_both
from tests.faults.reading import Message, decode, local_stores, read_topic
from tests.faults.watch import Log, Watch
from tests.faults.workers import Supervisor

__all__ = ["Arena", "Outcome"]

META: Final = b"m"
_APP: Final = "assay"
_INPUTS: Final = (topics.USAGE, topics.OUTCOMES)
_LATENESS_MS: Final = 60_000
_GRACE_MS: Final = 7_200_000
_FAR_FUTURE_MS: Final = DAY_MS
_HORIZON_DAYS: Final = 30
#: How far ahead of the clock the last event lies: within the far future, and beyond the longest maturity, which no outcome of
#: a load of eight hours can teach.
_CLOSING_MS: Final = 20 * 3_600_000
_SETTLE_S: Final = 150.0
_SETTINGS: Final = {
    "ASSAY_SESSION_TIMEOUT_SECONDS": "6",
    "ASSAY_WINDOWS__IDLE_SECONDS": "2",
    "ASSAY_WINDOWS__GRACE_SECONDS": str(_GRACE_MS // 1000),
    "ASSAY_WINDOWS__FAR_FUTURE_SECONDS": str(_FAR_FUTURE_MS // 1000),
    "ASSAY_OUTCOMES__HORIZON_DAYS": str(_HORIZON_DAYS),
    # Runs settle while their usage and outcomes are still coming: what was told of them is corrected, again and again.
    "ASSAY_OUTCOMES__MATURITY_DAYS": "0.1",
    # Nothing of the state is forgotten before it is compared.
    "ASSAY_DEDUPE__HORIZON_DAYS": "30",
    "ASSAY_DEDUPE__REQUEST_HORIZON_DAYS": "30",
}


@dataclass(slots=True)
class Outcome:
    """What a scenario came to."""

    judgement: Judgement
    records: int
    problems: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.judgement.passed and not self.problems


class Arena:
    """Use as a context; ``finish`` gives the outcome. ``broker`` is None when somebody else's broker is used."""

    def __init__(
        self, name: str, brokers: str, directory: Path, *, events: int, seconds: float, seed: int,
        broker: LocalKafka | None = None, settings: dict[str, str] | None = None, workers: int = 2,
    ) -> None:  # fmt: skip
        self.name = name
        self.rng = Random(f"{name}-{seed}")
        self.directory = directory / name
        self.problems: list[str] = []
        self.at_exit = ExitStack()
        #: Exit codes that this fault may bring about by itself.
        self.allowed_exits: set[int] = set()
        self.under_load = 0
        self._brokers = brokers
        self._broker = broker
        self._prefix = f"{name}."
        self._inputs = {topic: self._prefix + topic for topic in _INPUTS}
        self._names = {full: topic for topic, full in self._inputs.items()}
        self._changelog = f"{self._prefix}{_APP}-state-changelog"
        self._weeks = load.weeks_until(_now_ms())
        self._closed_until_ms = 0
        self._began = time.monotonic()
        shutil.rmtree(self.directory, ignore_errors=True)
        topics_admin.apply(brokers, prefix=self._prefix, app_id=_APP, partitions=PARTITIONS, replication_factor=1)
        self._records, self.kinds = load.build(crc32(f"{name}-{seed}".encode()), events, self._weeks)
        self.feeder = Feeder(brokers, self._inputs, self._records, seconds)
        self._with_outcomes = load.teams_with_outcomes(self._records)
        self._policy_path = self._policy()
        own = {**_SETTINGS, "ASSAY_POLICY": str(self._policy_path), **(settings or {})}
        self.supervisor = Supervisor(self.directory, brokers, self._prefix, own)
        self.watch = Watch(brokers, f"{self._prefix}{_APP}", self._inputs, self._changelog, self.supervisor.workers)
        self._worker_count = workers

    @property
    def broker(self) -> LocalKafka:
        """The broker, for faults of its own."""
        assert self._broker is not None
        return self._broker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.supervisor.close()
        self.watch.close()
        self.at_exit.close()

    def start(self) -> None:
        """Start the workers, and the load as soon as they are ready."""
        self.supervisor.add(self._worker_count)
        # A crash plan kills them before they ever are.
        if not self.supervisor.crash_plan and not self.supervisor.wait_until_ready(60):
            self.problems.append("the workers were not ready within 60 s")
        self.feeder.start()

    def struck(self) -> None:
        """Note that a fault happened, and whether records were on their way."""
        self.under_load += self.feeder.flowing or bool(self.watch.lag())

    def rest(self, least: float, most: float) -> None:
        """Let some random time pass."""
        time.sleep(self.rng.uniform(least, most))

    def wait(self, condition: Callable[[], bool], timeout: float, what: str) -> bool:
        """Wait for a condition; it is a problem if it does not come true."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.1)
        self.problems.append(f"{what}: not within {timeout:.0f} s")
        return False

    def finish(self) -> Outcome:
        """Send the rest of the load, wait until all of it is processed and every window closed, stop, and judge."""
        self.feeder.finish(120)
        released = time.monotonic()
        settled = self._settle(load.week_end_ms(self._weeks))
        settled_after_s = round(time.monotonic() - released, 1)
        closing = self._close()
        settled = self._settle(self._closed_until_ms) and settled
        committed, ends = self.watch.committed() or {}, self.watch.input_ends() or {}
        self.supervisor.close()
        self.watch.close()
        for end in self.supervisor.unexpected():
            if end.code not in self.allowed_exits:
                self.problems.append(f"{end.worker} ended with {end.code}: {end.last_words}")
        outputs = self._outputs(self.feeder.sent + closing.sent, committed, ends)
        expected = self._expectation(outputs)
        if not settled:
            self.problems.append(f"not settled within {_SETTLE_S:.0f} s: ends {ends}, committed {committed}")
        notes = {"settled_after_s": settled_after_s, **self._notes(expected, outputs)}
        sent = sum(record.topic == topics.USAGE for record in self._records)
        return Outcome(judge(expected, outputs, partition_of), sent, self.problems, notes)

    def _policy(self) -> Path:
        path = self.directory / "policy.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        teams = {team: {"outcomes_expected": True} for team in sorted(self._with_outcomes)}
        path.write_text(json.dumps({"teams": teams}))  # YAML, too.
        return path.absolute()

    def _close(self) -> Feeder:
        """Send what makes every run mature."""
        at_ms = _now_ms() + _CLOSING_MS
        self._closed_until_ms = at_ms - _LATENESS_MS
        feeder = Feeder(self._brokers, self._inputs, load.closing(at_ms), 0)
        feeder.start()
        feeder.finish(60)
        return feeder

    def _expectation(self, outputs: Outputs) -> Expectation:
        """What must have come out; what clocks and paces decide is taken from the dead letters."""
        slack_ms = int((time.monotonic() - self._began) * 1000)
        rules = Rules(
            _LATENESS_MS, _GRACE_MS, _now_ms(), open_from_ms=self._closed_until_ms, horizon_ms=_HORIZON_DAYS * DAY_MS,
            far_future_ms=_FAR_FUTURE_MS, clock_slack_ms=slack_ms, outcomes_expected=self._with_outcomes,
        )  # fmt: skip
        verdicts: dict[Log, dict[int, str]] = defaultdict(dict)
        for letter in outputs.dead_letters:
            verdicts[Log(letter["topic"], letter["partition"])][letter["offset"]] = letter["reason"]
        partitions = range(PARTITIONS)
        usage, outcomes = ({number: outputs.values[Log(topic, number)] for number in partitions} for topic in _INPUTS)
        said = ({number: verdicts[Log(topic, number)] for number in partitions} for topic in _INPUTS)
        expected = expect_both(usage, outcomes, partition_of, rules, *said)
        version = f"policy {load_policy(self._policy_path).version}"
        alerts = [
            alert
            for number, log in usage.items()
            for alert in circling(
                log.items(), number, partition_of, rules,
                [offset for offset, reason in verdicts[Log(topics.USAGE, number)].items() if reason == "too_late"], version,
            )
        ]  # fmt: skip
        return expected._replace(alerts=alerts)

    def _settle(self, until_ms: int) -> bool:
        """Wait until everything was read, and every partition has published all windows that end by a time."""
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            if self.watch.lag() == 0 and self._all_closed(until_ms):
                return True
            time.sleep(0.5)
        return False

    def _all_closed(self, until_ms: int) -> bool:
        closed = dict.fromkeys(range(PARTITIONS), 0)
        dirty: set[tuple[int, bytes]] = set()
        for message in read_topic(self._brokers, self._changelog, PARTITIONS):
            key, partition = message.key or b"", message.partition
            if key.startswith(b"d"):
                (dirty.discard if message.value is None else dirty.add)((partition, key))
            elif key == META and message.value is not None:
                closed[partition] = json.loads(message.value)["watermark"][2]
        return not dirty and min(closed.values()) >= until_ms

    def _outputs(
        self, sent: Counter[tuple[str, int]], committed: dict[Log, int], ends: dict[Log, int]
    ) -> Outputs:  # fmt: skip
        """Everything the scenario left behind."""
        values: dict[Log, dict[int, bytes | None]] = {
            Log(topic, partition): {} for topic in _INPUTS for partition in range(PARTITIONS)
        }
        for topic, full in self._inputs.items():
            for message in read_topic(self._brokers, full, PARTITIONS):
                values[Log(topic, message.partition)][message.offset] = message.value
        kpis = [
            (message.partition, decode("kpi", message.value))
            for message in read_topic(self._brokers, self._prefix + topics.KPIS, PARTITIONS)
            if message.value is not None
        ]
        alerts = [
            (message.partition, decode("alert", message.value))
            for message in read_topic(self._brokers, self._prefix + topics.ALERTS, PARTITIONS)
            if message.value is not None
        ]
        dead_letters = [
            decode("dead_letter", message.value)
            for message in read_topic(self._brokers, self._prefix + topics.DEAD_LETTERS, PARTITIONS)
            if message.value is not None
        ]
        for letter in dead_letters:
            letter["topic"] = self._names.get(letter["topic"], letter["topic"])
        changelog: dict[int, list[Message]] = {partition: [] for partition in range(PARTITIONS)}
        for message in read_topic(self._brokers, self._changelog, PARTITIONS):
            changelog[message.partition].append(message)
        return Outputs(
            produced={Log(self._names[topic], partition): count for (topic, partition), count in sent.items()},
            kpis=kpis,
            dead_letters=dead_letters,
            values=values,
            log_ends=ends,
            committed=committed,
            samples=self.watch.commits,
            metas={partition: metas_of(messages, self._names) for partition, messages in changelog.items()},
            stores=list(local_stores(self.directory)),
            changelog=changelog,
            identity_violations=self.watch.violations,
            alerts=alerts,
        )

    def _notes(self, expected: Expectation, outputs: Outputs) -> dict[str, Any]:
        recoveries = self.supervisor.logged("shard_recovered")
        logged = self.supervisor.events()
        logs = [worker.log.read_text(errors="replace") for worker in self.supervisor.workers]
        usage, outcomes = list(expected.usage.values()), list(expected.outcomes.values())
        fates: list[Fates] = [*usage, *outcomes]
        return {
            "outcomes": sum(record.topic == topics.OUTCOMES for record in self._records),
            "reversals": sum(partition.undoings for partition in outcomes),
            "under_load": self.under_load,
            "exits": len(self.supervisor.exits),
            "take_overs": len(recoveries),
            "slowest_take_over_s": round(max((line["seconds"] for line in recoveries), default=0.0), 2),
            "fenced": logged["shard_fenced"],
            "stores_rebuilt": logged["store_rebuilt"],
            "shard_restarts": logged["shard_restarts"],
            "tracebacks": sum(log.count("Traceback") for log in logs),
            "scrapes": self.watch.scrapes,
            "commit_samples": len(self.watch.commits),
            "kinds": dict(self.kinds),
            "applied": sum(partition.applied for partition in usage),
            "applied_outcomes": sum(partition.applied for partition in outcomes),
            "duplicates": sum(partition.duplicates for partition in usage),
            "duplicate_outcomes": sum(partition.duplicates for partition in outcomes),
            "dead_letters": len(outputs.dead_letters),
            "rerouted": sum(len(partition.rerouted) for partition in fates),
            "judged_by_clock": sum(partition.by_clock for partition in fates),
            "publications": len(outputs.kpis),
            "revisions": sum(kpi["revision"] > 1 for _, kpi in outputs.kpis),
            "alerts": len(expected.alerts),
            "alert_records": len(outputs.alerts),
        }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
