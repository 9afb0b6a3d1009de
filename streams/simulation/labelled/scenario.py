"""The whole: a seed becomes ten weeks of usage, outcomes, a policy with its price book, and the labels."""

from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any, Final

import yaml

from streams.simulation.labelled.climate import DAYS, Climate
from streams.simulation.labelled.company import Team, draw_teams
from streams.simulation.labelled.extras import Extras
from streams.simulation.labelled.labels import Labels
from streams.simulation.labelled.ledger import DAY_MS, WEEK_MS, Ledger
from streams.simulation.labelled.ordinary import Weeks
from streams.simulation.labelled.plan import TeamPlan, draw_plan
from streams.simulation.labelled.policy import policy_of, price_book
from streams.simulation.labelled.results import Results
from streams.simulation.labelled.work import Work
from streams.simulation.scenario import DEFAULT_START_MS

__all__ = ["SCENARIOS", "TenWeeks", "ten_weeks"]

SCENARIOS: Final = ("ten-weeks", "quiet")
#: Of licensed members of a team that pretends, how many really work with it.
_REALLY: Final = 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class TenWeeks:
    """What a scenario comes to; lines are JSON without a line feed, in order of time."""

    usage: list[bytes]
    outcomes: list[bytes]
    policy: dict[str, Any]
    prices: dict[str, Any]
    labels: Labels

    def policy_yaml(self, prices: str) -> str:
        """The policy as a file that names its price book."""
        return yaml.safe_dump({**self.policy, "prices": prices}, sort_keys=False)

    def prices_yaml(self) -> str:
        """The price book as a file."""
        return yaml.safe_dump(self.prices, sort_keys=False)


def ten_weeks(seed: int, *, scenario: str = "ten-weeks", start_ms: int | None = None) -> TenWeeks:
    """Forty teams over ten weeks; equal arguments give equal bytes.

    ``start_ms`` is a Monday 00:00 UTC; by default the seed chooses one of twenty, so that months and weeks meet in
    different ways. ``quiet`` has neither episodes nor look-alikes. Raises ValueError if there is no such scenario.
    """
    if scenario not in SCENARIOS:
        raise ValueError(f"there is no scenario {scenario}; there are {', '.join(SCENARIOS)}")
    root = Random(f"{scenario} {seed}")  # noqa: S311
    rngs = [Random(root.getrandbits(64)) for _ in range(8)]  # noqa: S311
    if start_ms is None:
        start_ms = DEFAULT_START_MS + rngs[0].randrange(20) * WEEK_MS
    end_ms = start_ms + DAYS * DAY_MS
    teams = draw_teams(rngs[1])
    plan = draw_plan(rngs[2], teams, seed, start_ms, quiet=scenario == "quiet")
    climate = Climate(rngs[3])
    ledger = Ledger(rngs[4], start_ms, end_ms, plan.repricing)
    results = Results(rngs[5], start_ms, end_ms)
    work = Work(rngs[4], ledger)
    weeks = Weeks(rngs[4], work, results, ledger, start_ms)
    extras = Extras(rngs[6], work, results, ledger, weeks, start_ms)
    targets: dict[str, tuple[str, int]] = {}
    for team in teams:
        mine, weather = plan.teams[team.name], climate.of_team(rngs[3])
        _settle(rngs[2], team, mine)
        weeks.fill(team, mine, weather)
        target = _target(rngs[7], team, mine, ledger)
        if target is not None:
            targets[team.name] = target
        extras.add(team, mine, weather, target)
    labels = Labels(
        scenario=scenario, seed=seed, start_ms=start_ms, end_ms=end_ms, teams=sorted(team.name for team in teams),
        episodes=plan.episodes, benign=plan.benign,
    )  # fmt: skip
    return TenWeeks(
        usage=ledger.identified(rngs[7]),
        outcomes=results.lines(),
        policy=policy_of(rngs[7], teams, plan, ledger, targets, start_ms),
        prices=price_book(plan.repricing),
        labels=labels,
    )


def _settle(rng: Random, team: Team, plan: TeamPlan) -> None:
    """What an episode needs of the team from the first day on: people with a licence who do not use it."""
    if plan.episode is not None and plan.episode.behaviour == "adoption_theatre":
        working = set(rng.sample(team.people, max(5, round(len(team.people) * _REALLY))))
        team.weights = [
            weight if person in working else 0.0 for person, weight in zip(team.people, team.weights, strict=True)
        ]


def _target(rng: Random, team: Team, plan: TeamPlan, ledger: Ledger) -> tuple[str, int] | None:
    """A weekly target of the team's people, as organisations set them: near what an ordinary person uses anyway."""
    chased = plan.episode is not None and plan.episode.behaviour == "target_chasing"
    has, tokens, ease = rng.random() < 0.5, rng.random() < 0.4, rng.uniform(0.8, 1.6)
    if not chased and not has:
        return None
    if chased and plan.episode is not None:
        tokens, ease = plan.episode.variant == "tokens", rng.uniform(1.05, 1.5)
    totals = ledger.tokens if tokens else ledger.calls
    used = [totals[person, week] for person in team.people for week in range(DAYS // 7)]
    typical = median([amount for amount in used if amount > 0] or [50])
    if tokens:
        return "tokens", max(10_000, round(typical * ease / 10_000) * 10_000)
    return "calls", max(5, round(typical * ease / 5) * 5)
