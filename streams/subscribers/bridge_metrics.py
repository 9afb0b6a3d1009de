"""What a bridge counts, for Prometheus; ``docs/subscribers.md`` lists it, and a test compares the two."""

from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from streams.errors import ConfigError
from streams.subscribers.retrying import Reason

__all__ = ["BridgeMetrics", "Failed"]


class Failed(StrEnum):
    """Why a record does not reach the other side; public, a label and a field of log lines."""

    REFUSED = Reason.REFUSED.value
    REDIRECTED = Reason.REDIRECTED.value
    UNREADABLE = "unreadable"
    NOT_KEPT_FRESH = "not_kept_fresh"


class BridgeMetrics:
    """One bridge's metrics in a registry of their own; what is not known, or not this bridge's, has no sample."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.forwarded: Final = self._counter(
            "assay_forward_alerts_total",
            "Alert records delivered, by state; what is told to be kept fresh is not counted, what is told after a rebalance is.",
            "state", ("firing", "resolved"),
        )  # fmt: skip
        self.failed: Final = self._counter(
            "assay_forward_failed_total", "Alert records that were given up, by reason; each is logged.",
            "reason", tuple(Failed),
        )  # fmt: skip
        self.retries: Final = self._counter(
            "assay_forward_retries_total", "Requests that did not get through and are tried again, by reason.",
            "reason", tuple(reason for reason in Reason if reason.retried),
        )  # fmt: skip
        self.waiting_seconds: Final = Gauge(
            "assay_forward_waiting_seconds", "Age of the oldest record that waits to be delivered, 0 if none does.",
            registry=self.registry,
        )  # fmt: skip
        self._lag: Gauge | None = None
        self._firing: Gauge | None = None

    def show_lag(self, records: int) -> None:
        """How far behind the end of the topic the bridge is, once that is known."""
        if self._lag is None:
            text = "Offsets between what is delivered and the end of the topic."
            self._lag = Gauge("assay_forward_lag_records", text, registry=self.registry)
        self._lag.set(records)

    def show_firing(self, alerts: int) -> None:
        """How many alerts fire, where the bridge has to know."""
        if self._firing is None:
            text = "Alerts that fire, as far as the Alertmanager bridge has read."
            self._firing = Gauge("assay_forward_firing_alerts", text, registry=self.registry)
        self._firing.set(alerts)

    def serve(self, host: str, port: int) -> None:
        """Answer at ``/metrics``. Raises ConfigError where the port cannot be had."""
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigError(
                f"forward.metrics_port: cannot listen on {host}:{port} ({error.strerror}); give another port"
            ) from error

    def _counter(self, name: str, text: str, label: str, values: tuple[str, ...]) -> Counter:
        counter = Counter(name, text, [label], registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter
