"""A report as one JSON document: every ratio beside what it is made of, null for what is unknown."""

from typing import Any, Final

from streams.core.kpis import Kpi
from streams.core.windows import Window
from streams.report.contents import NO_RANKING, Entry, Report
from streams.report.ratios import RATIOS, Ratio, cost_per_accepted, known_spend, orphan_spend, outcomes
from streams.report.weeks import Week

__all__ = ["FORMAT", "document", "entry_document"]

#: Changes when a field changes its meaning or goes away; not when one is added.
FORMAT: Final = 1

_PERIOD: Final = (
    "unpriced_tokens", "calls", "accepted", "rejected", "reversed", "neutral", "defects", "incidents",
    "cycle_times", "cycle_time_p50_ms", "cycle_time_p90_ms",
)  # fmt: skip
_PERIOD_RATIOS: Final = (
    "acceptance_rate", "reversal_rate", "defects_per_accepted", "incidents_per_accepted", "customer_rating",
    "failed_spend_share", "cache_hit_share",
)  # fmt: skip
_COHORT: Final = {
    "mature_runs": "cohort_runs",
    "spend_micro_usd": "cohort_spend_micro_usd",
    "accepted": "cohort_accepted",
    "orphan_runs": "cohort_orphan_runs",
    "orphan_spend_micro_usd": "cohort_orphan_spend_micro_usd",
}
_COVERAGE: Final = ("price_coverage", "call_attribution", "outcome_attribution", "outcome_coverage")


def document(report: Report) -> dict[str, Any]:
    """The report as what a JSON encoder takes. Money is integer micro-dollars, times are milliseconds UTC."""
    return {
        "format": FORMAT,
        "week": _week(report.week),
        "as_of_ms": report.newest_ms,
        "input_ends_early": report.cut_short,
        "totals": {name: total._asdict() for name, total in report.totals.items()},
        "teams": [
            {
                "team": team.entry.place.team,
                **entry_document(team.entry),
                "people": {
                    "active": team.entry.week.active_actors,
                    "licensed": team.entry.week.licensed_actors,
                    "adoption": team.entry.week.adoption,
                    "depth": team.entry.week.depth,
                },
                "workflows": [
                    {
                        "workflow": entry.place.workflow,
                        **entry_document(entry),
                        "people": {"active": entry.week.active_actors},
                    }
                    for entry in team.workflows
                ],
            }
            for team in report.teams
        ],
        "no_ranking": NO_RANKING,
    }


def _week(week: Week) -> dict[str, Any]:
    return {"name": week.name, "start_ms": week.start_ms, "end_ms": week.end_ms}


def entry_document(entry: Entry) -> dict[str, Any]:
    """A team or a workflow as a part of the document, but for its name and its people."""
    kpi = entry.week
    return {
        "closed": entry.closed,
        "figures_from": entry.origin.value,
        "withheld": kpi.withheld,
        "period": {
            "spend_micro_usd": known_spend(kpi),
            "reported_micro_usd": kpi.spend_micro_usd,
            "filled_in_micro_usd": kpi.filled_in_micro_usd,
            **{name: getattr(kpi, name) for name in _PERIOD},
            "outcomes": outcomes(kpi),
            "cost_per_accepted_micro_usd": _cost(entry.ratio(cost_per_accepted)),
            **{name: _ratio(entry.ratio(RATIOS[name])) for name in _PERIOD_RATIOS},
        },
        "cohort": {
            **{name: getattr(kpi, field) for name, field in _COHORT.items()},
            "orphan_spend_ratio": _ratio(entry.ratio(orphan_spend)),
        },
        "coverage": {name: _ratio(entry.ratio(RATIOS[name])) for name in _COVERAGE},
        "change": _changes(entry),
        "days": [_day(kpi.window_start + number * Window.DAY, day) for number, day in enumerate(entry.days)],
    }


def _changes(entry: Entry) -> dict[str, Any]:
    return {
        "cost_per_accepted": {
            "before_micro_usd": _cost(entry.ratio_before(cost_per_accepted))["value"],
            "relative": entry.cost_change,
        },
        "orphan_spend_ratio": {
            "before": entry.ratio_before(orphan_spend).value,
            "difference": entry.orphan_change,
        },
    }


def _day(start_ms: int, kpi: Kpi | None) -> dict[str, Any]:
    return {
        "start_ms": start_ms,
        "told": kpi is not None,
        "withheld": kpi.withheld if kpi else None,
        "calls": kpi.calls if kpi else None,
        "spend_micro_usd": known_spend(kpi) if kpi else None,
        "accepted": kpi.accepted if kpi else None,
        "cost_per_accepted_micro_usd": _cost(cost_per_accepted(kpi)) if kpi else None,
    }


def _ratio(ratio: Ratio) -> dict[str, float | None]:
    return {"value": ratio.value, "numerator": ratio.numerator, "denominator": ratio.denominator}


def _cost(ratio: Ratio) -> dict[str, float | None]:
    """In whole micro-dollars, halves up, as the record has it."""
    over, under = ratio
    if over is None or under is None or under <= 0:
        return _ratio(ratio)
    return {**_ratio(ratio), "value": int((2 * over + under) // (2 * under))}
