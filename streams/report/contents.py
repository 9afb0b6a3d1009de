"""What a report says: teams and workflows of a week in order of their names, and nothing that ranks them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.ratios import Ratio, cost_per_accepted, known_spend, orphan_spend, together
from streams.report.selection import Place, Selection
from streams.report.sums import sum_of
from streams.report.weeks import Week

__all__ = ["NO_RANKING", "Entry", "Origin", "Report", "Team", "Total", "entry_of", "report_of"]

#: The last sentence of every report.
NO_RANKING: Final = (
    "Teams and workflows are in order of their names, and no person is in this report: a list by volume rewards "
    "whoever uses most or least, not whoever gets something for it."
)


class Origin(StrEnum):
    """Where the figures of a week are from."""

    WEEK = "week"  #: the record that was published when the week closed
    DAYS = "days"  #: the sum of what its days have told so far
    WORKFLOWS = "workflows"  #: the sum of its workflows: the input has no record of the team itself


@dataclass(frozen=True, slots=True)
class Entry:
    """One team or one workflow.

    Attributes:
        place: Which.
        week: Its figures.
        origin: Where they are from.
        parts: The records that ``week`` is the sum of, or itself.
        days: The days from Monday to Sunday, for a look at how the week went.
        before: The same as ``parts``, of the week before; empty if the input has none.
    """

    place: Place
    week: Kpi
    origin: Origin
    parts: tuple[Kpi, ...]
    days: tuple[Kpi | None, ...]
    before: tuple[Kpi, ...]

    def ratio(self, ratio: Callable[[Kpi], Ratio]) -> Ratio:
        """A ratio of the week."""
        return together(ratio, self.parts)

    def ratio_before(self, ratio: Callable[[Kpi], Ratio]) -> Ratio:
        """The same of the week before."""
        return together(ratio, self.before)

    @property
    def closed(self) -> bool:
        """Whether the week's own record is out."""
        return self.origin is Origin.WEEK

    @property
    def withheld(self) -> bool:
        """Whether something is left out because it concerns too few people."""
        return self.week.withheld is not None

    @property
    def cost_change(self) -> float | None:
        """Cost per accepted outcome against the week before: 0.1 is a tenth more."""
        now, before = self.ratio(cost_per_accepted).value, self.ratio_before(cost_per_accepted).value
        return now / before - 1 if now is not None and before else None

    @property
    def orphan_change(self) -> float | None:
        """Orphan spend ratio less that of the week before: 0.1 is ten percentage points more."""
        now, before = self.ratio(orphan_spend).value, self.ratio_before(orphan_spend).value
        return now - before if now is not None and before is not None else None


@dataclass(frozen=True, slots=True)
class Team:
    """A team and its workflows, in order of their names."""

    entry: Entry
    workflows: tuple[Entry, ...]


class Total(NamedTuple):
    """A sum over teams, of those ``known`` of all ``teams`` that know the figure; None if none does."""

    value: int | None
    known: int
    teams: int


@dataclass(frozen=True, slots=True)
class Report:
    """One week. ``newest_ms`` is how far the events of the whole input go, as far as that is told."""

    week: Week
    newest_ms: int | None
    teams: tuple[Team, ...]

    @property
    def cut_short(self) -> bool:
        """Whether the input ends well before the week does, so that even what has closed covers a part of it."""
        return self.newest_ms is not None and self.newest_ms < self.week.end_ms - Window.DAY

    @property
    def totals(self) -> dict[str, Total]:
        """What adds up over teams. Ratios and percentiles do not: teams' outcomes are not of one kind."""
        weeks = [team.entry.week for team in self.teams]
        figures = {"spend_micro_usd": [known_spend(week) for week in weeks]}
        figures |= {name: [getattr(week, name) for week in weeks] for name in _TOTALS}
        return {name: _total(values) for name, values in figures.items()}


_TOTALS: Final = (
    "unpriced_tokens", "calls", "accepted", "rejected", "reversed", "defects", "incidents", "cohort_runs",
    "cohort_spend_micro_usd", "cohort_orphan_runs", "cohort_orphan_spend_micro_usd",
)  # fmt: skip


def report_of(selection: Selection, week: Week, team: str | None = None) -> Report:
    """The report of a week, of one team if it is given; without records of it the report has no teams."""
    places = [place for place in selection.places(week) if team is None or place.team == team]
    teams = []
    for name, of_team in groupby(places, key=lambda place: place.team):
        workflows = tuple(entry_of(selection, week, place) for place in of_team if place.workflow is not None)
        entry = entry_of(selection, week, Place(name, None), workflows)
        teams.append(Team(entry, workflows))
    return Report(week, selection.newest_ms, tuple(teams))


def entry_of(selection: Selection, week: Week, place: Place, workflows: tuple[Entry, ...] = ()) -> Entry:
    """One team's or one workflow's week; a team without a record of its own is the sum of ``workflows``."""
    parts, origin = _parts(selection, week, place)
    if not parts:
        parts, origin = tuple(workflow.week for workflow in workflows), Origin.WORKFLOWS
    before, _ = _parts(selection, week.before, place)
    figures = parts[0] if origin is Origin.WEEK else sum_of(parts, week, place)
    return Entry(place, figures, origin, parts, selection.days(week, place), before)


def _parts(selection: Selection, week: Week, place: Place) -> tuple[tuple[Kpi, ...], Origin]:
    record = selection.week(week, place)
    if record is not None:
        return (record,), Origin.WEEK
    return tuple(day for day in selection.days(week, place) if day is not None), Origin.DAYS


def _total(values: list[int | None]) -> Total:
    known = [value for value in values if value is not None]
    return Total(sum(known) if known else None, len(known), len(values))
