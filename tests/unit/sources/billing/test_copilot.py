"""Copilot's metrics and billing usage: tokens of the command line, credits at a cent, gross amounts by model."""

from typing import Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.sources.billing.bill import DAY_MS, Report
from streams.sources.billing.copilot import read
from streams.sources.contract import Skip
from tests.unit.sources.judging import payload

APRIL_MS = 1_777_075_200_000  # 2026-04-25
ITEM = {
    "product": "Copilot", "sku": "Copilot AI Credits", "model": "Claude Sonnet 4.5", "unitType": "ai-credits",
    "pricePerUnit": 0.01, "grossQuantity": 1234.5, "grossAmount": 12.345, "discountQuantity": 1000, "discountAmount": 10.0,
    "netQuantity": 234.5, "netAmount": 2.345,
}  # fmt: skip


def billing(period: Any, *items: dict[str, Any]) -> bytes:
    return orjson.dumps({"timePeriod": period, "organization": "acme", "usageItems": list(items)})


def test_peoples_days_of_the_sample_have_tokens_of_the_command_line_and_credits() -> None:
    bill = read(payload("copilot/organization-users-1-day-report.json"))
    assert [(row.unsplit_tokens, row.cost_micro_usd, row.calls) for row in bill.rows] == [
        (23_229_028 + 121_157, 25_000, 187),
        (616_618 + 626_901, 50_000, 31),
    ]
    assert {(row.report, row.start_ms, row.bucket_ms) for row in bill.rows} == {
        (Report.COPILOT_USERS, APRIL_MS, DAY_MS)
    }
    assert "hubot" not in repr(bill)


def test_the_organizations_day_of_the_sample_is_the_sum_of_its_people() -> None:
    (row,) = read(payload("copilot/organization-1-day-report.json")).rows
    assert (row.report, row.unsplit_tokens, row.calls) == (Report.COPILOT_ORGANIZATION, 24_593_704, 218)


def test_the_28_days_of_the_sample_are_one_bucket_of_credits() -> None:
    bill = read(payload("copilot/enterprise-users-28-day-report.json"))
    assert {row.bucket_ms for row in bill.rows} == {28 * DAY_MS}
    assert sum(row.cost_micro_usd or 0 for row in bill.rows) == 2_225_100
    assert len({row.identity for row in bill.rows}) == len(bill.rows) == 8


def test_lines_are_read_each_and_one_that_is_cut_off_costs_no_other() -> None:
    line = orjson.dumps({"day": "2026-04-25", "user_id": 1, "ai_credits_used": 2})
    bill = read(line + b"\n" + orjson.dumps({"day": "2026-04-25", "user_id": 2}) + b"\n" + line[:-9])
    assert [row.cost_micro_usd for row in bill.rows] == [20_000]
    assert bill.skipped == {Skip.IRRELEVANT: 1}
    assert [(it.place, it.reason) for it in bill.refused] == [("line 3", Reason.INVALID_JSON)]


@pytest.mark.parametrize(
    ("period", "days"),
    [({"year": 2026, "month": 2}, 28), ({"year": 2026, "month": 12}, 31), ({"year": 2026}, 365),
     ({"year": 2026, "month": 2, "day": 3}, 1)],
)  # fmt: skip
def test_a_bill_of_a_year_a_month_or_a_day_is_one_bucket(period: dict[str, int], days: int) -> None:
    (row,) = read(billing(period, ITEM)).rows
    assert (row.bucket_ms, row.cost_micro_usd, row.model) == (days * DAY_MS, 12_345_000, "Claude-Sonnet-4.5")


def test_what_discounts_take_off_and_what_is_no_credit_stands_apart() -> None:
    seats = {"unitType": "seats", "grossAmount": 39, "discountAmount": 0}
    assert read(billing({"year": 2026, "month": 2}, ITEM, seats)).apart == {
        "discount": -10_000_000,
        "other_units": 39_000_000,
    }


@pytest.mark.parametrize("period", [None, {}, {"year": 2026, "month": 0}, {"year": 2026, "month": 13}, {"year": 10**9},
                                    {"year": 1969}, {"year": "x"}, {"year": 2026, "month": 2, "day": 30}])  # fmt: skip
def test_a_bill_without_a_sound_time_is_refused(period: Any) -> None:
    bill = read(billing(period, ITEM))
    assert (len(bill.refused), bill.rows) == (1, [])


@pytest.mark.parametrize(
    "row",
    [
        {"ai_credits_used": -1},
        {"ai_credits_used": "lots"},
        {"totals_by_cli": {"token_usage": {"prompt_tokens_sum": -4}}},
    ],
)
def test_what_cannot_be_is_refused(row: dict[str, Any]) -> None:
    bill = read(orjson.dumps({"day": "2026-04-25", **row}))
    assert (len(bill.refused), bill.rows) == (1, [])
    assert len(read(b'{"what": 1}').refused) == 1
