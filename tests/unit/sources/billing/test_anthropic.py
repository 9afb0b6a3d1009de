"""Anthropic's admin reports: cents are cents, cached tokens stand beside uncached ones, and every record is somewhere."""

from typing import Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.sources.billing.anthropic import read
from streams.sources.billing.bill import DAY_MS, Bill, Report, Span
from streams.sources.contract import BadBody, Skip
from streams.sources.token_usage import Tokens
from tests.unit.sources.judging import payload

AUGUST_MS = 1_754_006_400_000  # 2025-08-01
SEPTEMBER_MS = 1_756_684_800_000  # 2025-09-01


def page(*results: dict[str, Any], **changes: Any) -> bytes:
    bucket = {"starting_at": "2025-08-01T00:00:00Z", "ending_at": "2025-08-02T00:00:00Z", "results": list(results)}
    return orjson.dumps({"data": [bucket | changes], "has_more": False, "next_page": None})


def cost(amount: Any, **changes: Any) -> dict[str, Any]:
    return {"currency": "USD", "amount": amount, "cost_type": "tokens", "model": "claude-opus-4-1", **changes}


def reasons(bill: Bill) -> list[Reason]:
    return [it.reason for it in bill.refused]


def test_the_documented_usage_report_is_read_to_the_token() -> None:
    (row,) = read(payload("anthropic/usage_report_messages.response.json")).rows
    assert row.tokens == Tokens(input=1500, cache_read=200, cache_write=1500, output=500)
    assert (row.report, row.start_ms, row.bucket_ms) == (Report.ANTHROPIC_USAGE, AUGUST_MS, DAY_MS)
    assert (row.model, row.cost_micro_usd, row.calls, row.all_tokens) == ("claude-sonnet-4-20250514", None, None, 3700)


def test_the_documented_cost_report_is_in_cents() -> None:
    bill = read(payload("anthropic/cost_report.response.json"))
    (row,) = bill.rows
    assert (row.cost_micro_usd, row.tokens, bill.more) == (1_237_891, None, True)


def test_the_documented_analytics_are_in_cents_and_leave_no_name_behind() -> None:
    bill = read(payload("anthropic/usage_report_claude_code.response.json"))
    (row,) = bill.rows
    assert (row.start_ms, row.cost_micro_usd) == (SEPTEMBER_MS, 10_250_000)
    assert row.tokens == Tokens(input=100_000, cache_read=10_000, cache_write=5_000, output=35_000)
    assert "developer" not in repr(bill)


@pytest.mark.parametrize(
    ("amount", "micro_usd"), [("123.45", 1_234_500), (1025, 10_250_000), ("1025", 10_250_000), ("0", 0), ("0.00005", 0)]
)
def test_cents_are_read_as_text_and_as_number(amount: Any, micro_usd: int) -> None:
    assert [row.cost_micro_usd for row in read(page(cost(amount))).rows] == [micro_usd]


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("-1", Reason.OUT_OF_RANGE),
        ("1e40", Reason.OUT_OF_RANGE),
        ("99999999999999999", Reason.OUT_OF_RANGE),
        ("$1.23", Reason.WRONG_TYPE),
        ("NaN", Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        (None, Reason.MISSING_FIELD),
        ([1], Reason.WRONG_TYPE),
    ],
)
def test_an_absurd_amount_is_refused_and_costs_no_other_row(amount: Any, reason: Reason) -> None:
    bill = read(page(cost(amount), cost("100", token_type="output_tokens")))
    assert (reasons(bill), [row.cost_micro_usd for row in bill.rows]) == ([reason], [1_000_000])
    assert bill.refused[0].place == "0/data/0/results/0"


def test_other_currencies_are_refused() -> None:
    assert reasons(read(page(cost("1", currency="EUR")))) == [Reason.UNKNOWN_VALUE]


def test_searches_and_sessions_stand_apart_from_tokens() -> None:
    bill = read(page(cost("100", cost_type="web_search", model=None), cost("50", cost_type="session_usage"), cost("7")))
    assert (bill.apart, len(bill.rows)) == ({"web_search": 1_000_000, "session_usage": 500_000}, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"starting_at": None}, Reason.MISSING_FIELD),
        ({"starting_at": "yesterday"}, Reason.INVALID_TIMESTAMP),
        ({"ending_at": "2025-08-01T00:00:00Z"}, Reason.OUT_OF_RANGE),
        ({"ending_at": "2035-08-01T00:00:00Z"}, Reason.OUT_OF_RANGE),
        ({"results": None}, Reason.MISSING_FIELD),
        ({"results": "none"}, Reason.WRONG_TYPE),
    ],
)
def test_a_bucket_without_a_sound_time_or_results_is_refused(changes: dict[str, Any], reason: Reason) -> None:
    bill = read(page(cost("1"), **changes))
    assert (reasons(bill), bill.rows) == ([reason], [])


def test_naive_times_are_utc() -> None:
    bill = read(page(cost("1"), starting_at="2025-08-01T00:00:00", ending_at="2025-08-01T01:00:00"))
    assert [(row.start_ms, row.bucket_ms) for row in bill.rows] == [(AUGUST_MS, 3_600_000)]


def test_an_empty_bucket_is_a_time_in_which_nothing_was_used() -> None:
    assert set(read(page()).covered) == {
        Span(report, "anthropic", AUGUST_MS, AUGUST_MS + DAY_MS)
        for report in (Report.ANTHROPIC_USAGE, Report.ANTHROPIC_COST)
    }


def test_negative_tokens_and_endless_names_are_refused() -> None:
    bill = read(page({"uncached_input_tokens": -1}, {"output_tokens": 1, "model": "m" * 257}, {"surprise": 1}))
    assert reasons(bill) == [Reason.OUT_OF_RANGE, Reason.TOO_LONG, Reason.MISSING_FIELD]


def test_a_day_of_analytics_that_goes_on_on_another_page_is_unfinished() -> None:
    def analytics(*, more: bool) -> bytes:
        record = {"date": "2025-09-01T00:00:00Z", "actor": {"type": "api_actor"}, "model_breakdown": []}
        return orjson.dumps({"data": [record], "has_more": more})

    span = Span(Report.ANTHROPIC_CLAUDE_CODE, "anthropic", SEPTEMBER_MS, SEPTEMBER_MS + DAY_MS)
    first, last = read(analytics(more=True)), read(analytics(more=False))
    assert (first.unfinished, first.finished, last.unfinished, last.finished) == ({span}, set(), set(), {span})
    assert first.skipped == {Skip.IRRELEVANT: 1}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", page(cost("1"))[:-20], b"[]"])
def test_what_is_cut_off_or_empty_is_no_bill(body: bytes) -> None:
    with pytest.raises(BadBody):
        read(body)
