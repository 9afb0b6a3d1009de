"""``/``: whether the pipeline is well, stage by stage, and what fires."""

from dataclasses import asdict
from typing import Any

from streams.console.asking import Ask, Site, View
from streams.console.paths import alert_path
from streams.console.views.pipeline import problems, stages, worker_of
from streams.report import words

__all__ = ["page"]

_MOST_ALERTS = 5
_MOST_WORKERS = 50


def page(site: Site, ask: Ask) -> View:
    """The status page."""
    wrong = problems(site)
    asked = bool(site.workers) or bool(site.ingests)
    found = stages(site)
    workers = [worker_of(it) for it in site.workers or ()]
    firing = site.alerts.firing()
    sentence = " ".join(wrong) or (
        "Nothing is known to be wrong." if asked else "The topics are read; how workers do is unknown."
    )
    return View(
        "Status",
        "status.html.j2",
        {
            "sentence": sentence, "well": not wrong, "asked": asked, "stages": [_shown(it._asdict()) for it in found],
            "workers": workers[:_MOST_WORKERS], "more_workers": max(0, len(workers) - _MOST_WORKERS),
            "feeds": site.feeds, "firing": [(it, alert_path(it.alert_id)) for it in firing[:_MOST_ALERTS]],
            "more_firing": max(0, len(firing) - _MOST_ALERTS), "places": len(site.figures),
        },
        {
            "sentence": sentence, "problems": wrong, "stages": [it._asdict() for it in found],
            "workers": [it._asdict() for it in workers[:_MOST_WORKERS]], "topics": [asdict(it) for it in site.feeds],
            "firing": len(firing),
        },
    )  # fmt: skip


def _shown(stage: dict[str, Any]) -> dict[str, Any]:
    rate, lag = stage["rate"], stage["lag_seconds"]
    return {
        **stage,
        "rate": words.UNKNOWN if rate is None else f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}",
        "lag": words.UNKNOWN if lag is None else f"{lag:,.0f} s",
    }
