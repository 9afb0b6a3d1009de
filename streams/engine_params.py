"""What an engine is told, from the settings, the policy and the price book: once, for the worker and for replay."""

from typing import Final, NamedTuple

from xxhash import xxh3_64_intdigest

from streams.core.params import EngineParams
from streams.core.policy import Policy
from streams.core.prices import PriceBook
from streams.policy_file import effective_policy, effective_price_book_path
from streams.price_book import load_price_book
from streams.settings import Settings

__all__ = ["EngineSetup", "engine_setup"]

_DAY_MS: Final = 86_400_000


class EngineSetup(NamedTuple):
    """Parameters, and the price book if there is one."""

    params: EngineParams
    prices: PriceBook | None


def engine_setup(settings: Settings) -> EngineSetup:
    """Read the files that the settings name, and convert units. Raises ConfigError.

    The seed of the engine's hashes belongs to the state, hence to the deployment's name, and lasts as long.
    """
    policy = effective_policy(settings)
    book = effective_price_book_path(settings, policy)
    prices = None if book is None else load_price_book(book)
    windows, dedupe, outcomes = settings.windows, settings.dedupe, settings.outcomes
    teams = policy.teams.items()
    workflows = policy.workflows.items()
    params = EngineParams(
        lateness_ms=windows.lateness_seconds * 1000,
        grace_ms=windows.grace_seconds * 1000,
        idle_ms=windows.idle_seconds * 1000,
        far_future_ms=windows.far_future_seconds * 1000,
        dedupe_horizon_ms=dedupe.horizon_days * _DAY_MS,
        request_horizon_ms=dedupe.request_horizon_days * _DAY_MS,
        max_ids=dedupe.max_ids_per_partition,
        divergence_permille=round(settings.prices.divergence * 1000),
        config_version=_version(prices, policy),
        seed=xxh3_64_intdigest(f"{settings.topic_prefix}{settings.app_id}".encode()),
        horizon_ms=outcomes.horizon_days * _DAY_MS,
        maturity_ms=round(outcomes.maturity_days * _DAY_MS),
        maturity_by_kind_ms={kind.value: round(days * _DAY_MS) for kind, days in policy.maturity_days.items()},
        min_actors=policy.min_actors,
        outcomes_expected={name: team.outcomes_expected for name, team in teams if team.outcomes_expected is not None},
        licensed_actors={name: team.actors for name, team in teams if team.actors is not None},
        exploratory=frozenset(place for place, workflow in workflows if workflow.exploratory),
        scheduled=frozenset(place for place, workflow in workflows if workflow.declared_schedule),
        policy=policy,
    )
    return EngineSetup(params, prices)


def _version(prices: PriceBook | None, policy: Policy) -> str:
    """Names the files that figures were computed under; those that are not there are left out."""
    parts = [] if prices is None else [f"prices {prices.version}"]
    if policy != Policy():
        parts.append(f"policy {policy.version}")
    return ", ".join(parts)
