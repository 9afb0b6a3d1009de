"""LiteLLM's counts as disjoint buckets."""

from typing import Final

from streams.sources.litellm.shapes import Details, Event, Number, Usage
from streams.sources.readings import count
from streams.sources.token_usage import Tokens

__all__ = ["NOTHING_USED", "buckets"]

NOTHING_USED: Final = Tokens()
#: Below it an integer is a count without further ado.
_PLAIN: Final = 2**31
_NO_USAGE: Final = Usage()
_NO_DETAILS: Final = Details()


def buckets(event: Event, usage: Usage | None) -> Tokens:
    """Prompt tokens include those of the cache, completion tokens those of reasoning.

    Where a part is more than its whole, the whole does not include it: so counted old versions (litellm#15945), and so
    count providers that bill reasoning beside the output. Raises BadField.
    """
    usage = usage or _NO_USAGE
    prompt = usage.prompt_tokens_details or _NO_DETAILS
    asked = _count(event.prompt_tokens, "prompt_tokens") or _count(usage.prompt_tokens, "usage.prompt_tokens")
    given = _count(event.completion_tokens, "completion_tokens")
    given = given or _count(usage.completion_tokens, "usage.completion_tokens")
    read = _count(prompt.cached_tokens, "cached_tokens")
    read = read or _count(usage.cache_read_input_tokens, "cache_read_input_tokens")
    write = _count(usage.cache_creation_input_tokens, "cache_creation_input_tokens")
    write = write or _count(prompt.cache_creation_tokens, "cache_creation_tokens")
    write = write or _count(prompt.cache_write_tokens, "cache_write_tokens")
    details = usage.completion_tokens_details
    reasoning = 0 if details is None else _count(details.reasoning_tokens, "reasoning_tokens")
    if read + write <= asked:
        asked -= read + write
    if reasoning > given:
        given += reasoning
    return Tokens(asked, read, write, given, reasoning)


def _count(value: Number, field: str) -> int:
    if type(value) is int and 0 <= value < _PLAIN:
        return value
    return count(value, field) or 0
