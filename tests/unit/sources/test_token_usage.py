"""What "tokens used" means, by provider and by library."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.readings import BadField
from streams.sources.token_usage import Tokens, provider_usage, resolved


@pytest.mark.parametrize(("usage", "expected"), [
    # OpenAI: cached inside the prompt, reasoning inside the completion; chat and Responses.
    ({"prompt_tokens": 2102, "completion_tokens": 51, "total_tokens": 2153, "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 2001},
      "completion_tokens_details": {"reasoning_tokens": 11}}, Tokens(101, 2001, 0, 51, 11)),
    ({"input_tokens": 2108, "input_tokens_details": {"cached_tokens": 2004}, "output_tokens": 54,
      "output_tokens_details": {"reasoning_tokens": 14}, "total_tokens": 2162}, Tokens(104, 2004, 0, 54, 14)),
    ({"prompt_tokens": 10, "completion_tokens": 5}, Tokens(10, 0, 0, 5)),
    ({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5}, Tokens(6, 4, 0, 5)),
    # Anthropic: apart; writes may be told by how long they live, once more.
    ({"input_tokens": 3, "cache_read_input_tokens": 17_241, "cache_creation_input_tokens": 16_935, "output_tokens": 8,
      "cache_creation": {"ephemeral_5m_input_tokens": 16_000, "ephemeral_1h_input_tokens": 935}}, Tokens(3, 17_241, 16_935, 8)),
    # LiteLLM's, of Anthropic: inside, and the same said twice.
    ({"prompt_tokens": 98_805, "completion_tokens": 5_120, "total_tokens": 103_925, "cache_read_input_tokens": 66_360, "cache_creation_input_tokens": 32_435,
      "prompt_tokens_details": {"cached_tokens": 66_360, "cache_creation_tokens": 32_435}, "completion_tokens_details": {"reasoning_tokens": 1_710}},
     Tokens(10, 66_360, 32_435, 5_120, 1_710)),
    # Codex: flat, but inside. Bedrock and Vercel differ in one key.
    ({"input_tokens": 10, "cached_input_tokens": 5, "output_tokens": 20}, Tokens(5, 5, 0, 20)),
    ({"inputTokens": 10, "cacheReadInputTokens": 50, "cacheWriteInputTokens": 7, "outputTokens": 20}, Tokens(10, 50, 7, 20)),
    ({"inputTokens": 10, "cachedInputTokens": 5, "outputTokens": 20, "reasoningTokens": 2}, Tokens(5, 5, 0, 20, 2)),
    # LangChain: inside, under names of its own.
    ({"input_tokens": 350, "output_tokens": 240, "total_tokens": 590, "input_token_details": {"audio": 10, "cache_creation": 200, "cache_read": 100},
      "output_token_details": {"reasoning": 200}}, Tokens(50, 100, 200, 240, 200)),
    # Gemini: thoughts beside the candidates.
    ({"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 10, "thoughtsTokenCount": 30, "totalTokenCount": 140},
     Tokens(60, 40, 0, 40, 30)),
    # xAI: reasoning beside the completion, as the total tells.
    ({"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 24, "completion_tokens_details": {"reasoning_tokens": 5}}, Tokens(10, 0, 0, 14, 5)),
    # More parts than the whole: then it is no whole.
    ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 90}}, Tokens(10, 90, 0, 5)),
    ({"total": 7}, None),
    ({}, None),
])  # fmt: skip
def test_usage_is_read_as_its_provider_means_it(usage: dict[str, Any], expected: Tokens | None) -> None:
    assert provider_usage(usage) == expected


def test_what_is_no_count_is_refused_by_name() -> None:
    with pytest.raises(BadField, match="prompt_tokens"):
        provider_usage({"prompt_tokens": -1})


_COUNT = st.integers(0, 10**9)


@given(_COUNT, _COUNT, _COUNT, _COUNT, _COUNT, _COUNT, _COUNT, st.booleans(), st.booleans())
def test_a_true_total_finds_the_reading_whatever_the_keys_say(
    fresh: int, read: int, write: int, other_in: int, plain: int, reasoning: int, other_out: int, keys_in: bool, keys_out: bool
) -> None:  # fmt: skip
    # Said as wholes with a total: the same buckets come out, whichever way the keys point, unless two readings add up alike.
    meant = Tokens(fresh + other_in, read, write, plain + reasoning + other_out, reasoning)
    total = meant.prompt + meant.output
    found = resolved(
        meant.prompt, read, write, other_in, meant.output, reasoning, other_out, total,
        input_whole=keys_in, output_whole=keys_out,
    )  # fmt: skip
    assert found == meant
    apart = resolved(
        fresh, read, write, other_in, plain, reasoning, other_out, total, input_whole=False, output_whole=False
    )
    assert apart == meant


@given(_COUNT, _COUNT, _COUNT, _COUNT, _COUNT, st.none() | _COUNT, st.booleans(), st.booleans())
def test_buckets_are_never_negative_and_reasoning_is_a_part_of_the_output(
    given_in: int, read: int, write: int, given_out: int, reasoning: int, total: int | None, keys_in: bool, keys_out: bool
) -> None:  # fmt: skip
    found = resolved(
        given_in, read, write, 0, given_out, reasoning, 0, total, input_whole=keys_in, output_whole=keys_out
    )
    assert min(found) >= 0
    assert found.reasoning <= found.output
