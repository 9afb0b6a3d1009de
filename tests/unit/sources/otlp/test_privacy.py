"""Whatever goes in, nothing but names and ids comes out: every text of a body is marked with where it stands."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from streams.core.pseudonyms import Pseudonyms
from streams.sources.booking import Binding, Booker
from streams.sources.contract import Context, Decoded
from streams.sources.fingerprints import Fingerprints
from streams.sources.otlp.decoding import decode
from tests.otlp_requests import AT_MS, PATHS, PROTOBUF, _with_base64, log_record, request, span

_CAPTURED = Path(__file__).parents[5] / "shared" / "payloads" / "captured"
KEY = b"sixteen bytes or more"
MARK = "Zq7canary"

#: What says which kind of record it is. Left as it is, or nothing would be read.
_KEPT = {
    "gen_ai.operation.name", "openinference.span.kind", "ai.operationId", "event.name", "event.kind", "event.timestamp",
    "decision", "source", "success", "telemetry.sdk.language",
    "input_token_count", "output_token_count", "tool_token_count", "attempt",
}  # fmt: skip
#: Texts that one may find in a record, and where they come from.
_DECLARED = {
    "model": {"gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "embedding.model_name", "ai.model.id", "ai.response.model", "model"},
    "provider": {"gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"},
    "team": {"team", "assay.team", "team.id"},
    "workflow": {"workflow", "assay.workflow", "gen_ai.workflow.name", "traceloop.workflow.name"},
    "run_id": {"session.id", "gen_ai.conversation.id", "conversation.id", "assay.run_id"},
    "request_id": {"gen_ai.response.id", "ai.response.id", "request_id", "auth.request_id"},
    "attributes": {"gen_ai.evaluation.name"},
}  # fmt: skip


def marked(message: Message) -> Message:
    """Every text of the message, with a mark that says where it stood."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                if isinstance(one, KeyValue):
                    if one.key not in _KEPT:
                        _mark_value(one.value, one.key)
                else:
                    marked(one)
        elif field.cpp_type == field.CPPTYPE_STRING and not field.is_repeated and isinstance(message, AnyValue):
            message.string_value = f"{MARK}[body]{value}"
        elif field.cpp_type == field.CPPTYPE_STRING and not field.is_repeated and field.type == field.TYPE_STRING:
            # Names of spans, events and libraries begin with what tells whose they are.
            setattr(message, field.name, f"{value} {MARK}[{field.name}]" if field.name != "name" else f"{value}{MARK}")
    return message


def _mark_value(value: AnyValue, key: str) -> None:
    kind = value.WhichOneof("value")
    if kind == "string_value" and value.string_value[:2] in {"[{", '{"'}:
        value.string_value = json.dumps(_mark_json(json.loads(value.string_value), key))
    elif kind == "string_value":
        value.string_value = f"{value.string_value}{MARK}[{key}]"
    elif kind == "array_value":
        for item in value.array_value.values:
            _mark_value(item, key)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            _mark_value(pair.value, key)


def _mark_json(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _mark_json(item, key) for name, item in value.items()}
    if isinstance(value, list):
        return [_mark_json(item, key) for item in value]
    return f"{value} {MARK}[{key}]" if isinstance(value, str) else value


def leaks(decoded: Decoded) -> list[str]:
    """Marks in what would go to Kafka, or to whoever sent the body, where no mark may be."""
    booked = Booker(Pseudonyms(KEY)).book(decoded.items, Binding())
    assert booked.refused == []
    found = [f"refused: {refused.detail}" for refused in decoded.refused if MARK in repr(refused)]
    for record in (*booked.usage, *booked.outcomes):
        for field, value in orjson.loads(record.value).items():
            text = json.dumps(value)
            allowed = _DECLARED.get(field, set())
            for name in allowed:
                text = text.replace(f"{MARK}[{name}]", "")
            if MARK in text:
                found.append(f"{field}: {text}")
    return found


def captured() -> list[Any]:
    return [
        pytest.param(path, id=f"{path.parent.name}-{path.name}")
        for client in ("claude_code", "codex", "gemini_cli", "otel")
        if (_CAPTURED / client).is_dir()
        for path in sorted((_CAPTURED / client).iterdir())
        if ("logs." in path.name or "traces." in path.name) and "headers" not in path.name
    ]


def message_of(found: dict[str, Any] | bytes, kind: str) -> Message:
    message = ExportTraceServiceRequest() if kind == "spans" else ExportLogsServiceRequest()
    if isinstance(found, bytes):
        message.ParseFromString(found)
        return message
    return ParseDict(_with_base64(found), message)


def checked(message: Message, kind: str, *, items: int | None = None) -> None:
    body = marked(message).SerializeToString()
    assert body.count(MARK.encode()) > 5
    for fingerprint in (None, Fingerprints(KEY)):
        decoded = decode(body, Context(AT_MS, PATHS[kind], PROTOBUF, fingerprint=fingerprint))
        assert decoded.items
        assert items is None or len(decoded.items) == items
        assert leaks(decoded) == []


@pytest.mark.skipif(not _CAPTURED.is_dir(), reason=f"no captured bodies in {_CAPTURED}")
@pytest.mark.parametrize("path", captured())
def test_nothing_leaks_from_a_captured_body(path: Path) -> None:
    kind = "spans" if "traces." in path.name else "logRecords"
    body = path.read_bytes()
    checked(message_of(body if path.suffix == ".bin" else orjson.loads(body), kind), kind)


RESOURCE = {
    "service.name": "svc", "host.name": "host", "process.command_args": ["gemini", "-p", "prompt"], "process.owner": "me",
    "process.executable.path": "/home/me/bin", "user.email": "me@example.com", "team": "red", "environment": "ci",
}  # fmt: skip
MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "prompt"}]}]'
SECRETS = {
    "gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": MESSAGES, "gen_ai.system_instructions": "secret",
    "gen_ai.prompt.0.content": "secret", "gen_ai.prompt": MESSAGES, "input.value": "secret", "output.value": "secret",
    "llm.input_messages.0.message.content": "secret", "ai.prompt": "secret", "ai.response.text": "secret",
    "gen_ai.headers": "authorization", "url.full": "http://host/", "exception.message": "secret",
    "exception.stacktrace": "/home/me/app.py", "error.type": "my.Error", "session.id": "s", "gen_ai.agent.name": "a",
    "openai.response.service_tier": "secret", "tool_parameters": "secret", "prompt": "secret", "arguments": "secret",
    "output": "secret", "error": "secret", "error.message": "secret", "effort": "secret", "speed": "secret",
    "query_source": "secret", "auth_type": "secret", "tool_name": "secret", "function_name": "secret",
}  # fmt: skip
EVALUATION = {"name": "gen_ai.evaluation.result", "attributes": [
    {"key": "gen_ai.evaluation.explanation", "value": {"stringValue": "secret"}},
    {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 1.0}},
]}  # fmt: skip


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "p", "gen_ai.response.id": "r"},
        {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.system": "p"},
        {"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.model.provider": "p.chat"},
    ],
)  # fmt: skip
def test_nothing_leaks_from_spans(attributes: dict[str, Any]) -> None:
    made = span(1, {**SECRETS, **attributes}, status={"code": 2, "message": "secret"}, traceState="a=b", events=[
        {"name": "exception", "attributes": [{"key": "exception.message", "value": {"stringValue": "secret"}}]},
    ])  # fmt: skip
    checked(message_of(request([made], resource=RESOURCE), "spans"), "spans", items=1)


def test_nothing_leaks_from_evaluations() -> None:
    attributes = {
        "event.name": "gen_ai.evaluation.result",
        "gen_ai.evaluation.name": "n",
        "gen_ai.evaluation.score.value": 1,
    }
    made = log_record(
        {**SECRETS, **attributes, "gen_ai.evaluation.explanation": "secret"}, body={"stringValue": "secret"}
    )
    checked(message_of(request([made], resource=RESOURCE, kind="logRecords"), "logRecords"), "logRecords", items=1)


@pytest.mark.parametrize(
    ("name", "scope", "attributes"),
    [
        ("api_request", "com.anthropic.claude_code.events", {"input_tokens": 3, "cost_usd_micros": 5}),
        ("api_error", "com.anthropic.claude_code.events", {"attempt": 3}),
        ("codex.sse_event", "", {"event.kind": "response.completed", "input_token_count": "3"}),
        ("codex.api_request", "", {"http.response.status_code": 429}),
        ("gemini_cli.api_response", "gemini-cli", {"input_token_count": "3"}),
        ("gemini_cli.api_error", "gemini-cli", {"status_code": 429}),
    ],
)
def test_nothing_leaks_from_the_coding_agents(name: str, scope: str, attributes: dict[str, Any]) -> None:
    said = {**SECRETS, "event.name": name, "model": "m", "request_id": "r", "conversation.id": "c", "prompt_id": "p"}
    made = log_record({**said, **attributes}, body={"stringValue": "secret"})
    found = request([made], resource=RESOURCE, kind="logRecords", scope=scope)
    checked(message_of(found, "logRecords"), "logRecords", items=1)


def test_the_canary_sings() -> None:
    made = span(1, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}, name="n")
    decoded = decode(
        marked(message_of(request([made], resource=RESOURCE), "spans")).SerializeToString(),
        Context(AT_MS, PATHS["spans"], PROTOBUF),
    )
    decoded.items[0].fields["tool"] = f"{MARK}[host.name]"
    decoded.items[0].fields["model"] += f"{MARK}[gen_ai.input.messages]"
    assert len(leaks(decoded)) == 2
