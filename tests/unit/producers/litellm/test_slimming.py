"""What leaves the proxy: enough for the same usage event, and nothing that anybody asked or answered."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.producers.litellm.slimming import event_of, line_of, prompt_of
from streams.sources.contract import Context
from streams.sources.litellm import decode
from tests.unit.sources.litellm_events import event, failure

_CAPTURED = Path(__file__).parents[5] / "shared" / "payloads" / "captured" / "litellm"
CONTEXT = Context(received_at_ms=0)
SESSION = "f6a3d0f0-0000-4000-8000-000000000000"


def slim(payload: Any, **kwargs: Any) -> bytes:
    made = event_of({"standard_logging_object": payload, **kwargs})
    assert made is not None
    return line_of(made, None)


def read(body: bytes) -> Any:
    found = decode(body, CONTEXT)
    return found.items, found.refused, found.skipped


VARIANTS = [
    event(),
    failure("500"),
    failure("", prompt_tokens=9, completion_tokens=2),
    failure("400", model="x" * 500),
    event(cache_hit=True),
    event(call_type="aget_responses"),
    event(metadata={"usage_object": None}, response={"usage": {"prompt_tokens_details": {"cached_tokens": 7}}}),
    event(response_cost=0.0, hidden_params=None),
    event(metadata={"requester_metadata": {"team": "red", "workflow": "nightly", "environment": "ci", "run_id": "r"}}),
    event(request_tags=["team:red", "User-Agent: x", "User-Agent: x/1", "urgent"]),
    event(end_user=f"user_abc_account__session_{SESSION}", metadata={"user_api_key_user_id": None}),
    event(metadata={"requester_custom_headers": {"x-claude-code-session-id": SESSION}}),
    event(metadata={"user_agent": "claude-cli/2.1.197 (external, cli)"}),
    event(litellm_call_id=None, trace_id="s-2", session_id=None),
]


@pytest.mark.parametrize("payload", VARIANTS)
def test_the_slim_event_reads_as_the_whole_one(payload: dict[str, Any]) -> None:
    assert read(slim(payload)) == read(json.dumps(payload).encode())


@pytest.mark.skipif(
    not _CAPTURED.exists(), reason=f"{_CAPTURED} is not there: real payloads are not part of the product"
)
@pytest.mark.parametrize("name", ["chat_and_streams.json", "claude_three_ways.json", "failures.json"])
def test_slim_real_events_read_as_the_whole_ones(name: str) -> None:
    body = (_CAPTURED / name).read_bytes()
    lines = [slim(payload) for payload in orjson.loads(body)]
    assert read(b"[" + b",".join(lines) + b"]") == read(body)
    assert len(b"".join(lines)) < len(body) / 8


def test_nothing_secret_leaves() -> None:
    line = slim(event(
        messages=[{"role": "user", "content": "secret"}], response={"choices": ["secret"], "usage": {}}, api_base="secret",
        requester_ip_address="secret", user_agent="secret/1", error_str="secret", model_parameters={"stop": "secret"},
        cache_key="secret", guardrail_information=[{"secret": 1}],
        error_information={"error_code": "secret", "error_message": "secret", "traceback": "secret"},
        end_user={"secret": 1}, request_tags=[{"secret": 1}, "User-Agent: secret"],
        metadata={
            "user_api_key_hash": "secret", "user_api_key_user_email": "secret", "user_agent": "secret/1",
            "requester_ip_address": "secret", "requester_metadata": {"note": "secret", "team": {"secret": 1},
            "headers": {"authorization": "secret"}}, "requester_custom_headers": {"x-secret": "secret"},
            "spend_logs_metadata": ["secret"], "user_api_key_auth_metadata": {"a": "secret"},
        },
    ), messages="secret", input="secret", api_key="secret", response_headers={"set-cookie": "secret"})  # fmt: skip
    assert b"secret" not in line


def test_what_litellm_knows_and_leaves_out_is_added() -> None:
    """The session under which a call was made, and the provider's id of a stream of Anthropic's."""
    payload = event(call_type="anthropic_messages", id="msg_1", hidden_params={"additional_headers": None})
    line = slim(payload, litellm_params={"litellm_session_id": "s-9"}, response_headers={"request-id": "req-9"})
    (item,), _, _ = read(line)
    assert (item.fields["run_id"], item.fields["request_id"]) == ("s-9", "req-9")


def test_a_fingerprint_takes_the_place_of_the_prompt() -> None:
    kwargs = {"standard_logging_object": event()}
    made = event_of(kwargs)
    assert made is not None
    (item,), _, _ = read(line_of(made, "00ff00ff00ff00ff"))
    assert (prompt_of(kwargs), item.fields["prompt_fingerprint"]) == ("a secret question", "00ff00ff00ff00ff")


@pytest.mark.parametrize("payload", [None, "text", 7])
def test_a_call_without_an_event_is_told(payload: object) -> None:
    assert event_of({"standard_logging_object": payload}) is None
    assert prompt_of({"standard_logging_object": payload}) is None


def test_later_changes_of_litellms_object_change_nothing() -> None:
    payload = event()
    made = event_of({"standard_logging_object": payload})
    assert made is not None
    payload["metadata"]["usage_object"].clear()
    payload["prompt_tokens"] = 0
    (item,), _, _ = read(line_of(made, None))
    assert item.fields["cache_read_tokens"] == 2000


class _Odd:
    def __str__(self) -> str:
        return "odd"


_STRANGE = st.sampled_from([
    None, True, -1, 2**70, float("nan"), float("inf"), "", "\ud800", "x" * 5_000, [], {}, {1: 2}, [[["deep"]]],
    datetime(2026, 1, 1, tzinfo=UTC), _Odd(), {"a": _Odd()}, b"bytes",
])  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(sorted(event())), _STRANGE, max_size=4),
    st.dictionaries(st.sampled_from(sorted(event()["metadata"])), _STRANGE, max_size=3),
)
def test_whatever_a_callback_is_given_makes_a_line(changes: dict[str, Any], metadata: dict[str, Any]) -> None:
    payload = event(metadata=metadata)
    payload.update(changes)
    line = slim(payload)
    assert isinstance(orjson.loads(line), dict)
    found = decode(line, CONTEXT)
    assert len(found.items) + len(found.refused) + found.skipped.total() == 1
    assert len(line) < 20_000
