"""Nesting told from many texts at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.nesting import may_nest_deeper


@given(st.lists(st.text("{[x", min_size=1, max_size=3_000).map(str.encode), min_size=1, max_size=20))
def test_a_deep_text_is_never_missed(texts: list[bytes]) -> None:
    """Whenever one text opens more than the depth, the answer is that it may."""
    deepest = max(text.count(b"{") + text.count(b"[") for text in texts)
    lines = b"\n".join(texts)
    longest = max(map(len, texts))
    assert may_nest_deeper(lines, longest, deepest - 1) or deepest == 0


@pytest.mark.parametrize("texts", [1, 2, 2_000])
def test_texts_as_they_usually_are_do_not_nest_deeply(texts: int) -> None:
    """Two levels each, however many there are."""
    text = b'{"a":1,"attributes":{"b":"c"},"padding":"' + b"x" * 400 + b'"}'
    assert not may_nest_deeper(b"\n".join([text] * texts), len(text), 64)
