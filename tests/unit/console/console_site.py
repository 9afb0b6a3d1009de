"""A console over records of a test's own, without Kafka and without a port: what is asked, and what is answered."""

import json
from collections.abc import Iterable
from typing import Any

from streams.console.alerts import Alerts
from streams.console.asking import FeedState, Site
from streams.console.figures import Figures
from streams.console.gate import Gate, Pace
from streams.console.letters import Letters
from streams.console.metrics import ConsoleMetrics
from streams.console.service import Answer, Service, State
from streams.core.alerts import Alert
from streams.core.kpis import Kpi
from streams.core.policy import Policy
from streams.core.windows import Window

KEEP_MS = 13 * Window.WEEK


class Console:
    """``state`` and ``site`` can be changed between requests."""

    def __init__(
        self, kpis: Iterable[Kpi] = (), alerts: Iterable[Alert] = (), *, gate: Gate | None = None, base: str = "",
        per_second: int = 1_000_000, max_places: int = 10_000, **site: Any,
    ) -> None:  # fmt: skip
        self.figures = Figures(weeks=13, max_places=max_places)
        self.alerts = Alerts(keep_ms=KEEP_MS, max_alerts=1_000)
        for kpi in kpis:
            self.figures.take(kpi)
        for alert in alerts:
            self.alerts.take(alert)
        while not self.figures.work(1_000):
            pass
        self.site = Site(
            **{
                "figures": self.figures, "alerts": self.alerts, "letters": Letters(), "policy": Policy(), "now_ms": 0,
                "config_version": "v1", "brokers": "kafka:9092", "feeds": (FeedState("t", "following", "", 1, 0, 0),), **site,
            }
        )  # fmt: skip
        self.state = State(True)
        self.now = 0.0
        self.service = Service(
            lambda: self.site, lambda: self.state, gate or Gate(None, None), Pace(per_second, lambda: self.now),
            ConsoleMetrics(), base=base,
        )  # fmt: skip

    def answer(self, path: str, query: str = "", *, method: str = "GET", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.answer(method, path, query, sent)[1]

    def page(self, path: str, query: str = "") -> str:
        found = self.answer(path, query)
        assert found.status == 200, (found.status, found.body[-600:])
        return found.body.decode()

    def document(self, path: str, query: str = "") -> Any:
        found = self.answer(path, f"{query}&format=json")
        assert (found.status, found.content_type) == (200, "application/json"), found.body
        return json.loads(found.body)


def alert(alert_id: str = "a-1", **fields: Any) -> Alert:
    """An alert that fires."""
    return Alert(**{
        "alert_id": alert_id, "revision": 1, "state": "firing", "reason": "first", "detector": "redundant_work", "family": "waste",
        "severity": "warning", "team": "payments", "workflow": "review", "window_start": 1_767_600_000_000,
        "window_end": 1_767_700_000_000, "opened_at": 1_767_700_000_000, "updated_at": 1_767_700_000_000, "observed": 40.0,
        "expected": 4.0, "ratio": 10.0, "sample_size": 2_700, "min_sample_size": 100, "money_at_stake_micro_usd": 43_000_000,
        "evidence": {"score": 1.9, "repeats": 1_100.0}, "summary": "Much is repeated.", "benign_causes": ["a retry"],
        "next_step": "Look at the prompts.", "config_version": "v1", **fields,
    })  # fmt: skip
