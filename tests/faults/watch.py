"""Looks at the workers and the broker from outside, once a second, while faults happen."""

import re
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.faults.load import PARTITIONS
from tests.faults.workers import Worker

__all__ = ["CommitSample", "Log", "Watch", "identity_violations"]

_PERIOD_S: Final = 1.0
_TIMEOUT_S: Final = 3.0
_SAMPLE: Final = re.compile(
    r'^assay_events_(received|applied|duplicate|dead_lettered|late|rerouted)_total\{[^}]*topic="([^"]+)"[^}]*\} (\S+)$',
    re.MULTILINE,
)


class Log(NamedTuple):
    """One partition of an input; ``topic`` is the public name, without a prefix."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class CommitSample(NamedTuple):
    """What the group had committed, and where the changelog ended, open transactions included, right after."""

    log: Log
    committed: int
    changelog_end: int


def identity_violations(page: str) -> list[str]:
    """Topics for which received is not the sum of what became of the records, in one scrape."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for what, topic, value in _SAMPLE.findall(page):
        counts[topic][what] += float(value)
    return [
        f"{topic}: {dict(count)}" for topic, count in counts.items() if count.pop("received", 0) != sum(count.values())
    ]


class Watch:
    """Scrapes metrics and samples committed offsets until closed. ``inputs`` are full names by public ones."""

    def __init__(
        self, brokers: str, group: str, inputs: Mapping[str, str], changelog: str, workers: Sequence[Worker]
    ) -> None:  # fmt: skip
        self.scrapes = 0
        self.violations: list[str] = []
        self.commits: list[CommitSample] = []
        self._workers = workers
        self._inputs = inputs
        self._names = {full: name for name, full in inputs.items()}
        self._changelog = changelog
        settings = {"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False, "log_level": 2}
        self._consumer = Consumer({**settings, "isolation.level": "read_uncommitted"})
        self._committed_only = Consumer({**settings, "isolation.level": "read_committed"})
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def committed(self) -> dict[Log, int] | None:
        """The group's offsets, 0 where it has none; None when the broker does not answer."""
        places = [TopicPartition(topic, number) for topic in self._names for number in range(PARTITIONS)]
        try:
            return {
                Log(self._names[place.topic], place.partition): max(0, place.offset)
                for place in self._consumer.committed(places, _TIMEOUT_S)
            }
        except KafkaException:
            return None

    def input_ends(self) -> dict[Log, int] | None:
        """The end of each input's partition; None when the broker does not answer."""
        found: dict[Log, int] = {}
        for name, topic in self._inputs.items():
            ends = self.ends(topic)
            if ends is None:
                return None
            found |= {Log(name, partition): end for partition, end in ends.items()}
        return found

    def ends(self, topic: str, *, committed_only: bool = False) -> dict[int, int] | None:
        """The end of each partition's log; None when the broker does not answer."""
        consumer = self._committed_only if committed_only else self._consumer
        try:
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), _TIMEOUT_S)[1]
                for partition in range(PARTITIONS)
            }
        except (KafkaException, TypeError):
            return None

    def open_transactions(self) -> dict[int, int]:
        """Partitions of the changelog with a transaction that is open now, and where it begins."""
        stable = self.ends(self._changelog, committed_only=True) or {}
        ends = self.ends(self._changelog) or {}
        return {partition: offset for partition, offset in stable.items() if offset < ends.get(partition, 0)}

    def lag(self) -> int | None:
        """Records (and markers) not yet committed; None when the broker does not answer."""
        committed, ends = self.committed(), self.input_ends()
        if committed is None or ends is None:
            return None
        return sum(ends[log] - committed[log] for log in ends)

    def close(self) -> None:
        """Stop looking; may be called again."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._thread.join()
        self._consumer.close()
        self._committed_only.close()

    def _run(self) -> None:
        while not self._closed.wait(_PERIOD_S):
            for worker in list(self._workers):
                page = worker.page("/metrics", timeout=0.5) if worker.alive else None
                if page is not None:
                    self.scrapes += 1
                    self.violations += [f"{worker.name}: {violation}" for violation in identity_violations(page)]
            committed = self.committed()
            ends = self.ends(self._changelog) if committed is not None else None
            if committed is not None and ends is not None:
                self.commits += [CommitSample(log, offset, ends[log.partition]) for log, offset in committed.items()]
