"""Whatever the bytes, a body is read or refused, and each of its records is in exactly one place."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.pseudonyms import Pseudonyms
from streams.sources.booking import Binding, Booker
from streams.sources.contract import BadBody, Context, Decoded
from streams.sources.fingerprints import Fingerprints
from streams.sources.otlp.decoding import decode
from tests.otlp_requests import AT_MS, JSON, PATHS, PROTOBUF, as_protobuf, log_record, request, span

BOOKER = Booker(Pseudonyms(b"sixteen bytes or more"))
FINGERPRINTS = Fingerprints(b"sixteen bytes or more")
HOLDERS = {
    "spans": ("resourceSpans", "scopeSpans"), "logRecords": ("resourceLogs", "scopeLogs"),
    "metrics": ("resourceMetrics", "scopeMetrics"),
}  # fmt: skip

POINT = {"timeUnixNano": "9", "startTimeUnixNano": "3", "asInt": "3", "attributes": []}
REQUESTS: dict[str, dict[str, Any]] = {
    "spans": request([
        span(1, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7,
                 "gen_ai.usage.cache_read.input_tokens": 3, "operation.cost": 0.1, "gen_ai.response.id": "r",
                 "gen_ai.input.messages": '[{"role": "user", "content": "words"}]'}),
        span(2, {"openinference.span.kind": "LLM", "llm.token_count.prompt": 7}, parentSpanId=f"{1:016x}"),
        span(3, {"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 7}, status={"code": 2},
             events=[{"name": "gen_ai.evaluation.result", "attributes": []}]),
        span(4, {"gen_ai.operation.name": "invoke_agent"}),
        span(5, {"llm.request.type": "chat", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "words",
                 "openai.response.service_tier": "flex", "error.type": "E"}),
    ], resource={"service.name": "s", "team": "red"}),
    "logRecords": request([
        log_record({"event.name": "claude_code.api_request", "input_tokens": 3, "cost_usd": 0.1, "session.id": "s"}),
        log_record({"event.name": "claude_code.tool_result", "tool_parameters": '{"git_commit_id": "0a1b2c3"}'}),
        log_record({"event.name": "claude_code.tool_decision", "decision": "accept", "source": "user_x", "tool_name": "Edit"}),
        log_record({"event.name": "codex.tool_decision", "decision": "denied", "source": "user", "tool_name": "apply_patch"}),
        log_record({"event.name": "gemini_cli.tool_call", "decision": "accept", "function_name": "replace"}),
        log_record({"event.name": "codex.api_request", "http.response.status_code": 429, "attempt": 1}),
        log_record({"event.name": "codex.sse_event", "event.kind": "response.completed", "input_token_count": "3",
                    "event.timestamp": "2026-11-22T15:52:04.823Z"}, timeUnixNano="0"),
        log_record({"event.name": "gemini_cli.api_response", "input_token_count": 3, "total_token_count": 9}),
        log_record({"event.name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.value": 1.0}),
    ], kind="logRecords"),
    "metrics": request([
        {"name": "claude_code.token.usage", "sum": {"dataPoints": [POINT, POINT], "aggregationTemporality": 2}},
        {"name": "m", "histogram": {"dataPoints": [{"sum": 1.0, "count": "2"}], "aggregationTemporality": 1}},
    ], kind="metrics"),
}  # fmt: skip
BODIES = [
    (kind, content_type, orjson.dumps(found) if content_type == JSON else as_protobuf(found, kind))
    for kind, found in REQUESTS.items()
    for content_type in (JSON, PROTOBUF)
]


def survives(body: bytes, kind: str, content_type: str) -> Decoded | None:
    """What decoding gives, None for a refused body; anything else is a failure."""
    context = Context(AT_MS, PATHS[kind], content_type, fingerprint=FINGERPRINTS)
    try:
        found = decode(body, context)
    except BadBody:
        return None
    for refused in found.refused:
        assert refused.place.startswith("resource")
        assert len(refused.detail) < 200
    booked = BOOKER.book(found.items, Binding())
    assert len(booked.usage) + len(booked.outcomes) + len(booked.refused) == len(found.items)
    return found


def test_the_bodies_are_read_to_begin_with() -> None:
    for kind, content_type, body in BODIES:
        found = survives(body, kind, content_type)
        assert found is not None
        assert found.refused == []
        assert bool(found.items) is (kind != "metrics")


@pytest.mark.parametrize(("kind", "content_type", "body"), BODIES)
def test_every_truncation_is_survived(kind: str, content_type: str, body: bytes) -> None:
    for end in range(len(body)):
        survives(body[:end], kind, content_type)


@given(
    st.sampled_from(BODIES),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=12), st.integers(0, 12)), min_size=1, max_size=6),
)
def test_every_mutation_is_survived(chosen: tuple[str, str, bytes], cuts: list[tuple[int, bytes, int]]) -> None:
    kind, content_type, body = chosen
    for number, inserted, dropped in cuts:
        at = number % (len(body) + 1)
        body = body[:at] + inserted + body[at + dropped :]
    survives(body, kind, content_type)


@given(st.sampled_from(list(PATHS)), st.sampled_from([JSON, PROTOBUF]), st.binary(max_size=200))
def test_any_bytes_are_survived(kind: str, content_type: str, body: bytes) -> None:
    survives(body, kind, content_type)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["9" * 5_000, "1e999999999", "-1", 2**64, -(2**63), 1e308, "NaN", "0", "\x00", "٣"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "value", "stringValue", "intValue", "values", "arrayValue"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        found += _places(item, (*path, key))
    return found


PLACES = {kind: _places(found) for kind, found in REQUESTS.items()}


@given(st.sampled_from(list(PATHS)), st.lists(st.tuples(st.integers(0, 10_000), VALUES), min_size=1, max_size=4))
def test_any_value_in_any_place_is_survived_and_no_record_is_lost(kind: str, changes: list[tuple[int, Any]]) -> None:
    made = orjson.loads(orjson.dumps(REQUESTS[kind]))
    for number, value in changes:
        path = PLACES[kind][number % len(PLACES[kind])]
        holder = made
        try:
            for key in path[:-1]:
                holder = holder[key]
            if path:
                holder[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    try:
        body = orjson.dumps(made)
    except TypeError:
        return  # an integer that JSON's writer does not take
    found = survives(body, kind, JSON)
    if found is not None and kind != "metrics":
        resources, scopes = HOLDERS[kind]
        records = [
            record
            for resource in made.get(resources) or []
            for scope in resource.get(scopes) or []
            for record in scope.get(kind) or []
        ]
        within_spans = sum(".events." in one.place for one in (*found.items, *found.refused))
        passed_over = found.skipped.total()
        at_most = len(records) + sum(len(record.get("events") or []) for record in records if kind == "spans")
        told = len(found.items) + len(found.refused) - within_spans + passed_over
        assert len(records) <= told <= at_most


@pytest.mark.parametrize("depth", [10, 100, 900, 100_000])
def test_nesting_is_bounded(depth: int) -> None:
    value = b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth
    body = orjson.dumps(request([span(1, {"gen_ai.operation.name": "chat", "team": "x"})])).replace(
        b'{"stringValue":"x"}', value
    )
    found = survives(body, "spans", JSON)
    assert found is None or len(found.items) == 1


def test_a_prompt_nested_beyond_reason_has_no_fingerprint() -> None:
    prompt = '[{"content":' * 400 + '"words"' + "}]" * 400
    body = orjson.dumps(request([span(1, {"gen_ai.operation.name": "chat", "gen_ai.input.messages": prompt})]))
    found = survives(body, "spans", JSON)
    assert found is not None
    assert "prompt_fingerprint" not in found.items[0].fields
