"""Single values as foreign systems write them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.reasons import Reason
from streams.sources.readings import BadField, cents, count, dollars, epoch_ms, instant_ms, nanos_ms, text

ALL: list[Callable[[Any, str], object]] = [cents, count, dollars, epoch_ms, instant_ms, nanos_ms, text]
NUMBERS: list[Callable[[Any, str], object]] = [cents, count, dollars, epoch_ms, nanos_ms]


@pytest.mark.parametrize("read", ALL)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_said_is_unknown(read: Callable[[Any, str], object], value: object) -> None:
    assert read(value, "f") is None


@pytest.mark.parametrize(
    ("value", "expected"), [(7, 7), ("7", 7), (7.0, 7), ("7.0", 7), (0, 0), ("0", 0), (2**53, 2**53)]
)
def test_counts_come_as_numbers_and_as_texts(value: object, expected: int) -> None:
    assert count(value, "input_token_count") == expected


@pytest.mark.parametrize(
    "value", [-1, "-1", 7.5, "seven", True, [], {}, float("nan"), float("inf"), "1e400", 2**60, "9" * 40]
)
def test_what_is_no_count_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadField, match="field input_token_count"):
        count(value, "input_token_count")


@pytest.mark.parametrize("read", NUMBERS)
@pytest.mark.parametrize("value", ["1e999999999", "1E+2000000", 10**400, "NaN", "-Infinity", "0x10", "٣" * 50, b"1"])
def test_numbers_meant_to_hurt_are_refused_at_once(read: Callable[[Any, str], object], value: object) -> None:
    with pytest.raises(BadField):
        read(value, "f")


def test_money_is_rounded_to_micro_dollars_once() -> None:
    assert dollars(0.0000285, "cost") == 28
    assert dollars("0.0000295", "cost") == 30
    assert dollars(1.1, "cost") == 1_100_000


def test_cents_are_cents_whether_text_or_number() -> None:
    # Anthropic's cost report writes "123.45" for $1.2345; its Claude Code report writes the integer 186 for $1.86.
    assert cents("123.45", "amount") == 1_234_500
    assert cents(186, "amount") == 1_860_000


@pytest.mark.parametrize("value", [-0.01, "-1", 1e15])
def test_negative_and_absurd_money_is_refused(value: object) -> None:
    with pytest.raises(BadField, match="money"):
        dollars(value, "cost")


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_dollars_keep_every_micro_dollar(amount: Decimal) -> None:
    assert dollars(str(amount), "cost") == int(amount * 1_000_000)


def test_times_in_five_forms_are_one_time() -> None:
    at_ms = 1_750_615_148_162
    assert epoch_ms(1750615148.162725, "startTime") == at_ms
    assert epoch_ms("1750615148.162725", "startTime") == at_ms
    assert nanos_ms("1750615148162725000", "timeUnixNano") == at_ms
    assert nanos_ms(1750615148162725000, "timeUnixNano") == at_ms
    assert instant_ms("2025-06-22T17:59:08.162725Z", "t") == at_ms
    assert instant_ms("2025-06-22 17:59:08.162725", "t") == at_ms  # naive is UTC
    assert instant_ms("2025-06-22T19:59:08.162+02:00", "t") == at_ms
    assert instant_ms(1750615148.162725, "t") == at_ms


@given(st.timedeltas(timedelta(days=2), timedelta(days=300_000)), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_itself_in_any_zone(since: timedelta, minutes: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + since
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert instant_ms(there.isoformat(), "t") == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


@pytest.mark.parametrize("read", [epoch_ms, nanos_ms])
def test_zero_is_no_time(read: Callable[[Any, str], object]) -> None:
    assert read(0, "timeUnixNano") is None
    assert read("0", "timeUnixNano") is None


@pytest.mark.parametrize(("value", "reason"), [
    ("yesterday", Reason.INVALID_TIMESTAMP), ("x" * 10_000, Reason.WRONG_TYPE), ([], Reason.WRONG_TYPE),
    ("0001-01-01T00:00:00+14:00", Reason.TIMESTAMP_OUT_OF_RANGE), (-5, Reason.TIMESTAMP_OUT_OF_RANGE),
    (1_750_615_148_162_725, Reason.TIMESTAMP_OUT_OF_RANGE),
])  # fmt: skip
def test_no_time_is_refused_by_reason(value: object, reason: Reason) -> None:
    with pytest.raises(BadField, match="field created_at") as refused:
        instant_ms(value, "created_at")
    assert refused.value.refused("3").reason is reason


@given(st.one_of(st.text(max_size=80), st.integers(), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2)))
def test_nothing_raises_anything_else(value: object) -> None:
    for read in ALL:
        try:
            read(value, "f")
        except BadField as error:
            assert "field f " in str(error)  # noqa: PT017  (either outcome is right)
