"""Which spans are calls, and what they used: the dialects of spans, in both generations of names."""

from collections import Counter
from typing import Any

import orjson
import pytest

from streams.core.reasons import Reason
from streams.sources.contract import USAGE_UNKNOWN, BadBody, Context, Decoded, Skip
from streams.sources.otlp.decoding import PATH_OF_TOPIC, decode
from tests.otlp_requests import AT_MS, TRACE, decoded, request, span, tokens_of

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-1",
}
USED = {"gen_ai.usage.input_tokens": 2102, "gen_ai.usage.output_tokens": 51}


def fields_of(attributes: dict[str, Any], **members: Any) -> dict[str, Any]:
    (item,) = decoded([span(1, attributes, **members)]).items
    return item.fields


def skipped(attributes: dict[str, Any], **members: Any) -> Skip:
    found = decoded([span(1, attributes, **members)])
    assert (found.items, found.refused) == ([], [])
    ((skip, number),) = found.skipped.items()
    assert number == 1
    return skip


def test_a_call_becomes_a_usage_event() -> None:
    found = decoded([span(1, {**CHAT, **USED, "operation.cost": 0.000195825})], resource={"service.name": "nightly"})
    (item,) = found.items
    assert item.place == "resourceSpans.0.scopeSpans.0.spans.0"
    assert item.fields == {
        "event_id": f"{TRACE}:{1:016x}",
        "source": "opentelemetry",
        "occurred_at": AT_MS,
        "model": "gpt-4o-mini-2024-07-18",
        "operation": "chat",
        "input_tokens": 2102,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 51,
        "reasoning_tokens": 0,
        "provider": "openai",
        "request_id": "chatcmpl-1",
        "cost_micro_usd": 196,
        "run_id": TRACE,
    }
    assert item.labels == {"service.name": "nightly"}


@pytest.mark.parametrize(
    "names",
    [
        # semantic-conventions v1.41, and the generation after it
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
         "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.reasoning.output_tokens"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
         "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.reasoning.output_tokens"),
        # before v1.27; traceloop's and pydantic-ai's own
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "gen_ai.usage.cache_read_input_tokens",
         "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.reasoning_tokens"),
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.details.cache_read_tokens",
         "gen_ai.usage.details.cache_write_tokens", "gen_ai.usage.details.reasoning_tokens"),
    ],
)  # fmt: skip
def test_both_generations_of_names_are_read_and_input_includes_what_is_cached(names: tuple[str, ...]) -> None:
    used = dict(zip(names, (2403, 51, 2001, 301, 11), strict=True))
    assert tokens_of(fields_of({**CHAT, **used})) == (101, 2001, 301, 51, 11)


def test_langfuse_10592_12306_litellm_15945_the_same_call_told_inclusive_and_exclusive_is_the_same() -> None:
    inclusive = fields_of({**CHAT, "gen_ai.usage.input_tokens": 2102, "gen_ai.usage.cache_read.input_tokens": 2001})
    exclusive = fields_of({**CHAT, "gen_ai.usage.input_tokens": 101, "gen_ai.usage.cache_read.input_tokens": 2001})
    assert tokens_of(inclusive) == tokens_of(exclusive) == (101, 2001, 0, 0, 0)


def test_reasoning_beyond_the_output_was_left_out_of_it() -> None:
    used = {"gen_ai.usage.output_tokens": 40, "gen_ai.usage.reasoning.output_tokens": 50}
    assert tokens_of(fields_of({**CHAT, **used})) == (0, 0, 0, 90, 50)


@pytest.mark.parametrize(
    ("said", "operation"),
    [
        *((word, word) for word in ("chat", "generate_content", "text_completion", "embedding")),
        ("embeddings", "embedding"),
    ],
)
def test_leaf_operations_are_calls_in_the_words_of_the_record(said: str, operation: str) -> None:
    assert fields_of({**CHAT, **USED, "gen_ai.operation.name": said})["operation"] == operation


@pytest.mark.parametrize(
    ("operation", "used", "skip"),
    [
        ("invoke_agent", USED, Skip.PARENT),
        ("invoke_workflow", {}, Skip.PARENT),
        ("agent_step", USED, Skip.PARENT),
        ("execute_tool", {}, Skip.IRRELEVANT),
        ("execute_tool", USED, Skip.PARENT),
        ("search_memory", {}, Skip.IRRELEVANT),
        ("create_agent", {}, Skip.IRRELEVANT),
        ("fetch_response", USED, Skip.LOOKUP),
        ("transcribe", USED, Skip.UNKNOWN),
        (None, USED, Skip.UNKNOWN),
        (None, {}, Skip.IRRELEVANT),
    ],
)
def test_other_operations_are_passed_over_by_name(operation: str | None, used: dict[str, Any], skip: Skip) -> None:
    assert skipped({**used, **({"gen_ai.operation.name": operation} if operation else {})}) is skip


def test_litellm_17814_a_response_that_is_fetched_again_is_no_call() -> None:
    assert skipped({**CHAT, **USED, "gen_ai.operation.name": "fetch_response"}) is Skip.LOOKUP


def test_langfuse_14754_strands_1267_an_agent_repeats_what_its_calls_used() -> None:
    records = [
        span(1, {**USED, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "nightly"}),
        span(2, {"gen_ai.operation.name": "agent_step"}, parentSpanId=f"{1:016x}"),
        span(3, {**CHAT, **USED}, parentSpanId=f"{2:016x}"),
    ]
    found = decoded(records)
    assert [item.place[-1] for item in found.items] == ["2"]
    assert found.skipped == {Skip.PARENT: 2}


def test_a_call_whose_tokens_nobody_tells_says_so() -> None:
    fields = fields_of(CHAT)
    assert fields["attributes"] == USAGE_UNKNOWN
    assert "input_tokens" not in fields


def test_usage_that_the_ai_sdk_does_not_know_is_not_a_number() -> None:
    nan = {"ai.usage.promptTokens": float("nan"), "ai.usage.completionTokens": float("nan")}
    fields = fields_of({"ai.operationId": "ai.streamText.doStream", "ai.model.id": "m", **nan})
    assert fields["attributes"] == USAGE_UNKNOWN


@pytest.mark.parametrize(
    ("attributes", "members", "status"),
    [
        ({}, {}, None),
        ({}, {"status": {"code": 2}}, "error"),
        ({"error.type": "openai.RateLimitError"}, {"status": {"code": 2}}, "error"),
        ({"error.type": "asyncio.CancelledError"}, {"status": {"code": 2}}, "cancelled"),
        ({"error.type": "AbortError"}, {}, "cancelled"),
    ],
)
def test_how_a_call_ended(attributes: dict[str, Any], members: dict[str, Any], status: str | None) -> None:
    assert fields_of({**CHAT, **attributes}, **members).get("status") == status


def test_a_model_that_nobody_names_is_unknown_and_its_tokens_count() -> None:
    fields = fields_of({"gen_ai.operation.name": "chat", **USED})
    assert (fields["model"], fields["input_tokens"]) == ("unknown", 2102)


@pytest.mark.parametrize(("tier", "expected"), [("flex", {"service_tier": "flex"}), ("default", {}), ("my words", {})])
def test_only_known_words_become_attributes(tier: str, expected: dict[str, str]) -> None:
    assert fields_of({**CHAT, **USED, "openai.response.service_tier": tier}).get("attributes", {}) == expected


@pytest.mark.parametrize(
    ("start", "end", "at_ms"),
    [(AT_MS - 5, AT_MS, AT_MS), (AT_MS - 5, 0, AT_MS - 5)],
)
def test_a_call_happened_when_it_ended(start: int, end: int, at_ms: int) -> None:
    members = {"startTimeUnixNano": str(start * 1_000_000), "endTimeUnixNano": str(end * 1_000_000)}
    assert fields_of({**CHAT, **USED}, **members)["occurred_at"] == at_ms


@pytest.mark.parametrize(
    ("attributes", "members", "reason"),
    [
        ({"gen_ai.usage.input_tokens": -1}, {}, Reason.OUT_OF_RANGE),
        ({"gen_ai.usage.output_tokens": 2**60}, {}, Reason.OUT_OF_RANGE),
        ({"gen_ai.usage.output_tokens": 1.5}, {}, Reason.WRONG_TYPE),
        ({"gen_ai.usage.cache_read.input_tokens": "many", **USED}, {}, Reason.WRONG_TYPE),
        ({"gen_ai.usage.input_tokens": ["1"]}, {}, Reason.WRONG_TYPE),
        ({"operation.cost": -0.5}, {}, Reason.OUT_OF_RANGE),
        ({}, {"spanId": ""}, Reason.MISSING_FIELD),
        ({}, {"traceId": "00" * 16}, Reason.MISSING_FIELD),
        ({}, {"endTimeUnixNano": "0", "startTimeUnixNano": "0"}, Reason.MISSING_FIELD),
        ({}, {"endTimeUnixNano": str(2**64 - 1)}, Reason.OUT_OF_RANGE),
    ],
)
def test_a_call_with_a_number_that_is_none_is_refused_and_the_next_one_counts(
    attributes: dict[str, Any], members: dict[str, Any], reason: Reason
) -> None:
    found = decoded([span(1, {**CHAT, **attributes}, **members), span(2, {**CHAT, **USED})])
    ((place, refused, detail),) = found.refused
    assert (place, refused) == ("resourceSpans.0.scopeSpans.0.spans.0", reason)
    assert detail.startswith("field ")
    assert [item.place[-1] for item in found.items] == ["1"]


OPENINFERENCE = {
    "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.provider": "openai",
    "llm.token_count.prompt": 2403, "llm.token_count.completion": 51, "llm.token_count.total": 2454,
    "llm.token_count.prompt_details.cache_read": 2001, "llm.token_count.prompt_details.cache_write": 301,
    "llm.token_count.completion_details.reasoning": 11, "llm.cost.total": 0.01, "output.value": '{"usage": {}}',
}  # fmt: skip


def test_openinference_is_read() -> None:
    fields = fields_of(OPENINFERENCE)
    assert tokens_of(fields) == (101, 2001, 301, 51, 11)
    assert (fields["model"], fields["provider"], fields["cost_micro_usd"]) == ("gpt-4o-mini", "openai", 10_000)


@pytest.mark.parametrize(
    ("kind", "counts", "skip"),
    [
        ("CHAIN", True, Skip.PARENT),
        ("AGENT", True, Skip.PARENT),
        ("TOOL", False, Skip.IRRELEVANT),
        ("x", False, Skip.IRRELEVANT),
    ],
)
def test_openinference_spans_of_other_kinds_are_passed_over(kind: str, counts: bool, skip: Skip) -> None:
    attributes = OPENINFERENCE if counts else {}
    assert skipped({**attributes, "openinference.span.kind": kind}) is skip


def test_openinference_embeddings_have_a_model_of_their_own() -> None:
    attributes = {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e", "llm.token_count.prompt": 7}
    fields = fields_of(attributes)
    assert (fields["operation"], fields["model"], fields["input_tokens"]) == ("embedding", "e", 7)


AI = {"ai.model.id": "gpt-4o-mini", "ai.model.provider": "openai.chat", "gen_ai.system": "openai.chat"}


@pytest.mark.parametrize(
    ("used", "provider", "expected"),
    [
        # version 4; 5; 5 with Anthropic, where cached tokens stand beside the input; 6, where none do
        ({"ai.usage.promptTokens": 2102, "ai.usage.completionTokens": 51}, "openai.chat", (2102, 0, 0, 51, 0)),
        ({"ai.usage.inputTokens": 2102, "ai.usage.outputTokens": 51, "ai.usage.cachedInputTokens": 2001,
          "ai.usage.reasoningTokens": 11}, "openai.responses", (101, 2001, 0, 51, 11)),
        ({"ai.usage.inputTokens": 5000, "ai.usage.outputTokens": 51, "ai.usage.cachedInputTokens": 2001},
         "anthropic.messages", (5000, 2001, 0, 51, 0)),
        ({"ai.usage.inputTokens": 2403, "ai.usage.outputTokens": 51, "ai.usage.inputTokenDetails.noCacheTokens": 101,
          "ai.usage.inputTokenDetails.cacheReadTokens": 2001, "ai.usage.inputTokenDetails.cacheWriteTokens": 301,
          "ai.usage.outputTokenDetails.reasoningTokens": 11}, "anthropic.messages", (101, 2001, 301, 51, 11)),
    ],
)  # fmt: skip
def test_the_ai_sdk_is_read(used: dict[str, Any], provider: str, expected: tuple[int, ...]) -> None:
    attributes = {**AI, "ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": provider, **used}
    fields = fields_of(attributes)
    assert tokens_of(fields) == expected
    assert fields["provider"] == provider.partition(".")[0]


@pytest.mark.parametrize(
    ("provider", "metadata", "expected"),
    [
        ("anthropic.messages", {"anthropic": {"usage": {"cache_read_input_tokens": 2001, "cache_creation_input_tokens": 301}}},
         (2102, 2001, 301, 51, 0)),
        ("anthropic.messages", {"anthropic": {"cacheReadInputTokens": 2001, "cacheCreationInputTokens": 301}},
         (2102, 2001, 301, 51, 0)),
        ("openai.chat", {"openai": {"cachedPromptTokens": 2001, "reasoningTokens": 11}}, (101, 2001, 0, 51, 11)),
        ("openai.chat", {"openai": ["cachedPromptTokens"], "anthropic": 7}, (2102, 0, 0, 51, 0)),
        ("openai.chat", {"openai": {"cachedPromptTokens": "2001"}}, (2102, 0, 0, 51, 0)),
        ("openai.chat", None, (2102, 0, 0, 51, 0)),
    ],
)  # fmt: skip
def test_what_the_ai_sdk_has_no_attributes_for_stands_in_the_providers_metadata(
    provider: str, metadata: Any, expected: tuple[int, ...]
) -> None:
    said = "{" if metadata is None else orjson.dumps(metadata).decode()
    used = {"ai.usage.promptTokens": 2102, "ai.usage.completionTokens": 51, "ai.response.providerMetadata": said}
    attributes = {**AI, "ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": provider, **used}
    assert tokens_of(fields_of(attributes)) == expected


@pytest.mark.parametrize(
    ("operation", "skip"),
    [("ai.generateText", Skip.PARENT), ("ai.embedMany", Skip.PARENT), ("ai.toolCall", Skip.IRRELEVANT)],
)
def test_what_the_ai_sdk_repeats_is_passed_over(operation: str, skip: Skip) -> None:
    assert skipped({**AI, "ai.operationId": operation, "ai.usage.promptTokens": 2102}) is skip


def test_the_ai_sdks_embeddings_have_one_count() -> None:
    fields = fields_of({**AI, "ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 7})
    assert (fields["operation"], fields["input_tokens"]) == ("embedding", 7)


@pytest.mark.parametrize(
    ("name", "resource", "scope", "attributes", "skip"),
    [
        ("claude_code.llm_request", {}, "com.anthropic.claude_code.tracing", {"input_tokens": 3}, Skip.REPEATED),
        ("claude_code.interaction", {}, "com.anthropic.claude_code.tracing", {}, Skip.IRRELEVANT),
        ("handle_responses", {"service.name": "codex_exec", "telemetry.sdk.language": "rust"}, "", USED, Skip.REPEATED),
        ("run", {"service.name": "codex-cli", "telemetry.sdk.language": "rust"}, "", {}, Skip.IRRELEVANT),
        ("llm_call", {"service.name": "gemini-cli"}, "gemini-cli", {**CHAT, **USED}, Skip.REPEATED),
        ("tool_call", {"service.name": "gemini-cli"}, "gemini-cli", {}, Skip.IRRELEVANT),
    ],
)
def test_traces_of_the_coding_agents_repeat_their_events(
    name: str, resource: dict[str, Any], scope: str, attributes: dict[str, Any], skip: Skip
) -> None:
    found = decoded([span(1, attributes, name=name)], resource=resource, scope=scope)
    assert (found.items, found.skipped) == ([], {skip: 1})


def test_a_service_that_is_named_like_codex_is_not_codex() -> None:
    resource = {"service.name": "codex-of-law", "telemetry.sdk.language": "python"}
    assert len(decoded([span(1, {**CHAT, **USED})], resource=resource).items) == 1


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/traces/", "/otel/v1/traces", PATH_OF_TOPIC["otlp_spans"]])
def test_the_path_says_the_signal(path: str) -> None:
    assert decode(b"{}", Context(AT_MS, path)).items == []


@pytest.mark.parametrize("kind", ["spans", "logRecords", "metrics"])
def test_without_a_path_json_says_its_signal(kind: str) -> None:
    body = orjson.dumps(request([], kind=kind))
    assert decode(body, Context(AT_MS)) == Decoded([], [], Counter())


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"resourceProfiles": []}', b"\x0a\x00"])
def test_without_a_path_anything_else_names_no_signal(body: bytes) -> None:
    with pytest.raises(BadBody, match="/v1/traces"):
        decode(body, Context(AT_MS))


@pytest.mark.parametrize("path", ["/", "/v1/profiles", "/v1/traces/x"])
def test_another_path_names_no_signal(path: str) -> None:
    with pytest.raises(BadBody, match="/v1/traces"):
        decode(b"{}", Context(AT_MS, path))
