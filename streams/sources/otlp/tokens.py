"""Token counts as their sender has them, as disjoint buckets.

OpenTelemetry's conventions count cached tokens into the input and reasoning into the output. Some senders do not, and
where the numbers show it they are read so: what is cached cannot be more than an input that it is a part of.
"""

from typing import NamedTuple

from streams.sources.otlp.records import Attributes
from streams.sources.otlp.words import first_count

__all__ = ["Names", "buckets", "read"]


class Names(NamedTuple):
    """Under which names a dialect has its counts, those that are preferred first."""

    input: tuple[str, ...]
    output: tuple[str, ...]
    cache_read: tuple[str, ...] = ()
    cache_write: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()


def read(attributes: Attributes, names: Names, *, cached_apart: bool = False) -> dict[str, int] | None:
    """The token fields of a usage event; None where neither input nor output is told.

    ``cached_apart`` says that the input is known to leave cached tokens out. Raises BadField where one is no count.
    """
    return buckets(
        first_count(attributes, names.input),
        first_count(attributes, names.output),
        first_count(attributes, names.cache_read) or 0,
        first_count(attributes, names.cache_write) or 0,
        first_count(attributes, names.reasoning) or 0,
        cached_apart=cached_apart,
    )


def buckets(
    input_tokens: int | None,
    output_tokens: int | None,
    cache_read: int,
    cache_write: int,
    reasoning: int,
    *,
    cached_apart: bool = False,
) -> dict[str, int] | None:
    """The same from counts that were read already."""
    if input_tokens is None and output_tokens is None:
        return None
    fresh = input_tokens or 0
    output = output_tokens or 0
    cached = cache_read + cache_write
    if not cached_apart and cached <= fresh:
        fresh -= cached
    if reasoning > output:
        output += reasoning
    return {
        "input_tokens": fresh,
        "cache_read_tokens": cache_read,
        "cache_write_tokens": cache_write,
        "output_tokens": output,
        "reasoning_tokens": reasoning,
    }
