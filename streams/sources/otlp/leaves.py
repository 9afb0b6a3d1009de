"""Calls that two libraries recorded: the outer span of a nested pair, and a second span of the same response.

Frameworks and clients are instrumented at once, on purpose or not; both spans say ``chat``, and both have the usage.
What lies in one request is recognised here; exporters send a trace's spans together more often than not. The rest is for the
identity of calls across records, by the response's id.
"""

from collections.abc import Sequence
from typing import NamedTuple

from streams.sources.contract import Item, Skip
from streams.sources.otlp.records import Span

__all__ = ["Leaf", "passed_over"]


class Leaf(NamedTuple):
    """A call with its span; ``known`` says that its tokens are told."""

    span: Span
    item: Item
    known: bool


def passed_over(leaves: Sequence[Leaf]) -> dict[int, Skip]:
    """Why some of the calls of one request are not counted, by their place in the sequence.

    Of a call within a call the inner one counts, because there may be several of them (a call that was tried again), unless
    only the outer one knows its tokens. Of one response the first span that knows them counts.
    """
    found: dict[int, Skip] = {}
    by_span = {(leaf.span.trace_id, leaf.span.span_id): at for at, leaf in enumerate(leaves)}
    for at, leaf in enumerate(leaves):
        if not leaf.span.parent_span_id:
            continue
        outer = by_span.get((leaf.span.trace_id, leaf.span.parent_span_id))
        if outer is None or outer == at:
            continue
        if leaf.known or not leaves[outer].known:
            found[outer] = Skip.PARENT
        else:
            found[at] = Skip.REPEATED
    by_response: dict[tuple[str, str], int] = {}
    for at, leaf in enumerate(leaves):
        response = leaf.item.fields.get("request_id")
        if response is None or at in found:
            continue
        other = by_response.setdefault((leaf.span.trace_id, response), at)
        if other != at:
            if leaf.known and not leaves[other].known:
                found[other] = Skip.REPEATED
                by_response[leaf.span.trace_id, response] = at
            else:
                found[at] = Skip.REPEATED
    return found
