"""The pages for machines on Faust's web server: ``/metrics``, ``/healthz``, ``/readyz``; GET and HEAD only."""

from typing import Any

import faust
from faust.web import Request, Response, View

from streams.telemetry.exposition import CONTENT_TYPE, render
from streams.telemetry.registry import Telemetry
from streams.web.health import STUCK_AFTER_SECONDS, HealthState, Verdict, liveness, readiness

__all__ = ["mount"]


def mount(
    app: faust.App, telemetry: Telemetry, state: HealthState, *, stuck_after_seconds: float = STUCK_AFTER_SECONDS
) -> None:
    """Add the pages to the app's web server; call before the app starts.

    Faust starts its web server before the consumer and the tables, so the pages answer while the worker recovers.
    """

    # Faust adds a route by asking the view class for the methods it overrides: classes, not functions, are what its
    # driver handles, and `get` alone leaves every other method to a 405.
    class Metrics(View):
        """The metrics in Prometheus' text format."""

        async def get(self, _request: Request, **_match: Any) -> Response:
            return self.bytes(render(telemetry), headers={"Content-Type": CONTENT_TYPE})

    class Healthz(View):
        """Whether the worker is alive: 200, or 503 when a restart would help."""

        async def get(self, _request: Request, **_match: Any) -> Response:
            return _answer(self, liveness(state, stuck_after_seconds=stuck_after_seconds), state)

    class Readyz(View):
        """Whether the worker is ready: 200 or 503."""

        async def get(self, _request: Request, **_match: Any) -> Response:
            return _answer(self, readiness(state, stuck_after_seconds=stuck_after_seconds), state)

    app.page("/metrics", name="assay:metrics")(Metrics)
    app.page("/healthz", name="assay:healthz")(Healthz)
    app.page("/readyz", name="assay:readyz")(Readyz)


def _answer(view: View, verdict: Verdict, state: HealthState) -> Response:
    """A verdict as JSON, with what it was decided from; an unknown age is null."""
    body = {
        "status": "ok" if verdict.ok else "unavailable",
        "reasons": [str(reason) for reason in verdict.reasons],
        "recovering_shards": state.recovering_shards,
        "assigned": state.assigned,
        "rebalancing": state.rebalancing,
        "last_progress_age_seconds": state.last_progress_age_seconds,
        "lag_records": state.lag_records,
        "stopping_reason": state.stopping_reason,
    }
    return view.json(body, status=verdict.status, headers={"Cache-Control": "no-store"})
