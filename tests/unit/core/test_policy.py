"""What a policy answers, and when two policies are the same."""

from dataclasses import FrozenInstanceError, replace
from datetime import date

import pytest

from streams.core.outcomes import OutcomeKind
from streams.core.policy import MIN_ACTORS, DetectorPolicy, Policy, TeamPolicy, WorkflowPolicy

POLICY = Policy(
    min_actors=8,
    time_zone="Europe/Berlin",
    maturity_days={OutcomeKind.CHANGE_MERGED: 14.0},
    teams={"payments": TeamPolicy(monthly_budget_micro_usd=4_000_000_000), "search": TeamPolicy(actors=7)},
    workflows={("payments", "nightly"): WorkflowPolicy(snoozed_until=date(2027, 1, 31))},
    detectors={"target_chasing": DetectorPolicy(alpha=0.01)},
    prices="prices.yaml",
)


def test_what_is_mentioned_is_answered() -> None:
    assert POLICY.team("payments").monthly_budget_micro_usd == 4_000_000_000
    assert POLICY.workflow("payments", "nightly").snoozed_until == date(2027, 1, 31)
    assert POLICY.detector("target_chasing").alpha == 0.01


def test_what_is_not_mentioned_has_the_defaults() -> None:
    """Nothing is known, which is neither zero nor no."""
    team = POLICY.team("unheard of")
    assert team == TeamPolicy()
    assert (team.monthly_budget_micro_usd, team.actors, team.outcomes_expected) == (None, None, None)
    assert (team.weekly_actor_target_tokens, team.weekly_actor_target_events) == (None, None)
    assert POLICY.workflow("search", "nightly") == WorkflowPolicy()
    assert POLICY.workflow("payments", "nightly ") == WorkflowPolicy()
    assert not WorkflowPolicy().declared_schedule
    assert not WorkflowPolicy().exploratory
    assert POLICY.detector("runaway") == DetectorPolicy(enabled=True, alpha=None)


def test_without_a_file_the_least_holds() -> None:
    policy = Policy()
    assert (policy.min_actors, policy.currency, policy.time_zone, policy.prices) == (5, "usd", "UTC", None)
    assert not policy.teams
    assert not policy.maturity_days


@pytest.mark.parametrize("fewer", [MIN_ACTORS - 1, 1, 0, -5])
def test_no_policy_goes_below_the_fewest_actors(fewer: int) -> None:
    assert MIN_ACTORS == 5
    with pytest.raises(ValueError, match="give 5 or more"):
        Policy(min_actors=fewer)
    assert Policy(min_actors=6).min_actors == 6


def test_a_policy_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        POLICY.min_actors = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "other",
    [
        replace(POLICY, min_actors=9),
        replace(POLICY, time_zone="UTC"),
        replace(POLICY, maturity_days={}),
        replace(POLICY, maturity_days={OutcomeKind.CHANGE_MERGED: 14.5}),
        replace(POLICY, maturity_days={OutcomeKind.TICKET_RESOLVED: 14.0}),
        replace(POLICY, teams={}),
        replace(POLICY, teams={**POLICY.teams, "payments": TeamPolicy(monthly_budget_micro_usd=4_000_000_001)}),
        replace(POLICY, teams={**POLICY.teams, "payments": TeamPolicy(actors=4_000_000_000)}),
        replace(POLICY, teams={**POLICY.teams, "new": TeamPolicy(outcomes_expected=False)}),
        replace(POLICY, workflows={("payments", "nightly"): WorkflowPolicy(snoozed_until=date(2027, 2, 1))}),
        replace(POLICY, workflows={("payments/nightly", ""): POLICY.workflow("payments", "nightly")}),
        replace(POLICY, detectors={"target_chasing": DetectorPolicy(enabled=False, alpha=0.01)}),
    ],
)
def test_another_content_is_another_version(other: Policy) -> None:
    assert other.version != POLICY.version


def test_what_changes_nothing_keeps_the_version() -> None:
    """Order, what holds anyway, whole days however they are written, and where the price book lies."""
    same = replace(
        POLICY,
        teams={"new": TeamPolicy(), **dict(reversed(list(POLICY.teams.items())))},
        workflows={**POLICY.workflows, ("new", "new"): WorkflowPolicy()},
        detectors={**POLICY.detectors, "runaway": DetectorPolicy(enabled=True)},
        maturity_days={OutcomeKind.CHANGE_MERGED: 14},
        prices="elsewhere/prices.yaml",
    )
    assert same.version == POLICY.version


def test_versions_are_the_same_everywhere_and_for_ever() -> None:
    """They are written into records: a change of these is a change of what is published."""
    assert Policy().version == "dd1d459e1860"
    assert POLICY.version == "c10addcbca70"
