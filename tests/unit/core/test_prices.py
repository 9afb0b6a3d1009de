"""Prices: exact money, names as sources have them, tiers, variants and days."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.prices import PriceBook, Rates, Tier

SONNET = Rates(input=3_000_000, output=15_000_000, cache_read=300_000, cache_write=3_750_000)
OTHER = Rates(input=1_000_000, output=1_000_000)
JULY = 1_782_864_000_000


def book(**models: Rates) -> PriceBook:
    """A book of models with one price each; names may not have every character, so that ``__`` is a hyphen."""
    return PriceBook("v", {name.replace("__", "-"): [Tier(0, "", 0, rates)] for name, rates in models.items()})


def million(prices: PriceBook, model: str, provider: str | None = None) -> int | None:
    """What a million fresh input tokens cost, in dollars."""
    cost = prices.cost(provider, model, JULY, 1_000_000, 0, 0, 0)
    return None if cost is None else cost // 1_000_000


def test_each_bucket_has_its_price() -> None:
    prices = book(m=SONNET)
    assert [prices.cost(None, "m", 0, *tokens) for tokens in ((1_000, 0, 0, 0), (0, 1_000, 0, 0), (0, 0, 1_000, 0), (0, 0, 0, 1_000))] == [
        3_000, 300, 3_750, 15_000,
    ]  # fmt: skip
    assert prices.cost(None, "m", 0, 1_000, 1_000, 1_000, 1_000) == 22_050


def test_a_cache_without_a_price_of_its_own_costs_what_input_does() -> None:
    assert book(m=OTHER).cost(None, "m", 0, 0, 1_000, 500, 0) == 1_500


def test_tokens_without_a_price_are_unpriced_and_never_free() -> None:
    """An embedding model asks nothing for output, as it has none; were there any, nobody would know its price."""
    prices = book(embed=Rates(input=20_000))
    assert prices.cost(None, "embed", 0, 1_000_000, 0, 0, 0) == 20_000
    assert prices.cost(None, "embed", 0, 1_000_000, 0, 0, 1) is None
    assert prices.cost(None, "unheard-of", 0, 1, 0, 0, 0) is None
    assert book(free=Rates(0, 0)).cost(None, "free", 0, 10, 0, 0, 10) == 0


@given(
    tokens=st.tuples(*[st.integers(0, 2**40)] * 4), rates=st.tuples(*[st.integers(0, 10**9)] * 4)
)  # fmt: skip
def test_a_cost_is_the_exact_sum_rounded_once(tokens: tuple[int, ...], rates: tuple[int, ...]) -> None:
    fresh, read, written, output = tokens
    price = Rates(*rates)
    exact = sum(
        Decimal(count) * Decimal(rate or 0) / 10**6
        for count, rate in ((fresh, price.input), (output, price.output), (read, price.cache_read), (written, price.cache_write))
    )  # fmt: skip
    assert price.cost(fresh, read, written, output) == int(exact.to_integral_value(ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        (None, "claude-sonnet-4-5"),
        (None, "Claude-Sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        (None, "anthropic/claude-sonnet-4-5"),
        (None, "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("vertex_ai", "claude-sonnet-4-5@20250929"),
        (None, "openrouter/anthropic/claude-sonnet-4-5"),
        (None, "claude-sonnet-4-5-latest"),
        (None, "claude-sonnet-4-5-2025-09-29"),
    ],
)
def test_a_model_is_found_under_the_names_that_sources_have_for_it(provider: str | None, model: str) -> None:
    assert million(book(claude__sonnet__4__5=SONNET, claude__sonnet__4=OTHER), model, provider) == 3


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5x", "claude-sonnet", "sonnet-4-5", "claude-sonnet-4-55", "", "/", "us."]
)
def test_a_name_that_only_resembles_it_is_another_model(model: str) -> None:
    assert million(book(claude__sonnet__4__5=SONNET), model) is None


def test_a_providers_own_price_comes_first() -> None:
    prices = PriceBook("v", {"gpt-4o": [Tier(0, "", 0, OTHER)], "azure/gpt-4o": [Tier(0, "", 0, SONNET)]})
    assert (million(prices, "gpt-4o"), million(prices, "gpt-4o", "openai"), million(prices, "gpt-4o", "Azure")) == (
        1,
        1,
        3,
    )


def test_of_a_family_that_has_dates_only_it_is_the_latest() -> None:
    prices = book(gpt__4o__20240513=SONNET, gpt__4o__20240806=OTHER)
    assert million(prices, "gpt-4o") == 1
    assert million(prices, "gpt-4o-20240513") == 3


def test_a_region_that_costs_more_does_not_give_the_family_its_price() -> None:
    names = {"us.anthropic.claude-x-20260101-v1:0": SONNET, "claude-x-20250101": OTHER}
    prices = PriceBook("v", {name: [Tier(0, "", 0, rates)] for name, rates in names.items()})
    assert million(prices, "claude-x") == 1
    assert million(prices, "us.anthropic.claude-x-20260101-v1:0") == 3


def test_a_long_prompt_has_a_price_of_its_own_for_all_of_it() -> None:
    dear = Rates(input=6_000_000, output=22_500_000)
    prices = PriceBook("v", {"m": [Tier(0, "", 0, SONNET), Tier(0, "", 200_000, dear)]})
    assert prices.cost(None, "m", 0, 200_000, 0, 0, 0) == 600_000
    assert prices.cost(None, "m", 0, 200_001, 0, 0, 0) == 1_200_006
    # The prompt is all of the input, cached or not.
    assert prices.cost(None, "m", 0, 1, 200_000, 0, 1_000) == 1_200_006 + 22_500


def test_the_newest_prices_count_whatever_variants_earlier_ones_had() -> None:
    """A price list of this year that has no batch price: last year's is outdated."""
    tiers = [Tier(0, "", 0, OTHER), Tier(0, "batch", 0, Rates(500_000, 500_000)), Tier(JULY, "", 0, SONNET)]
    prices = PriceBook("v", {"m": tiers})
    costs = [prices.cost(None, "m", at, 1_000, 0, 0, 0, "batch") for at in (JULY - 1, JULY)]
    assert costs == [500, 3_000]


def test_a_long_prompt_in_a_variant_with_prices_for_short_ones_is_unpriced() -> None:
    """The price of short ones would be too low, the usual one of long ones too high."""
    half = Rates(500_000, 500_000)
    tiers = [Tier(0, "", 0, OTHER), Tier(0, "", 200_000, SONNET), Tier(0, "batch", 0, half)]
    prices = PriceBook("v", {"m": tiers, "whole": [*tiers, Tier(0, "batch", 200_000, OTHER)]})
    for model, variant, long in (
        ("m", "", 900_000),
        ("m", "batch", None),
        ("whole", "batch", 300_000),
        ("m", "flex", 900_000),
    ):
        assert prices.cost(None, model, JULY, 300_000, 0, 0, 0, variant) == long
    assert prices.cost(None, "m", JULY, 200_000, 0, 0, 0, "batch") == 100_000


def test_variants_have_their_prices_and_others_cost_the_usual() -> None:
    half = Rates(input=1_500_000, output=7_500_000)
    tiers = [Tier(0, "", 0, SONNET), Tier(0, "batch", 0, half), Tier(0, "", 200_000, OTHER)]
    prices = PriceBook("v", {"m": tiers})
    assert prices.cost(None, "m", 0, 1_000, 0, 0, 0, "batch") == 1_500
    assert prices.cost(None, "m", 0, 1_000, 0, 0, 0, "priority") == 3_000
    assert prices.cost(None, "m", 0, 300_000, 0, 0, 0, "priority") == 300_000


def test_prices_are_those_of_the_day() -> None:
    prices = PriceBook("v", {"m": [Tier(JULY, "", 0, OTHER), Tier(1_000, "", 0, SONNET)]})
    assert [prices.cost(None, "m", at, 1_000, 0, 0, 0) for at in (999, 1_000, JULY - 1, JULY)] == [
        None,
        3_000,
        3_000,
        1_000,
    ]


def test_invented_names_do_not_fill_the_memory() -> None:
    prices = book(m=SONNET)
    for number in range(25_000):
        assert prices.cost(None, f"invented-{number}", 0, 1, 0, 0, 0) is None
    assert len(prices._found) <= 10_000
    assert million(prices, "m") == 3
