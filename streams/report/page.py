"""A report as one page of HTML that needs nothing else: no request, no script, every name escaped."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from streams.core.kpis import Kpi
from streams.report import words
from streams.report.charts import chart_of
from streams.report.contents import NO_RANKING, Entry, Report
from streams.report.names import shown
from streams.report.ratios import cost_per_accepted, known_spend
from streams.report.tables import TABLES, cut_short, headline, people, remarks

__all__ = ["render"]


def render(report: Report) -> str:
    """The page."""
    week = report.week
    return _template().render(
        week=week.name,
        first_day=words.day(week.days[0]),
        last_day=words.day(week.days[-1], with_year=True),
        as_of=words.instant(report.newest_ms),
        warning=cut_short(report),
        headline=headline(report),
        tables=TABLES,
        days=[words.day(day) for day in week.days],
        teams=[
            {
                "name": shown(team.entry.place.team),
                "people": people(team.entry.week),
                "entries": [_entry(entry) for entry in (team.entry, *team.workflows)],
                "charts": [(shown(it.place.workflow or ""), chart_of(it, week)) for it in team.workflows],
                "daily": [(shown(it.place.workflow or ""), _daily(it)) for it in team.workflows],
            }
            for team in report.teams
        ],
        no_ranking=NO_RANKING,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("streams.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2")


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "name": "the whole team" if entry.place.workflow is None else shown(entry.place.workflow),
        "is_team": entry.place.workflow is None,
        "remarks": remarks(entry),
        "cells": [[column.cell(entry) for column in table.columns] for table in TABLES],
    }


def _daily(entry: Entry) -> list[tuple[str, list[str]]]:
    """The charts' figures, by row and day."""
    return [(title, [_of_day(kpi, show) for kpi in entry.days]) for title, show in _DAILY]


def _of_day(kpi: Kpi | None, show: Callable[[Kpi], str]) -> str:
    if kpi is None:
        return "no record"
    return f"{show(kpi)}{'*' if kpi.withheld else ''}"


_DAILY: Final[Sequence[tuple[str, Callable[[Kpi], str]]]] = (
    ("Spend", lambda kpi: words.money(known_spend(kpi))),
    ("Accepted", lambda kpi: words.count(kpi.accepted)),
    ("Cost per accepted", lambda kpi: words.money(cost_per_accepted(kpi).value)),
)
