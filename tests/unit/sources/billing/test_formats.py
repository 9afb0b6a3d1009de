"""Whose bill a file is, and that nothing a file holds breaks a reader."""

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.billing.formats import Format, format_of, read
from streams.sources.contract import BadBody
from tests.unit.sources.billing.test_focus import ROW, table
from tests.unit.sources.judging import payload


@pytest.mark.parametrize(
    ("name", "form"),
    [("anthropic/usage_report_messages.response.json", Format.ANTHROPIC), ("anthropic/cost_report.response.json", Format.ANTHROPIC),
     ("anthropic/usage_report_claude_code.response.json", Format.ANTHROPIC), ("openai/costs.response.json", Format.OPENAI),
     ("openai/usage_completions.response.json", Format.OPENAI), ("copilot/organization-1-day-report.json", Format.COPILOT),
     ("copilot/enterprise-users-28-day-report.json", Format.COPILOT)],
)  # fmt: skip
def test_samples_are_told_by_their_fields(name: str, form: Format) -> None:
    assert format_of(payload(name)) is form


def test_tables_are_focus_and_what_is_nothing_is_asked_back() -> None:
    assert format_of(table(ROW)) is Format.FOCUS
    assert format_of(b"PAR1") is Format.FOCUS
    for body in (b"{}", b'{"data": []}', b"[1]"):
        with pytest.raises(BadBody):
            format_of(body)


_NAMES = st.sampled_from(
    ["data", "results", "object", "starting_at", "ending_at", "start_time", "end_time", "amount", "model", "day", "date",
     "usageItems", "timePeriod", "year", "month", "grossAmount", "model_breakdown", "tokens", "input", "day_totals",
     "user_totals", "ai_credits_used", "totals_by_cli", "token_usage", "prompt_tokens_sum", "input_tokens", "value"]
)  # fmt: skip
_LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=20) | st.sampled_from(
    ["2025-08-01T00:00:00Z", "organization.costs.result", "organization.usage.completions.result", "-1", "1e999"]
)  # fmt: skip
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5), max_leaves=25
)


@given(st.sampled_from(list(Format)), st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_no_json_makes_a_reader_raise_anything_else(form: Format, value: dict[str, object]) -> None:
    with contextlib.suppress(BadBody):
        read(orjson.dumps(value), form)


@given(st.sampled_from(list(Format)), st.binary(max_size=300))
def test_no_bytes_make_a_reader_raise_anything_else(form: Format, body: bytes) -> None:
    with contextlib.suppress(BadBody):
        read(body, form)
