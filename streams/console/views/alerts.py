"""``/alerts``: what fires and what was resolved, grouped by what it is about, the worst first."""

from itertools import groupby
from typing import Any, Final

import msgspec

from streams.console.alerts import SEVERITIES
from streams.console.asking import Ask, Site, View, paged
from streams.console.paths import alert_path, place_path
from streams.core.alerts import Alert
from streams.report import words
from streams.report.selection import Place

__all__ = ["FAMILIES", "page"]

FAMILIES: Final = ("runaway", "budget", "waste", "gaming", "quality", "data")
_STATES: Final = ("firing", "resolved")
_ABOUT: Final = {
    "runaway": "Runaway: something to stop now", "budget": "Budget: money that will not last", "waste": "Waste: spend that buys nothing",
    "gaming": "Gaming: figures that are made to look well", "quality": "Quality: more is spent and more breaks",
    "data": "Data: figures that cannot be right",
}  # fmt: skip


def page(site: Site, ask: Ask) -> View:
    """Filters: ``state``, ``severity``, ``family``, and ``q``, a part of a team's, a workflow's or a detector's name."""
    state, severity = ask.choice("state", _STATES), ask.choice("severity", SEVERITIES)
    family, wanted = ask.choice("family", FAMILIES), ask.text("q")
    everything = site.alerts.current()
    found = [
        it
        for it in everything
        if (not state or it.state == state) and (not severity or it.severity == severity)
        and (not family or it.family == family) and _matches(it, wanted)
    ]  # fmt: skip
    paging = paged(len(found), ask.page)
    rows = found[paging.first : paging.last]
    return View(
        "Alerts",
        "alerts.html.j2",
        {
            "groups": _groups(rows), "paging": paging, "states": _STATES, "severities": SEVERITIES, "families": FAMILIES,
            "state": state, "severity": severity, "family": family, "q": wanted, "known": len(everything),
            "firing": sum(it.state == "firing" for it in everything), "weeks": site.history_weeks,
        },
        {
            "order": "firing before resolved, then by severity, then the newest change",
            "page": paging.page, "pages": paging.pages, "total": paging.total,
            "alerts": [msgspec.to_builtins(it) for it in rows],
        },
    )  # fmt: skip


def _groups(rows: list[Alert]) -> list[dict[str, Any]]:
    """In the order of their worst: by whether it fires and what family it is of."""
    by_state = {"firing": "Firing", "resolved": "Resolved"}
    order = {key: number for number, key in reversed(list(enumerate((it.state, it.family) for it in rows)))}
    grouped = sorted(rows, key=lambda it: order[it.state, it.family])
    return [
        {
            "state": state, "title": f"{by_state[state]} \N{MIDDLE DOT} {_ABOUT[family]}", "rows": [_row(it) for it in alerts],
        }
        for (state, family), alerts in groupby(grouped, key=lambda it: (it.state, it.family))
    ]  # fmt: skip


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert,
        "path": alert_path(alert.alert_id),
        "place_path": place_path(Place(alert.team, alert.workflow)),
        "stake": words.money(alert.money_at_stake_micro_usd),
    }


def _matches(alert: Alert, wanted: str) -> bool:
    names = f"{alert.team}/{alert.workflow or ''} {alert.detector} {alert.alert_id}"
    return wanted.casefold() in names.casefold()
