"""LiteLLM's events: tokens, cost, identity, owners, and what is left out on purpose."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.pseudonyms import Pseudonyms
from streams.core.reasons import Reason
from streams.sources.booking import Binding, Booker
from streams.sources.contract import BadBody, Context, Decoded, Skip
from streams.sources.litellm import decode
from tests.unit.sources.litellm_events import event, failure, row

_SHARED = Path(__file__).parents[4] / "shared" / "payloads"
CONTEXT = Context(received_at_ms=1_795_361_503_000)
BUCKETS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def decoded(*events: Any, context: Context = CONTEXT) -> Decoded:
    return decode(json.dumps(list(events)).encode(), context)


def fields_of(one: Any, context: Context = CONTEXT) -> dict[str, Any]:
    found = decoded(one, context=context)
    assert not found.refused, found.refused
    (item,) = found.items
    return item.fields


def tokens_of(fields: dict[str, Any]) -> list[int]:
    return [fields[bucket] for bucket in BUCKETS]


# --------------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("body", [
    json.dumps([event(), event(litellm_call_id="b")]),
    json.dumps(event()) + "\n" + json.dumps(event(litellm_call_id="b")),
    json.dumps(event()) + "\r\n\r\n" + json.dumps(event(litellm_call_id="b")) + "\n",
    json.dumps({"data": [row(), row(request_id="b", metadata="{}")], "total": 2, "page": 1}),
], ids=["json_array", "ndjson", "ndjson of windows", "page of rows"])  # fmt: skip
def test_every_form_of_a_body(body: str) -> None:
    found = decode(body.encode(), CONTEXT)
    assert ([item.fields["event_id"] for item in found.items], found.refused) == (
        ["0b8e7a52-5a1d-4b76-8d5c-0b0f5f2b8f51", "b"], []
    )  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_event_is_a_body_however_it_is_laid_out(indent: int | None) -> None:
    (item,) = decode(json.dumps(event(), indent=indent).encode(), CONTEXT).items
    assert (item.place, tokens_of(item.fields)) == ("0", [100, 2000, 0, 50, 10])


def test_what_is_broken_costs_nothing_but_itself() -> None:
    found = decoded(event(), None, event(litellm_call_id="b", prompt_tokens="many"), event(litellm_call_id="c"))
    assert [item.place for item in found.items] == ["0", "3"]
    assert [(refused.place, refused.reason) for refused in found.refused] == [
        ("1", Reason.WRONG_TYPE), ("2", Reason.WRONG_TYPE)
    ]  # fmt: skip
    lines = json.dumps(event()) + "\n{'id': 1}\n" + json.dumps(event(litellm_call_id="b"))
    found = decode(lines.encode(), CONTEXT)
    assert [item.place for item in found.items] == ["0", "2"]
    assert [(refused.place, refused.reason) for refused in found.refused] == [("1", Reason.INVALID_JSON)]


@pytest.mark.parametrize("strange", ["NaN", "-Infinity", "1e999", r'["\ud800", 1e999]'])
def test_no_caller_can_make_a_batch_unreadable(strange: str) -> None:
    """LiteLLM writes what Python's json does, and that is not always JSON."""
    body = json.dumps([event(), event(litellm_call_id="b", end_user="@")]).replace('"@"', strange)
    for form in (body, body[1:-1].replace('}, {"id"', '}\n{"id"')):
        found = decode(form.encode(), CONTEXT)
        assert ([item.fields["input_tokens"] for item in found.items], found.refused) == ([100, 100], [])


@pytest.mark.parametrize(("body", "reason"), [
    (b"", Reason.EMPTY),
    (b" \r\n", Reason.EMPTY),
    (b"id,model\n1,gpt", Reason.INVALID_JSON),
    (b"[{}", Reason.INVALID_JSON),
    (b"{", Reason.INVALID_JSON),
    (b"[" * 1_000_000, Reason.INVALID_JSON),
    (b'[{"response":' + b"[" * 64 + b"]" * 64 + b"}]", Reason.INVALID_JSON),
    (b'[{"id":"\xff"}]', Reason.INVALID_UTF8),
    (b"{}\n" * 20_000, Reason.INVALID_JSON),
    (b"[" + b'{"id":1},' * 20_000 + b"{}]", Reason.INVALID_JSON),
])  # fmt: skip
def test_what_is_no_body_is_refused_whole(body: bytes, reason: Reason) -> None:
    with pytest.raises(BadBody) as caught:
        decode(body, CONTEXT)
    assert caught.value.reason is reason


# -------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(("changes", "tokens"), [
    ({}, [100, 2000, 0, 50, 10]),
    # Anthropic's, as LiteLLM counts it: the prompt includes what was read from and written to the cache.
    ({"prompt_tokens": 2436, "completion_tokens": 62, "metadata": {"usage_object": {
        "prompt_tokens_details": {"cached_tokens": 2012, "cache_creation_tokens": 312, "cache_write_tokens": 312},
        "cache_creation_input_tokens": 312, "cache_read_input_tokens": 2012,
    }}}, [112, 2012, 312, 62, 0]),
    ({"prompt_tokens": 500, "metadata": {"usage_object": {"prompt_tokens_details": {"cache_write_tokens": 200}}}},
     [300, 0, 200, 50, 0]),
    # Numbers as texts; the top level missing.
    ({"prompt_tokens": "2100", "completion_tokens": 50.0}, [100, 2000, 0, 50, 10]),
    ({"prompt_tokens": None, "completion_tokens": None}, [100, 2000, 0, 50, 10]),
    # Old versions kept the usage in hidden_params, or in the response alone.
    ({"metadata": {"usage_object": None}, "hidden_params": {"usage_object": {
        "prompt_tokens_details": {"cached_tokens": 600}}}}, [1500, 600, 0, 50, 0]),
    ({"metadata": {"usage_object": None}, "response": {"usage": {
        "prompt_tokens_details": {"cached_tokens": 700}}}}, [1400, 700, 0, 50, 0]),
    ({"metadata": {"usage_object": None}, "response": "redacted-by-litellm"}, [2100, 0, 0, 50, 0]),
    ({"call_type": "aembedding", "completion_tokens": 0, "metadata": {"usage_object": None}}, [2100, 0, 0, 0, 0]),
    # litellm#15945: where the cached tokens are more than the prompt, the prompt is what was not cached.
    ({"prompt_tokens": 30}, [30, 2000, 0, 50, 10]),
    # Reasoning beside the output, not in it.
    ({"completion_tokens": 4}, [100, 2000, 0, 14, 10]),
])  # fmt: skip
def test_tokens_are_disjoint(changes: dict[str, Any], tokens: list[int]) -> None:
    assert tokens_of(fields_of(event(**changes))) == tokens


@pytest.mark.parametrize("tokens", [-1, 2**64, 2**70, -(2**70), "9" * 30])
def test_tokens_that_are_no_count_are_refused_by_name(tokens: object) -> None:
    (refused,) = decoded(event(prompt_tokens=tokens)).refused
    assert refused.reason is Reason.OUT_OF_RANGE
    assert "prompt_tokens" in refused.detail


# ---------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize(("changes", "micro_usd"), [
    ({}, 19_500),
    ({"response_cost": "0.0195"}, 19_500),
    ({"response_cost": None}, 19_500),
    ({"response_cost": None, "hidden_params": {"response_cost": "0.5"}}, 500_000),
    # litellm#40100: a streamed call's cost is 0 while its breakdown has it.
    ({"response_cost": 0.0, "hidden_params": {"response_cost": 0.0}}, 19_500),
    # litellm#37923: all of it is 0 while there are tokens; so it is for models without a price.
    ({"response_cost": 0.0, "hidden_params": None, "cost_breakdown": {"total_cost": 0.0}}, None),
    ({"response_cost": 0, "hidden_params": None, "cost_breakdown": None}, None),
    ({"response_cost": 4e-7}, 0),
])  # fmt: skip
def test_a_cost_of_nothing_is_unknown(changes: dict[str, Any], micro_usd: int | None) -> None:
    assert fields_of(event(**changes)).get("cost_micro_usd") == micro_usd


@pytest.mark.parametrize("cost", [-1.0, "free"])
def test_a_cost_that_is_none_is_refused_by_name(cost: object) -> None:
    (refused,) = decoded(event(response_cost=cost)).refused
    assert "response_cost" in refused.detail


# ------------------------------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize(("code", "attributes"), [
    ("500", {"http_status": "500", "usage": "unknown"}),
    ("429", {"http_status": "429"}),
    ("499", {"http_status": "499", "usage": "unknown"}),
    ("", {"usage": "unknown"}),
    ("ContextWindowExceeded", {"usage": "unknown"}),
])  # fmt: skip
def test_a_failure_is_an_error_of_no_known_cost(code: str, attributes: dict[str, str]) -> None:
    fields = fields_of(failure(code))
    assert (fields["status"], fields["attributes"]) == ("error", attributes)
    assert "cost_micro_usd" not in fields
    assert tokens_of(fields) == [0, 0, 0, 0, 0]


def test_what_came_of_a_broken_stream_is_an_estimate() -> None:
    fields = fields_of(failure("", prompt_tokens=9, completion_tokens=2))
    assert (tokens_of(fields), fields["attributes"]) == ([9, 0, 0, 2, 0], {"usage": "estimated"})


def test_a_failure_told_twice_counts_once() -> None:
    found = decoded(failure("400"), failure("400", endTime=1_795_361_999.5))
    assert (len(found.items), found.skipped) == (1, {Skip.REPEATED: 1})


def test_a_call_that_failed_and_then_succeeded_elsewhere_is_both() -> None:
    call_id = "0391c599-ffb3-4f55-944c-30d7ba445c68"
    found = decoded(failure("500", id=call_id, litellm_call_id=call_id), event(litellm_call_id=call_id))
    assert [item.fields["event_id"] for item in found.items] == [f"{call_id}/failure", call_id]


def test_whatever_a_caller_asked_for_that_failed_has_a_model() -> None:
    assert fields_of(failure("400", model="x" * 500))["model"] == "unknown"
    assert fields_of(failure("400", model="nope", custom_llm_provider=None))["model"] == "nope"


# ------------------------------------------------------------------------------------------------------------ left out


@pytest.mark.parametrize(("changes", "skip"), [
    ({"call_type": "aget_responses"}, Skip.LOOKUP),  # litellm#17814: tokens and cost once more, under a new id
    ({"call_type": "get_responses"}, Skip.LOOKUP),
    ({"call_type": "avideo_content"}, Skip.LOOKUP),
    ({"call_type": "afile_content"}, Skip.LOOKUP),
    ({"call_type": "aretrieve_batch", "prompt_tokens": 0, "completion_tokens": 0,
      "metadata": {"usage_object": None}}, Skip.LOOKUP),
    ({"call_type": "acreate_batch"}, Skip.IRRELEVANT),
    ({"call_type": "call_mcp_tool"}, Skip.IRRELEVANT),
    ({"cache_hit": True, "id": "chatcmpl-abc_cache_hit1795775991.88", "response_cost": 0.0}, Skip.CACHE_HIT),
])  # fmt: skip
def test_what_is_no_call_is_left_out(changes: dict[str, Any], skip: Skip) -> None:
    found = decoded(event(**changes))
    assert (found.items, found.refused, found.skipped) == ([], [], {skip: 1})


@pytest.mark.parametrize("said", [None, False, "None", "False", ""])
def test_what_was_not_answered_from_the_cache_counts(said: object) -> None:
    assert len(decoded(event(cache_hit=said)).items) == len(decoded(row(cache_hit=said)).items) == 1


@pytest.mark.parametrize(("call_type", "operation"), [
    ("acompletion", "chat"), ("completion", "chat"), ("aresponses", "chat"), ("anthropic_messages", "chat"),
    ("aembedding", "embedding"), ("atext_completion", "text_completion"), ("_arealtime", "realtime"),
    ("aimage_generation", "image_generation"), ("something_new", "something_new"), ("", "chat"),
])  # fmt: skip
def test_kinds_of_calls(call_type: str, operation: str) -> None:
    assert fields_of(event(call_type=call_type))["operation"] == operation


def test_a_batch_counts_once_however_often_it_is_looked_at() -> None:
    found = decoded(*(event(call_type="aretrieve_batch", id="batch_1", litellm_call_id=look) for look in "ab"))
    assert [item.fields["event_id"] for item in found.items] == ["batch_1"]


# ------------------------------------------------------------------------------------------------------------ identity


def test_a_call_is_known_by_litellms_id_of_it_and_by_that_of_the_answer() -> None:
    fields = fields_of(event())
    assert (fields["event_id"], fields["request_id"]) == ("0b8e7a52-5a1d-4b76-8d5c-0b0f5f2b8f51", "chatcmpl-abc")


def test_old_versions_without_a_call_id() -> None:
    assert fields_of(event(litellm_call_id=None))["event_id"] == "chatcmpl-abc"
    (refused,) = decoded(event(litellm_call_id=None, id="")).refused
    assert (refused.reason, "litellm_call_id" in refused.detail) == (Reason.MISSING_FIELD, True)


def test_responses_told_by_both_layers_count_once() -> None:
    """litellm#15740: /v1/responses of a provider without that API came as two events of one call."""
    found = decoded(event(call_type="aresponses", id="resp_1"), event(call_type="acompletion", id="chatcmpl-1"))
    assert (len(found.items), found.skipped) == (1, {Skip.REPEATED: 1})


_WRAPPED = base64.b64encode(b"litellm:custom_llm_provider:openai;model_id:abc;response_id:resp_fake_8").decode()


@pytest.mark.parametrize(("changes", "request_id"), [
    # An opaque id is the one that the caller of the proxy saw.
    ({"call_type": "aresponses", "id": "resp_BS-wChCxUugdnRsVhwslI"}, "resp_BS-wChCxUugdnRsVhwslI"),
    ({"call_type": "aresponses", "id": f"resp_{_WRAPPED}"}, "resp_fake_8"),
    ({"call_type": "aresponses", "id": "resp_bGl0ZWxsbTp!"}, "resp_bGl0ZWxsbTp!"),
    ({"call_type": "anthropic_messages", "id": "msg_1"}, "req-1"),
    ({"call_type": "anthropic_messages", "id": "msg_1", "hidden_params": {"additional_headers": None}}, "msg_1"),
    ({"call_type": "aembedding", "id": "0b8e7a52-5a1d-4b76-8d5c-0b0f5f2b8f51"}, "req-1"),
    ({"id": "x" * 257}, "req-1"),
    ({"id": "", "hidden_params": None}, None),
])  # fmt: skip
def test_ids_of_answers(changes: dict[str, Any], request_id: str | None) -> None:
    assert fields_of(event(**changes)).get("request_id") == request_id


def test_a_failure_has_the_providers_id_of_the_request() -> None:
    information = {"error_code": "500", "error_provider_request_id": "req-5"}
    assert fields_of(failure("500", error_information=information))["request_id"] == "req-5"


def test_an_id_of_a_callers_choice_cannot_be_too_long() -> None:
    fields = fields_of(failure("500", litellm_call_id="x" * 256))
    assert len(fields["event_id"]) == 32


@pytest.mark.parametrize(("changes", "at_ms"), [
    ({}, 1_795_361_502_336),
    ({"startTime": "2025-01-24 09:20:46.847371"}, 1_737_710_446_847),
    ({"startTime": "2025-01-24T10:20:46.847371+01:00"}, 1_737_710_446_847),
    ({"startTime": None, "endTime": 1_750_615_148.162725}, 1_750_615_148_162),
])  # fmt: skip
def test_times(changes: dict[str, Any], at_ms: int) -> None:
    assert fields_of(event(**changes))["occurred_at"] == at_ms


@pytest.mark.parametrize(("changes", "reason"), [
    ({"startTime": None, "endTime": None}, Reason.MISSING_FIELD),
    ({"startTime": 0, "endTime": None}, Reason.MISSING_FIELD),
    ({"startTime": "yesterday"}, Reason.INVALID_TIMESTAMP),
    ({"startTime": 1_795_361_502_336_072}, Reason.TIMESTAMP_OUT_OF_RANGE),
])  # fmt: skip
def test_a_time_that_is_none_is_refused(changes: dict[str, Any], reason: Reason) -> None:
    (refused,) = decoded(event(**changes)).refused
    assert refused.reason is reason
    assert "Time" in refused.detail


# -------------------------------------------------------------------------------------------------------------- owners


@pytest.mark.parametrize(("changes", "team", "workflow"), [
    ({}, None, None),
    ({"metadata": {"user_api_key_team_id": "t-1"}}, "t-1", None),
    ({"metadata": {"user_api_key_team_id": "t-1", "user_api_key_team_alias": "payments"}}, "payments", None),
    ({"metadata": {"requester_metadata": {"team": "red", "workflow": "nightly"}}}, "red", "nightly"),
    # A caller's word does not move a team's spend to another, unless it is said to be for us.
    ({"metadata": {"user_api_key_team_alias": "payments", "requester_metadata": {"team": "red"}}}, "payments", None),
    ({"metadata": {"user_api_key_team_alias": "payments", "requester_metadata": {"assay.team": "red"}}}, "red", None),
    ({"metadata": {"spend_logs_metadata": {"assay.workflow": "nightly"}}}, None, "nightly"),
    ({"request_tags": ["team:red", "workflow: nightly", "User-Agent: team:blue"]}, "red", "nightly"),
    ({"metadata": {"requester_metadata": {"team": 7, "workflow": ["x"]}}}, None, None),
    ({"metadata": {"requester_metadata": "team"}, "request_tags": "team:red"}, None, None),
    ({"metadata": {"requester_metadata": {"team": "a\nb", "workflow": "x" * 201}}}, None, None),
])  # fmt: skip
def test_owners(changes: dict[str, Any], team: str | None, workflow: str | None) -> None:
    fields = fields_of(event(**changes))
    assert (fields.get("team"), fields.get("workflow")) == (team, workflow)


@pytest.mark.parametrize(("changes", "actor"), [
    ({}, "ada"),
    ({"end_user": "customer-7"}, "ada"),
    ({"metadata": {"user_api_key_user_id": "default_user_id"}}, None),
    ({"metadata": {"user_api_key_user_id": None, "user_api_key_end_user_id": "customer-7"}}, "customer-7"),
    ({"metadata": {"user_api_key_user_id": ""}, "end_user": "customer-7"}, "customer-7"),
    ({"metadata": {"user_api_key_user_id": None}, "end_user": 7}, None),
])  # fmt: skip
def test_actors(changes: dict[str, Any], actor: str | None) -> None:
    assert fields_of(event(**changes)).get("actor") == actor


def test_a_session_of_claude_code_is_a_run_and_its_user_one_person() -> None:
    session = "f6a3d0f0-0000-4000-8000-000000000000"
    fields = fields_of(event(
        end_user=f"user_abc_account__session_{session}",
        metadata={"user_api_key_user_id": None, "user_agent": "claude-cli/2.1.197 (external, cli)"},
    ))  # fmt: skip
    assert (fields["run_id"], fields["actor"], fields["tool"]) == (session, "user_abc", "claude-code")
    headers = {"requester_custom_headers": {"x-claude-code-session-id": session}}
    assert fields_of(event(metadata=headers))["run_id"] == session


@pytest.mark.parametrize(("changes", "run_id"), [
    ({}, None),
    ({"session_id": "s-1"}, "s-1"),
    ({"trace_id": "s-2"}, "s-2"),
    ({"trace_id": None}, None),
    ({"metadata": {"requester_metadata": {"session_id": "s-3"}}}, "s-3"),
    ({"session_id": "s-1", "metadata": {"requester_metadata": {"run_id": "r-1", "session_id": "s-3"}}}, "r-1"),
    ({"session_id": "x" * 300}, None),
])  # fmt: skip
def test_runs(changes: dict[str, Any], run_id: str | None) -> None:
    """The trace id that LiteLLM makes up for each call, a UUID, is no run."""
    assert fields_of(event(**changes)).get("run_id") == run_id


def test_rules_may_go_by_keys_projects_and_tags() -> None:
    metadata = {"user_api_key_project_alias": "p", "requester_metadata": {"environment": "ci", "service.name": "shop"}}
    (item,) = decoded(event(metadata=metadata, request_tags=["cost-centre:7", "urgent", "User-Agent: x"])).items
    assert item.labels == {
        "api_key_alias": "checkout-key", "project": "p", "model_group": "mini", "environment": "ci",
        "service.name": "shop", "tag.cost-centre": "7", "tag.urgent": "urgent",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- privacy


def test_nothing_that_was_asked_or_answered_leaves() -> None:
    marked = event(
        api_base="http://secret-host/v1", requester_ip_address="secret", user_agent="secret", error_str="secret",
        metadata={"user_api_key_user_email": "secret@example.com", "user_api_key_hash": "secret",
                  "requester_metadata": {"note": "secret", "headers": {"authorization": "secret"}}},
        request_tags=["secret"], model_parameters={"secret": "secret"},
    )  # fmt: skip
    items = decoded(marked, failure("500"), context=CONTEXT._replace(fingerprint=lambda _: "0123456789abcdef")).items
    booked = Booker(Pseudonyms(b"sixteen bytes or more")).book(items, Binding())
    assert len(booked.usage) == 2
    assert not any(b"secret" in record.value or b"/a/path" in record.value for record in booked.usage)


@pytest.mark.parametrize(("messages", "prompt"), [
    ([{"role": "system", "content": "be brief"}, {"role": "user", "content": [
        {"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": "data:"}}]}],
     "be brief\nwhat is this"),
    ("what is this", "what is this"),
    (["what", "is this"], "what\nis this"),
    ("redacted-by-litellm", None),
    ([{"role": "user", "content": "redacted-by-litellm"}], None),
    ({}, None),
    (None, None),
    ([{"content": {"text": "x"}}, 7], None),
])  # fmt: skip
def test_fingerprints_are_made_of_all_texts_of_a_prompt(messages: object, prompt: str | None) -> None:
    asked: list[str] = []

    def fingerprint(text: str) -> str:
        asked.append(text)
        return "0123456789abcdef"

    fields = fields_of(event(messages=messages), CONTEXT._replace(fingerprint=fingerprint))
    assert asked == ([] if prompt is None else [prompt])
    assert ("prompt_fingerprint" in fields) == (prompt is not None)


def test_a_fingerprint_that_was_made_beside_the_proxy_is_taken_as_it_is() -> None:
    assert fields_of(event(prompt_fingerprint="00ff00ff00ff00ff"))["prompt_fingerprint"] == "00ff00ff00ff00ff"
    assert "prompt_fingerprint" not in fields_of(event(prompt_fingerprint="a question"))


# ---------------------------------------------------------------------------------------------------------- spend logs


def test_a_row_is_the_same_call_as_its_event() -> None:
    assert fields_of(row()) == fields_of(event())


def test_a_call_told_by_callback_and_row_counts_once() -> None:
    found = decoded(event(), row())
    assert (len(found.items), found.skipped) == (1, {Skip.REPEATED: 1})


@pytest.mark.parametrize(("changes", "expected"), [
    ({"team_id": "t-1"}, {"team": "t-1"}),
    ({"request_tags": '["team:red"]'}, {"team": "red"}),
    ({"request_tags": ["team:red"]}, {"team": "red"}),
    ({"session_id": "s-1"}, {"run_id": "s-1"}),
    ({"metadata": "{}"}, {"event_id": "chatcmpl-abc", "input_tokens": 2100}),
    ({"metadata": {"litellm_call_id": "x"}}, {"event_id": "x"}),
    ({"metadata": '{"additional_usage_values": {"cache_read_input_tokens": 1000}}'}, {"cache_read_tokens": 1000}),
    ({"spend": 0, "metadata": '{"cost_breakdown": {"total_cost": 2}}'}, {"cost_micro_usd": 2_000_000}),
    ({"status": None, "metadata": '{"status": "failure", "error_information": {"error_code": "429"}}'},
     {"status": "error", "event_id": "chatcmpl-abc/failure", "attributes": {"usage": "estimated", "http_status": "429"}}),
])  # fmt: skip
def test_rows(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    fields = fields_of(row(**changes))
    assert {field: fields.get(field) for field in expected} == expected


def test_a_rows_cache_hit_is_a_text() -> None:
    assert decoded(row(cache_hit="True")).skipped == {Skip.CACHE_HIT: 1}


@pytest.mark.parametrize("metadata", ["not json", "[1]", '{"usage_object": 7}', "[" * 100 + "]" * 100])
def test_metadata_that_cannot_be_read_are_refused_by_name(metadata: str) -> None:
    (refused,) = decoded(row(metadata=metadata)).refused
    assert "metadata" in refused.detail


def test_prompts_of_rows_are_texts_of_json() -> None:
    context = CONTEXT._replace(fingerprint=lambda text: f"{len(text):016x}")
    fields = fields_of(row(messages=json.dumps([{"role": "user", "content": "abc"}])), context)
    assert fields["prompt_fingerprint"] == f"{3:016x}"


# ------------------------------------------------------------------------------------------------------- hostile input

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(event() | row())), _JSON, max_size=6), st.booleans())
def test_whatever_an_event_holds_it_is_in_one_place(changes: dict[str, Any], of_a_row: bool) -> None:
    made = {**(row() if of_a_row else event()), **changes}
    context = CONTEXT._replace(fingerprint=lambda text: f"{len(text):016x}")
    found = decoded(made, context=context)
    assert len(found.items) + len(found.refused) + found.skipped.total() == 1
    booked = Booker(Pseudonyms(b"sixteen bytes or more")).book(found.items, Binding())
    assert len(booked.usage) + len(booked.refused) == len(found.items)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\ \n1atrue', max_size=60).map(str.encode))
def test_whatever_a_body_holds_what_is_refused_says_why(body: bytes) -> None:
    with suppress(BadBody):
        found = decode(body, CONTEXT)
        assert all(refused.detail for refused in found.refused)


@given(st.dictionaries(st.text(max_size=12), _JSON, max_size=4))
def test_no_metadata_of_a_caller_can_have_its_call_refused(said: dict[str, Any]) -> None:
    fields = fields_of(event(end_user=said, request_tags=[said], metadata={"requester_metadata": said}))
    assert tokens_of(fields) == [100, 2000, 0, 50, 10]


# ------------------------------------------------------------------------------------------------------- real payloads


@pytest.mark.skipif(not _SHARED.exists(), reason=f"{_SHARED} is not there: real payloads are not part of the product")
@pytest.mark.parametrize("name", ["batch.ndjson", "chat_and_streams.json", "claude_three_ways.json", "failures.json"])
def test_captured_bodies_read_as_their_truth(name: str) -> None:
    captured = _SHARED / "captured" / "litellm"
    expected = orjson.loads((captured / "EXPECT.json").read_bytes())[name]
    readable = expected["readable_from_body"]
    readable = expected["truth"] if readable == "same as truth" else readable
    found = decode((captured / name).read_bytes(), CONTEXT)
    assert not found.refused
    assert len(found.items) == readable["calls"] + (readable["errors"] if name == "batch.ndjson" else 0) - (
        1 if name == "batch.ndjson" else 0
    )
    sums = [sum(item.fields[bucket] for item in found.items) for bucket in BUCKETS]
    assert sums == [
        readable[bucket] for bucket in ("input_uncached", "cache_read", "cache_write", "output", "reasoning")
    ]
    assert sum(item.fields["status"] == "error" for item in found.items) == readable["errors"]


@pytest.mark.skipif(not _SHARED.exists(), reason=f"{_SHARED} is not there: real payloads are not part of the product")
@pytest.mark.parametrize("name", ["spend_logs_payload.json", "standard_logging_payload.json"])
def test_samples_of_its_repository_read_as_computed_by_hand(name: str) -> None:
    (item,) = decode((_SHARED / "litellm" / name).read_bytes(), CONTEXT).items
    assert tokens_of(item.fields) == [10, 0, 0, 20, 0]
    # 10 tokens at 2.5 and 20 at 10 dollars a million.
    assert (item.fields["cost_micro_usd"], item.fields["occurred_at"]) == (225, 1_737_710_446_847)
