"""Running a bridge until it is told to stop."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog
from kafka.errors import KafkaError

from streams.clock import SystemClock
from streams.core.alerts import Alert
from streams.core.avro import ALERT
from streams.errors import DependencyError
from streams.subscribers.bridge_metrics import BridgeMetrics
from streams.subscribers.posting import Courier, Poster
from streams.subscribers.reading import TopicReader

__all__ = ["Bridge", "Source", "run_bridge"]

log = structlog.get_logger(__name__)

#: How long a turn waits for records: also how soon a stop is seen, and a try that is due is made.
_TURN_SECONDS: Final = 0.25
_MEASURE_SECONDS: Final = 5.0
#: A broker or a registry that is away comes back; the bridge waits for it as it does for the receiver.
_DEPENDENCY_SECONDS: Final = 2.0


class Bridge(Protocol):
    """What is turned."""

    def turn(self, wait_seconds: float) -> None:
        """Read what has come, forward what is due, commit what is done."""
        ...

    def delivered(self, partition: int) -> int:
        """How far everything was forwarded."""
        ...


class Source(Protocol):
    """Where alerts come from."""

    @property
    def brokers(self) -> str:
        """Kafka's addresses."""
        ...

    @property
    def topic(self) -> str:
        """The topic of alerts."""
        ...

    @property
    def group(self) -> str:
        """The bridge's consumer group."""
        ...

    @property
    def schema_registry_url(self) -> str | None:
        """The registry, if there is one."""
        ...


def run_bridge(
    source: Source,
    url: str,
    build: Callable[[TopicReader[Alert], Courier, BridgeMetrics, Callable[[], int]], Bridge],
    *,
    earliest: bool,
    timeout_seconds: float,
    metrics: BridgeMetrics,
    stopping: Callable[[], bool],
    client_options: Mapping[str, object] | None = None,
) -> None:
    """Read, forward and commit until ``stopping``; what is under way then is finished or left for the next start.

    Args:
        source: The topic, and the group that reads it.
        url: Where requests go.
        build: Makes the bridge of its reader, its courier, its metrics and its clock.
        earliest: Whether a group that is new begins with the oldest record.
        timeout_seconds: How long the receiver may take to answer.
        metrics: What is counted in.
        stopping: Whether to stop.
        client_options: Further options of ``kafka.KafkaConsumer``.

    Raises:
        DependencyError: Kafka does not answer at the start, or has no such topic.
    """
    reader = TopicReader(
        ALERT, source.brokers, source.topic, group=source.group, earliest=earliest, schema_registry_url=source.schema_registry_url,
        client_options=client_options,
    )  # fmt: skip
    poster = Poster(url, timeout_seconds=timeout_seconds, stopping=stopping)
    try:
        # Jitter is no secret.
        courier = Courier(poster.post, metrics, now_seconds=time.monotonic, jitter=random.random)
        bridge = build(reader, courier, metrics, SystemClock().now_ms)
        trouble, measured = "", float("-inf")
        while not stopping():
            try:
                bridge.turn(_TURN_SECONDS)
                if time.monotonic() - measured >= _MEASURE_SECONDS:
                    measured = time.monotonic()
                    lag = sum(max(0, end - bridge.delivered(number)) for number, end in reader.ends().items())
                    metrics.show_lag(lag)
                trouble = ""
            except (DependencyError, KafkaError) as error:
                if type(error).__name__ != trouble:
                    trouble = type(error).__name__
                    log.warning("source_unavailable", detail=f"{trouble}: {error}")
                _wait(_DEPENDENCY_SECONDS, stopping)
    finally:
        poster.close()
        reader.close()


def _wait(seconds: float, stopping: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stopping():
        time.sleep(_TURN_SECONDS)
