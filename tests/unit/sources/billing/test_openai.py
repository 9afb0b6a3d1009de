"""OpenAI's usage and costs: input includes what was cached, and money is in dollars."""

from typing import Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.sources.billing.bill import DAY_MS, Report
from streams.sources.billing.openai import read
from streams.sources.contract import Skip
from streams.sources.token_usage import Tokens
from tests.unit.sources.judging import payload

NOVEMBER_MS = 1_730_419_200_000  # 2024-11-01


def page(*results: dict[str, Any], **changes: Any) -> bytes:
    bucket = {"object": "bucket", "start_time": 1730419200, "end_time": 1730505600, "results": list(results)}
    return orjson.dumps({"object": "page", "data": [bucket | changes], "has_more": False})


def usage(**changes: Any) -> dict[str, Any]:
    return {"object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 10, **changes}


def cost(value: Any, **changes: Any) -> dict[str, Any]:
    return {"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"}, **changes}


def test_the_documented_usage_has_the_cached_tokens_taken_out_of_the_input() -> None:
    bill = read(payload("openai/usage_completions.response.json"))
    (row,) = bill.rows
    assert row.tokens == Tokens(input=200, cache_read=800, output=500)
    assert (row.start_ms, row.bucket_ms, row.model, row.calls, row.all_tokens) == (NOVEMBER_MS, DAY_MS, None, 5, 1500)
    assert bill.more


def test_the_documented_costs_are_in_dollars() -> None:
    (row,) = read(payload("openai/costs.response.json")).rows
    assert (row.report, row.cost_micro_usd, row.model) == (Report.OPENAI_COSTS, 60_000, None)


def test_the_documented_embeddings_have_no_output() -> None:
    (row,) = read(payload("openai/usage_embeddings.response.json")).rows
    assert (row.tokens, row.calls) == (Tokens(input=16), 2)


def test_the_documented_results_are_read_within_a_bucket() -> None:
    bill = read(
        page(
            orjson.loads(payload("openai/UsageCompletionsResult.example.json")),
            orjson.loads(payload("openai/CostsResult.example.json")),
        )
    )
    used, paid = bill.rows
    assert (used.tokens, used.model) == (Tokens(input=1000, cache_read=4000, output=1000), "gpt-4o-mini-2024-07-18")
    assert (paid.cost_micro_usd, paid.model) == (60_000, None)


def test_tokens_written_to_a_cache_are_a_part_of_the_input_too() -> None:
    (row,) = read(page(usage(input_cached_tokens=300, input_cache_write_tokens=200))).rows
    assert row.tokens == Tokens(input=500, cache_read=300, cache_write=200, output=10)


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ("gpt-4o-2024-08-06, input", "gpt-4o-2024-08-06"),
        ("gpt-4o-2024-08-06, cached input", "gpt-4o-2024-08-06"),
        ("gpt-4o-2024-08-06, Input", "gpt-4o-2024-08-06"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("GPT-4o mini", None),
        ("Image models", None),
        ("web search, per call", None),
        (None, None),
    ],
)
def test_a_line_of_the_bill_names_a_model_or_none(line: str | None, model: str | None) -> None:
    assert [row.model for row in read(page(cost(1, line_item=line))).rows] == [model]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (usage(input_cached_tokens=1001), Reason.INCONSISTENT),
        (usage(output_tokens=-5), Reason.OUT_OF_RANGE),
        (usage(input_tokens="many"), Reason.WRONG_TYPE),
        (usage(input_tokens=None, output_tokens=None), Reason.MISSING_FIELD),
        (cost(-0.06), Reason.OUT_OF_RANGE),
        (cost(None), Reason.MISSING_FIELD),
        (cost(1) | {"amount": {"value": 1, "currency": "eur"}}, Reason.UNKNOWN_VALUE),
    ],
)
def test_what_cannot_be_is_refused_and_costs_no_other_row(result: dict[str, Any], reason: Reason) -> None:
    bill = read(page(result, usage()))
    assert ([it.reason for it in bill.refused], len(bill.rows)) == ([reason], 1)


def test_other_usage_and_what_is_none_is_counted() -> None:
    bill = read(page({"object": "organization.usage.images.result", "images": 3}, {"images": 3}))
    assert bill.skipped == {Skip.IRRELEVANT: 1, Skip.UNKNOWN: 1}


@pytest.mark.parametrize(
    "changes", [{"start_time": 0}, {"start_time": None}, {"end_time": 1730419200}, {"end_time": 1e18}]
)
def test_a_bucket_without_a_sound_time_is_refused(changes: dict[str, Any]) -> None:
    bill = read(page(usage(), **changes))
    assert (len(bill.refused), bill.rows) == (1, [])
