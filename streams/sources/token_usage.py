"""What model providers and the libraries around them mean by "tokens used", as disjoint buckets.

The same word has three meanings: OpenAI's ``prompt_tokens`` and Responses' ``input_tokens`` include what came from a cache,
Anthropic's and Bedrock's ``input_tokens`` exclude it, and Google's output excludes reasoning where OpenAI's includes it.
Which is meant follows from the keys; where they leave it open, ``total`` is called as a witness, and never added.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.sources.readings import count

__all__ = ["Tokens", "first", "provider_usage", "resolved"]


class Tokens(NamedTuple):
    """Disjoint buckets, but that ``reasoning`` is a part of ``output``."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def fields(self) -> dict[str, int]:
        """The buckets under the names of a usage record."""
        return {
            "input_tokens": self.input,
            "cache_read_tokens": self.cache_read,
            "cache_write_tokens": self.cache_write,
            "output_tokens": self.output,
            "reasoning_tokens": self.reasoning,
        }

    @property
    def prompt(self) -> int:
        """All that went in, cached or not."""
        return self.input + self.cache_read + self.cache_write


def first(holder: Mapping[str, Any], *names: str) -> int | None:
    """The count under the first of these names that has one. Raises BadField where one of them holds no count."""
    for name in names:
        value = holder.get(name)
        if value is not None and (found := count(value, name)) is not None:
            return found
    return None


def resolved(
    given_input: int, cache_read: int, cache_write: int, other_input: int, given_output: int, reasoning: int, other_output: int,
    total: int | None, *, input_whole: bool, output_whole: bool,
) -> Tokens:  # fmt: skip
    """Buckets from what was given, which may or may not be the whole that its parts are parts of.

    ``input_whole`` and ``output_whole`` say what is meant by the keys alone. Parts cannot exceed their whole, and where a
    total agrees with just one reading, that is the one: both overrule the keys. ``other_input`` and ``other_output`` are
    parts that cost what the rest costs (audio, images).
    """
    parts_in, parts_out = cache_read + cache_write + other_input, reasoning + other_output
    wholes_in = [whole for whole in (input_whole, not input_whole) if not whole or parts_in <= given_input]
    wholes_out = [whole for whole in (output_whole, not output_whole) if not whole or parts_out <= given_output]
    whole_in, whole_out = wholes_in[0], wholes_out[0]
    if total is not None:
        for one, other in ((one, other) for one in wholes_in for other in wholes_out):
            said = given_input + given_output + (0 if one else parts_in) + (0 if other else parts_out)
            if said == total:
                whole_in, whole_out = one, other
                break
    fresh = given_input - cache_read - cache_write if whole_in else given_input + other_input
    return Tokens(fresh, cache_read, cache_write, given_output if whole_out else given_output + parts_out, reasoning)


#: Names of one thing; of those that are there the largest counts, because some libraries say it under several.
_READ: Final = ("cached_tokens", "cache_read", "cache_read_input_tokens", "cached_input_tokens", "cache_read_tokens",
                "prompt_cache_hit_tokens", "cacheReadInputTokens", "cachedInputTokens")  # fmt: skip
_WRITTEN: Final = ("cache_creation_tokens", "cache_creation", "cache_write_tokens", "cache_creation_input_tokens",
                   "cache_write_input_tokens", "cacheWriteInputTokens", "cacheCreationInputTokens")  # fmt: skip
_REASONING: Final = ("reasoning_tokens", "reasoning", "thinking_tokens", "reasoningTokens")
#: Cached tokens under these names are a part of ``input_tokens``, though nothing is nested.
_CODEX: Final = ("cached_input_tokens", "cachedInputTokens")


def provider_usage(usage: Mapping[str, Any]) -> Tokens | None:
    """The usage object of a model's API, or of LangChain, Codex or Vercel's AI SDK; None if it is none of those.

    Raises BadField.
    """
    if "promptTokenCount" in usage or "prompt_token_count" in usage:
        return _google(usage)
    details_in = _details(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    details_out = _details(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    prompt = first(usage, "prompt_tokens", "promptTokens")
    given = first(usage, "input_tokens", "inputTokens") if prompt is None else prompt
    output = first(usage, "completion_tokens", "completionTokens", "output_tokens", "outputTokens")
    if given is None and output is None:
        return None
    by_age = _sum(usage.get("cache_creation")) or _sum(details_in)
    return resolved(
        given or 0,
        max(_most(details_in, _READ), _most(usage, _READ)),
        max(_most(details_in, _WRITTEN), _most(usage, _WRITTEN), by_age),
        0,
        output or 0,
        max(_most(details_out, _REASONING), _most(usage, _REASONING)),
        0,
        first(usage, "total_tokens", "totalTokens"),
        input_whole=prompt is not None or bool(details_in) or any(usage.get(name) is not None for name in _CODEX),
        output_whole=True,
    )


def _google(usage: Mapping[str, Any]) -> Tokens:
    """Gemini: the prompt includes what was cached, the candidates exclude thoughts, tools' prompts are apart."""
    prompt = first(usage, "promptTokenCount", "prompt_token_count") or 0
    tools = first(usage, "toolUsePromptTokenCount", "tool_use_prompt_token_count") or 0
    cached = first(usage, "cachedContentTokenCount", "cached_content_token_count") or 0
    output = first(usage, "candidatesTokenCount", "candidates_token_count") or 0
    thoughts = first(usage, "thoughtsTokenCount", "thoughts_token_count") or 0
    return Tokens(max(prompt - cached, 0) + tools, cached, 0, output + thoughts, thoughts)


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((found for name in names if isinstance(found := usage.get(name), dict)), {})


def _most(holder: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return max(
        (count(value, name) or 0 for name in names if not isinstance(value := holder.get(name), dict)), default=0
    )


def _sum(by_age: Any) -> int:
    """Anthropic's cache writes by how long they live, which add up to all."""
    if not isinstance(by_age, dict):
        return 0
    return sum(first(by_age, name) or 0 for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"))
