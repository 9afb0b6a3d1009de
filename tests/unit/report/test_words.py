"""Figures as a person reads them."""

from datetime import date

import pytest

from streams.report import words


@pytest.mark.parametrize(
    ("micro_usd", "text"),
    [
        (None, "unknown"), (0, "$0.00"), (1, "<$0.0001"), (99, "<$0.0001"), (100, "$0.0001"), (24_260, "$0.0243"),
        (1_000_000, "$1.00"), (1_234_567_890, "$1,234.57"), (-2_500_000, "-$2.50"), (10**18, "$1,000,000,000,000.00"),
    ],
)  # fmt: skip
def test_money(micro_usd: int | None, text: str) -> None:
    assert words.money(micro_usd) == text


@pytest.mark.parametrize(
    ("micro_usd", "text"),
    [
        (0, "$0.00"),
        (12_340_000, "$12.34"),
        (532_000_000, "$532"),
        (1_900_000_000, "$1.9k"),
        (2_000_000_000_000, "$2.0M"),
    ],
)
def test_short_money(micro_usd: int, text: str) -> None:
    assert words.short_money(micro_usd) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(None, "unknown"), (0.0, "0.0%"), (0.0001, "<0.1%"), (0.4113, "41.1%"), (0.9999, ">99.9%"), (1.0, "100.0%")],
)
def test_shares_are_not_rounded_to_nothing_or_all(ratio: float | None, text: str) -> None:
    assert words.share(ratio) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "unknown"), (0, "0 ms"), (999, "999 ms"), (42_000, "42 s"), (720_000, "12 min"), (13_667_041, "3.8 h"),
        (172_799_000, "48.0 h"), (263_772_189, "3.1 days"),
    ],
)  # fmt: skip
def test_durations_have_the_unit_a_person_would_choose(ms: int | None, text: str) -> None:
    assert words.duration(ms) == text


def test_changes_have_a_sign_and_none_has_none() -> None:
    assert [words.change(it) for it in (None, 0.123, -0.5, 0.0001, -0.0001)] == [
        "unknown", "+12.3%", "-50.0%", "0.0%", "0.0%",
    ]  # fmt: skip
    assert [words.points(it) for it in (None, 0.031, -1.0)] == ["unknown", "+3.1 points", "-100.0 points"]


def test_counts_times_and_days() -> None:
    assert [words.count(None), words.count(0), words.count(12_345)] == ["unknown", "0", "12,345"]
    assert [words.per_hundred(None), words.per_hundred(0.0408)] == ["unknown", "4.1"]
    assert [words.instant(None), words.instant(1_768_291_190_870)] == ["unknown", "2026-01-13 07:59 UTC"]
    assert words.day(date(2026, 1, 11), with_year=True) == "Sun 11 January 2026"
    assert [words.plural(1, "run"), words.plural(2_000, "run")] == ["1 run", "2,000 runs"]
