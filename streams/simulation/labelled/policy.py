"""The policy that goes with a scenario: what the organisation says about its teams, guilty and innocent alike."""

from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from streams.simulation.labelled.climate import DAYS
from streams.simulation.labelled.company import Team
from streams.simulation.labelled.ledger import DAY_MS, Ledger, Repricing
from streams.simulation.labelled.plan import Plan
from streams.simulation.prices import MODELS

__all__ = ["policy_of", "price_book"]

_MONTH_DAYS: Final = 30.4
#: A burn is planted against a budget that ordinary weeks nearly use up; other budgets have room.
_TIGHT: Final = 1.2
_LOOSE: Final = (1.7, 3.0)
_BUDGETED: Final = 0.6
_MICRO: Final = 1_000_000


def policy_of(
    rng: Random, teams: list[Team], plan: Plan, ledger: Ledger, targets: dict[str, tuple[str, int]], start_ms: int
) -> dict[str, Any]:
    """The content of the policy file."""
    said: dict[str, dict[str, Any]] = {}
    workflows: dict[str, dict[str, Any]] = {}
    for team in teams:
        mine, about = plan.teams[team.name], {}
        behaviour = mine.episode.behaviour if mine.episode is not None else None
        budget, licensed, expected = rng.random() < _BUDGETED, rng.random() < 0.5, rng.random() < 0.5
        loose = rng.uniform(*_LOOSE)
        if mine.episode is not None and behaviour == "budget_burn":
            began = (mine.episode.start_ms - start_ms) // DAY_MS
            about["monthly_budget_usd"] = _dollars(_a_month(team, ledger, began - 21, began) * _TIGHT)
        elif budget:
            # Who overspends a budget, or burns it at twice its pace for two days, is no innocent.
            most = max(_a_month(team, ledger, day, day + 28) for day in range(DAYS - 27))
            peak = max(_a_month(team, ledger, day, day + 2) for day in range(DAYS - 1))
            about["monthly_budget_usd"] = _dollars(max(most * loose, peak / 2))
        if team.name in targets:
            unit, amount = targets[team.name]
            about["weekly_actor_target_events" if unit == "calls" else "weekly_actor_target_tokens"] = amount
        if licensed or behaviour == "adoption_theatre":
            idle = 0 if behaviour == "adoption_theatre" else rng.randrange(0, 1 + len(team.people) // 4)
            about["actors"] = len(team.people) + idle
        if expected:
            about["outcomes_expected"] = True
        if about:
            said[team.name] = about
        for workflow in [*team.workflows, *([mine.extra] if mine.extra is not None else [])]:
            if workflow.declared:
                workflows[f"{team.name}/{workflow.name}"] = {"declared_schedule": True}
            elif workflow.exploratory:
                workflows[f"{team.name}/{workflow.name}"] = {"exploratory": True}
        if mine.benign is not None and mine.benign.kind == "migration":
            until = datetime.fromtimestamp((mine.benign.end_ms + 2 * DAY_MS) / 1000, UTC).date()
            workflows[f"{team.name}/{mine.benign.workflow}"]["snoozed_until"] = until
    order = sorted(said)
    return {
        "defaults": {"min_actors": 5, "currency": "usd", "time_zone": "UTC"},
        "teams": {name: said[name] for name in order},
        "workflows": {name: workflows[name] for name in sorted(workflows)},
    }


def _a_month(team: Team, ledger: Ledger, first: int, end: int) -> float:
    """Micro-dollars that a month would have cost at the pace of these days."""
    return sum(ledger.spend[team.name, day] for day in range(first, end)) / (end - first) * _MONTH_DAYS


def _dollars(micro_usd: float) -> int:
    return max(20, round(micro_usd / _MICRO / 10) * 10)


def price_book(repricing: Repricing | None) -> dict[str, Any]:
    """Prices in dollars a million tokens, with the new ones from their day on."""
    models: dict[str, Any] = {}
    for model in MODELS.values():
        if not model.priced:
            continue
        rates = {
            "input": model.input / _MICRO, "output": model.output / _MICRO, "cache_read": model.cache_read / _MICRO,
            "cache_write": model.cache_write / _MICRO,
        }  # fmt: skip
        models[model.name] = rates
        if repricing is not None and repricing.model == model.name:
            day = datetime.fromtimestamp(repricing.from_ms / 1000, UTC).date()
            models[model.name] = [
                rates,
                {"valid_from": day, **{name: round(rate * repricing.by, 6) for name, rate in rates.items()}},
            ]
    return {"version": "simulated", "currency": "usd", "models": models}
