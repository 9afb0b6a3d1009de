"""The engine's parameters from the settings: units converted, once, for the worker and for replay."""

from typing import Final

from xxhash import xxh3_64_intdigest

from streams.core.engine import EngineParams
from streams.core.prices import PriceBook
from streams.price_book import load_price_book
from streams.settings import Settings

__all__ = ["engine_params", "price_book"]

_DAY_MS: Final = 86_400_000


def price_book(settings: Settings) -> PriceBook | None:
    """The price book that the settings name, if they do. Raises ConfigError."""
    return None if settings.prices.book is None else load_price_book(settings.prices.book)


def engine_params(settings: Settings, prices: PriceBook | None = None) -> EngineParams:
    """What the engine is told, from the settings and the price book.

    The seed of its hashes belongs to the state, hence to the deployment's name, and lasts as long.
    """
    windows, dedupe = settings.windows, settings.dedupe
    return EngineParams(
        lateness_ms=windows.lateness_seconds * 1000,
        grace_ms=windows.grace_seconds * 1000,
        idle_ms=windows.idle_seconds * 1000,
        far_future_ms=windows.far_future_seconds * 1000,
        dedupe_horizon_ms=dedupe.horizon_days * _DAY_MS,
        request_horizon_ms=dedupe.request_horizon_days * _DAY_MS,
        max_ids=dedupe.max_ids_per_partition,
        divergence_permille=round(settings.prices.divergence * 1000),
        config_version="" if prices is None else f"prices {prices.version}",
        seed=xxh3_64_intdigest(f"{settings.topic_prefix}{settings.app_id}".encode()),
    )
