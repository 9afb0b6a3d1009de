"""What the console counts of itself, for Prometheus; ``docs/console.md`` lists it, and a test compares the two."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["OTHER", "ConsoleMetrics"]

#: Requests for what is no page: assets, paths that nobody has, and what is refused before it is known.
OTHER: Final = "other"
_DURATIONS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)


class ConsoleMetrics:
    """One console's metrics in a registry of their own; none has a team or a workflow."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.requests: Final = Counter(
            "assay_console_requests_total", "Requests answered, by page and class of the status.", ["page", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds: Final = Histogram(
            "assay_console_page_duration_seconds", "From a request's headers to its page, by page.", ["page"],
            registry=self.registry, buckets=_DURATIONS,
        )  # fmt: skip
        self.places: Final = Gauge("assay_console_places", "Teams and workflows that are kept.", registry=self.registry)
        self.alerts: Final = Gauge("assay_console_alerts", "Alerts that are kept.", registry=self.registry)
        self.ready: Final = Gauge(
            "assay_console_ready", "Whether the topics have been read: 1, or 0 until then.", registry=self.registry
        )
        self.unreadable: Final = Gauge(
            "assay_console_unreadable_records", "Records read that are none, by topic, the prefix left out.", ["topic"],
            registry=self.registry,
        )  # fmt: skip

    def answered(self, page: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests.labels(page, f"{status // 100}xx").inc()
        self.seconds.labels(page).observe(seconds)
