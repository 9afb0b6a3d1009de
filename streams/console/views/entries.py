"""What the lists of teams and of workflows have in common: rows in order of what got worse, never of how much it is."""

from typing import Any, Final

from streams.console.alerts import SEVERITIES
from streams.console.asking import Ask, Site, View, paged
from streams.console.charts import sparkline
from streams.console.figures import Rank
from streams.console.paths import place_path
from streams.core.kpis import Kpi
from streams.report import words
from streams.report.contents import Entry
from streams.report.document import entry_document
from streams.report.ratios import cost_per_accepted
from streams.report.selection import Place
from streams.report.tables import TABLES, Column, remarks

__all__ = ["COLUMNS", "cells_of", "listing"]

_BY_TITLE: Final = {column.title: column for table in reversed(TABLES) for column in table.columns}
#: As in the report, with the names and words that it has for them.
COLUMNS: Final[tuple[Column, ...]] = tuple(
    _BY_TITLE[title]
    for title in (
        "Cost per accepted", "Change in a week", "Spend", "Accepted", "Orphan share", "Orphan spend",
        "Calls with a known cost", "Calls that name a run", "Mature runs with an outcome",
    )
)  # fmt: skip
_SHORT: Final = {
    "Change in a week": "Change", "Calls with a known cost": "Priced", "Calls that name a run": "Attributed",
    "Mature runs with an outcome": "With outcome",
}  # fmt: skip
_FIRING: Final = ("firing",)


def listing(site: Site, ask: Ask, *, teams: bool) -> View:
    """The list of teams, or of workflows. Filters: ``q`` is a part of a name, ``alerts=firing`` those with one."""
    wanted, state = ask.text("q"), ask.choice("alerts", _FIRING)
    firing = site.alerts.worst_firing()
    ranks = [
        rank
        for rank in site.figures.ranks(teams=teams)
        if rank.place in site.figures and _matches(rank.place, wanted) and (not state or rank.place in firing)
    ]
    # Sorting is stable: below what fires, worst first, it stays in the order of what got worse.
    ranks.sort(key=lambda rank: SEVERITIES.index(firing[rank.place]) if rank.place in firing else len(SEVERITIES))
    paging = paged(len(ranks), ask.page)
    week = site.figures.week
    rows = [_row(site, rank, firing.get(rank.place)) for rank in ranks[paging.first : paging.last]]
    noun = "team" if teams else "workflow"
    return View(
        "Teams" if teams else "Workflows",
        "entries.html.j2",
        {
            "noun": noun, "week": week, "rows": [row for row, _ in rows], "paging": paging, "q": wanted, "state": state,
            "columns": [_SHORT.get(column.title, column.title) for column in COLUMNS],
            "known": len(site.figures.ranks(teams=teams)), "left_out": site.figures.left_out,
            "weeks": len(site.figures.past_weeks),
        },
        {
            "week": None if week is None else {"name": week.name, "start_ms": week.start_ms, "end_ms": week.end_ms},
            "order": "firing alerts by severity, then what got worse in a week, then names; never by volume",
            "page": paging.page, "pages": paging.pages, "total": paging.total,
            f"{noun}s": [document for _, document in rows],
        },
    )  # fmt: skip


def cells_of(entry: Entry) -> list[dict[str, Any]]:
    """An entry's figures, in the order of the columns."""
    return [{"title": _SHORT.get(it.title, it.title), "cell": it.cell(entry)} for it in COLUMNS]


def _row(site: Site, rank: Rank, severity: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    entry = site.figures.entry(rank.place)
    assert entry is not None
    weeks = site.figures.weeks_of(rank.place)
    costs = [_cost(weeks.get(week)) for week in site.figures.past_weeks]
    place = rank.place
    row = {
        "place": place, "path": place_path(place), "severity": severity, "remarks": remarks(entry), "cells": cells_of(entry),
        "spark": sparkline(costs), "spark_words": _in_words(costs),
        "worse": _got_worse(entry),
    }  # fmt: skip
    document = {
        "team": place.team, **({} if place.workflow is None else {"workflow": place.workflow}),
        "firing": severity, "worse_by": rank.worse, **entry_document(entry),
        "cost_per_accepted_by_week_micro_usd": costs,
    }  # fmt: skip
    document.pop("days")
    return row, document


#: A tenth more for the same, or ten points more for nothing.
_NOTABLE: Final = 0.1


def _got_worse(entry: Entry) -> set[str]:
    """The columns whose figure is notably worse than in the week before."""
    changes = {"Change": entry.cost_change, "Orphan share": entry.orphan_change}
    return {title for title, change in changes.items() if change is not None and change > _NOTABLE}


def _cost(kpi: Kpi | None) -> float | None:
    return None if kpi is None else cost_per_accepted(kpi).value


def _in_words(costs: list[float | None]) -> str:
    known = [it for it in costs if it is not None]
    if not known:
        return f"cost per accepted outcome: {words.UNKNOWN}"
    return (
        f"cost per accepted outcome by week: {words.plural(len(known), 'week')} known, lowest {words.money(min(known))}, "
        f"highest {words.money(max(known))}, last known {words.money(known[-1])}"
    )


def _matches(place: Place, wanted: str) -> bool:
    name = place.team if place.workflow is None else f"{place.team}/{place.workflow}"
    return wanted.casefold() in name.casefold()
