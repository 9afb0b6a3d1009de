"""Settings speak in seconds and days, the engine in milliseconds; what only an organisation knows is in its policy."""

from dataclasses import replace
from pathlib import Path

import pytest

from streams.core.params import EngineParams
from streams.engine_params import engine_setup
from streams.errors import ConfigError
from streams.policy_file import load_policy
from streams.settings import Settings

DAY_MS = 86_400_000


def params_of(settings: Settings) -> EngineParams:
    """Parameters but for the seed."""
    return replace(engine_setup(settings).params, seed=0)


def test_defaults_of_settings_are_defaults_of_the_engine() -> None:
    assert params_of(Settings()) == EngineParams()
    assert engine_setup(Settings()).prices is None


def test_units_are_converted() -> None:
    settings = Settings.model_validate({
        "windows": {"lateness_seconds": 1, "grace_seconds": 2, "idle_seconds": 3, "far_future_seconds": 4},
        "dedupe": {"horizon_days": 5, "request_horizon_days": 6, "max_ids_per_partition": 7_000},
        "outcomes": {"horizon_days": 9, "maturity_days": 2.5},
    })  # fmt: skip
    assert params_of(settings) == EngineParams(
        lateness_ms=1_000,
        grace_ms=2_000,
        idle_ms=3_000,
        far_future_ms=4_000,
        dedupe_horizon_ms=5 * DAY_MS,
        request_horizon_ms=6 * DAY_MS,
        max_ids=7_000,
        horizon_ms=9 * DAY_MS,
        maturity_ms=5 * DAY_MS // 2,
    )


def test_the_policy_tells_what_is_known_about_teams_and_workflows(tmp_path: Path) -> None:
    """What it does not say of a team is left out: it is not known."""
    (tmp_path / "prices.yaml").write_text("version: p1\nmodels: {m: {input: 1, output: 1}}\n")
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        """\
defaults: {min_actors: 8, maturity_days: {change_merged: 14, ticket_resolved: 2.5}}
teams:
  payments: {outcomes_expected: true, actors: 42}
  search: {outcomes_expected: false}
  quiet: {monthly_budget_usd: 1}
workflows:
  payments/nightly-evals: {declared_schedule: true}
  payments/research: {exploratory: true}
prices: prices.yaml
"""
    )
    setup = engine_setup(Settings(policy=policy))
    assert setup.prices is not None
    assert replace(setup.params, seed=0) == EngineParams(
        min_actors=8,
        maturity_by_kind_ms={"change_merged": 14 * DAY_MS, "ticket_resolved": 5 * DAY_MS // 2},
        outcomes_expected={"payments": True, "search": False},
        licensed_actors={"payments": 42},
        exploratory=frozenset({("payments", "research")}),
        scheduled=frozenset({("payments", "nightly-evals")}),
        config_version=f"prices {setup.prices.version}, policy {load_policy(policy).version}",
        policy=load_policy(policy),
    )
    assert setup.params.policy.team("quiet").monthly_budget_micro_usd == 1_000_000


def test_no_policy_lowers_the_group_minimum(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("defaults: {min_actors: 4}\n")
    with pytest.raises(ConfigError, match="min_actors"):
        engine_setup(Settings(policy=policy))


def test_the_seed_is_the_deployments() -> None:
    def seed(**fields: str | int) -> int:
        return engine_setup(Settings.model_validate(fields)).params.seed

    assert len({seed(app_id=name, topic_prefix=prefix) for name in ("a", "b") for prefix in ("", "x.")}) == 4
    assert seed(app_id="a") == seed(app_id="a", partitions=9)
