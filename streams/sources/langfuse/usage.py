"""The three meanings of Langfuse's ``usageDetails``, as disjoint buckets.

1. A provider's own usage object, nested, as the OpenAI wrappers of the SDKs send it: cached tokens are inside the prompt.
2. Langfuse's own flat keys (``input``, ``cache_read_input_tokens``, ``output``): each a bucket apart from the others.
3. What its LangChain callback makes: flat too, with ``output_reasoning`` beside ``output``.

OpenInference's keys (``prompt_details.cache_read``) are flat and still inside. ``total`` is the sum by definition and is
never added; where some library sends a whole with its parts as if they were apart (langfuse#10592), the total shows it.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from streams.sources.readings import count, dollars
from streams.sources.token_usage import Tokens, first, provider_usage, resolved

__all__ = ["answered_from_cache", "read_cost", "read_usage"]

#: What a message calls a count: its own key is the sender's to choose, and is not repeated.
_FIELD: Final = "usageDetails"
#: Keys of sums and of things that are no tokens.
_TOTALS: Final = ("total", "total_tokens", "totalTokens")
_INSIDE: Final = ("prompt_details", "completion_details", "prompt_tokens_details", "completion_tokens_details")
#: Of calls with priority LangChain says the whole once more, and takes it from nothing.
_COPIES: Final = frozenset({"input_priority", "output_priority"})
_UNITS: Final = frozenset({"", "TOKENS", "TOKEN"})


def read_usage(fields: Mapping[str, Any]) -> Tokens | None:
    """Tokens of an observation; None where it tells none: no usage, a total alone, or another unit. Raises BadField."""
    for name in ("usageDetails", "usage"):
        usage = as_object(fields.get(name))
        if str(usage.get("unit") or "").upper() not in _UNITS:
            continue
        found = None if "input" in usage or "output" in usage else provider_usage(usage)
        found = found or _flat(usage)
        if found is not None:
            return found
    return None


def answered_from_cache(fields: Mapping[str, Any]) -> bool:
    """Whether LangChain had the answer in its cache: it says so by a cost of nothing among the tokens."""
    usage = as_object(fields.get("usageDetails"))
    said = usage.get("total_cost")
    return type(said) in (int, float) and not said


def read_cost(fields: Mapping[str, Any]) -> int | None:
    """Micro-dollars of an observation; None where none are told, and where none means that nobody knew a price. Raises BadField."""
    for name in ("costDetails", "cost_details"):
        details = as_object(fields.get(name))
        total = dollars(details.get("total"), f"{name}.total")
        if total is None and details:
            total = sum(dollars(value, name) or 0 for value in details.values())
        if total:
            return total
    usage = as_object(fields.get("usage"))
    return (
        dollars(usage.get("totalCost"), "usage.totalCost")
        or dollars(fields.get("calculatedTotalCost"), "calculatedTotalCost")
        or dollars(fields.get("totalCost"), "totalCost")
        or None
    )


def as_object(value: Any) -> dict[str, Any]:
    """An object, or a text that holds one as JSON; anything else says nothing."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _flat(usage: Mapping[str, Any]) -> Tokens | None:
    given_input, given_output = first(usage, "input", "prompt"), first(usage, "output", "completion")
    read = by_modality = write = by_age = reasoning = other_input = other_output = 0
    inside = False
    for key, value in usage.items():
        if (
            key in _TOTALS
            or key in ("input", "prompt", "output", "completion")
            or not isinstance(value, int | float | str)
        ):
            continue
        word = key.lower()
        if "cost" in word or word == "unit" or word in _COPIES:
            continue
        if word.startswith(_INSIDE):
            inside = True
        if "ephemeral" in word:
            by_age += count(value, _FIELD) or 0
        elif "cache" in word:
            # One thing under several names; a miss is what is fresh.
            if any(part in word for part in ("creat", "writ")):
                write = max(write, count(value, _FIELD) or 0)
            elif "modality" in word:
                by_modality += count(value, _FIELD) or 0
            elif "miss" not in word:
                read = max(read, count(value, _FIELD) or 0)
        elif any(part in word for part in ("reason", "thought", "thinking")):
            reasoning = max(reasoning, count(value, _FIELD) or 0)
        elif word.startswith(("input", "prompt")):
            other_input += count(value, _FIELD) or 0
        elif word.startswith(("output", "completion")):
            other_output += count(value, _FIELD) or 0
    parts = (max(read, by_modality), max(write, by_age), other_input, reasoning, other_output)
    if given_input is None and given_output is None and not any(parts):
        return None
    return resolved(
        given_input or 0, *parts[:3], given_output or 0, *parts[3:], first(usage, *_TOTALS),
        input_whole=inside, output_whole=inside,
    )  # fmt: skip
