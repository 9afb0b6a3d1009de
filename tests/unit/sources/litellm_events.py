"""LiteLLM's events as its callbacks send them, of our own making; the numbers of each are its own."""

from typing import Any

__all__ = ["event", "failure", "row"]


def event(**changes: Any) -> dict[str, Any]:
    """A chat of 100 + 2,000 cached tokens in and 50 out, of them 10 of reasoning, for 0.0195 dollars.

    A change named ``metadata`` is put into the metadata; everything else takes the place of what is there.
    """
    metadata = {
        "user_api_key_alias": "checkout-key",
        "user_api_key_team_id": None,
        "user_api_key_team_alias": None,
        "user_api_key_user_id": "ada",
        "user_api_key_end_user_id": None,
        "user_agent": "python-requests/2",
        "requester_metadata": None,
        "usage_object": {
            "prompt_tokens": 2100,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 2000, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 10},
        },
    }
    made = {
        "id": "chatcmpl-abc",
        "litellm_call_id": "0b8e7a52-5a1d-4b76-8d5c-0b0f5f2b8f51",
        "trace_id": "c1a7de0a-3d9b-4a4c-9f8e-1f40b6f6a001",
        "session_id": "",
        "call_type": "acompletion",
        "cache_hit": None,
        "stream": None,
        "status": "success",
        "custom_llm_provider": "openai",
        "startTime": 1_795_361_502.336072,
        "endTime": 1_795_361_502.4,
        "model": "openai/gpt-4o-mini",
        "model_group": "mini",
        "response_cost": 0.0195,
        "cost_breakdown": {"input_cost": 0.0095, "output_cost": 0.01, "total_cost": 0.0195},
        "prompt_tokens": 2100,
        "completion_tokens": 50,
        "total_tokens": 2150,
        "request_tags": [],
        "end_user": None,
        "messages": [{"role": "user", "content": "a secret question"}],
        "response": {"id": "chatcmpl-abc", "choices": [{"message": {"content": "a secret answer"}}]},
        "hidden_params": {"response_cost": 0.0195, "additional_headers": {"llm_provider-request-id": "req-1"}},
        "error_information": {"error_code": "", "error_message": ""},
    }
    metadata.update(changes.pop("metadata", None) or {})
    return {**made, **changes, "metadata": metadata}


def failure(code: str, **changes: Any) -> dict[str, Any]:
    """A call that gave nothing."""
    call_id = "5ca1ab1e-0000-4000-8000-000000000001"
    said: dict[str, Any] = {
        "id": call_id, "litellm_call_id": call_id, "status": "failure", "response_cost": 0.0, "cost_breakdown": None,
        "prompt_tokens": 0, "completion_tokens": 0, "metadata": {"usage_object": None}, "hidden_params": None,
        "error_information": {"error_code": code, "error_message": "a secret message", "traceback": "/a/path"},
    }  # fmt: skip
    return event(**{**said, **changes})


def row(**changes: Any) -> dict[str, Any]:
    """The same chat as a row of LiteLLM_SpendLogs."""
    made = {
        "request_id": "chatcmpl-abc",
        "session_id": "c1a7de0a-3d9b-4a4c-9f8e-1f40b6f6a001",
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "cache_hit": "None",
        "startTime": "2026-11-22 15:31:42.336072",
        "endTime": "2026-11-22 15:31:42.400000",
        "model": "openai/gpt-4o-mini",
        "user": "ada",
        "team_id": "",
        "metadata": (
            '{"litellm_call_id": "0b8e7a52-5a1d-4b76-8d5c-0b0f5f2b8f51", "user_api_key_alias": "checkout-key",'
            ' "status": "success", "usage_object": {"prompt_tokens": 2100, "completion_tokens": 50,'
            ' "prompt_tokens_details": {"cached_tokens": 2000},'
            ' "completion_tokens_details": {"reasoning_tokens": 10}}}'
        ),
        "spend": 0.0195,
        "prompt_tokens": 2100,
        "completion_tokens": 50,
        "total_tokens": 2150,
        "request_tags": "[]",
        "end_user": "",
        "model_group": "mini",
        "custom_llm_provider": "openai",
        "messages": "{}",
        "response": "{}",
        "status": "success",
    }
    return {**made, **changes}
