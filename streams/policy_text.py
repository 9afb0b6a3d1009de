"""A policy in force, as people and as programs read it."""

from collections.abc import Iterator
from typing import Any

from streams.core.policy import DetectorPolicy, Policy, TeamPolicy, WorkflowPolicy

__all__ = ["as_document", "as_lines"]

_MICRO = 1_000_000


def as_lines(policy: Policy) -> list[str]:
    """The policy team by team, its workflows below it, in order of their names; money in dollars."""
    # Names may hold what ends a line in one reader or another.
    return [line if line.isprintable() else repr(line)[1:-1] for line in _lines(policy)]


def as_document(policy: Policy) -> dict[str, Any]:
    """The policy as plain values, with the file's keys; None where nothing is known."""
    return {
        "version": policy.version,
        "defaults": {
            "min_actors": policy.min_actors,
            "currency": policy.currency,
            "time_zone": policy.time_zone,
            "maturity_days": {kind.value: days for kind, days in sorted(policy.maturity_days.items())},
        },
        "teams": {name: _team(policy.teams[name]) for name in sorted(policy.teams)},
        "workflows": {"/".join(key): _workflow(policy.workflows[key]) for key in sorted(policy.workflows)},
        "prices": policy.prices,
        "detectors": {name: _detector(policy.detectors[name]) for name in sorted(policy.detectors)},
    }


def _lines(policy: Policy) -> Iterator[str]:
    yield f"version {policy.version}"
    yield f"min_actors: {policy.min_actors}, currency: {policy.currency}, time_zone: {policy.time_zone}"
    if policy.maturity_days:
        days = sorted((kind.value, days) for kind, days in policy.maturity_days.items())
        yield f"maturity_days: {', '.join(f'{kind} {number:g}' for kind, number in days)}"
    if policy.prices is not None:
        yield f"prices: {policy.prices}"
    for team in sorted(policy.teams.keys() | {team for team, _ in policy.workflows}):
        yield f"team {team}: {_sentence(_team(policy.team(team)))}"
        for key in sorted(key for key in policy.workflows if key[0] == team):
            yield f"  workflow {key[1]}: {_sentence(_workflow(policy.workflows[key]))}"
    for name in sorted(policy.detectors):
        yield f"detector {name}: {_sentence(_detector(policy.detectors[name]))}"
    yield "every other team, workflow and detector: defaults"


def _team(team: TeamPolicy) -> dict[str, Any]:
    budget = team.monthly_budget_micro_usd
    return {
        "monthly_budget_usd": None if budget is None else budget / _MICRO,
        "weekly_actor_target_tokens": team.weekly_actor_target_tokens,
        "weekly_actor_target_events": team.weekly_actor_target_events,
        "outcomes_expected": team.outcomes_expected,
        "actors": team.actors,
    }


def _workflow(workflow: WorkflowPolicy) -> dict[str, Any]:
    until = workflow.snoozed_until
    return {
        "declared_schedule": workflow.declared_schedule,
        "exploratory": workflow.exploratory,
        "snoozed_until": None if until is None else until.isoformat(),
    }


def _detector(detector: DetectorPolicy) -> dict[str, Any]:
    return {"enabled": detector.enabled, "alpha": detector.alpha}


def _sentence(values: dict[str, Any]) -> str:
    said = [f"{key.removesuffix('_usd')} {_value(key, value)}" for key, value in values.items() if value is not None]
    return ", ".join(said) or "defaults"


def _value(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_usd"):
        # To the micro-dollar where there are some, and never fewer decimals than money has.
        whole, _, decimals = f"{value:,.6f}".partition(".")
        return f"${whole}.{decimals.rstrip('0'):0<2}"
    return f"{value:,}" if isinstance(value, int) else str(value)
