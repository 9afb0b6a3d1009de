"""Names come from whoever publishes events."""

import unicodedata

import pytest

from streams.report.names import padded, shown, width_of

HOSTILE = [
    "\x1b[31mred\x1b[0m", "a\u202egnp.exe", "\u2066isolate\u2069", "zero\u200bwidth", "line\nbreak\r\ttab", "\x00\x07\x7f",
    "\ud800lone", "\u2028sep\u2029", "x" * 5_000, "e" + "\u0301" * 500, "名" * 100, "", "   ", "\ufeffbom", "\U000e0041tag",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_nothing_moves_hides_or_reorders_what_is_around_a_name(name: str) -> None:
    text = shown(name)
    assert text
    assert text.isprintable()
    assert not any(unicodedata.category(character)[0] == "C" for character in text)
    assert width_of(text) <= 64
    assert len(text) < 400
    text.encode()


def test_an_ordinary_name_stays_as_it_is() -> None:
    for name in ("refund-bot", "équipe été", "支払い", "צוות", "a <b> & 'c'"):
        assert shown(name) == name


def test_a_long_name_is_cut_to_columns_and_shows_it() -> None:
    assert shown("abcdef", 4) == "abc…"
    assert shown("名前名前", 5) == "名前…"
    assert shown("abcd", 4) == "abcd"


def test_padding_counts_columns() -> None:
    assert padded("名", 4) == "名  "
    assert padded("7", 3, right=True) == "  7"
    assert padded("e\u0301", 2) == "e\u0301 "
