"""Claude Code, Codex and Gemini CLI: one source of tokens each, told once."""

from typing import Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.sources.contract import USAGE_UNKNOWN, Decoded, Form, Skip
from streams.sources.otlp.words import content_id
from tests.otlp_requests import AT_MS, decoded, log_record, tokens_of

CLAUDE = "com.anthropic.claude_code.events"
REQUEST = {
    "event.name": "api_request", "event.sequence": 2, "event.timestamp": "2026-11-22T15:48:50.026Z", "session.id": "s",
    "user.id": "u", "prompt.id": "p", "model": "claude-sonnet-4-5", "input_tokens": 3, "output_tokens": 5,
    "cache_read_tokens": 17241, "cache_creation_tokens": 16935, "cost_usd": 0.1068663, "cost_usd_micros": 106866,
    "duration_ms": 2493, "request_id": "req_1", "query_source": "repl_main_thread", "effort": "high", "speed": "normal",
}  # fmt: skip


def claude(*events: dict[str, Any], **members: Any) -> Decoded:
    return decoded([log_record(event, **members) for event in events], kind="logRecords", scope=CLAUDE)


def fields_of(found: Decoded) -> dict[str, Any]:
    (item,) = found.items
    return item.fields


def test_claude_codes_request_is_a_usage_event() -> None:
    fields = fields_of(claude(REQUEST))
    del fields["event_id"]
    assert fields == {
        "source": "claude-code",
        "occurred_at": AT_MS,
        "model": "claude-sonnet-4-5",
        "operation": "chat",
        "provider": "anthropic",
        "request_id": "req_1",
        "input_tokens": 3,
        "cache_read_tokens": 17_241,
        "cache_write_tokens": 16_935,
        "output_tokens": 5,
        "reasoning_tokens": 0,
        "cost_micro_usd": 106_866,
        "attributes": {"effort": "high"},
        "tool": "claude-code",
        "trigger": "human",
        "run_id": "s",
        "actor": "u",
    }


def test_nerve_105_claude_codes_input_is_what_came_from_no_cache_even_where_it_is_more() -> None:
    # By the rule of the conventions this input would include the cached tokens, and 2,759 be left.
    assert tokens_of(fields_of(claude({**REQUEST, "input_tokens": 20_000, "cache_creation_tokens": 0}))) == (
        20_000, 17_241, 0, 5, 0,
    )  # fmt: skip


def test_claude_codes_numbers_come_as_texts_too() -> None:
    texts = {name: str(value) for name, value in REQUEST.items()}
    assert tokens_of(fields_of(claude(texts))) == (3, 17_241, 16_935, 5, 0)


def test_claude_codes_cost_is_read_from_dollars_where_micros_are_missing() -> None:
    event = {name: value for name, value in REQUEST.items() if name != "cost_usd_micros"}
    assert fields_of(claude(event))["cost_micro_usd"] == 106_866


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"effort": "low", "duration_ms": 9}, True),
        ({"event.sequence": 3}, False),
        ({"session.id": "t"}, False),
        ({"request_id": "req_2"}, False),
        ({"output_tokens": 6}, False),
        ({"event.timestamp": "2026-11-22T15:48:50.027Z"}, False),
    ],
)
def test_an_event_that_is_sent_again_has_the_same_id(changed: dict[str, Any], same: bool) -> None:
    one, two = (fields_of(claude(event))["event_id"] for event in (REQUEST, {**REQUEST, **changed}))
    assert (one == two) is same


def test_of_a_session_of_megabytes_only_the_beginning_is_looked_at() -> None:
    # On a resource it would be hashed for each of thousands of records.
    assert content_id("x" * 1_024) == content_id("x" * 10_000_000) != content_id("x" * 1_023)


def test_claude_codes_error_is_a_failed_call_of_unknown_usage_and_its_repetition_is_passed_over() -> None:
    event = {
        "event.name": "api_error",
        "session.id": "s",
        "model": "m",
        "attempt": 3,
        "error": "secret",
        "request_id": "r",
    }
    found = claude(event, {**event, "event.name": "api_retries_exhausted"})
    fields = fields_of(found)
    assert (fields["status"], fields["request_id"]) == ("error", "r")
    assert fields["attributes"] == {"attempt": "3", **USAGE_UNKNOWN}
    assert found.skipped == {Skip.REPEATED: 1}
    assert "secret" not in repr(found)


DECISION = {
    "event.name": "tool_decision", "session.id": "s", "tool_name": "Edit", "tool_use_id": "toolu_1", "decision": "accept",
    "source": "user_temporary",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "decision"),
    [
        ({}, "edit_accepted"),
        ({"source": "user_permanent"}, "edit_accepted"),
        ({"decision": "reject", "source": "user_reject"}, "edit_rejected"),
        ({"decision": "reject", "source": "user_abort", "tool_name": "Write"}, "edit_rejected"),
        ({"source": "config"}, None),
        ({"source": "hook"}, None),
        ({"tool_name": "Bash"}, None),
        ({"decision": "later"}, None),
    ],
)
def test_only_a_persons_decision_on_a_change_is_told(changed: dict[str, Any], decision: str | None) -> None:
    """And as neutral: many small edits taken over are no result."""
    found = claude({**DECISION, **changed})
    if decision is None:
        assert (found.items, found.skipped) == ([], {Skip.IRRELEVANT: 1})
        return
    (item,) = found.items
    assert item.form is Form.OUTCOME
    fields = item.fields
    assert (fields["kind"], fields["verdict"], fields["run_id"]) == ("review_submitted", "neutral", "s")
    assert fields["attributes"] == {"decision": decision}


@pytest.mark.parametrize(
    ("parameters", "commit"),
    [
        (orjson.dumps({"git_commit_id": "0a1b2c3", "full_command": "git commit -m secret"}).decode(), "0a1b2c3"),
        (orjson.dumps({"git_commit_id": "not a commit"}).decode(), None),
        (orjson.dumps({"full_command": "echo git_commit_id"}).decode(), None),
        ('{"git_commit_id": "0a1b2c3"', None),
        ('["git_commit_id"]', None),
        (None, None),
    ],
)
def test_a_commit_that_a_command_made_is_work_submitted(parameters: str | None, commit: str | None) -> None:
    event = {"event.name": "tool_result", "session.id": "s", "tool_name": "Bash", "tool_parameters": parameters}
    found = claude(event)
    assert "secret" not in repr(found)
    if commit is None:
        assert (found.items, found.skipped) == ([], {Skip.IRRELEVANT: 1})
    else:
        fields = fields_of(found)
        assert (fields["kind"], fields["verdict"], fields["ref"]) == ("review_submitted", "neutral", commit)


@pytest.mark.parametrize(
    ("event", "skip"),
    [
        ({"event.name": "user_prompt", "prompt": "secret"}, Skip.IRRELEVANT),
        ({"event.name": "assistant_response", "request_id": "r", "model": "m"}, Skip.IRRELEVANT),
        ({"event.name": "brand_new"}, Skip.IRRELEVANT),
        ({"event.name": "brand_new", "input_tokens": 7}, Skip.UNKNOWN),
    ],
)
def test_claude_codes_other_events_are_passed_over(event: dict[str, Any], skip: Skip) -> None:
    found = claude(event)
    assert (found.items, found.skipped) == ([], {skip: 1})


def test_claude_codes_names_may_have_their_prefix() -> None:
    assert (
        len(decoded([log_record({**REQUEST, "event.name": "claude_code.api_request"})], kind="logRecords").items) == 1
    )


COMPLETED = {
    "event.name": "codex.sse_event", "event.kind": "response.completed", "event.timestamp": "2026-11-22T15:52:04.823Z",
    "conversation.id": "c", "model": "gpt-4o-mini",
}  # fmt: skip
COUNTED = {
    **COMPLETED, "input_token_count": "2104", "output_token_count": "52", "cached_token_count": 2002,
    "reasoning_token_count": 12, "tool_token_count": "2156",
}  # fmt: skip


def codex(*events: dict[str, Any], **members: Any) -> Decoded:
    return decoded([log_record(event, **members) for event in events], kind="logRecords", scope="codex_otel.log_only")


def test_promptfoo_7546_codex_input_includes_what_is_cached_and_the_tool_count_is_the_total() -> None:
    found = codex(COMPLETED, COUNTED)
    fields = fields_of(found)
    assert tokens_of(fields) == (102, 2002, 0, 52, 12)
    assert (fields["source"], fields["tool"], fields["run_id"]) == ("codex", "codex", "c")
    assert found.skipped == {Skip.REPEATED: 1}


@pytest.mark.parametrize(
    ("attributes", "members", "at_ms"),
    [
        ({}, {"timeUnixNano": "0", "observedTimeUnixNano": "1"}, 1_795_362_724_823),
        ({"event.timestamp": None}, {"timeUnixNano": "0", "observedTimeUnixNano": str(AT_MS * 10**6)}, AT_MS),
        ({}, {}, AT_MS),
    ],
)
def test_codex_has_its_times_elsewhere(attributes: dict[str, Any], members: dict[str, Any], at_ms: int) -> None:
    assert fields_of(codex({**COUNTED, **attributes}, **members))["occurred_at"] == at_ms


def test_a_record_without_any_time_is_refused() -> None:
    found = codex({**COUNTED, "event.timestamp": None}, timeUnixNano="0")
    assert [refused.reason for refused in found.refused] == [Reason.MISSING_FIELD]


@pytest.mark.parametrize(
    ("event", "request_id"),
    [
        ({"event.name": "codex.api_request", "http.response.status_code": 429, "auth.request_id": "r"}, "r"),
        ({"event.name": "codex.api_request", "http.response.status_code": "500"}, None),
        ({"event.name": "codex.api_request", "error.message": "secret"}, None),
        ({"event.name": "codex.websocket_request", "success": "false"}, None),
        ({"event.name": "codex.sse_event", "event.kind": "response.failed", "error.message": "secret"}, None),
    ],
)
def test_codex_failures_are_failed_calls(event: dict[str, Any], request_id: str | None) -> None:
    found = codex({**event, "model": "m", "attempt": 0})
    fields = fields_of(found)
    assert fields["status"] == "error"
    assert fields["attributes"] == {"attempt": "1", **USAGE_UNKNOWN}
    assert fields.get("request_id") == request_id
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("event", "skip"),
    [
        ({"event.name": "codex.api_request", "http.response.status_code": 200}, Skip.REPEATED),
        ({"event.name": "codex.sse_event", "event.kind": "response.created"}, Skip.IRRELEVANT),
        ({"event.name": "codex.sse_event", "event.kind": "brand.new", "input_token_count": 3}, Skip.UNKNOWN),
        ({"event.name": "codex.tool_result", "arguments": "secret", "output": "secret"}, Skip.IRRELEVANT),
        ({"event.name": "codex.user_prompt", "prompt": "secret"}, Skip.IRRELEVANT),
    ],
)
def test_codex_other_events_are_passed_over(event: dict[str, Any], skip: Skip) -> None:
    found = codex(event)
    assert (found.items, found.refused, found.skipped) == ([], [], {skip: 1})


@pytest.mark.parametrize(
    ("decision", "source", "tool", "said"),
    [
        ("approved", "user", "apply_patch", "edit_accepted"),
        ("approved_for_session", "User", "apply_patch", "edit_accepted"),
        ("denied", "user", "apply_patch", "edit_rejected"),
        ("abort", "user", "apply_patch", "edit_rejected"),
        ("approved", "config", "apply_patch", None),
        ("approved", "user", "exec_command", None),
    ],
)
def test_codex_decisions(decision: str, source: str, tool: str, said: str | None) -> None:
    event = {"event.name": "codex.tool_decision", "decision": decision, "source": source, "tool_name": tool}
    assert [item.fields["attributes"]["decision"] for item in codex(event).items] == ([said] if said else [])


RESPONSE = {
    "event.name": "gemini_cli.api_response", "event.timestamp": "2026-11-22T15:52:19.281Z", "session.id": "s",
    "model": "gemini-2.5-flash", "input_token_count": 2102, "output_token_count": 40, "cached_content_token_count": 2001,
    "thoughts_token_count": 11, "tool_token_count": 0, "total_token_count": 2153, "status_code": 200,
    "auth_type": "gemini-api-key", "prompt_id": "p",
}  # fmt: skip


def gemini(*events: dict[str, Any]) -> Decoded:
    return decoded([log_record(event) for event in events], kind="logRecords", scope="gemini-cli")


def test_gemini_clis_output_does_not_include_thoughts() -> None:
    fields = fields_of(gemini(RESPONSE))
    assert tokens_of(fields) == (101, 2001, 0, 51, 11)
    assert (fields["source"], fields["provider"], fields["run_id"]) == ("gemini-cli", "gcp.gemini", "s")


@pytest.mark.parametrize(("total", "fresh"), [(2160, 108), (2153, 101), (None, 108)])
def test_gemini_clis_tool_tokens_are_input_unless_the_total_has_no_room_for_them(total: int | None, fresh: int) -> None:
    event = {**RESPONSE, "tool_token_count": 7, "total_token_count": total}
    assert tokens_of(fields_of(gemini(event)))[0] == fresh


def test_gemini_clis_errors_are_failed_calls() -> None:
    event = {
        "event.name": "gemini_cli.api_error",
        "model": "m",
        "status_code": 503,
        "error": "secret",
        "session.id": "s",
    }
    found = gemini(event, {**event, "event.timestamp": "2026-11-22T15:52:20Z"})
    assert [item.fields["status"] for item in found.items] == ["error", "error"]
    assert len({item.fields["event_id"] for item in found.items}) == 2
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("event", "skip"),
    [
        ({"event.name": "gemini_cli.api_request", "request_text": "secret"}, Skip.REPEATED),
        ({"event.name": "gen_ai.client.inference.operation.details", "gen_ai.usage.input_tokens": 2102}, Skip.REPEATED),
        ({"event.name": "gemini_cli.config"}, Skip.IRRELEVANT),
        ({"event.name": "gemini_cli.brand_new", "input_token_count": 3}, Skip.UNKNOWN),
    ],
)
def test_gemini_clis_other_events_are_passed_over(event: dict[str, Any], skip: Skip) -> None:
    found = gemini(event)
    assert (found.items, found.skipped) == ([], {skip: 1})


@pytest.mark.parametrize(
    ("decision", "function", "said"),
    [
        ("accept", "replace", "edit_accepted"),
        ("modify", "write_file", "edit_accepted"),
        ("reject", "replace", "edit_rejected"),
        ("auto_accept", "replace", None),
        ("accept", "run_shell_command", None),
    ],
)
def test_gemini_clis_decisions(decision: str, function: str, said: str | None) -> None:
    event = {"event.name": "gemini_cli.tool_call", "decision": decision, "function_name": function, "session.id": "s"}
    assert [item.fields["attributes"]["decision"] for item in gemini(event).items] == ([said] if said else [])


@pytest.mark.parametrize(
    ("attributes", "skip"),
    [
        ({"event.name": "gen_ai.client.inference.operation.details", "gen_ai.usage.input_tokens": 5}, Skip.REPEATED),
        ({"event.name": "gen_ai.user.message"}, Skip.IRRELEVANT),
        ({}, Skip.IRRELEVANT),
    ],
)
def test_log_records_of_other_senders_have_no_calls(attributes: dict[str, Any], skip: Skip) -> None:
    found = decoded([log_record(attributes)], kind="logRecords")
    assert (found.items, found.skipped) == ([], {skip: 1})


@pytest.mark.parametrize(
    ("name", "skip"),
    [
        ("claude_code.token.usage", Skip.REPEATED),
        ("claude_code.cost.usage", Skip.REPEATED),
        ("claude_code.commit.count", Skip.IRRELEVANT),
        ("codex.turn.token_usage", Skip.REPEATED),
        ("gemini_cli.token.usage", Skip.REPEATED),
        ("gen_ai.client.token.usage", Skip.REPEATED),
        ("gen_ai.client.inference.usage.input_tokens", Skip.REPEATED),
        ("http.server.request.duration", Skip.IRRELEVANT),
    ],
)
def test_metrics_repeat_what_spans_and_events_tell(name: str, skip: Skip) -> None:
    point = {"timeUnixNano": "9", "asInt": "3", "attributes": []}
    metric = {"name": name, "sum": {"dataPoints": [point, point], "aggregationTemporality": 1, "isMonotonic": True}}
    found = decoded([metric], kind="metrics")
    assert (found.items, found.refused, found.skipped) == ([], [], {skip: 2})
