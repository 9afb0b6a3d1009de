"""A call that two libraries recorded counts once in a request, with what either knows."""

from typing import Any

import pytest

from streams.sources.contract import Skip
from tests.otlp_requests import TRACE, decoded, span

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
USED = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2}
OTHER = {"gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 3}
OTHER_TRACE = "ab" * 16


def below(number: int) -> str:
    return f"{number:016x}"


def counted(*spans: dict[str, Any]) -> tuple[list[int], dict[Skip, int]]:
    found = decoded(spans)
    assert found.refused == []
    return [int(item.place.rpartition(".")[2]) for item in found.items], dict(found.skipped)


@pytest.mark.parametrize(
    ("spans", "expected", "skips"),
    [
        # a framework's span around the client's, whichever comes first
        ([span(1, {**CHAT, **USED}), span(2, {**CHAT, **USED}, parentSpanId=below(1))], [1], {Skip.PARENT: 1}),
        ([span(2, {**CHAT, **USED}, parentSpanId=below(1)), span(1, {**CHAT, **USED})], [0], {Skip.PARENT: 1}),
        # only the outer one knows
        ([span(1, {**CHAT, **USED}), span(2, CHAT, parentSpanId=below(1))], [0], {Skip.REPEATED: 1}),
        # neither does
        ([span(1, CHAT), span(2, CHAT, parentSpanId=below(1))], [1], {Skip.PARENT: 1}),
        # two attempts below one call, told and not
        ([span(1, {**CHAT, **USED}), span(2, CHAT, parentSpanId=below(1), status={"code": 2}),
          span(3, {**CHAT, **USED}, parentSpanId=below(1))], [1, 2], {Skip.PARENT: 1}),
        ([span(1, {**CHAT, **USED}), span(2, CHAT, parentSpanId=below(1), status={"code": 2})], [0, 1], {}),
        # not right below it: an agent that a tool called
        ([span(1, {**CHAT, **USED}), span(2, {"gen_ai.operation.name": "execute_tool"}, parentSpanId=below(1)),
          span(3, {**CHAT, **OTHER}, parentSpanId=below(2))], [0, 2], {Skip.IRRELEVANT: 1}),
        # a parent that is elsewhere, and one that is itself
        ([span(1, {**CHAT, **USED}, parentSpanId=below(9))], [0], {}),
        ([span(1, {**CHAT, **USED}, parentSpanId=below(1))], [0], {}),
        ([span(1, {**CHAT, **USED}), span(2, {**CHAT, **USED}, parentSpanId=below(1), traceId=OTHER_TRACE)], [0, 1], {}),
    ],
)  # fmt: skip
def test_nested_calls(spans: list[dict[str, Any]], expected: list[int], skips: dict[Skip, int]) -> None:
    assert counted(*spans) == (expected, skips)


def test_spans_of_one_response_count_once_even_in_different_traces() -> None:
    # The Anthropic SDK's own span beside traceloop's, which has ended before: two traces.
    response = {**CHAT, **USED, "gen_ai.response.id": "msg_1"}
    assert counted(span(1, response), span(2, response, traceId=OTHER_TRACE)) == ([0], {Skip.REPEATED: 1})


def test_one_response_id_with_different_tokens_is_two_calls() -> None:
    one, two = ({**CHAT, **used, "gen_ai.response.id": "r"} for used in (USED, OTHER))
    assert counted(span(1, one), span(2, two)) == ([0, 1], {})


def test_calls_without_a_response_id_all_count() -> None:
    assert counted(span(1, {**CHAT, **USED}), span(2, {**CHAT, **USED})) == ([0, 1], {})


def test_the_span_that_counts_takes_over_what_only_the_other_knows() -> None:
    outer = span(1, {**CHAT, **USED, "session.id": "s", "team": "red", "operation.cost": 0.5, "gen_ai.agent.name": "a"})
    inner = span(2, {**CHAT, **USED, "gen_ai.response.id": "r", "workflow": "w"}, parentSpanId=below(1))
    (item,) = decoded([outer, inner]).items
    assert (item.fields["team"], item.fields["workflow"], item.fields["run_id"]) == ("red", "w", "s")
    assert (item.fields["cost_micro_usd"], item.fields["request_id"]) == (500_000, "r")
    assert item.labels == {"gen_ai.agent.name": "a"}


def test_what_several_calls_cost_together_is_not_what_each_did() -> None:
    outer = span(1, {**CHAT, **USED, "operation.cost": 0.5, "gen_ai.response.id": "last"})
    inner = span(2, {**CHAT, **OTHER}, parentSpanId=below(1))
    (item,) = decoded([outer, inner]).items
    assert "cost_micro_usd" not in item.fields
    assert "request_id" not in item.fields
    assert item.fields["run_id"] == TRACE
