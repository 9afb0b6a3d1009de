"""What is read of a LiteLLM event and of a SpendLogs row, as types: the other nine tenths are passed over while parsing.

Keys as of LiteLLM 1.106.2 (``StandardLoggingPayload`` and ``SpendLogsPayload`` in its ``types/utils.py`` and
``proxy/_types.py``); older versions lack some. Numbers may be texts. What a caller of the proxy can put there as it likes
(metadata, tags, the end user) is typed as anything, so that nobody can have a call refused by a strange value.
"""

from typing import Any, Final, TypeAlias

import msgspec

__all__ = [
    "NOTHING",
    "Cost",
    "CustomHeaders",
    "Details",
    "Event",
    "EventWithPrompt",
    "Headers",
    "Metadata",
    "Number",
    "Requester",
    "Response",
    "Usage",
]

Number: TypeAlias = int | float | str | None
NOTHING: Final = msgspec.Raw(b"null")


class Details(msgspec.Struct, gc=False, omit_defaults=True):
    """Parts of prompt or completion tokens."""

    cached_tokens: Number = None
    cache_write_tokens: Number = None
    cache_creation_tokens: Number = None
    reasoning_tokens: Number = None


class Usage(msgspec.Struct, gc=False, omit_defaults=True):
    """The provider's usage in OpenAI's form, into which LiteLLM brings all; prompt tokens include the cached ones."""

    prompt_tokens: Number = None
    completion_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation_input_tokens: Number = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Cost(msgspec.Struct, gc=False, omit_defaults=True):
    """What LiteLLM worked the cost out from, in US dollars."""

    total_cost: Number = None


class Failure(msgspec.Struct, gc=False, omit_defaults=True):
    """How a call failed; the code is an HTTP status as a text, or empty."""

    error_code: Any = None
    error_provider_request_id: str | None = None


class Headers(msgspec.Struct, gc=False, omit_defaults=True):
    """The provider's ids of the request, of its answer's headers."""

    llm_request: Any = msgspec.field(default=None, name="llm_provider-request-id")
    llm_x_request: Any = msgspec.field(default=None, name="llm_provider-x-request-id")
    request: Any = msgspec.field(default=None, name="request-id")
    x_request: Any = msgspec.field(default=None, name="x-request-id")


class Hidden(msgspec.Struct, gc=False, omit_defaults=True):
    """What LiteLLM keeps beside a response."""

    additional_headers: Headers | None = None
    usage_object: Usage | None = None
    response_cost: Number = None


class Requester(msgspec.Struct, gc=False, omit_defaults=True):
    """Words by which a caller says what a call is for, in its ``metadata``."""

    assay_team: Any = msgspec.field(default=None, name="assay.team")
    team: Any = None
    assay_workflow: Any = msgspec.field(default=None, name="assay.workflow")
    workflow: Any = None
    assay_run: Any = msgspec.field(default=None, name="assay.run")
    run_id: Any = None
    session_id: Any = None
    environment: Any = None
    service_name: Any = msgspec.field(default=None, name="service.name")
    repository: Any = None


class CustomHeaders(msgspec.Struct, gc=False, omit_defaults=True):
    """Headers of the caller's request that begin with ``x-``."""

    claude_code_session: Any = msgspec.field(default=None, name="x-claude-code-session-id")


class Metadata(msgspec.Struct, gc=False, omit_defaults=True):
    """Who called, by key and team, and with how many tokens."""

    user_api_key_alias: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_team_alias: str | None = None
    user_api_key_org_alias: str | None = None
    user_api_key_project_alias: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_end_user_id: Any = None
    team_id: str | None = None
    team_alias: str | None = None
    user_agent: Any = None
    usage_object: Usage | None = None
    requester_metadata: msgspec.Raw = NOTHING
    spend_logs_metadata: msgspec.Raw = NOTHING
    requester_custom_headers: msgspec.Raw = NOTHING
    # Only in SpendLogs rows:
    litellm_call_id: str | None = None
    status: str | None = None
    additional_usage_values: Usage | None = None
    cost_breakdown: Cost | None = None
    error_information: Failure | None = None


class Event(msgspec.Struct, gc=False, omit_defaults=True):
    """A call as callbacks tell it, or a row of ``LiteLLM_SpendLogs``; ``request_id`` tells a row."""

    id: str | None = None
    litellm_call_id: str | None = None
    trace_id: Any = None
    session_id: Any = None
    call_type: str | None = None
    cache_hit: Any = None
    status: str | None = None
    custom_llm_provider: str | None = None
    startTime: Number = None  # noqa: N815 - LiteLLM's name
    endTime: Number = None  # noqa: N815
    model: str | None = None
    model_group: str | None = None
    metadata: Metadata | str | None = None
    response_cost: Number = None
    cost_breakdown: Cost | None = None
    prompt_tokens: Number = None
    completion_tokens: Number = None
    request_tags: Any = None
    end_user: Any = None
    user_agent: Any = None
    hidden_params: Hidden | None = None
    response: msgspec.Raw = NOTHING
    error_information: Failure | None = None
    prompt_fingerprint: Any = None
    # Only in SpendLogs rows:
    request_id: str | None = None
    spend: Number = None
    user: str | None = None
    team_id: str | None = None
    # Only around a page of rows:
    data: msgspec.Raw = NOTHING


class Response(msgspec.Struct, gc=False, omit_defaults=True):
    """What a call gave: looked at for its usage alone, where nothing else has it."""

    usage: Usage | None = None


class EventWithPrompt(Event, gc=False, omit_defaults=True):
    """The same with the prompt, for where fingerprints are made."""

    messages: Any = None
