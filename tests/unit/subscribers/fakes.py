"""A log and a receiver in memory, for the bridges' turns."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from kafka.errors import KafkaTimeoutError

from streams.core.alerts import Alert
from streams.subscribers.bridge_metrics import BridgeMetrics
from streams.subscribers.posting import Courier
from streams.subscribers.reading import Entry
from streams.subscribers.retrying import Answer

__all__ = ["FakeReader", "FakeReceiver", "courier", "value"]


class FakeReader:
    """One partition of a topic, read by one member of a group."""

    topic = "assay.alerts.v1"

    def __init__(self, *alerts: Alert, committed: int | None = None) -> None:
        self.log: list[Entry[Alert]] = []
        self.committed_offset = committed
        self.at = committed or 0
        self.rebalanced = True
        self.paused = False
        self.commits_fail = False
        self.away = False
        self.append(*alerts)

    def append(self, *alerts: Alert | str | None, key: bytes = b"") -> None:
        """Records; a text is what is wrong with one that cannot be read, None a tombstone of ``key``."""
        for it in alerts:
            record = it if isinstance(it, Alert) else None
            name = record.alert_id.encode() if record else key
            problem = it if isinstance(it, str) else None
            self.log.append(Entry(0, len(self.log), name, record, problem, 1_000))

    partitions = frozenset({0})

    def poll(self, _timeout_seconds: float, most: int = 500) -> list[Entry[Alert]]:
        if self.paused:
            return []
        found = self.log[self.at : self.at + most]
        self.at += len(found)
        return found

    def take_rebalance(self) -> bool:
        happened, self.rebalanced = self.rebalanced, False
        return happened

    def ends(self) -> dict[int, int]:
        if self.away:
            raise KafkaTimeoutError
        return {0: len(self.log)}

    def position(self, _partition: int) -> int:
        return self.at

    def committed(self, _partition: int) -> int | None:
        return self.committed_offset

    def commit(self, offsets: Mapping[int, int]) -> bool:
        if self.commits_fail:
            return False
        self.committed_offset = offsets.get(0, self.committed_offset)
        return True

    def rewind(self, _partitions: object) -> None:
        self.at = 0

    def go_to_committed(self) -> dict[int, int]:
        self.at = self.committed_offset or 0
        return {0: self.at}

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class FakeReceiver:
    """Keeps what it is sent; ``answer`` gives the status of each body, None for no answer."""

    def __init__(self, answer: Callable[[Any], int | None] = lambda _body: 200) -> None:
        self.answer = answer
        self.taken: list[Any] = []
        self.headers: list[Mapping[str, str]] = []

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        sent = json.loads(body)
        status = self.answer(sent)
        if status == 200:
            self.taken.append(sent)
            self.headers.append(headers)
        return Answer(status, "said so")


class Clock:
    """Moved by hand, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return int(self.seconds * 1_000)


def courier(receiver: FakeReceiver, metrics: BridgeMetrics, clock: Clock) -> Courier:
    return Courier(receiver.post, metrics, now_seconds=clock, jitter=lambda: 0.0)


def value(metrics: BridgeMetrics, name: str, **labels: str) -> float | None:
    """A sample."""
    return metrics.registry.get_sample_value(name, labels)
