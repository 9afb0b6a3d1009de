"""What an orderly producer never sends and a real topic holds all the same, written past every check of ours."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any, Final, NamedTuple

import orjson
from aiokafka.partitioner import murmur2
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.core.topics import USAGE
from streams.errors import DependencyError
from streams.simulation import POISON, Scenario, Simulation

__all__ = ["Irregular", "Shares"]

_MINUTE_MS: Final = 60_000
#: Later than the grace, a day, whichever event of the span it is compared with.
_TOO_LATE_MS: Final = 3 * 86_400_000
#: Behind the stream's own time: the window has closed, but may still be corrected.
_BEHIND_MS: Final = 15 * _MINUTE_MS


class Shares(NamedTuple):
    """How many records of each kind.

    ``poison`` cannot be applied, ``misrouted`` lie in a partition that is not their team's, ``too_late`` are older than
    the grace, ``corrections`` belong to a window that may have closed and is published again.
    """

    poison: int
    misrouted: int
    too_late: int
    corrections: int

    @classmethod
    def of(cls, events: int) -> "Shares":
        """About two in a hundred of a number of events; each way of being poison at least once."""
        return cls(max(len(POISON), events // 300), max(4, events // 500), max(4, events // 600), max(8, events // 150))


class Irregular:
    """Sends the irregular records bit by bit beside the regular ones; raw, keyed by team as every producer does."""

    def __init__(self, brokers: str, prefix: str, partitions: int, scenario: Scenario, shares: Shares) -> None:
        self.shares = shares
        self._topic = prefix + USAGE
        self._partitions = partitions
        self._scenario = scenario
        self._records = self._all()
        self._sent = 0
        try:
            self._producer = KafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=5)
        except KafkaError as error:
            raise DependencyError(f"Kafka at {brokers} does not answer: {error!r}") from error

    def send(self, progress: float) -> None:
        """Send what is due once this share of the regular records (0 to 1) has been processed.

        Raises:
            DependencyError: the broker refuses it.
        """
        due = round(sum(self.shares) * min(1.0, progress))
        try:
            while self._sent < due:
                key, value, partition = next(self._records)
                self._producer.send(self._topic, value=value, key=key, partition=partition)
                self._sent += 1
            self._producer.flush(timeout=60)
        except KafkaError as error:
            raise DependencyError(f"Kafka refused records: {error!r}") from error

    def close(self) -> None:
        """Disconnect."""
        self._producer.close(timeout=0)

    def _all(self) -> Iterator[tuple[bytes, bytes, int]]:
        """Key, value and partition of every record; the kinds evenly mixed."""
        kinds = {
            name: (count, iter(Simulation(replace(self._scenario, events=count))))
            for name, count in self.shares._asdict().items()
        }
        total = sum(self.shares)
        spoilt = cycle(POISON)
        for number in range(total):
            for name, (count, lines) in kinds.items():
                if number * count // total == (number + 1) * count // total:
                    continue
                team, line = next(lines)
                event: dict[str, Any] = orjson.loads(line)
                # The simulation's own ids would make these copies of its events.
                event["event_id"] = f"{name}-{number}"
                event.pop("request_id", None)
                event["occurred_at"] = self._occurred_at(name, number / total)
                value = orjson.dumps(event)
                home = (murmur2(team.encode()) & 0x7FFFFFFF) % self._partitions
                away = (home + 1) % self._partitions if name == "misrouted" else home
                yield team.encode(), next(spoilt).spoil(value) if name == "poison" else value, away

    def _occurred_at(self, kind: str, progress: float) -> int:
        start_ms = self._scenario.start_ms
        if kind == "too_late":
            return start_ms - _TOO_LATE_MS
        return start_ms + max(_MINUTE_MS, round(self._scenario.span_ms * progress) - _BEHIND_MS)
