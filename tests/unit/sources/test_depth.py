"""How deep a text nests, beside a plain count."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.depth import nests_deeper


def levels_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(levels_of, value.values()), default=0)
    return 1 + max(map(levels_of, value), default=0) if isinstance(value, list) else 0


_HOSTILE = st.text(alphabet='[]{}"\\x', max_size=8)


@given(st.recursive(
    _HOSTILE | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_HOSTILE, inner, max_size=4),
    max_leaves=40,
), st.integers(0, 6))  # fmt: skip
def test_levels_are_told_exactly_whatever_texts_hold(value: Any, levels: int) -> None:
    assert nests_deeper(json.dumps(value).encode(), levels) == (levels_of(value) > levels)


@pytest.mark.parametrize(("text", "deeper"), [
    (b"[" * 64 + b"]" * 64, False),
    (b"[" * 65 + b"]" * 65, True),
    (b'["' + b"[" * 100 + b'"]', False),
    (b'["' + b'\\"[' * 100 + b'"]', False),
    (b"[" + b"{}," * 1000 + b"1]", False),
    (b"]" * 100 + b"[" * 100, False),
])  # fmt: skip
def test_levels_are_those_open_at_once(text: bytes, deeper: bool) -> None:
    assert nests_deeper(text) is deeper
