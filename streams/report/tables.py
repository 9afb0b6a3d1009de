"""The tables of a report, once for every form that shows them: columns, and what a cell of them says."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from streams.core.kpis import Kpi
from streams.report import words
from streams.report.contents import Entry, Origin, Report
from streams.report.ratios import RATIOS, cost_per_accepted, known_spend

__all__ = ["TABLES", "Cell", "Column", "Table", "cut_short", "headline", "people", "remarks"]


class Cell(NamedTuple):
    """What is said, and in smaller letters what it is made of, or why it is unknown."""

    text: str
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a figure."""
        return self.text != words.UNKNOWN


class Column(NamedTuple):
    """A figure of an entry."""

    title: str
    cell: Callable[[Entry], Cell]


class Table(NamedTuple):
    """Figures that belong together, and what they are figures of."""

    title: str
    explanation: str
    columns: Sequence[Column]


def _count(name: str) -> Callable[[Entry], Cell]:
    return lambda entry: Cell(words.count(getattr(entry.week, name)))


def _share(name: str) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        ratio = entry.ratio(RATIOS[name])
        if ratio.value is None:
            return Cell(words.UNKNOWN)
        return Cell(words.share(ratio.value), f"{ratio.numerator:,} of {ratio.denominator:,}")

    return cell


def _spend(entry: Entry) -> Cell:
    coverage, known = entry.ratio(RATIOS["price_coverage"]).value, known_spend(entry.week)
    partly = known is not None and coverage is not None and coverage < 1
    return Cell(words.money(known), f"{words.share(coverage)} priced" if partly else "")


def _cost_per_accepted(entry: Entry) -> Cell:
    ratio = entry.ratio(cost_per_accepted)
    if ratio.value is not None:
        return Cell(words.money(ratio.value))
    if entry.week.accepted is None:
        return Cell(words.UNKNOWN, "no outcome source")
    if entry.week.withheld and known_spend(entry.week) is not None:
        return Cell(words.UNKNOWN, "spend partly withheld")
    return Cell(words.UNKNOWN, "no cost known" if ratio.numerator is None else "none accepted")


def _failed_spend(entry: Entry) -> Cell:
    ratio = entry.ratio(RATIOS["failed_spend_share"])
    if ratio.value is None:
        return Cell(words.UNKNOWN)
    return Cell(words.share(ratio.value), words.money(ratio.numerator))


def _per_accepted(name: str) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        ratio = entry.ratio(RATIOS[f"{name}_per_accepted"])
        if ratio.numerator is None:
            return Cell(words.UNKNOWN)
        return Cell(words.per_hundred(ratio.value), words.plural(round(ratio.numerator), name.removesuffix("s")))

    return cell


def _cache_hits(entry: Entry) -> Cell:
    return Cell(words.share(entry.ratio(RATIOS["cache_hit_share"]).value))


def _rating(entry: Entry) -> Cell:
    value, number = entry.ratio(RATIOS["customer_rating"]).value, entry.week.ratings
    if value is None or number is None:
        return Cell(words.UNKNOWN)
    return Cell(f"{value:.2f} of 1", words.plural(number, "rating"))


def _cycle_time(name: str) -> Callable[[Entry], Cell]:
    return lambda entry: Cell(words.duration(getattr(entry.week, name)))


def _people(entry: Entry) -> Cell:
    return Cell(entry.week.active_actors or words.UNKNOWN)


def _cost_change(entry: Entry) -> Cell:
    before = entry.ratio_before(cost_per_accepted).value
    return _change(entry, words.change(entry.cost_change), None if before is None else words.money(before))


def _orphan_share(entry: Entry) -> Cell:
    return Cell(words.share(entry.ratio(RATIOS["orphan_spend_ratio"]).value))


def _orphan_change(entry: Entry) -> Cell:
    before = entry.ratio_before(RATIOS["orphan_spend_ratio"]).value
    return _change(entry, words.points(entry.orphan_change), None if before is None else words.share(before))


def _change(entry: Entry, text: str, before: str | None) -> Cell:
    if not entry.before:
        return Cell(words.UNKNOWN, "no week before")
    return Cell(text, f"from {before}" if before is not None else "")


def _cohort_money(name: str, runs: str) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        number = getattr(entry.week, runs)
        note = "no run is mature yet" if number is None else words.plural(number, "run")
        return Cell(words.money(getattr(entry.week, name)), note)

    return cell


TABLES: Final = (
    Table(
        "What happened in this week",
        "Calls and outcomes by when they happened, whichever week the work began in.",
        (
            Column("Spend", _spend),
            Column("Accepted", _count("accepted")),
            Column("Rejected", _count("rejected")),
            Column("Reversed", _count("reversed")),
            Column("Acceptance rate", _share("acceptance_rate")),
            Column("Reversal rate", _share("reversal_rate")),
            Column("Cost per accepted", _cost_per_accepted),
            Column("Change in a week", _cost_change),
        ),
    ),
    Table(
        "How it went",
        "In the same week. Defects and incidents are for each hundred accepted outcomes.",
        (
            Column("Cycle time, median", _cycle_time("cycle_time_p50_ms")),
            Column("Cycle time, 90th percentile", _cycle_time("cycle_time_p90_ms")),
            Column("Defects per 100", _per_accepted("defects")),
            Column("Incidents per 100", _per_accepted("incidents")),
            Column("Customer rating", _rating),
            Column("Failed spend", _failed_spend),
            Column("Cache hits", _cache_hits),
            Column("Active people", _people),
        ),
    ),
    Table(
        "What the runs that began in this week came to",
        "Only runs that are mature, whenever they were paid for. Orphan spend led to nothing that was accepted and stood. "
        "Amounts are rounded where people had a part in them.",
        (
            Column("Mature runs", _count("cohort_runs")),
            Column("What they cost", _cohort_money("cohort_spend_micro_usd", "cohort_runs")),
            Column("Accepted", _count("cohort_accepted")),
            Column("Orphan spend", _cohort_money("cohort_orphan_spend_micro_usd", "cohort_orphan_runs")),
            Column("Orphan share", _orphan_share),
            Column("Change in a week", _orphan_change),
        ),
    ),
    Table(
        "How much of this is known",
        "Where these are low, the figures above say less.",
        (
            Column("Calls", _count("calls")),
            Column("Calls with a known cost", _share("price_coverage")),
            Column("Tokens of unknown cost", _count("unpriced_tokens")),
            Column("Calls that name a run", _share("call_attribution")),
            Column("Outcomes joined by run", _share("outcome_attribution")),
            Column("Mature runs with an outcome", _share("outcome_coverage")),
        ),
    ),
)


def headline(report: Report) -> list[tuple[str, Cell]]:
    """The sums over teams, as far as each team knows its part."""
    totals = report.totals
    said = []
    for name, title, show in _HEADLINE:
        value, known, teams = totals[name]
        said.append((title, Cell(show(value), "" if known in (0, teams) else f"known of {known} of {teams} teams")))
    return said


_HEADLINE: Final[Sequence[tuple[str, str, Callable[[int | None], str]]]] = (
    ("spend_micro_usd", "Spend", words.money),
    ("unpriced_tokens", "Tokens of unknown cost", words.count),
    ("calls", "Calls", words.count),
    ("accepted", "Accepted", words.count),
    ("rejected", "Rejected", words.count),
    ("reversed", "Reversed", words.count),
    ("cohort_spend_micro_usd", "Cost of mature runs", words.money),
    ("cohort_orphan_spend_micro_usd", "Orphan spend of it", words.money),
)


def remarks(entry: Entry) -> list[str]:
    """What to know of an entry before reading its figures."""
    said = []
    if entry.origin is Origin.DAYS:
        said.append("week not closed yet")
    if entry.origin is Origin.WORKFLOWS:
        said.append("sum of its workflows: there is no record of the team")
    if entry.withheld:
        said.append("partly withheld: too few people")
    return said


def people(team: Kpi) -> str:
    """How many people use it and how much, in bands; none of it says who."""
    said = [f"Active people {team.active_actors or words.UNKNOWN}"]
    licensed = "" if team.licensed_actors is None else f" of {team.licensed_actors:,}"
    said.append(f"adoption {team.adoption or words.UNKNOWN}{licensed if team.adoption else ''}")
    said.append(f"depth {team.depth or words.UNKNOWN}{' calls each' if team.depth else ''}")
    return ", ".join(said)


def cut_short(report: Report) -> str:
    """A warning that the input ends before the week does; empty if it does not."""
    if not report.cut_short:
        return ""
    return f"The input ends at {words.instant(report.newest_ms)}, before the end of the week: more may come."
