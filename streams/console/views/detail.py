"""One team or one workflow: what is spent against what comes of it, over weeks and days, with its alerts on the axis."""

from collections.abc import Callable
from typing import Any, Final

from streams.console.asking import Ask, NotThere, Site, View
from streams.console.charts import Series, panels, place_of
from streams.console.paths import alert_path, place_path
from streams.console.views.entries import cells_of
from streams.core.alerts import Alert
from streams.core.kpis import Kpi
from streams.report import words
from streams.report.charts import Chart
from streams.report.document import entry_document
from streams.report.names import shown
from streams.report.ratios import cost_per_accepted, known_spend, orphan_spend
from streams.report.selection import Place
from streams.report.tables import TABLES, people, remarks
from streams.report.weeks import Week

__all__ = ["detail"]

_MOST_ALERTS: Final = 50
_MOST_WORKFLOWS: Final = 100
_TOKENS: Final = (
    ("input_tokens", "Input"), ("cache_read_tokens", "Read from a cache"), ("cache_write_tokens", "Written to a cache"),
    ("output_tokens", "Output"),
)  # fmt: skip


def detail(site: Site, ask: Ask, place: Place) -> View:
    """The page. Raises NotThere where nothing is known of the place."""
    entry = site.figures.entry(place)
    week = site.figures.week
    if entry is None or week is None:
        what = "team" if place.workflow is None else "workflow"
        raise NotThere(
            f"There is no {what} of that name in the last {site.history_weeks} weeks. Names are as they were sent."
        )
    by_week, days = site.figures.weeks_of(place), site.figures.days_of(place)
    weeks = site.figures.past_weeks
    alerts = site.alerts.of(place)[:_MOST_ALERTS]
    records = [by_week.get(it) for it in weeks]
    inside = [] if place.workflow is not None else site.figures.workflows_of(place.team)
    title = shown(place.team) if place.workflow is None else f"{shown(place.team)} / {shown(place.workflow)}"
    return View(
        title,
        "detail.html.j2",
        {
            "place": place, "path": place_path(place), "team_path": place_path(Place(place.team, None)), "entry": entry,
            "week": week, "remarks": remarks(entry), "cells": cells_of(entry),
            "people": people(entry.week) if place.workflow is None else "",
            "tables": [(table, [(it.title, it.cell(entry)) for it in table.columns]) for table in TABLES],
            "chart": _chart(records, weeks), "marks": _marks(alerts, weeks), "tokens": _tokens(entry.week),
            "daily": _daily(days), "windows": [_window(by_week[it]) for it in reversed(weeks) if it in by_week],
            "day_rows": [_window(it) for it in reversed(days)],
            "alerts": [(it, alert_path(it.alert_id)) for it in alerts],
            "workflows": [(it, place_path(it)) for it in inside[:_MOST_WORKFLOWS]],
            "more_workflows": max(0, len(inside) - _MOST_WORKFLOWS),
            "policy": _policy(site, place),
        },
        {
            "team": place.team, "workflow": place.workflow, **entry_document(entry),
            "week": {"name": week.name, "start_ms": week.start_ms, "end_ms": week.end_ms},
            "weeks": [_record(it) for it in records if it is not None], "recent_days": [_record(it) for it in days],
            "alerts": [it.alert_id for it in alerts], "workflows": [it.workflow for it in inside],
        },
    )  # fmt: skip


def _accepted(kpi: Kpi) -> float | None:
    return kpi.accepted


_COUNT: Final = "{:,.0f}".format
#: Period first, then the cohort of the runs that began in the window, then how long accepted work took.
_PANELS: Final[tuple[tuple[str, str, Callable[[Kpi], float | None], Callable[[float], str]], ...]] = (
    ("spend", "Spend", known_spend, words.short_money),
    ("accepted", "Accepted", _accepted, _COUNT),
    ("cost", "Cost each", lambda kpi: cost_per_accepted(kpi).value, words.short_money),
    ("orphan", "Orphan share", lambda kpi: orphan_spend(kpi).value, words.share),
    ("band", "Cycle time", lambda kpi: kpi.cycle_time_p50_ms, lambda ms: words.duration(round(ms))),
)


def _chart(records: list[Kpi | None], weeks: list[Week]) -> Chart:
    missing, partial = [it is None for it in records], [it is not None and it.withheld is not None for it in records]
    series = [
        Series(
            kind, title, [None if it is None else figure(it) for it in records], show, missing, partial,
            [None if it is None else it.cycle_time_p90_ms for it in records] if kind == "band" else (),
        )
        for kind, title, figure, show in _PANELS
    ]  # fmt: skip
    said = "; ".join(
        f"{week.name}: no record" if it is None else _sentence(week, it)
        for week, it in zip(weeks, records, strict=True)
    )
    return panels(series, [week.name.partition("-")[2] for week in weeks], f"{said}.")


def _sentence(week: Week, kpi: Kpi) -> str:
    cost = words.money(cost_per_accepted(kpi).value)
    return f"{week.name}: spend {words.money(known_spend(kpi))}, accepted {words.count(kpi.accepted)}, each {cost}"


def _daily(days: list[Kpi]) -> Chart | None:
    if not days:
        return None
    first, last = days[0].window_start, days[-1].window_start
    size = days[0].window_size_ms
    by_start = {it.window_start: it for it in days}
    records = [by_start.get(start) for start in range(first, last + 1, size)]
    missing, partial = [it is None for it in records], [it is not None and it.withheld is not None for it in records]
    series = [
        Series(kind, title, [None if it is None else figure(it) for it in records], show, missing, partial)
        for kind, title, figure, show in _PANELS[:3]
    ]
    labels = [words.instant(start)[5:10] for start in range(first, last + 1, size)]
    return panels(series, labels, "The days are in the table of windows below.")


def _marks(alerts: list[Alert], weeks: list[Week]) -> list[dict[str, Any]]:
    """Alerts on the axis of weeks: where each was opened, if the chart goes back so far."""
    found = []
    for alert in alerts:
        at = (alert.opened_at - weeks[0].start_ms) / (weeks[0].end_ms - weeks[0].start_ms) - 0.5
        if -0.5 <= at <= len(weeks) - 0.5:
            found.append({"x": place_of(at, len(weeks)), "alert": alert, "path": alert_path(alert.alert_id)})
    return found


def _tokens(kpi: Kpi) -> list[dict[str, Any]]:
    """The mix, as shares of a bar that is 100 wide."""
    counts = [(name, title, getattr(kpi, name)) for name, title in _TOKENS]
    total = sum(count for _, _, count in counts)
    mix, x = [], 0.0
    for name, title, count in counts:
        width = 100 * count / total if total else 0.0
        mix.append({
            "kind": name.removesuffix("_tokens").replace("_", "-"), "title": title, "count": words.count(count),
            "share": words.share(count / total if total else None), "x": round(x, 2), "width": round(width, 2),
        })  # fmt: skip
        x += width
    return mix


def _window(kpi: Kpi) -> dict[str, Any]:
    is_week = kpi.window_size_ms == kpi.window_end - kpi.window_start and kpi.window_size_ms > 86_400_000
    return {
        "name": Week.of(kpi.window_start).name if is_week else words.instant(kpi.window_start)[:10],
        "start_ms": kpi.window_start, "kpi": kpi, "spend": words.money(known_spend(kpi)),
        "accepted": words.count(kpi.accepted), "rejected": words.count(kpi.rejected), "reversed": words.count(kpi.reversed),
        "cost": words.money(cost_per_accepted(kpi).value), "orphan": words.share(orphan_spend(kpi).value),
        "calls": words.count(kpi.calls), "cycle": words.duration(kpi.cycle_time_p50_ms), "withheld": kpi.withheld,
    }  # fmt: skip


def _record(kpi: Kpi) -> dict[str, Any]:
    return {name: getattr(kpi, name) for name in kpi.__struct_fields__}


def _policy(site: Site, place: Place) -> list[str]:
    """What the policy says of the place, in its own words."""
    if place.workflow is None:
        team = site.policy.team(place.team)
        budget = team.monthly_budget_micro_usd
        said = [f"monthly budget {words.money(budget)}"]
        if team.outcomes_expected is not None:
            said.append(f"outcomes are {'' if team.outcomes_expected else 'not '}expected")
        return said
    workflow = site.policy.workflow(place.team, place.workflow)
    said = []
    if workflow.declared_schedule:
        said.append("declared schedule: automation that is meant to be periodic")
    if workflow.exploratory:
        said.append("exploratory: outcomes are not expected run by run")
    if workflow.snoozed_until:
        said.append(f"snoozed until {workflow.snoozed_until.isoformat()}")
    return said
