"""What is recorded counts once, by day, biller and family, with costs that are known or are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.prices import PriceBook, Rates, Tier, family
from streams.reconciliation.billers import UNKNOWN, biller_of
from streams.reconciliation.recorded import Recorded, Usage
from streams.sources.contract import USAGE_UNKNOWN
from tests.unit.reconciliation.recordings import DAY, DAY_MS, event


def recorded(*events: object, prices: PriceBook | None = None) -> Recorded:
    found = Recorded(prices)
    found.add(events)  # type: ignore[arg-type]
    return found


def test_calls_are_summed_by_day_biller_and_family() -> None:
    found = recorded(
        event(1), event(2, model="claude-sonnet-4"), event(3, occurred_at=DAY + DAY_MS), event(4, provider="bedrock")
    )
    assert found.days == {
        (DAY, "anthropic", "claude-sonnet-4"): Usage(2, 2_000, 20_000, 2),
        (DAY + DAY_MS, "anthropic", "claude-sonnet-4"): Usage(1, 1_000, 10_000, 1),
        (DAY, "aws", "claude-sonnet-4"): Usage(1, 1_000, 10_000, 1),
    }


def test_an_event_that_comes_again_counts_once() -> None:
    found = recorded(event(1), event(1))
    found.add([event(1)])
    assert (found.duplicates, found.days[DAY, "anthropic", "claude-sonnet-4"].calls) == (2, 1)


def test_a_request_that_two_sources_tell_counts_once_where_they_agree() -> None:
    one = event(1, request_id="req_1")
    assert recorded(one, event(2, request_id="req_1", source="claude-code")).duplicates == 1
    assert recorded(one, event(2, request_id="req_1", source="claude-code", output_tokens=7)).duplicates == 0
    assert recorded(one, event(2, request_id="req_1")).duplicates == 0


def test_a_cost_that_nobody_reported_is_the_price_books_or_unknown() -> None:
    book = PriceBook("1", {"claude-sonnet-4": [Tier(0, "", 0, Rates(input=3_000_000, output=15_000_000))]})
    (usage,) = recorded(event(1, cost_micro_usd=None), prices=book).days.values()
    assert usage == Usage(1, 1_000, 900 * 3 + 100 * 15, 1)
    (usage,) = recorded(event(1, cost_micro_usd=None)).days.values()
    assert usage == Usage(1, 1_000, 0, 0)


def test_calls_that_do_not_tell_their_tokens_are_counted_as_such() -> None:
    (usage,) = recorded(event(1, attributes=dict(USAGE_UNKNOWN))).days.values()
    assert usage.untold == 1


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(["a", "b"])), max_size=20), st.randoms()
)
def test_the_order_of_events_does_not_matter(calls: list[tuple[int, int, str]], random: object) -> None:
    events = [
        event(number, occurred_at=DAY + day * DAY_MS, model=model) for number, (_, day, model) in enumerate(calls)
    ]
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = recorded(*events), recorded(*shuffled, *events)
    assert one.days == other.days
    assert sum(usage.calls for usage in one.days.values()) == len(events)


@pytest.mark.parametrize(
    ("provider", "model", "biller"),
    [("anthropic", "x", "anthropic"), ("Anthropic, PBC", None, "anthropic"), ("aws.bedrock", "claude-3", "aws"), ("bedrock_converse", "x", "aws"),
     ("azure.ai.openai", "gpt-4o", "azure"), ("azure_openai", "gpt-4o", "azure"), ("Microsoft", None, "azure"),
     ("vertex_ai-anthropic_models", "x", "google"), ("gcp.gemini", "x", "google"), ("Local", "x", "local"), (None, "claude-sonnet-4-20250514", "anthropic"),
     (None, "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"), (None, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
     (None, "openai/gpt-4o", "openai"), (None, "o3-mini", "openai"), (None, "gpt-4o-2024-08-06", "openai"), (None, "gemini-2.5-pro", "google"),
     (None, "llama-3", UNKNOWN), (None, None, UNKNOWN), ("", "gpt-4o", "openai")],
)  # fmt: skip
def test_whoever_serves_a_call_bills_it(provider: str | None, model: str | None, biller: str) -> None:
    assert biller_of(provider, model) == biller


@pytest.mark.parametrize(
    ("name", "short"),
    [("claude-sonnet-4-20250514", "claude-sonnet-4"), ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
     ("GPT-4o-2024-08-06", "gpt-4o"), ("openai/gpt-4o-latest", "gpt-4o"), ("o3", "o3"), ("", "")],
)  # fmt: skip
def test_a_family_is_what_the_price_book_shortens_a_name_to(name: str, short: str) -> None:
    assert family(name) == short
