"""Settings speak in seconds and days, the engine in milliseconds."""

from dataclasses import replace

from streams.core.engine import EngineParams
from streams.engine_params import engine_params
from streams.settings import Settings


def test_defaults_of_settings_are_defaults_of_the_engine() -> None:
    assert replace(engine_params(Settings()), seed=0) == EngineParams()


def test_units_are_converted() -> None:
    settings = Settings.model_validate({
        "windows": {"lateness_seconds": 1, "grace_seconds": 2, "idle_seconds": 3, "far_future_seconds": 4},
        "dedupe": {"horizon_days": 5, "request_horizon_days": 6, "max_ids_per_partition": 7_000},
    })  # fmt: skip
    assert replace(engine_params(settings), seed=0) == EngineParams(
        lateness_ms=1_000,
        grace_ms=2_000,
        idle_ms=3_000,
        far_future_ms=4_000,
        dedupe_horizon_ms=5 * 86_400_000,
        request_horizon_ms=6 * 86_400_000,
        max_ids=7_000,
    )


def test_the_seed_is_the_deployments() -> None:
    seeds = {
        engine_params(Settings(app_id=name, topic_prefix=prefix)).seed for name in ("a", "b") for prefix in ("", "x.")
    }
    assert len(seeds) == 4
    assert engine_params(Settings(app_id="a")).seed == engine_params(Settings(app_id="a", partitions=9)).seed
