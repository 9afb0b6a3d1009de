"""FOCUS 1.2: rows of AI services, amounts of usage, and the other categories apart."""

import csv
import io
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.reasons import Reason
from streams.sources.billing.bill import DAY_MS, Bill, Span
from streams.sources.billing.focus import read
from streams.sources.contract import BadBody, Skip

AUGUST_MS = 1_754_006_400_000  # 2025-08-01
ROW = {
    "BilledCost": "1.25", "EffectiveCost": "1.00", "BillingCurrency": "USD", "ChargeCategory": "Usage",
    "ChargePeriodStart": "2025-08-01T00:00:00Z", "ChargePeriodEnd": "2025-08-02T00:00:00Z", "ConsumedQuantity": "1.5",
    "ConsumedUnit": "1K Tokens", "ProviderName": "Anthropic", "ServiceCategory": "AI and Machine Learning",
    "Tags": '{"model": "claude-sonnet-4-20250514", "team": "payments"}', "x_ConsumedTokens": "", "x_Model": "",
    "ResourceType": "", "ResourceName": "",
}  # fmt: skip


def table(*rows: dict[str, str]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, ROW.keys(), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def bill_of(**changes: str) -> Bill:
    return read(table(ROW | changes))


def test_a_row_of_usage_has_its_cost_its_tokens_and_the_model_of_its_tag() -> None:
    (row,) = bill_of().rows
    assert (row.cost_micro_usd, row.unsplit_tokens, row.tokens, row.all_tokens) == (1_250_000, 1_500, None, 1_500)
    assert (row.provider, row.model, row.start_ms, row.bucket_ms) == (
        "Anthropic", "claude-sonnet-4-20250514", AUGUST_MS, DAY_MS,
    )  # fmt: skip


def test_the_effective_cost_is_taken_where_it_is_asked_for() -> None:
    assert [row.cost_micro_usd for row in read(table(ROW), "effective").rows] == [1_000_000]


@pytest.mark.parametrize(
    ("unit", "quantity", "tokens"),
    [("Tokens", "7", 7), ("tokens", "7.0", 7), ("1K tokens", "2", 2_000), ("1000 Tokens", "2", 2_000),
     ("Million tokens", "0.25", 250_000), ("1M tokens", "3", 3_000_000), ("Requests", "7", None), ("", "7", None),
     ("Tokens", "", None)],
)  # fmt: skip
def test_quantities_are_tokens_only_where_their_unit_says_so(unit: str, quantity: str, tokens: int | None) -> None:
    assert [row.unsplit_tokens for row in bill_of(ConsumedUnit=unit, ConsumedQuantity=quantity).rows] == [tokens]


def test_the_column_for_tokens_goes_before_the_quantity() -> None:
    assert [row.unsplit_tokens for row in bill_of(x_ConsumedTokens="99").rows] == [99]


@pytest.mark.parametrize(
    ("changes", "model"),
    [({"x_Model": "gpt-4o"}, "gpt-4o"), ({"Tags": "", "ResourceType": "Model", "ResourceName": "gpt-5"}, "gpt-5"),
     ({"Tags": "", "ResourceType": "Bucket", "ResourceName": "gpt-5"}, None), ({"Tags": "{}"}, None)],
)  # fmt: skip
def test_a_model_is_named_by_a_column_a_tag_or_a_resource(changes: dict[str, str], model: str | None) -> None:
    assert [row.model for row in bill_of(**changes).rows] == [model]


def test_other_services_are_passed_over_unless_they_tell_tokens() -> None:
    assert bill_of(ServiceCategory="Compute").skipped == {Skip.IRRELEVANT: 1}
    assert len(bill_of(ServiceCategory="Compute", x_ConsumedTokens="5").rows) == 1


@pytest.mark.parametrize(
    ("changes", "apart"),
    [({"ChargeCategory": "Credit", "BilledCost": "-3"}, {"credit": -3_000_000}),
     ({"ChargeCategory": "Tax", "BilledCost": "0.25"}, {"tax": 250_000}),
     ({"ChargeCategory": "Purchase"}, {"purchase": 1_250_000}), ({"BilledCost": "-1.25"}, {"correction": -1_250_000})],
)  # fmt: skip
def test_credits_taxes_purchases_and_corrections_stand_apart(changes: dict[str, str], apart: dict[str, int]) -> None:
    bill = bill_of(**changes)
    assert (bill.apart, bill.rows) == (apart, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"BillingCurrency": "EUR"}, Reason.UNKNOWN_VALUE), ({"BilledCost": ""}, Reason.MISSING_FIELD),
     ({"BilledCost": "--5"}, Reason.OUT_OF_RANGE), ({"BilledCost": "1,5"}, Reason.WRONG_TYPE),
     ({"BilledCost": "1e400"}, Reason.OUT_OF_RANGE), ({"ChargeCategory": "Gift"}, Reason.UNKNOWN_VALUE),
     ({"ChargePeriodEnd": ""}, Reason.MISSING_FIELD), ({"ChargePeriodStart": "August"}, Reason.INVALID_TIMESTAMP),
     ({"ConsumedQuantity": "-1"}, Reason.OUT_OF_RANGE), ({"Tags": "{"}, Reason.INVALID_JSON),
     ({"ProviderName": ""}, Reason.MISSING_FIELD)],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_line_and_costs_no_other(changes: dict[str, str], reason: Reason) -> None:
    bill = read(table(ROW, ROW | changes))
    assert ([(it.place, it.reason) for it in bill.refused], len(bill.rows)) == ([("line 3", reason)], 1)


def test_naive_times_are_utc_and_a_file_covers_the_days_between_its_first_and_last_charge() -> None:
    late = {"ChargePeriodStart": "2025-08-03 22:00:00", "ChargePeriodEnd": "2025-08-03 23:00:00"}
    (span,) = read(table(ROW, ROW | late)).covered
    assert (span.start_ms, span.end_ms) == (AUGUST_MS, AUGUST_MS + 3 * DAY_MS)
    assert isinstance(span, Span)


def test_a_line_that_is_cut_off_is_refused() -> None:
    bill = read(table(ROW, ROW)[:-60])
    assert ([it.reason for it in bill.refused], len(bill.rows)) == ([Reason.INCONSISTENT], 1)


@pytest.mark.parametrize("body", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", table(ROW).replace(b"BilledCost", b"Cost")])
def test_a_file_without_the_columns_is_no_focus(body: bytes) -> None:
    with pytest.raises(BadBody):
        read(body)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadBody, match="install it, or export the file as CSV"):
        read(b"PAR1....PAR1")


def test_parquet_is_read_as_csv_is() -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_pylist([ROW, ROW | {"ChargeCategory": "Tax"}]), file)
    body = file.getvalue().to_pybytes()
    assert (read(body).rows, read(body).apart) == (read(table(ROW)).rows, {"tax": 1_250_000})
    with pytest.raises(BadBody):
        read(body[: len(body) // 2])


@given(st.lists(st.dictionaries(st.sampled_from(list(ROW)), st.text(max_size=40), max_size=4), max_size=6))
def test_whatever_the_cells_hold_each_row_is_in_exactly_one_place(changes: list[dict[str, Any]]) -> None:
    rows = [ROW | {name: value.replace("\0", "") for name, value in change.items()} for change in changes]
    bill = read(table(*rows))
    apart = sum(
        1 for row in rows if read(table(row)).apart or (not read(table(row)).rows and not read(table(row)).refused
                                                        and not read(table(row)).skipped)
    )  # fmt: skip
    assert len(bill.rows) + len(bill.refused) + sum(bill.skipped.values()) + apart == len(rows)
