"""``/alerts/ID``: what one alert is based on."""

import shlex
from typing import Any, Final

from streams.console.asking import Ask, NotThere, Site, View
from streams.console.paths import place_path
from streams.core.alerts import Alert
from streams.detectors import REGISTRY
from streams.explain.document import Explanation, document, reason_words, score_of
from streams.explain.words import THRESHOLD, number, persistence, silencers
from streams.report import words
from streams.report.names import shown
from streams.report.selection import Place

__all__ = ["page"]

_DETECTORS: Final = {detector.name: detector for detector in REGISTRY}
_BAR: Final = 420


def page(site: Site, ask: Ask) -> View:
    """The alert of the path. Raises NotThere where it is not known."""
    (alert_id,) = ask.names
    life = site.alerts.life(alert_id)
    if life is None:
        near = "".join(f" {shown(it)}" for it in site.alerts.near(alert_id)[:3]) if len(alert_id) < 200 else ""
        hint = f" The nearest ids are{near}." if near else ""
        raise NotThere(
            f"There is no alert of that id; resolved ones are kept for {words.plural(site.history_weeks, 'week')}.{hint}"
        )
    now = life.current
    detector = _DETECTORS.get(now.detector)
    explanation = document([Explanation(life, detector)])
    command = f"assay explain {shlex.quote(alert_id)} --brokers {site.brokers or 'BROKERS'} --rebuild"
    return View(
        f"{shown(now.detector)} in {shown(now.team)}",
        "alert.html.j2",
        {
            "alert": now, "place_path": place_path(Place(now.team, now.workflow)), "detector": detector,
            "persistence": None if detector is None else persistence(detector),
            "silencers": [] if detector is None else list(silencers(detector, now)),
            "bars": _bars(now), "observed": number(now.observed), "expected": number(now.expected), "ratio": number(now.ratio),
            "score": number(score_of(now)), "threshold": f"{THRESHOLD:g}",
            "evidence": [(name, number(value)) for name, value in sorted(now.evidence.items()) if name != "score"],
            "stake": words.money(now.money_at_stake_micro_usd), "missing": life.missing,
            "sample": words.count(now.sample_size), "needed": words.count(now.min_sample_size),
            "timeline": [
                {
                    "record": it, "words": reason_words(it.reason) or "a reason that this release does not know",
                    "score": number(score_of(it)), "stake": words.money(it.money_at_stake_micro_usd),
                }
                for it in reversed(life.records)
            ],
            "command": command if alert_id.isprintable() else "",
        },
        {**explanation["alerts"][0], "reproduce": command},
    )  # fmt: skip


def _bars(alert: Alert) -> list[dict[str, Any]] | None:
    """Observed and expected, each as long as it is of the greater; None where either is unknown or below zero."""
    values = (alert.observed, alert.expected)
    if any(it is None or it < 0 for it in values):
        return None
    observed, expected = (it or 0.0 for it in values)
    most = max(observed, expected)
    if not most:
        return None
    return [
        {"title": title, "kind": title, "width": round(max(1.0, _BAR * value / most), 1), "text": number(value)}
        for title, value in (("observed", observed), ("expected", expected))
    ]
