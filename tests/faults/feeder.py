"""Sends a load at a pace, so that faults meet records in flight and not a queue that was drained long before."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from tests.faults.load import Record

__all__ = ["Feeder"]

_SLICE_S: Final = 0.05
#: Kept back until the faults are over: whoever is left must still take new records.
_HELD_BACK: Final = 0.05
#: Of those, what may drip while a fault that needs records is waited for, and how long each takes.
_DRIPPING: Final = 0.8
_DRIP_S: Final = 0.02


class Feeder:
    """Produces records in order, idempotently, to ``topics`` by the records' own; ``sent`` counts what the broker has
    acknowledged, by the topic's full name and partition."""

    def __init__(self, brokers: str, topics: Mapping[str, str], records: Sequence[Record], seconds: float) -> None:
        self.sent: Counter[tuple[str, int]] = Counter()
        self.failed: list[str] = []
        self._topics = topics
        self._records = records
        self._pause_at = round(len(records) * (1 - _HELD_BACK))
        self._drip_until = self._pause_at + round((len(records) - self._pause_at) * _DRIPPING)
        self._dripping = False
        self._slice = max(1, round(len(records) / max(seconds, _SLICE_S) * _SLICE_S))
        self._released = threading.Event()
        self._done = 0
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": 2_000_000,
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
                "message.timeout.ms": 240_000,
                "log_level": 2,
            }
        )
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)

    @property
    def flowing(self) -> bool:
        """Whether records are being sent at this moment."""
        return 0 < self._done < self._pause_at

    @property
    def share(self) -> float:
        """The share of the records that has been sent."""
        return self._done / max(1, len(self._records))

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def drip(self) -> None:
        """Go on once all but what is kept back was sent, record by record: the fault may need more than there were."""
        self._dripping = True

    def finish(self, timeout: float) -> None:
        """Send what was kept back, and wait until the broker has everything; raises TimeoutError."""
        self._released.set()
        self._thread.join(timeout)
        if self._thread.is_alive() or self._producer.flush(timeout):
            raise TimeoutError(f"the broker did not take the load within {timeout:.0f} s")
        if self.failed:
            raise RuntimeError(f"{len(self.failed)} records were not taken, the first: {self.failed[0]}")

    def _run(self) -> None:
        due = time.monotonic()
        for number, record in enumerate(self._records):
            if number >= self._pause_at:
                while not self._released.wait(_DRIP_S) and not (self._dripping and number < self._drip_until):
                    pass
            elif number % self._slice == 0 and number < self._pause_at:
                due = max(due + _SLICE_S, time.monotonic() - 1)
                self._producer.poll(max(0.0, due - time.monotonic()))
                time.sleep(max(0.0, due - time.monotonic()))
            self._send(record)
            self._done = number + 1
        self._producer.flush()

    def _send(self, record: Record) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topics[record.topic], value=record.value, key=record.key, partition=record.partition,
                    on_delivery=self._delivered,
                )  # fmt: skip
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self.failed.append(str(error))
                return
            else:
                return

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            self.sent[message.topic(), message.partition()] += 1
        else:
            self.failed.append(str(error))
