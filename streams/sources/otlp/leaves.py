"""Calls that two libraries recorded: the outer span of a nested pair, and a second span of the same response.

Frameworks and clients are instrumented at once, on purpose or not (the Anthropic SDK records spans of its own as soon as
there is a tracer); both spans say ``chat``, and both have the usage. What lies in one request is recognised here, and exporters
send the spans of a trace together more often than not. The rest is for the identity of calls across records, by the
response's id.
"""

from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from streams.sources.contract import Item, Skip
from streams.sources.otlp.records import Span

__all__ = ["Leaf", "once_each"]

#: What the span that counts takes over from the one that does not, where it has none of its own.
_OF_ONE: Final = ("request_id", "cost_micro_usd", "prompt_fingerprint")
_INHERITED: Final = ("team", "workflow", "actor", *_OF_ONE)


class Leaf(NamedTuple):
    """A call with its span; ``tokens`` are its token fields, None where they are not told."""

    span: Span
    item: Item
    tokens: dict[str, int] | None


def once_each(leaves: Sequence[Leaf]) -> tuple[list[Item], list[Skip]]:
    """The items of the calls that count, in order, and why the others do not.

    Of a call within a call the inner ones count, because there may be several of them (a call that was tried again), unless
    only the outer one knows its tokens. Of spans with one response id and the same tokens the first counts; where the
    tokens differ an id was used again, and all count.
    """
    over: dict[int, Skip] = {}
    for outer, inner in _nested(leaves).items():
        if leaves[outer].tokens is None or any(leaves[at].tokens is not None for at in inner):
            over[outer] = Skip.PARENT
            for at in inner:
                _inherit(leaves[at], leaves[outer])
        else:
            # Those that failed are attempts before the one that the outer call tells of.
            over.update((at, Skip.REPEATED) for at in inner if "status" not in leaves[at].item.fields)
    for at, first in _same_response(leaves, over):
        over[at] = Skip.REPEATED
        _inherit(leaves[first], leaves[at])
    if not over:
        return [leaf.item for leaf in leaves], []
    return [leaf.item for at, leaf in enumerate(leaves) if at not in over], list(over.values())


def _nested(leaves: Sequence[Leaf]) -> dict[int, list[int]]:
    """The calls that have calls right below them, with those."""
    spans = [leaf.span for leaf in leaves]
    if {span.span_id for span in spans}.isdisjoint([span.parent_span_id for span in spans]):
        return {}
    by_span = {(span.trace_id, span.span_id): at for at, span in enumerate(spans)}
    found: dict[int, list[int]] = {}
    for at, span in enumerate(spans):
        outer = by_span.get((span.trace_id, span.parent_span_id), at)
        if outer != at:
            found.setdefault(outer, []).append(at)
    return found


def _same_response(leaves: Sequence[Leaf], over: Container[int]) -> list[tuple[int, int]]:
    """Each call whose response an earlier one has told of, with that one."""
    responses = [leaf.item.fields.get("request_id") for leaf in leaves]
    if len(set(responses)) == len(responses):
        return []
    first_with: dict[tuple[str, tuple[int, ...]], int] = {}
    found = []
    for at, (leaf, response) in enumerate(zip(leaves, responses, strict=True)):
        if response is not None and leaf.tokens is not None and at not in over:
            first = first_with.setdefault((response, tuple(leaf.tokens.values())), at)
            if first != at:
                found.append((at, first))
    return found


def _inherit(counted: Leaf, other: Leaf) -> None:
    fields, others = counted.item.fields, other.item.fields
    for name in _INHERITED:
        # What several calls cost together, or the response of the last of them, is not that of each.
        if name in others and name not in fields and (name not in _OF_ONE or counted.tokens == other.tokens):
            fields[name] = others[name]
    if fields["run_id"] == counted.span.trace_id and others["run_id"] != other.span.trace_id:
        fields["run_id"] = others["run_id"]
    assert isinstance(counted.item.labels, dict)
    for name, label in other.item.labels.items():
        counted.item.labels.setdefault(name, label)
